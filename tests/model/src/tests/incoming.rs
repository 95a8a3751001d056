// SPDX-License-Identifier: GPL-2.0

//! Files and users of what was handed over.

use super::{
    entry::{Callback, Entry, Flb, NotGot},
    shared::{bounded, check, run, task, FEWER},
};
use std::rc::Rc;

/// What was handed over, and two FLBs of its name.
struct Shared {
    entry: Entry,
    flb: Flb,
    foreign: Flb,
}

impl Shared {
    fn new(entry: Entry) -> Rc<Self> {
        let (flb, foreign) = (Flb::new(), Flb::new());
        Rc::new(Self {
            entry,
            flb,
            foreign,
        })
    }

    fn ended(&self) -> Vec<Callback> {
        self.entry.ended(&[&self.flb, &self.foreign])
    }

    /// Retrieved once, finished once.
    fn check_once(&self) {
        let callbacks = self.ended();
        let expected = [Callback::Retrieve(Ok(0)), Callback::Finish(0)];
        assert_eq!(callbacks, expected);
        // Once finished nothing is taken.
        assert_eq!(self.entry.get(&self.flb), Err(NotGot::Finished));
    }
}

fn finish_file(shared: &Shared) {
    shared.entry.finish_file(&shared.flb);
}

/// A user, who may come when all is over.
fn user(shared: &Shared) {
    if let Err(why) = shared.entry.user(&shared.flb) {
        assert_eq!(why, NotGot::Finished);
        // It stays so.
        assert_eq!(shared.entry.user(&shared.flb), Err(NotGot::Finished));
    }
}

/// Two users when the only file is finished.
pub(super) fn last_file_and_two_users() {
    bounded(FEWER, || {
        let shared = Shared::new(Entry::new(1));
        run([
            task(&shared, finish_file),
            task(&shared, user),
            task(&shared, user),
        ]);
        shared.check_once();
    });
}

/// Two files are finished, and there is a user.
pub(super) fn two_files_and_user() {
    check(|| {
        let shared = Shared::new(Entry::new(2));
        run([
            task(&shared, finish_file),
            task(&shared, finish_file),
            task(&shared, user),
        ]);
        shared.check_once();
    });
}

/// A reference is put, the only file is finished, and there is a user.
pub(super) fn last_put_last_file_and_user() {
    check(|| {
        let shared = Shared::new(Entry::new(1));
        let object = shared.entry.get(&shared.flb).unwrap();
        run([
            task(&shared, move |shared| {
                assert_eq!(shared.flb.object(), object);
                shared.entry.put(&shared.flb);
            }),
            task(&shared, finish_file),
            task(&shared, user),
        ]);
        shared.check_once();
    });
}

/// Users of two FLBs of one name, when the only file is finished.
pub(super) fn foreign_user() {
    check(|| {
        let shared = Shared::new(Entry::new(1));
        run([
            task(&shared, finish_file),
            task(&shared, |shared| {
                let _ = shared.entry.user(&shared.flb);
            }),
            task(&shared, |shared| {
                let _ = shared.entry.user(&shared.foreign);
            }),
        ]);
        shared.check_once();
    });
}

/// Two users when the only file is finished, and the first `retrieve` fails.
pub(super) fn failure(retrieves_once: bool) {
    check(move || {
        let shared = Shared::new(Entry::failing(1, 1, retrieves_once));
        let user = |shared: &Shared| {
            let _ = shared.entry.user(&shared.flb);
        };
        run([
            task(&shared, finish_file),
            task(&shared, user),
            task(&shared, user),
        ]);
        match *shared.ended() {
            [Callback::Retrieve(Err(-5))] => {
                let again = shared.entry.get(&shared.flb);
                assert_eq!(again, Err(NotGot::Failed(-5)));
            }
            [Callback::Retrieve(Err(-5)), Callback::Retrieve(Ok(1)), Callback::Finish(1)] => {
                assert!(!retrieves_once, "tried again");
            }
            ref callbacks => panic!("{callbacks:?}"),
        }
    });
}

#[test]
fn two_users_when_the_only_file_is_finished() {
    last_file_and_two_users();
}

#[test]
fn two_files_are_finished_and_there_is_a_user() {
    two_files_and_user();
}

#[test]
fn the_last_reference_is_put_and_the_only_file_is_finished() {
    last_put_last_file_and_user();
}

#[test]
fn users_of_two_flbs_of_one_name() {
    foreign_user();
}

#[test]
fn a_retrieve_that_fails_is_tried_again() {
    failure(false);
}

#[test]
fn a_retrieve_that_fails_is_the_last() {
    failure(true);
}
