// SPDX-License-Identifier: GPL-2.0

//! The incoming direction: sequences of operations, and what has to be true after each.

use super::{
    driver::{Callback, Errno, Failure, Flb, IncomingDriver, NotGot, Object},
    sequences,
};
use crate::{state::Incoming, tests::config};
use proptest::{collection::vec, prelude::*, sample::select};

/// The most references that can be counted in these tests.
const MOST: u32 = 3;
/// What the previous kernel left.
const DATA: u64 = 0x1234;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A caller asks through this FLB; is `retrieve` going to work?
    Get(Flb, bool),
    /// A caller puts what it got through this FLB.
    PutUser(Flb),
    /// A file is finished; is `retrieve` going to work?
    PutFile(Flb, bool),
}

const OPERATIONS: [Operation; 10] = [
    Operation::Get('a', true),
    Operation::Get('a', false),
    Operation::Get('b', true),
    Operation::Get('b', false),
    Operation::PutUser('a'),
    Operation::PutUser('b'),
    Operation::PutFile('a', true),
    Operation::PutFile('a', false),
    Operation::PutFile('b', true),
    Operation::PutFile('b', false),
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
    owner: Option<(Flb, Object)>,
    end: Option<End>,
}

/// The result of an operation, and the callbacks that it ran.
type Outcome<T> = (T, Vec<Callback>);

impl Model {
    fn get(
        &mut self,
        flb: Flb,
        retrieve: Result<Object, Errno>,
    ) -> Outcome<Result<Object, NotGot>> {
        let refuse = |why| (Err(why), vec![]);
        match (self.end, self.owner) {
            (Some(End::Finished), _) => refuse(NotGot::Finished),
            (Some(End::Failed(error)), _) => refuse(NotGot::Failed(error)),
            (None, Some((owner, _))) if owner != flb => refuse(NotGot::Foreign),
            (None, Some(_)) if self.users == MOST => refuse(NotGot::Full),
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

    fn put_user(&mut self, flb: Flb) -> Outcome<bool> {
        let owns = self.owner.is_some_and(|(owner, _)| owner == flb);
        if self.end.is_some() || !owns || self.users == 0 {
            return (false, vec![]);
        }
        self.users -= 1;
        (true, self.settle())
    }

    fn put_file(&mut self, flb: Flb, retrieve: Result<Object, Errno>) -> Outcome<bool> {
        if self.end.is_some() || self.files == 0 {
            return (false, vec![]);
        }
        self.files -= 1;
        let mut callbacks = vec![];
        if self.owner.is_none() && self.files == 0 {
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
    fn is<P>(&self, state: &Incoming<Flb, Object, P, Errno>) -> bool {
        match state {
            Incoming::Untouched { files, data } => {
                *data == DATA
                    && *files > 0
                    && (*files, None, None) == (self.files, self.owner, self.end)
            }
            Incoming::Live(live) => {
                (live.files > 0 || live.users > 0)
                    && (live.files, live.users) == (self.files, self.users)
                    && (Some((live.flb, live.obj)), None) == (self.owner, self.end)
            }
            Incoming::Finished => self.end == Some(End::Finished),
            Incoming::Failed(error) => self.end == Some(End::Failed(*error)),
        }
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
                assert_eq!(driver.get(flb, MOST, retrieve), expected, "{}", at());
                callbacks
            }
            Operation::PutUser(flb) => {
                let (expected, callbacks) = model.put_user(flb);
                assert_eq!(driver.put_user(flb), expected, "{}", at());
                callbacks
            }
            Operation::PutFile(flb, works) => {
                let retrieve = retrieve(step, works);
                let (expected, callbacks) = model.put_file(flb, retrieve);
                assert_eq!(driver.put_file(flb, retrieve), expected, "{}", at());
                callbacks
            }
        };
        assert_eq!(driver.record.callbacks[before..], expected, "{}", at());
        assert!(model.is(&driver.state), "{}: {:?}", at(), driver.state);

        let live = matches!(driver.state, Incoming::Live(_));
        assert_eq!(driver.record.pins(), usize::from(live), "{}", at());
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
            Operation::PutFile('a', true),
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
        Operation::PutFile('a', true),
    ];
    for files in 1..=3 {
        sequences(&operations, 9, |operations| check(files, operations));
    }
}
