// SPDX-License-Identifier: GPL-2.0

//! What was handed over, as `incoming.rs` and `shim.c` have it.

use super::{
    flb::{Flb, FlbGuard},
    shared::{bounded, check, run, task, Object},
};
use crate::{
    refs::Holder,
    state::{EntryState, FileFinished, FINISHED, RETRIEVED, RETRIEVING},
    word::Count,
};
use loom::sync::{Mutex, MutexGuard};
use std::{cell::RefCell, rc::Rc};

/// What `retrieve` returns when it fails.
const ERRNO: i32 = -5;
/// What is said while another FLB has the entry. It is no reason to give up the entry.
const BUSY: i32 = -16;
/// What the previous kernel's `preserve` has returned: no FLB.
const DATA: u64 = 0x1234;

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
    Status(i32),
    Retrieve,
}

/// An entry in the memory that was handed over.
#[derive(Clone, Copy)]
struct Entry {
    data: u64,
    state: u64,
}

impl Entry {
    fn state(&mut self) -> &mut EntryState {
        // SAFETY: An `EntryState` has the layout of a word of two halves.
        unsafe { &mut *(&raw mut self.state).cast() }
    }

    /// The FLB that has retrieved it.
    fn flb(&self) -> usize {
        assert_ne!(self.data, DATA, "no FLB");
        self.data as usize
    }
}

/// What `Array` is in the kernel.
struct Array {
    /// What is at the address, until it is received.
    came: Option<Vec<Entry>>,
    entries: Option<Vec<Entry>>,
    unfinished: usize,
    /// What was freed.
    freed: Option<Vec<Entry>>,
}

/// What was handed over, and two FLBs.
struct Incoming {
    left: Count,
    array: Mutex<Array>,
    flbs: [Flb; 2],
    /// The entry that has the name of each.
    names: [usize; 2],
    /// How often `retrieve` is going to fail, and whether it is called again.
    failures: usize,
    again: bool,
    /// Not known to loom: it notes the order of this run.
    callbacks: RefCell<Vec<Callback>>,
}

impl Incoming {
    /// Hand over entries with so many files.
    fn new(files: &[u64]) -> Self {
        let entry = |state: &u64| Entry {
            data: DATA,
            state: *state,
        };
        Self {
            left: Count::new(1).begin(),
            array: Mutex::new(Array {
                came: Some(files.iter().map(entry).collect()),
                entries: None,
                unfinished: 0,
                freed: None,
            }),
            flbs: [Flb::new(), Flb::new()],
            names: [0, 0],
            failures: 0,
            again: true,
            callbacks: RefCell::new(Vec::new()),
        }
    }

    /// Do as `Incoming::complete`.
    fn complete(&self) {
        self.free_finished(&mut self.received());
    }

    /// Do as `Incoming::free_finished`.
    fn free_finished(&self, array: &mut Array) {
        if array.unfinished != 0 || array.entries.is_none() {
            return;
        }
        self.left.store_release(0);
        let before = std::mem::replace(&mut array.freed, array.entries.take());
        assert!(before.is_none(), "freed twice");
    }

