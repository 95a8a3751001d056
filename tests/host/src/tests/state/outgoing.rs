// SPDX-License-Identifier: GPL-2.0

//! The outgoing direction: sequences of operations, and what has to be true after each.

use super::driver::{Callback, Errno, Object, OutgoingDriver};
use crate::{
    refs::Holder,
    state::Saved,
    tests::{config, sequences},
};
use proptest::{collection::vec, prelude::*, sample::select};

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A handler has its first file; is `preserve` going to work?
    FirstFile(bool),
    /// A handler has no file any more.
    LastFile,
    Get,
    Put,
    /// A reference is put under the lock.
    PutLast,
}

const OPERATIONS: [Operation; 6] = [
    Operation::FirstFile(true),
    Operation::FirstFile(false),
    Operation::LastFile,
    Operation::Get,
    Operation::Put,
    Operation::PutLast,
];

/// The reference: three variables.
#[derive(Default)]
struct Model {
    handlers: u32,
    users: u32,
    saved: Option<Saved<Object>>,
}

/// The result of an operation, and the callback that it ran.
type Outcome = (bool, Option<Callback>);

impl Model {
    fn first_file(&mut self, preserve: Result<Saved<Object>, Errno>) -> Outcome {
        if self.saved.is_none() {
            self.saved = preserve.ok();
            self.handlers = u32::from(preserve.is_ok());
            return (preserve.is_ok(), Some(Callback::Preserve(preserve)));
        }
        self.handlers += 1;
        (true, None)
    }

    fn last_file(&mut self) -> Outcome {
        let held = self.handlers > 0;
        self.handlers -= u32::from(held);
        self.settle(held)
    }

    fn get(&mut self) -> Outcome {
        let counted = self.saved.is_some();
        self.users += u32::from(counted);
        (counted, None)
    }

    fn put(&mut self) -> Outcome {
        let held = self.users > 0;
        self.users -= u32::from(held);
        self.settle(held)
    }

    /// Runs `unpreserve` when nobody is left.
    fn settle(&mut self, held: bool) -> Outcome {
        let last = self
            .saved
            .take_if(|_| self.handlers == 0 && self.users == 0);
        (held, last.map(Callback::Unpreserve))
    }

    fn do_it(&mut self, operation: Operation, step: usize) -> Outcome {
        match operation {
            Operation::FirstFile(works) => self.first_file(preserve(step, works)),
            Operation::LastFile => self.last_file(),
            Operation::Get => self.get(),
            Operation::Put | Operation::PutLast => self.put(),
        }
    }
}

impl OutgoingDriver {
    fn do_it(&mut self, operation: Operation, step: usize) -> bool {
        match operation {
            Operation::FirstFile(works) => self.first_file(preserve(step, works)),
            Operation::LastFile => self.release(Holder::Files),
            Operation::Get => {
                let obj = self.get();
                assert!(obj.is_none() || obj == self.saved().map(|saved| saved.obj));
                obj.is_some()
            }
            Operation::Put => self.put(),
            Operation::PutLast => self.release(Holder::User),
        }
    }

    /// The numbers of handlers and references, and what is preserved.
    fn counts(&self) -> (u32, u32, Option<Saved<Object>>) {
        (self.state.handlers(), self.refs.users(), self.saved())
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

        let (handlers, users, saved) = driver.counts();
        let expected = (model.handlers, model.users, model.saved);
        assert_eq!((handlers, users, saved), expected, "{}", at());
        assert_eq!(saved.is_some(), handlers > 0 || users > 0, "{}", at());
        assert_eq!(saved.is_some(), driver.refs.is_alive(), "{}", at());
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
    sequences(&OPERATIONS, 6, check);
}

#[test]
fn all_sequences_without_failures_do_what_the_model_says() {
    let operations = [
        Operation::FirstFile(true),
        Operation::LastFile,
        Operation::Get,
        Operation::Put,
    ];
    sequences(&operations, 8, check);
}

#[test]
fn a_reference_keeps_what_the_last_file_leaves() {
    let mut driver = OutgoingDriver::new();
    let saved = Saved { data: 1, obj: 7 };
    assert_eq!(driver.get(), None);
    assert!(driver.first_file(Ok(saved)));
    assert_eq!(driver.get(), Some(7));
    assert!(driver.release(Holder::Files));
    // The object is there, so there is nothing to preserve again.
    assert!(driver.first_file(Err(-5)));
    assert!(driver.release(Holder::Files));
    assert_eq!(driver.record.callbacks, [Callback::Preserve(Ok(saved))]);
    assert!(driver.put());
    assert_eq!(driver.record.callbacks[1..], [Callback::Unpreserve(saved)]);
    assert_eq!(driver.get(), None);
}

#[test]
fn what_is_preserved_again_is_another_object() {
    let mut driver = OutgoingDriver::new();
    for data in 1..4 {
        let saved = Saved {
            data,
            obj: 10 + data,
        };
        assert!(driver.first_file(Ok(saved)));
        assert_eq!(driver.get(), Some(10 + data));
        assert!(driver.release(Holder::Files));
        assert!(driver.put());
        let last = driver.record.callbacks.last();
        assert_eq!(last, Some(&Callback::Unpreserve(saved)));
    }
}
