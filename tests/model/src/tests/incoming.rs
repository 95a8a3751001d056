// SPDX-License-Identifier: GPL-2.0

//! What was handed over, as `incoming.rs` and `shim.c` have it.

use super::{
    flb::{Flb, FlbGuard},
    shared::{bounded, check, run, task, Object, Place, Word},
};
use crate::{
    refs::{Holder, Released, Taken},
    state::{EntryState, FileFinished, Status},
    word::{Count, Number},
};
use loom::sync::Mutex;
use std::{cell::RefCell, rc::Rc};

/// What `retrieve` returns when it fails.
const ERRNO: i32 = -5;
/// What the previous kernel's `preserve` has returned: no FLB.
const DATA: u64 = 0x1234;
/// What is in the place of the memory.
const MEMORY: Object = 0;

/// How often tasks are interrupted where more would take too long.
const FEWER: usize = 3;

/// A callback that has run, and for which FLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callback {
    Retrieve(usize, Result<Object, i32>),
    Finish(usize, Object),
}

/// Why there is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotGot {
    /// All entries are finished.
    NoArray,
    NoEntry,
    Status(Status),
    Retrieve,
}

/// An entry in the memory that was handed over.
struct Entry {
    data: Number,
    state: Number,
}

impl Entry {
    fn state(&self) -> &EntryState {
        // SAFETY: An `EntryState` is transparent: it has the layout of its only field.
        unsafe { &*(&raw const self.state).cast() }
    }
}

/// What was handed over, and two FLBs.
struct Incoming {
    users: Word,
    unfinished: Word,
    registry: Mutex<()>,
    /// Whether the array was validated.
    validated: Count,
    /// Read with each use of the memory, emptied when it is freed.
    memory: Place,
    entries: Vec<Entry>,
    flbs: [Flb; 2],
    /// How often `retrieve` is going to fail, and whether it is called again.
    failures: usize,
    again: bool,
    /// Whether the tasks that use the memory are counted. If not, it has been validated, and must
    /// not be freed before they have ended.
    counted: bool,
    /// Not known to loom: it notes the order of this run.
    callbacks: RefCell<Vec<Callback>>,
}

/// The array stays while this exists.
struct Array<'a>(&'a Incoming);

impl Incoming {
    /// Hand over entries with so many files.
    fn new(files: &[u64]) -> Self {
        let entry = |files: &u64| Entry {
            data: Number::new(DATA),
            state: Number::new(*files),
        };
        let incoming = Self {
            users: Word::new(),
            unfinished: Word::new(),
            registry: Mutex::new(()),
            validated: Count::new(0).begin(),
            memory: Place::new(Some(MEMORY)),
            entries: files.iter().map(entry).collect(),
            flbs: [Flb::new(), Flb::new()],
            failures: 0,
            again: true,
            counted: true,
            callbacks: RefCell::new(Vec::new()),
        };
        // `Incoming::setup`.
        incoming.users.refs().publish(false, 2);
        incoming
    }

    /// Hand over an entry of so many files to tasks that are not counted.
    fn uncounted(files: u64) -> Self {
        let incoming = Self::new(&[files]);
        incoming.validate();
        incoming.validated.store_release(1);
        Self {
            counted: false,
            ..incoming
        }
    }

