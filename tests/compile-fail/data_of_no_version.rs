// SPDX-License-Identifier: GPL-2.0

//! A type without a version, handed over.

//@ error: E0277
//@ error: Content

include!("driver.rs");

struct Plain;

//~
pub fn mistake(_data: Handle<Plain>) {}
