// SPDX-License-Identifier: GPL-2.0

//! Handlers, files and users.

use super::{
    flb::{Flb, Protocol},
    record::Record,
    shared::{bounded, check, run, task, FEWER},
};
use std::rc::Rc;

/// An FLB and two handlers.
struct Handlers {
    flb: Rc<Flb>,
    one: Record,
    two: Record,
}

impl Handlers {
    fn new() -> Rc<Self> {
        let flb = Flb::new(Protocol::Kernel);
        let one = Record::new(&[&flb]);
        let two = Record::new(&[&flb]);
        Rc::new(Self { flb, one, two })
    }

    /// A file of a handler, which finds the object as long as it is preserved.
    fn file(&self, handler: &Record) {
        handler.preserve_file();
        self.flb.object();
        handler.unpreserve_file();
    }

    /// How many objects there were.
    fn ended(&self) -> usize {
        self.one.ended();
        self.two.ended();
        self.flb.ended()
    }
}

/// A file of the first handler.
fn file(shared: &Handlers) {
    shared.file(&shared.one);
}

/// A file of the second handler.
fn other_file(shared: &Handlers) {
    shared.file(&shared.two);
}

fn user(shared: &Handlers) {
    shared.flb.user();
}

/// The last file of a handler goes, and two come and go.
pub(super) fn last_file_and_two_files() {
    bounded(FEWER, || {
        let shared = Handlers::new();
        shared.one.preserve_file();
        run([
            task(&shared, |shared| shared.one.unpreserve_file()),
            task(&shared, file),
            task(&shared, file),
        ]);
        assert!((1..=3).contains(&shared.ended()));
    });
}

/// The last file of a handler goes, another one comes and goes, and there is a user.
pub(super) fn last_file_new_file_and_user() {
    check(|| {
        let shared = Handlers::new();
        shared.one.preserve_file();
        run([
            task(&shared, |shared| shared.one.unpreserve_file()),
            task(&shared, file),
            task(&shared, user),
        ]);
        assert!((1..=2).contains(&shared.ended()));
    });
}

/// Two handlers have a file each, and there is a user.
pub(super) fn two_handlers_and_user() {
    check(|| {
        let shared = Handlers::new();
        run([
            task(&shared, file),
            task(&shared, other_file),
            task(&shared, user),
        ]);
        assert!((1..=2).contains(&shared.ended()));
    });
}

/// A file of each of two handlers goes, and another one of the first comes and goes.
pub(super) fn two_handlers_and_new_file() {
    check(|| {
        let shared = Handlers::new();
        shared.one.preserve_file();
        shared.two.preserve_file();
        run([
            task(&shared, |shared| shared.one.unpreserve_file()),
            task(&shared, |shared| shared.two.unpreserve_file()),
            task(&shared, file),
        ]);
        assert!((1..=2).contains(&shared.ended()));
    });
}

/// Files of two FLBs, which begin in one order and end in the other.
pub(super) fn two_flbs() {
    check(|| {
        let (one, two) = (Flb::new(Protocol::Kernel), Flb::new(Protocol::Kernel));
        let record = Record::new(&[&one, &two]);
        let shared = Rc::new((record, one, two));
        shared.0.preserve_file();
        run([
            task(&shared, |(record, ..)| record.unpreserve_file()),
            task(&shared, |(record, one, two)| {
                record.preserve_file();
                one.object();
                two.object();
                record.unpreserve_file();
            }),
            task(&shared, |(_, _, two)| {
                two.user();
            }),
        ]);
        let (record, one, two) = &*shared;
        record.ended();
        assert!((1..=2).contains(&one.ended()));
        assert!((1..=2).contains(&two.ended()));
    });
}

#[test]
fn the_last_file_goes_and_two_come() {
    last_file_and_two_files();
}

#[test]
fn the_last_file_goes_another_one_comes_and_there_is_a_user() {
    last_file_new_file_and_user();
}

#[test]
fn two_handlers_have_a_file_each_and_there_is_a_user() {
    two_handlers_and_user();
}

#[test]
fn files_of_two_handlers_go_and_another_one_comes() {
    two_handlers_and_new_file();
}

#[test]
fn files_of_two_flbs_go_and_another_one_comes() {
    two_flbs();
}
