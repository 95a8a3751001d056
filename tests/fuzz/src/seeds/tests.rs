// SPDX-License-Identifier: GPL-2.0

//! The seeds differ, and pass the checks of their targets.

use super::of;
use std::collections::BTreeSet;

fn pass(target: &str, check: fn(&[u8])) {
    let seeds = of(target).unwrap();
    let names: BTreeSet<_> = seeds.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), seeds.len(), "a name twice");
    for (_, bytes) in seeds {
        check(&bytes);
    }
}

#[test]
fn block() {
    pass("block", crate::block::check);
}

// Miri does not call libfdt.
#[cfg_attr(miri, ignore)]
#[test]
fn fdt() {
    pass("fdt", crate::fdt::check);
}

#[test]
fn luo_v5() {
    pass("luo_v5", crate::luo_v5::check);
}

#[test]
fn name() {
    pass("name", crate::name::check);
}
