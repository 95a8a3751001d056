// SPDX-License-Identifier: GPL-2.0

//! The incoming direction: sequences of operations, and what has to be true after each.

use super::driver::{Callback, Errno, Failure, Flb, IncomingDriver, NotGot, Object};
use crate::{
    state::{Counted, Incoming},
    tests::{config, sequences},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// What the previous kernel left.
const DATA: u64 = 0x1234;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A caller asks through this FLB; is `retrieve` going to work?
    Get(char, bool),
    /// A caller puts what it got through this FLB.
    PutUser(char),
    /// The same, under the lock.
    PutLastUser(char),
    /// A file is finished; is `retrieve` going to work?
    FinishFile(char, bool),
    /// The same, under the lock.
    FinishLastFile(char, bool),
}

const OPERATIONS: [Operation; 12] = [
    Operation::Get('a', true),
    Operation::Get('a', false),
    Operation::Get('b', true),
    Operation::Get('b', false),
    Operation::PutUser('a'),
    Operation::PutUser('b'),
    Operation::PutLastUser('a'),
    Operation::FinishFile('a', true),
    Operation::FinishFile('a', false),
    Operation::FinishFile('b', true),
    Operation::FinishFile('b', false),
    Operation::FinishLastFile('a', true),
];

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Failed(Errno),
}

/// The reference: counters, who owns the object, and the end.
struct Model {
    failure: Failure,
    files: u32,
    users: u32,
    owner: Option<(char, Object)>,
    end: Option<End>,
}

/// The result of an operation, and the callbacks that it ran.
type Outcome<T> = (T, Vec<Callback>);

impl Model {
    fn get(
        &mut self,
        flb: char,
        retrieve: Result<Object, Errno>,
    ) -> Outcome<Result<Object, NotGot>> {
        let refuse = |why| (Err(why), vec![]);
        match (self.end, self.owner) {
            (Some(End::Finished), _) => refuse(NotGot::Finished),
            (Some(End::Failed(error)), _) => refuse(NotGot::Failed(error)),
            (None, Some((owner, _))) if owner != flb => refuse(NotGot::Foreign),
            (None, Some((_, obj))) => {
                self.users += 1;
                (Ok(obj), vec![])
            }
            (None, None) => {
                self.owner = retrieve.ok().map(|obj| (flb, obj));
                self.users = u32::from(retrieve.is_ok());
                if self.failure == Failure::Kept {
                    self.end = retrieve.err().map(End::Failed);
                }
                let result = retrieve.map_err(NotGot::Retrieve);
                (result, vec![Callback::Retrieve(flb, DATA, retrieve)])
            }
        }
    }

    fn put_user(&mut self, flb: char) -> Outcome<bool> {
        let owns = self.owner.is_some_and(|(owner, _)| owner == flb);
        if self.end.is_some() || !owns || self.users == 0 {
            return (false, vec![]);
        }
        self.users -= 1;
        (true, self.settle())
    }

    fn finish_file(&mut self, flb: char, retrieve: Result<Object, Errno>) -> Outcome<bool> {
        if self.files == 0 {
            return (false, vec![]);
        }
        self.files -= 1;
        if self.files > 0 {
            return (true, vec![]);
        }
        // Where `retrieve` has failed for good there is nothing to finish.
        if self.end.is_some() {
            return (false, vec![]);
        }
        let mut callbacks = vec![];
        if self.owner.is_none() {
            callbacks.push(Callback::Retrieve(flb, DATA, retrieve));
            match retrieve {
                Ok(obj) => self.owner = Some((flb, obj)),
                Err(error) => self.end = Some(End::Failed(error)),
            }
        }
        callbacks.extend(self.settle());
        (true, callbacks)
    }

    /// Runs `finish` when nobody is left.
    fn settle(&mut self) -> Vec<Callback> {
        match self.owner {
            Some((flb, obj)) if self.files == 0 && self.users == 0 => {
                self.end = Some(End::Finished);
                vec![Callback::Finish(flb, obj)]
            }
            _ => vec![],
        }
    }

    /// Whether this is the state.
    fn is(&self, driver: &IncomingDriver) -> bool {
        let files = self.files == driver.files.users();
        files
            && match &driver.state {
                Incoming::Untouched { data } => {
                    *data == DATA && self.files > 0 && (self.owner, self.end) == (None, None)
                }
                Incoming::Live { flb, .. } => {
                    (self.files > 0 || self.users > 0)
                        && flb.refs().users() == self.users
                        && self.owner.is_some_and(|(owner, _)| owner == flb.name())
                        && self.end.is_none()
                }
                Incoming::Finished => self.end == Some(End::Finished) && self.files == 0,
                Incoming::Failed(error) => self.end == Some(End::Failed(*error)),
            }
    }

