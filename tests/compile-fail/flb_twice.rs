// SPDX-License-Identifier: GPL-2.0

//! Two statics of one FLB: an object that one has given would be put by the other.

//@ error: E0119

include!("driver.rs");

//~
liveupdate_flb! {
    static ANOTHER: Table;
}
