// SPDX-License-Identifier: GPL-2.0

//! The seeds are what their names say, and all inputs pass the checks of their targets.

use super::{files, of};
use std::{collections::BTreeSet, fmt::Debug};

/// Check that what is committed passes.
fn pass(target: &str, check: fn(&[u8])) {
    let files = files(target).unwrap();
    let names: BTreeSet<_> = files.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), files.len(), "a name twice");
    for (_, bytes) in &files {
        check(bytes);
    }
}

/// Check that the answers to the seeds, a line each, are those that follow the tag.
fn answer<A: Debug>(target: &str, answer: fn(&[u8]) -> A, expected: &str) {
    let line = |(name, bytes): (&str, Vec<u8>)| format!("{name}: {:x?}\n", answer(&bytes));
    let answers: String = of(target).unwrap().into_iter().map(line).collect();
    let expected = expected.split_once('\n').map(|(_tag, answers)| answers);
    assert!(expected == Some(answers.as_str()), "{answers}");
}

#[test]
fn answers_flb_array() {
    pass("flb_array", crate::flb_array::check);
    let answers = include_str!("flb_array.txt");
    answer("flb_array", crate::flb_array::answer, answers);
}

#[test]
fn answers_name() {
    pass("name", crate::name::check);
    answer("name", crate::name::answer, include_str!("name.txt"));
}

#[test]
fn answers_hugetlb() {
    pass("hugetlb", crate::hugetlb::check);
    answer(
        "hugetlb",
        crate::hugetlb::answer,
        include_str!("hugetlb.txt"),
    );
}
