// SPDX-License-Identifier: GPL-2.0

//! The seeds are what their names say, and all inputs pass the checks of their targets.

use super::{files, of};
use std::{collections::BTreeSet, fmt::Debug};

/// What is committed passes.
fn pass(target: &str, check: fn(&[u8])) {
    let files = files(target).unwrap();
    let names: BTreeSet<_> = files.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), files.len(), "a name twice");
    for (_, bytes) in &files {
        check(bytes);
    }
}

/// The answers to the seeds, a line each, are those that follow the tag.
fn answer<A: Debug>(target: &str, answer: fn(&[u8]) -> A, expected: &str) {
    let line = |(name, bytes): (&str, Vec<u8>)| format!("{name}: {:x?}\n", answer(&bytes));
    let answers: String = of(target).unwrap().into_iter().map(line).collect();
    let expected = expected.split_once('\n').map(|(_tag, answers)| answers);
    assert!(expected == Some(answers.as_str()), "{answers}");
}

#[test]
fn block() {
    pass("block", crate::block::check);
    answer("block", crate::block::answer, include_str!("block.txt"));
}

// Miri does not call libfdt.
#[cfg_attr(miri, ignore)]
#[test]
fn fdt() {
    pass("fdt", crate::fdt::check);
    answer("fdt", crate::fdt::answer, include_str!("fdt.txt"));
}

#[test]
fn luo_v5() {
    pass("luo_v5", crate::luo_v5::check);
    answer("luo_v5", crate::luo_v5::answer, include_str!("luo_v5.txt"));
}

#[test]
fn name() {
    pass("name", crate::name::check);
    answer("name", crate::name::answer, include_str!("name.txt"));
}
