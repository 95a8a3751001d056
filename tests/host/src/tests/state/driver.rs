// SPDX-License-Identifier: GPL-2.0

//! Does what the machines ask for, as the kernel does, and keeps a record.

use crate::state::{Added, Got, Holder, Incoming, Outgoing, Put, Removed, Saved};
use std::{cell::Cell, mem::replace, rc::Rc};

/// An FLB.
pub(super) type Flb = char;
/// An object; 0 stands for a null pointer.
pub(super) type Object = u64;
/// An error of a callback.
pub(super) type Errno = i32;

/// What keeps the module of an FLB; it cannot be copied, and is counted while it exists.
#[derive(Debug)]
pub(super) struct Pin(Rc<Cell<usize>>);

impl Pin {
    fn new(pins: &Rc<Cell<usize>>) -> Self {
        pins.set(pins.get() + 1);
        Self(pins.clone())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A callback that has run. Each finds the module pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callback {
    Preserve(Result<Saved<Object>, Errno>),
    Unpreserve(Saved<Object>),
    Retrieve(Flb, u64, Result<Object, Errno>),
    Finish(Flb, Object),
}

/// The callbacks that have run, and the pins that exist.
#[derive(Default)]
pub(super) struct Record {
    pub(super) callbacks: Vec<Callback>,
    pins: Rc<Cell<usize>>,
}

impl Record {
    pub(super) fn pins(&self) -> usize {
        self.pins.get()
    }

    fn ran(&mut self, callback: Callback) {
        assert_eq!(self.pins(), 1, "{callback:?} with its module pinned once");
        self.callbacks.push(callback);
    }
}

/// The outgoing direction.
pub(super) struct OutgoingDriver {
    pub(super) state: Outgoing<Object, Pin>,
    pub(super) record: Record,
}

impl OutgoingDriver {
    pub(super) fn new() -> Self {
        Self {
            state: Outgoing::Idle,
            record: Record::default(),
        }
    }

    /// Adds a file; `preserve` will give this result. Says whether the file is counted.
    pub(super) fn add_file(&mut self, most: u32, preserve: Result<Saved<Object>, Errno>) -> bool {
        match replace(&mut self.state, Outgoing::Idle).add(Holder::File, most) {
            Added::Idle => {
                let pin = Pin::new(&self.record.pins);
                self.record.ran(Callback::Preserve(preserve));
                let Ok(saved) = preserve else {
                    return false;
                };
                self.state = Outgoing::preserved(saved, pin);
                true
            }
            Added::Counted(state) => {
                self.state = state;
                true
            }
            Added::Full(state) => {
                self.state = state;
                false
            }
        }
    }

    /// Adds a reference. Says whether there is an object, and the reference is counted.
    pub(super) fn add_user(&mut self, most: u32) -> bool {
        let (state, counted) =
            match replace(&mut self.state, Outgoing::Idle).add(Holder::User, most) {
                Added::Idle => return false,
                Added::Counted(state) => (state, true),
                Added::Full(state) => (state, false),
            };
        self.state = state;
        counted
    }

    /// Removes a file or a reference. Says whether there was one.
    pub(super) fn remove(&mut self, holder: Holder) -> bool {
        match replace(&mut self.state, Outgoing::Idle).remove(holder) {
            Removed::Counted(state) => self.state = state,
            Removed::Last(saved, _pin) => self.record.ran(Callback::Unpreserve(saved)),
            Removed::Unbalanced(state) => {
                self.state = state;
                return false;
            }
        }
        true
    }
}

/// Why no object was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotGot {
    Retrieve(Errno),
    Finished,
    Failed(Errno),
    Foreign,
    Full,
}

/// What becomes of a `retrieve` that fails for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The next caller tries again, as on Linux 7.1.
    Retried,
    /// All others are told the same, as from Linux 7.2 on.
    Kept,
}

/// The incoming direction.
pub(super) struct IncomingDriver {
    pub(super) state: Incoming<Flb, Object, Pin, Errno>,
    failure: Failure,
    pub(super) record: Record,
}

impl IncomingDriver {
    pub(super) fn new(files: u32, data: u64, failure: Failure) -> Self {
        Self {
            state: Incoming::Untouched { files, data },
            failure,
            record: Record::default(),
        }
    }

    /// Gets the object; `retrieve` will give this result.
    pub(super) fn get(
        &mut self,
        flb: Flb,
        most: u32,
        retrieve: Result<Object, Errno>,
    ) -> Result<Object, NotGot> {
        Err(match self.state.get(&flb, most) {
            Got::Counted(obj) => return Ok(obj),
            Got::Retrieve(data) => match self.retrieve(flb, data, retrieve) {
                Ok((obj, pin)) => {
                    self.state.retrieved(flb, obj, pin);
                    return Ok(obj);
                }
                Err(error) => {
                    if self.failure == Failure::Kept {
                        self.state.failed(error);
                    }
                    NotGot::Retrieve(error)
                }
            },
            Got::Finished => NotGot::Finished,
            Got::Failed(error) => NotGot::Failed(error),
            Got::Foreign => NotGot::Foreign,
            Got::Full => NotGot::Full,
        })
    }

    /// Puts a reference. Says whether it was held.
    pub(super) fn put_user(&mut self, flb: Flb) -> bool {
        let put = self.state.put_user(&flb);
        self.put(flb, put, Err(0))
    }

    /// Finishes a file; `retrieve` will give this result. Says whether there was one.
    pub(super) fn put_file(&mut self, flb: Flb, retrieve: Result<Object, Errno>) -> bool {
        let put = self.state.put_file();
        self.put(flb, put, retrieve)
    }

    fn put(
        &mut self,
        flb: Flb,
        put: Put<Flb, Object, Pin>,
        retrieve: Result<Object, Errno>,
    ) -> bool {
        match put {
            Put::Counted => {}
            Put::Unbalanced => return false,
            Put::Finish(live) => {
                assert_eq!((live.files, live.users), (0, 0), "finished while in use");
                self.record.ran(Callback::Finish(live.flb, live.obj));
            }
            Put::Retrieve(data) => match self.retrieve(flb, data, retrieve) {
                Ok((obj, _pin)) => self.record.ran(Callback::Finish(flb, obj)),
                Err(error) => self.state.failed(error),
            },
        }
        true
    }

    fn retrieve(
        &mut self,
        flb: Flb,
        data: u64,
        result: Result<Object, Errno>,
    ) -> Result<(Object, Pin), Errno> {
        let pin = Pin::new(&self.record.pins);
        self.record.ran(Callback::Retrieve(flb, data, result));
        result.map(|obj| (obj, pin))
    }
}
