// SPDX-License-Identifier: GPL-2.0

//! The driver as a module, without a mistake, and without unsafe code.

#![forbid(unsafe_code)]
#![allow(missing_docs, unused_imports)]

include!("driver.rs");
