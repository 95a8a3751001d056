// SPDX-License-Identifier: GPL-2.0

//! The seeds are what their names say, and all inputs pass the checks of their targets.

use super::{files, of};
use expect_test::{expect_file, ExpectFile};
use flbdump::report::Report;
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

/// Check that what `flbdump` prints of each input, as text and JSON, is what is expected.
fn golden(target: &str, report: fn(&[u8]) -> Result<Report, String>, expected: ExpectFile) {
    let mut all = String::from("# SPDX-License-Identifier: GPL-2.0\n");
    for (name, bytes) in files(target).unwrap() {
        let printed = report(&bytes).map(|report| {
            let json = serde_json::to_string(&report).unwrap();
            format!("{report}{json}")
        });
        let printed = printed.unwrap_or_else(|error| format!("refused: {error}"));
        all += &format!("\n== {name}\n{printed}\n");
    }
    expected.assert_eq(&all);
}

fn of_parts(parts: Vec<flbdump::report::Part>) -> Result<Report, String> {
    Ok(Report { parts, next: None })
}

/// `UPDATE_EXPECT=1` writes them.
#[test]
#[cfg_attr(any(miri, target_endian = "big"), ignore = "files, of another machine")]
fn golden_flbdump() {
    golden(
        "flb_array",
        |input| of_parts(vec![crate::flb_array::dump(input)]),
        expect_file!["../../../expected/flbdump/flb_array.txt"],
    );
    golden(
        "hugetlb",
        |input| of_parts(crate::hugetlb::dump(input).into()),
        expect_file!["../../../expected/flbdump/hugetlb.txt"],
    );
    golden(
        "name",
        |input| of_parts(vec![crate::name::dump(input)]),
        expect_file!["../../../expected/flbdump/name.txt"],
    );
    golden(
        "handover",
        crate::handover::report,
        expect_file!["../../../expected/flbdump/handover.txt"],
    );
}

#[test]
fn pass_handover() {
    pass("handover", crate::handover::check);
}
