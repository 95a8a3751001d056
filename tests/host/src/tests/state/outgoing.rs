// SPDX-License-Identifier: GPL-2.0

//! The outgoing direction: sequences of operations, and what has to be true after each.

use super::{
    driver::{Callback, Errno, Object, OutgoingDriver},
    sequences,
};
use crate::{
    state::{Outgoing, Saved},
    tests::config,
};
use proptest::{collection::vec, prelude::*, sample::select};

/// The most files that can be counted in these tests.
const MOST: u32 = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A file is preserved; is `preserve` going to work?
    Add(bool),
    Remove,
}

const OPERATIONS: [Operation; 3] = [
    Operation::Add(true),
    Operation::Add(false),
    Operation::Remove,
];

/// The reference: two variables.
#[derive(Default)]
struct Model {
    files: u32,
    saved: Option<Saved<Object>>,
}

impl Model {
    fn add(&mut self, preserve: Result<Saved<Object>, Errno>) -> (bool, Option<Callback>) {
        if self.files == 0 {
            self.saved = preserve.ok();
            self.files = u32::from(preserve.is_ok());
            return (preserve.is_ok(), Some(Callback::Preserve(preserve)));
        }
        let counted = self.files < MOST;
        self.files += u32::from(counted);
        (counted, None)
    }

    fn remove(&mut self) -> (bool, Option<Callback>) {
        let Some(left) = self.files.checked_sub(1) else {
            return (false, None);
        };
        self.files = left;
        let last = self.saved.take_if(|_| left == 0);
        (true, last.map(Callback::Unpreserve))
    }
}

/// What `preserve` returns in its `step`: never the same, except that the object is often null.
fn preserve(step: usize, works: bool) -> Result<Saved<Object>, Errno> {
    let data = step as u64;
    let obj = if step % 2 == 0 { 0 } else { data };
    works.then_some(Saved { data, obj }).ok_or(-5)
}

/// Preserved and not unpreserved yet; each unpreserve is given what its preserve left.
fn preserved(callbacks: &[Callback]) -> Option<Saved<Object>> {
    let mut now = None;
    for callback in callbacks {
        match callback {
            Callback::Preserve(result) => {
                assert_eq!(now, None, "preserved twice");
                now = result.ok();
            }
            Callback::Unpreserve(saved) => {
                assert_eq!(now.take(), Some(*saved), "unpreserved once, and that");
            }
            other => panic!("{other:?}"),
        }
    }
    now
}

fn check(operations: &[Operation]) {
    let mut driver = OutgoingDriver::new();
    let mut model = Model::default();
    for (step, operation) in operations.iter().enumerate() {
        let before = driver.record.callbacks.len();
        let (actual, (expected, callback)) = match operation {
            Operation::Add(works) => {
                let preserve = preserve(step, *works);
                (driver.add(MOST, preserve), model.add(preserve))
            }
            Operation::Remove => (driver.remove(), model.remove()),
        };
        assert_eq!(actual, expected, "step {step} of {operations:?}");

        let new = &driver.record.callbacks[before..];
        assert!(
            new.iter().eq(&callback),
            "step {step} of {operations:?}: {new:?}"
        );

        let state = match &driver.state {
            Outgoing::Idle => (0, None),
            Outgoing::Preserved { files, saved, .. } => (*files, Some(*saved)),
        };
        assert_eq!(
            state,
            (model.files, model.saved),
            "step {step} of {operations:?}"
        );
        assert_eq!(preserved(&driver.record.callbacks), model.saved);
        assert_eq!(driver.record.pins(), usize::from(model.files > 0));
    }
}

proptest! {
    #![proptest_config(config::cases(1000))]

    #[test]
    fn long_sequences_do_what_the_model_says(operations in vec(select(&OPERATIONS), 0..100)) {
        check(&operations);
    }
}

#[test]
fn all_short_sequences_do_what_the_model_says() {
    sequences(&OPERATIONS, 8, check);
}

#[test]
fn a_limit_of_zero_or_one_lets_the_first_file_pass() {
    for most in [0, 1] {
        let mut driver = OutgoingDriver::new();
        assert!(driver.add(most, preserve(0, true)));
        assert!(!driver.add(most, preserve(1, true)));
        assert!(driver.remove());
        assert!(!driver.remove());
        assert_eq!(driver.record.callbacks.len(), 2);
    }
}
