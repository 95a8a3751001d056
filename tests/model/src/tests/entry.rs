// SPDX-License-Identifier: GPL-2.0

//! What was handed over, as `lifecycle.rs` has it.

use super::shared::{Object, Pin, Place, Word};
use crate::{
    refs::{Holder, Refs, Released, Taken},
    state::{Counted, Got, Incoming, Put},
};
use loom::sync::Mutex;
use std::{cell::RefCell, rc::Rc};

/// An error of `retrieve`.
pub(super) type Errno = i32;

/// What the previous kernel's `preserve` has returned.
const DATA: u64 = 0x1234;

/// The private area of an FLB.
pub(super) struct Area {
    word: Word,
    place: Place,
}

/// A pointer to an FLB.
#[derive(Clone)]
pub(super) struct Flb(Rc<Area>);

impl Flb {
    /// An FLB, before there are tasks that use it.
    pub(super) fn new() -> Self {
        Self(Rc::new(Area {
            word: Word::new(0),
            place: Place::new(),
        }))
    }

    /// The object, for those who hold it.
    pub(super) fn object(&self) -> Object {
        self.0.place.object()
    }
}

impl PartialEq for Flb {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Counted for Flb {
    fn refs(&self) -> &Refs {
        self.0.word.refs()
    }
}

/// A callback that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callback {
    Retrieve(Result<Object, Errno>),
    Finish(Object),
}

/// Why there is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotGot {
    Finished,
    Foreign,
    Failed(Errno),
}

/// What was handed over.
pub(super) struct Entry {
    files: Word,
    state: Mutex<Incoming<Flb, Pin, Errno>>,
    /// How often `retrieve` is going to fail, and whether that is final.
    failures: usize,
    retrieves_once: bool,
    pin: Pin,
    /// Not known to loom: it notes the order of this run.
    callbacks: RefCell<Vec<Callback>>,
}

impl Entry {
    /// What was handed over with so many files.
    pub(super) fn new(files: u32) -> Self {
        Self::failing(files, 0, false)
    }

    /// The same, but `retrieve` fails so many times.
    pub(super) fn failing(files: u32, failures: usize, retrieves_once: bool) -> Self {
        Self {
            files: Word::new(files),
            state: Mutex::new(Incoming::Untouched { data: DATA }),
            failures,
            retrieves_once,
            pin: Pin::new(),
            callbacks: RefCell::new(Vec::new()),
        }
    }

    /// Runs `retrieve`.
    fn retrieve(&self, data: u64) -> Result<Object, Errno> {
        assert_eq!(data, DATA);
        let mut callbacks = self.callbacks.borrow_mut();
        let result = match callbacks.len() {
            before if before < self.failures => Err(-5),
            before => Ok(Object::try_from(before).unwrap()),
        };
        callbacks.push(Callback::Retrieve(result));
        result
    }

    /// Runs `finish`.
    fn finish(&self, object: Object) {
        self.callbacks.borrow_mut().push(Callback::Finish(object));
    }

    /// `Instance::get_incoming`.
    pub(super) fn get(&self, flb: &Flb) -> Result<Object, NotGot> {
        if flb.refs().get() == Taken::Counted {
            return Ok(flb.object());
        }
        let mut state = self.state.lock().unwrap();
        Err(match state.get(flb) {
            Got::Counted => return Ok(flb.object()),
            Got::Retrieve(data) => {
                let pin = self.pin.clone();
                match self.retrieve(data) {
                    Ok(object) => {
                        let before = flb.0.place.replace(Some(object));
                        assert_eq!(before, None, "an object in the place of another one");
                        state.retrieved(flb.clone(), pin);
                        return Ok(object);
                    }
                    Err(error) => {
                        if self.retrieves_once {
                            state.failed(error);
                        }
                        NotGot::Failed(error)
                    }
                }
            }
            Got::Finished => NotGot::Finished,
            Got::Failed(error) => NotGot::Failed(error),
            Got::Foreign => NotGot::Foreign,
            Got::Full => panic!("too many references"),
        })
    }

    /// `Instance::put_incoming`.
    pub(super) fn put(&self, flb: &Flb) {
        if !flb.refs().put() {
            self.release(flb, Holder::User);
        }
    }

    /// `Entry::finish_file`.
    pub(super) fn finish_file(&self, flb: &Flb) {
        if !self.files.refs().put() {
            self.release(flb, Holder::Files);
        }
    }

    /// `Entry::release`.
    fn release(&self, flb: &Flb, holder: Holder) {
        let mut state = self.state.lock().unwrap();
        let put = match holder {
            Holder::User => state.put_user(flb),
            Holder::Files => match self.files.refs().release(Holder::User) {
                Released::Last => state.put_files(),
                Released::Held => Put::Held,
                Released::Unbalanced => panic!("finished, but not handed over"),
            },
        };
        match put {
            Put::Held => {}
            Put::Unbalanced => assert!(matches!(*state, Incoming::Failed(_)), "put, but not got"),
            Put::Finish(live, pin) => {
                let object = live.0.place.replace(None).expect("an object that ends");
                self.finish(object);
                drop(pin);
            }
            Put::Retrieve(data) => {
                let _pin = self.pin.clone();
                match self.retrieve(data) {
                    Ok(object) => self.finish(object),
                    Err(error) => state.failed(error),
                }
            }
        }
    }

    /// A user, who finds the object the same as long as it is held; whether there was one.
    pub(super) fn user(&self, flb: &Flb) -> Result<(), NotGot> {
        let object = self.get(flb)?;
        assert_eq!(flb.object(), object, "another object while held");
        self.put(flb);
        Ok(())
    }

    /// The callbacks that have run, when nobody holds the object any more.
    pub(super) fn ended(&self, flbs: &[&Flb]) -> Vec<Callback> {
        let state = self.state.lock().unwrap();
        assert!(matches!(*state, Incoming::Finished | Incoming::Failed(_)));
        assert_eq!(self.files.raw().load(), 0, "files");
        for flb in flbs {
            assert_eq!(flb.0.word.raw().load(), 0, "somebody holds the object");
        }
        assert_eq!(self.pin.count(), 0, "pins");
        self.callbacks.borrow().clone()
    }
}