    /// Do as `Incoming::array`.
    fn array(&self) -> Result<Array<'_>, NotGot> {
        match self.counted && self.users.refs().try_get() != Taken::Counted {
            true => Err(NotGot::NoArray),
            false => Ok(Array(self)),
        }
    }

    /// Do as `Incoming::put`, and `Incoming::complete`.
    fn put(&self) {
        if put(&self.users) && self.validated.load_acquire() != 0 {
            assert_eq!(self.memory.replace(None), Some(MEMORY), "freed twice");
        }
    }

    /// Do as `Incoming::validate`.
    fn validate(&self) {
        self.unfinished
            .refs()
            .publish(false, self.entries.len() as u32);
        if self.entries.is_empty() {
            self.put();
        }
    }

    /// Do as `liveupdate_flb_get_incoming()`.
    fn get(&self, flb: usize) -> Result<Object, NotGot> {
        let side = &self.flbs[flb];
        if let Some(object) = side.try_get() {
            return Ok(object);
        }
        // `Incoming::get`
        let array = self.array()?;
        let entry = array.entry(0)?;
        let mut guard = side.lock();
        if let Some(object) = side.try_get() {
            return Ok(object);
        }
        array.state(entry).claim().map_err(NotGot::Status)?;
        array.retrieve(flb, &mut guard, entry)?;
        Ok(side.object())
    }

    /// Do as `liveupdate_flb_put_incoming()`.
    fn put_object(&self, flb: usize) {
        if !self.flbs[flb].refs().put_not_last() {
            let array = self.array().expect("put, but not handed over");
            let entry = array.entry(0).unwrap();
            array.release(flb, Holder::Reference, entry);
        }
    }

    /// Do as `Incoming::finish_file`, for an entry of which `flb` has the name.
    fn finish_file(&self, flb: usize, index: usize) {
        let Ok(array) = self.array() else {
            return;
        };
        let entry = array.entry(index).unwrap();
        let mut finished = array.state(entry).finish_file(false);
        let mut retrieved = false;
        if finished == FileFinished::Last {
            // `Incoming::finish_last_file`
            let mut guard = self.flbs[flb].lock();
            finished = array.state(entry).finish_file(true);
            if finished == FileFinished::Claimed {
                retrieved = array.retrieve(flb, &mut guard, entry).is_ok();
            }
        }
        if retrieved {
            array.release(flb, Holder::Reference, entry);
        } else if finished == FileFinished::Release {
            // `Incoming::release_files`
            let live = entry.data.load();
            assert_ne!(live, DATA, "no FLB");
            array.release(live as usize, Holder::Handler, entry);
        }
    }

    /// Use the object, if there is one. It stays the same meanwhile.
    fn user(&self, flb: usize) -> Result<(), NotGot> {
        let object = self.get(flb)?;
        assert_eq!(self.flbs[flb].object(), object, "another object while held");
        self.put_object(flb);
        Ok(())
    }

    /// Run the callback `retrieve`.
    fn run_retrieve(&self, flb: usize) -> Result<Object, i32> {
        let mut callbacks = self.callbacks.borrow_mut();
        let number = callbacks.len();
        let works = number >= self.failures;
        let result = works.then_some(number as Object).ok_or(ERRNO);
        callbacks.push(Callback::Retrieve(flb, result));
        result
    }

    /// Check that nobody holds anything, and return the callbacks that have run.
    fn ended(&self) -> Vec<Callback> {
        assert!(self.flbs.iter().all(|flb| !flb.refs().is_held()), "holders");
        for entry in &self.entries {
            let status = entry.state().claim().unwrap_err();
            let failed = Status::Failed(ERRNO);
            assert!(status == Status::Finished || status == failed, "{status:?}");
        }
        self.callbacks.borrow().clone()
    }

    /// Check that all entries were retrieved once and finished once, and that the memory is free.
    fn check_finished(&self) {
        let callbacks = self.ended();
        assert_eq!(callbacks.len(), 2 * self.entries.len(), "{callbacks:?}");
        let mut live = Vec::new();
        for callback in callbacks {
            match callback {
                Callback::Retrieve(flb, Ok(object)) => live.push((flb, object)),
                Callback::Finish(flb, object) => {
                    let before = live.len();
                    live.retain(|other| *other != (flb, object));
                    assert_eq!(live.len(), before - 1, "finished, but not retrieved");
                }
                failed => panic!("{failed:?}"),
            }
        }
        assert!(!self.users.refs().is_held(), "users");
        assert_eq!(self.memory.replace(None), None, "not freed");
    }
}

impl Drop for Array<'_> {
    fn drop(&mut self) {
        if self.0.counted {
            self.0.put();
        }
    }
}

impl Array<'_> {
    /// Do as `Array::entry`.
    fn entry(&self, index: usize) -> Result<&Entry, NotGot> {
        if self.0.counted && self.0.validated.load_acquire() == 0 {
            let _registry = self.0.registry.lock().unwrap();
            if self.0.validated.load_acquire() == 0 {
                self.0.validate();
                self.0.validated.store_release(1);
            }
        }
        self.0.memory.object();
        self.0.entries.get(index).ok_or(NotGot::NoEntry)
    }

    /// Use the word of an entry.
    fn state<'a>(&self, entry: &'a Entry) -> &'a EntryState {
        self.0.memory.object();
        entry.state()
    }

    /// Do as the function `retrieve`.
    fn retrieve(&self, flb: usize, guard: &mut FlbGuard<'_>, entry: &Entry) -> Result<(), NotGot> {
        assert_eq!(entry.data.load(), DATA, "the handle");
        match self.0.run_retrieve(flb) {
            Ok(object) => {
                guard.begin(object, || {
                    entry.data.store(flb as u64);
                    (self.state(entry).retrieved(), 1)
                });
                Ok(())
            }
            Err(errno) => {
                self.state(entry).failed(errno, self.0.again);
                Err(NotGot::Retrieve)
            }
        }
    }

    /// Do as `Incoming::release`.
    fn release(&self, flb: usize, holder: Holder, entry: &Entry) {
        let finished = self.0.flbs[flb].lock().release(holder, |object| {
            let callback = Callback::Finish(flb, object);
            self.0.callbacks.borrow_mut().push(callback);
            self.state(entry).finished();
        });
        if finished && put(&self.0.unfinished) {
            self.0.put();
        }
    }
}

/// Put a reference; whether it was the last.
fn put(word: &Word) -> bool {
    word.refs().release(Holder::Reference) == Released::Last
}