    /// Do as `Incoming::received` and `Incoming::receive`.
    fn received(&self) -> MutexGuard<'_, Array> {
        let mut array = self.array.lock().unwrap();
        if let Some(entries) = array.came.take() {
            array.unfinished = entries.len();
            if entries.is_empty() {
                self.left.store_release(0);
            }
            array.entries = Some(entries);
        }
        array
    }

    /// Do as `Array::find` and `Array::claimed`.
    fn entry<'a>(&self, array: &'a mut Array, flb: usize) -> Result<&'a mut Entry, NotGot> {
        match &mut array.entries {
            Some(entries) if array.unfinished != 0 => {
                entries.get_mut(self.names[flb]).ok_or(NotGot::NoEntry)
            }
            _ => Err(NotGot::NoArray),
        }
    }

    /// Do as `liveupdate_flb_get_incoming()`, and `Incoming::get`.
    fn get(&self, flb: usize) -> Result<Object, NotGot> {
        let side = &self.flbs[flb];
        if let Some(object) = side.try_get() {
            return Ok(object);
        }
        if self.left.load_acquire() == 0 {
            return Err(NotGot::NoArray);
        }
        let mut guard = side.lock();
        if let Some(object) = side.try_get() {
            return Ok(object);
        }
        self.retrieve(flb, &mut guard)?;
        Ok(side.object())
    }

    /// Do as `Incoming::retrieve`.
    fn retrieve(&self, flb: usize, guard: &mut FlbGuard<'_>) -> Result<(), NotGot> {
        let mut array = self.received();
        let entry = self.entry(&mut array, flb)?;
        entry.state().claim().map_err(NotGot::Status)?;
        assert_eq!(entry.data, DATA, "the handle");
        drop(array);
        let retrieved = self.run_retrieve(flb);
        let mut array = self.received();
        let entry = self.entry(&mut array, flb).expect("what is claimed");
        match retrieved {
            Ok(object) => guard.begin(object, || {
                entry.data = flb as u64;
                (entry.state().retrieved(), 1)
            }),
            Err(errno) => {
                entry.state().failed(errno, self.again);
                return Err(NotGot::Retrieve);
            }
        }
        Ok(())
    }

    /// Do as `liveupdate_flb_put_incoming()`.
    fn put_object(&self, flb: usize) {
        if !self.flbs[flb].refs().put_not_last() {
            self.release(flb, Holder::Reference);
        }
    }

    /// Do as `LuoFlb::finish_file`, for a handler with one FLB.
    fn finish_file(&self, flb: usize) {
        if self.left.load_acquire() == 0 {
            return;
        }
        if self.finish_one(flb, None) != FileFinished::Last {
            return;
        }
        // `LuoFlb::retrieve_and_finish_one`
        for again in [true, false] {
            let retrieved = self.get(flb);
            let busy = matches!(retrieved, Err(NotGot::Status(RETRIEVING | RETRIEVED)));
            let error = retrieved.err().filter(|_| !again || !busy);
            let errno = error.map(|_| if busy { BUSY } else { ERRNO });
            if self.finish_one(flb, errno) == FileFinished::Last {
                continue;
            }
            if retrieved.is_ok() {
                self.release(flb, Holder::Reference);
            }
            return;
        }
    }

    /// Do as `LuoFlb::finish_one`.
    fn finish_one(&self, flb: usize, errno: Option<i32>) -> FileFinished {
        let mut array = self.received();
        let entry = self.entry(&mut array, flb);
        let entry = entry.expect("the entry of a file that is not finished");
        let finished = entry.state().drop_file(errno);
        let live = (finished == FileFinished::Release).then(|| entry.flb());
        drop(array);
        if let Some(live) = live {
            self.release(live, Holder::Files);
        }
        finished
    }

    /// Do as `LuoFlb::put`, and `Incoming::finished`.
    fn release(&self, flb: usize, holder: Holder) {
        self.flbs[flb].lock().release(holder, |object| {
            let callback = Callback::Finish(flb, object);
            self.callbacks.borrow_mut().push(callback);
            let mut array = self.received();
            let entry = self.entry(&mut array, flb);
            entry.expect("what was retrieved").state().finished();
            array.unfinished -= 1;
            self.free_finished(&mut array);
        });
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
        let mut array = self.received();
        let Array { entries, freed, .. } = &mut *array;
        for entry in [entries, freed].into_iter().flatten().flatten() {
            let status = entry.state().status();
            let failed = ERRNO;
            assert!(status == FINISHED || status == failed, "{status:?}");
        }
        self.callbacks.borrow().clone()
    }

    /// What was freed, in entries.
    fn freed(&self) -> Option<usize> {
        let array = self.received();
        array.freed.as_ref().map(Vec::len)
    }

    /// Check that all entries were retrieved once and finished once, and that the memory is free.
    fn check_finished(&self) {
        let callbacks = self.ended();
        let entries = self.freed().expect("not freed");
        assert_eq!(callbacks.len(), 2 * entries, "{callbacks:?}");
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
    }
}

