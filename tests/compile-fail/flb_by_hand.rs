// SPDX-License-Identifier: GPL-2.0

//! A static of an FLB that the macro has not made.

//@ error: E0133

include!("driver.rs");

//~
static ANOTHER: flb::Definition<Table> = flb::Definition::new();