    /// Whether the object of this FLB is alive.
    fn has_alive(&self, flb: &Flb) -> bool {
        self.end.is_none() && self.owner.is_some_and(|(owner, _)| owner == flb.name())
    }
}

/// What `retrieve` returns in its `step`: never the same, except that the object is often null.
fn retrieve(step: usize, works: bool) -> Result<Object, Errno> {
    let number = step as u64;
    let obj = if step % 2 == 0 { 0 } else { number };
    works.then_some(obj).ok_or(-5 - number as Errno)
}

fn check(files: u32, operations: &[Operation]) {
    for failure in [Failure::Retried, Failure::Kept] {
        check_with(failure, files, operations);
    }
}

fn check_with(failure: Failure, files: u32, operations: &[Operation]) {
    let mut driver = IncomingDriver::new(files, DATA, failure);
    let flbs = ['a', 'b'].map(Flb::new);
    let named = |name| &flbs[usize::from(name == 'b')];
    let mut model = Model {
        failure,
        files,
        users: 0,
        owner: None,
        end: None,
    };
    for (step, operation) in operations.iter().enumerate() {
        let at = || format!("step {step} of {operations:?} after {files} files, {failure:?}");
        let before = driver.record.callbacks.len();
        let expected = match *operation {
            Operation::Get(flb, works) => {
                let retrieve = retrieve(step, works);
                let (expected, callbacks) = model.get(flb, retrieve);
                assert_eq!(driver.get(named(flb), retrieve), expected, "{}", at());
                callbacks
            }
            Operation::PutUser(flb) | Operation::PutLastUser(flb) => {
                let (expected, callbacks) = model.put_user(flb);
                let put = match operation {
                    Operation::PutUser(_) => driver.put_user(named(flb)),
                    _ => driver.put_last_user(named(flb)),
                };
                assert_eq!(put, expected, "{}", at());
                callbacks
            }
            Operation::FinishFile(flb, works) | Operation::FinishLastFile(flb, works) => {
                let retrieve = retrieve(step, works);
                let (expected, callbacks) = model.finish_file(flb, retrieve);
                let finished = match operation {
                    Operation::FinishFile(..) => driver.finish_file(named(flb), retrieve),
                    _ => driver.finish_last_file(named(flb), retrieve),
                };
                assert_eq!(finished, expected, "{}", at());
                callbacks
            }
        };
        assert_eq!(driver.record.callbacks[before..], expected, "{}", at());
        assert!(model.is(&driver), "{}: {:?}", at(), driver.state);

        let live = matches!(driver.state, Incoming::Live { .. });
        assert_eq!(driver.record.pins(), usize::from(live), "{}", at());
        for flb in &flbs {
            assert_eq!(flb.refs().is_alive(), model.has_alive(flb), "{}", at());
        }
        check_callbacks(failure, &driver.record.callbacks);
    }
}

/// Retrieved once, finished once, and nothing after that.
fn check_callbacks(failure: Failure, callbacks: &[Callback]) {
    let mut owner = None;
    for (index, callback) in callbacks.iter().enumerate() {
        match callback {
            Callback::Retrieve(flb, data, result) => {
                assert_eq!((owner, *data), (None, DATA), "retrieved twice");
                assert!(failure == Failure::Retried || index == 0, "tried again");
                owner = result.ok().map(|obj| (*flb, obj));
            }
            Callback::Finish(flb, obj) => {
                assert_eq!(owner, Some((*flb, *obj)));
                assert_eq!(index + 1, callbacks.len(), "finished, then more");
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(config::cases(1000))]

    #[test]
    fn long_sequences_do_what_the_model_says(
        files in 1..=4u32,
        operations in vec(select(&OPERATIONS), 0..60),
    ) {
        check(files, &operations);
    }

    #[test]
    fn sequences_without_failures_do_what_the_model_says(
        files in 1..=8u32,
        operations in vec(select(vec![
            Operation::Get('a', true),
            Operation::PutUser('a'),
            Operation::FinishFile('a', true),
        ]), 0..60),
    ) {
        check(files, &operations);
    }
}

#[test]
fn all_short_sequences_do_what_the_model_says() {
    for files in 1..=2 {
        sequences(&OPERATIONS, 5, |operations| check(files, operations));
    }
}

#[test]
fn all_sequences_of_one_flb_do_what_the_model_says() {
    let operations = [
        Operation::Get('a', true),
        Operation::PutUser('a'),
        Operation::FinishFile('a', true),
    ];
    for files in 1..=3 {
        sequences(&operations, 9, |operations| check(files, operations));
    }
}
