// SPDX-License-Identifier: GPL-2.0

//! The outgoing direction: sequences of operations, and what has to be true after each.

use super::{
    driver::{Callback, Errno, Object, OutgoingDriver},
    sequences,
};
use crate::{
    state::{Holder, Outgoing, Saved},
    tests::config,
};
use proptest::{collection::vec, prelude::*, sample::select};

/// The most files, and the most references, that can be counted in these tests.
const MOST: u32 = 3;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A file is preserved; is `preserve` going to work?
    AddFile(bool),
    RemoveFile,
    AddUser,
    RemoveUser,
}

const OPERATIONS: [Operation; 5] = [
    Operation::AddFile(true),
    Operation::AddFile(false),
    Operation::RemoveFile,
    Operation::AddUser,
    Operation::RemoveUser,
];

/// The reference: three variables.
#[derive(Default)]
struct Model {
    files: u32,
    users: u32,
    saved: Option<Saved<Object>>,
}

/// The result of an operation, and the callback that it ran.
type Outcome = (bool, Option<Callback>);

impl Model {
    fn add_file(&mut self, preserve: Result<Saved<Object>, Errno>) -> Outcome {
        if self.saved.is_none() {
            self.saved = preserve.ok();
            self.files = u32::from(preserve.is_ok());
            return (preserve.is_ok(), Some(Callback::Preserve(preserve)));
        }
        let counted = self.files < MOST;
        self.files += u32::from(counted);
        (counted, None)
    }

    fn remove_file(&mut self) -> Outcome {
        let held = self.files > 0;
        self.files -= u32::from(held);
        self.settle(held)
    }

    fn add_user(&mut self) -> Outcome {
        let counted = self.saved.is_some() && self.users < MOST;
        self.users += u32::from(counted);
        (counted, None)
    }

    fn remove_user(&mut self) -> Outcome {
        let held = self.users > 0;
        self.users -= u32::from(held);
        self.settle(held)
    }

    /// Runs `unpreserve` when nobody is left.
    fn settle(&mut self, held: bool) -> Outcome {
        let last = self.saved.take_if(|_| self.files == 0 && self.users == 0);
        (held, last.map(Callback::Unpreserve))
    }

    fn do_it(&mut self, operation: Operation, step: usize) -> Outcome {
        match operation {
            Operation::AddFile(works) => self.add_file(preserve(step, works)),
            Operation::RemoveFile => self.remove_file(),
            Operation::AddUser => self.add_user(),
            Operation::RemoveUser => self.remove_user(),
        }
    }
}

impl OutgoingDriver {
    fn do_it(&mut self, operation: Operation, step: usize) -> bool {
        match operation {
            Operation::AddFile(works) => self.add_file(MOST, preserve(step, works)),
            Operation::RemoveFile => self.remove(Holder::File),
            Operation::AddUser => self.add_user(MOST),
            Operation::RemoveUser => self.remove(Holder::User),
        }
    }

    /// The numbers of files and references, and what is preserved.
    fn counts(&self) -> (u32, u32, Option<Saved<Object>>) {
        match &self.state {
            Outgoing::Idle => (0, 0, None),
            Outgoing::Preserved(kept) => (kept.files, kept.users, Some(kept.saved)),
        }
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
        let at = || format!("step {step} of {operations:?}");
        let before = driver.record.callbacks.len();
        let (expected, callback) = model.do_it(*operation, step);
        assert_eq!(driver.do_it(*operation, step), expected, "{}", at());

        let new = &driver.record.callbacks[before..];
        assert!(new.iter().eq(&callback), "{}: {new:?}", at());

        let (files, users, saved) = driver.counts();
        let expected = (model.files, model.users, model.saved);
        assert_eq!((files, users, saved), expected, "{}", at());
        assert_eq!(saved.is_some(), files > 0 || users > 0, "{}", at());
        assert_eq!(preserved(&driver.record.callbacks), saved);
        assert_eq!(driver.record.pins(), usize::from(saved.is_some()));
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
    sequences(&OPERATIONS, 7, check);
}

#[test]
fn a_limit_of_zero_or_one_lets_the_first_file_pass() {
    for most in [0, 1] {
        let mut driver = OutgoingDriver::new();
        assert!(driver.add_file(most, preserve(0, true)));
        assert!(!driver.add_file(most, preserve(1, true)));
        assert!(driver.remove(Holder::File));
        assert!(!driver.remove(Holder::File));
        assert_eq!(driver.record.callbacks.len(), 2);
    }
}