/// Use the object, which may be finished, or not have been retrieved by this FLB.
fn user(incoming: &Incoming, flb: usize) {
    match incoming.user(flb) {
        Ok(()) => {}
        Err(NotGot::NoArray | NotGot::Status(Status::Finished)) => {
            let callbacks = incoming.callbacks.borrow();
            let finish = |callback: &Callback| matches!(callback, Callback::Finish(..));
            assert!(callbacks.iter().any(finish), "not finished yet");
        }
        Err(NotGot::Status(Status::Retrieving | Status::Retrieved)) => {
            let callbacks = incoming.callbacks.borrow();
            assert!(!callbacks.contains(&Callback::Retrieve(flb, Ok(0))), "busy");
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Users of two FLBs of one name, when the only file is finished.
fn last_file_and_users_of_two_flbs() {
    check(|| {
        let incoming = Rc::new(Incoming::uncounted(1));
        run([
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
            task(&incoming, |incoming| user(incoming, 1)),
        ]);
        incoming.put();
        incoming.check_finished();
    });
}

/// Two users of an FLB, when the only file is finished.
fn last_file_and_two_users() {
    check(|| {
        let incoming = Rc::new(Incoming::uncounted(1));
        run([
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.put();
        incoming.check_finished();
    });
}

/// Two files are finished, with two FLBs of one name, and there is a user.
pub(super) fn two_files_and_user() {
    check(|| {
        let incoming = Rc::new(Incoming::uncounted(2));
        run([
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| incoming.finish_file(1, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.put();
        incoming.check_finished();
    });
}

/// A reference is put, the only file is finished, and there is another user.
fn last_put_last_file_and_user() {
    check(|| {
        let incoming = Rc::new(Incoming::uncounted(1));
        let object = incoming.get(0).unwrap();
        run([
            task(&incoming, move |incoming| {
                assert_eq!(incoming.flbs[0].object(), object);
                incoming.put_object(0);
            }),
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.put();
        incoming.check_finished();
    });
}

/// Two FLBs have a user, when the only file is finished, and the first `retrieve` fails.
fn failure(again: bool) {
    check(move || {
        let incoming = Rc::new(Incoming {
            failures: 1,
            again,
            ..Incoming::uncounted(1)
        });
        run([
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| {
                let _ = incoming.user(0);
            }),
            task(&incoming, |incoming| {
                let _ = incoming.user(1);
            }),
        ]);
        incoming.put();
        match *incoming.ended() {
            [Callback::Retrieve(_, Err(ERRNO))] => {
                let failed = Err(NotGot::Status(Status::Failed(ERRNO)));
                assert_eq!(incoming.get(0), failed);
                // The memory is kept.
                incoming.memory.object();
            }
            [_, Callback::Retrieve(flb, Ok(1)), Callback::Finish(other, 1)] if flb == other => {
                assert!(again, "called again");
                assert_eq!(incoming.memory.replace(None), None, "not freed");
            }
            ref callbacks => panic!("{callbacks:?}"),
        }
    });
}

/// The boot is completed when the only file is finished, and there is a user.
pub(super) fn boot_last_file_and_user(counted: bool) {
    bounded(FEWER, move || {
        let incoming = Rc::new(match counted {
            true => Incoming::new(&[1]),
            false => Incoming::uncounted(1),
        });
        run([
            task(&incoming, |incoming| incoming.put()),
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.check_finished();
    });
}

/// The boot is completed when the files of two entries are finished.
fn boot_and_two_entries() {
    bounded(FEWER, || {
        let incoming = Rc::new(Incoming::new(&[1, 1]));
        run([
            task(&incoming, |incoming| incoming.put()),
            task(&incoming, |incoming| incoming.finish_file(0, 0)),
            task(&incoming, |incoming| incoming.finish_file(1, 1)),
        ]);
        incoming.check_finished();
    });
}

/// The boot is completed when two callers ask for what is not in an empty array.
fn boot_and_no_entry() {
    bounded(FEWER, || {
        let incoming = Rc::new(Incoming::new(&[]));
        let user = |incoming: &Incoming| {
            let error = incoming.get(0).unwrap_err();
            assert!(matches!(error, NotGot::NoEntry | NotGot::NoArray));
        };
        run([
            task(&incoming, |incoming| incoming.put()),
            task(&incoming, user),
            task(&incoming, user),
        ]);
        incoming.check_finished();
    });
}

#[test]
fn finishes_once_with_users_of_two_flbs() {
    last_file_and_users_of_two_flbs();
}

#[test]
fn finishes_once_with_two_users() {
    last_file_and_two_users();
}

#[test]
fn finishes_once_with_two_files() {
    two_files_and_user();
}

#[test]
fn finishes_once_with_the_last_reference() {
    last_put_last_file_and_user();
}

#[test]
fn retrieves_again_after_a_failure() {
    failure(true);
}

#[test]
fn retrieves_never_again_after_a_failure() {
    failure(false);
}

#[test]
fn frees_the_memory_once_when_the_boot_is_completed() {
    boot_last_file_and_user(true);
}

#[test]
fn frees_the_memory_once_after_two_entries() {
    boot_and_two_entries();
}

#[test]
fn frees_an_empty_array_once() {
    boot_and_no_entry();
}