/// Use the object, which may be finished, or not have been retrieved by this FLB.
fn user(incoming: &Incoming, flb: usize) {
    match incoming.user(flb) {
        Ok(()) => {}
        Err(NotGot::NoArray | NotGot::Status(FINISHED)) => {
            let callbacks = incoming.callbacks.borrow();
            let finish = |callback: &Callback| matches!(callback, Callback::Finish(..));
            assert!(callbacks.iter().any(finish), "not finished yet");
        }
        Err(NotGot::Status(RETRIEVING | RETRIEVED)) => {
            let callbacks = incoming.callbacks.borrow();
            assert!(!callbacks.contains(&Callback::Retrieve(flb, Ok(0))), "busy");
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Users of two FLBs of one name, when the only file is finished.
fn last_file_and_users_of_two_flbs() {
    check(|| {
        let incoming = Rc::new(Incoming::new(&[1]));
        run([
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| user(incoming, 0)),
            task(&incoming, |incoming| user(incoming, 1)),
        ]);
        incoming.check_finished();
    });
}

/// Two users of an FLB, when the only file is finished.
fn last_file_and_two_users() {
    check(|| {
        let incoming = Rc::new(Incoming::new(&[1]));
        run([
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| user(incoming, 0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.check_finished();
    });
}

/// Two files are finished, with two FLBs of one name, and there is a user.
fn two_files_and_user() {
    check(|| {
        let incoming = Rc::new(Incoming::new(&[2]));
        run([
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| incoming.finish_file(1)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.check_finished();
    });
}

/// A reference is put, the only file is finished, and there is another user.
fn last_put_last_file_and_user() {
    check(|| {
        let incoming = Rc::new(Incoming::new(&[1]));
        let object = incoming.get(0).unwrap();
        run([
            task(&incoming, move |incoming| {
                assert_eq!(incoming.flbs[0].object(), object);
                incoming.put_object(0);
            }),
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.check_finished();
    });
}

/// Two FLBs have a user, when the only file is finished, and the first `retrieve` fails.
fn failure(again: bool) {
    check(move || {
        let incoming = Rc::new(Incoming {
            failures: 1,
            again,
            ..Incoming::new(&[1])
        });
        run([
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| {
                let _ = incoming.user(0);
            }),
            task(&incoming, |incoming| {
                let _ = incoming.user(1);
            }),
        ]);
        match *incoming.ended() {
            [Callback::Retrieve(_, Err(ERRNO))] => {
                let failed = Err(NotGot::Status(ERRNO));
                assert_eq!(incoming.get(0), failed);
                // The memory is kept.
                assert_eq!(incoming.freed(), None);
            }
            [_, Callback::Retrieve(flb, Ok(1)), Callback::Finish(other, 1)] if flb == other => {
                assert!(again, "called again");
                assert_eq!(incoming.freed(), Some(1), "not freed");
            }
            ref callbacks => panic!("{callbacks:?}"),
        }
    });
}

/// The boot is completed when the only file is finished, and there is a user.
fn boot_last_file_and_user() {
    bounded(FEWER, || {
        let incoming = Rc::new(Incoming::new(&[1]));
        run([
            task(&incoming, |incoming| incoming.complete()),
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| user(incoming, 0)),
        ]);
        incoming.check_finished();
    });
}

/// The boot is completed when the files of two entries are finished.
fn boot_and_two_entries() {
    bounded(FEWER, || {
        let incoming = Rc::new(Incoming {
            names: [0, 1],
            ..Incoming::new(&[1, 1])
        });
        run([
            task(&incoming, |incoming| incoming.complete()),
            task(&incoming, |incoming| incoming.finish_file(0)),
            task(&incoming, |incoming| incoming.finish_file(1)),
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
            assert_eq!(error, NotGot::NoArray);
        };
        run([
            task(&incoming, |incoming| incoming.complete()),
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
    boot_last_file_and_user();
}

#[test]
fn frees_the_memory_once_after_two_entries() {
    boot_and_two_entries();
}

#[test]
fn frees_an_empty_array_once() {
    boot_and_no_entry();
}
