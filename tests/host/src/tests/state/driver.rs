// SPDX-License-Identifier: GPL-2.0

//! Does what the machines ask for, as the kernel does, and keeps a record.

use crate::{
    refs::{Holder, Refs, Released, Taken},
    state::{Counted, Got, Incoming, Outgoing, Put, Saved},
};
use std::{
    cell::Cell,
    fmt::{self, Debug, Formatter},
    rc::Rc,
};

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
    Retrieve(char, u64, Result<Object, Errno>),
    Finish(char, Object),
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
    pub(super) state: Outgoing,
    pub(super) refs: Refs,
    /// What `preserve` has left.
    kept: Option<(Saved<Object>, Pin)>,
    pub(super) record: Record,
}

impl OutgoingDriver {
    pub(super) fn new() -> Self {
        Self {
            state: Outgoing::new(0),
            refs: Refs::new(0),
            kept: None,
            record: Record::default(),
        }
    }

    /// A handler has its first file; `preserve` will give this result. Says whether it is counted.
    pub(super) fn first_file(&mut self, preserve: Result<Saved<Object>, Errno>) -> bool {
        if self.state.hold(&self.refs) {
            return true;
        }
        let pin = Pin::new(&self.record.pins);
        self.record.ran(Callback::Preserve(preserve));
        let Ok(saved) = preserve else {
            return false;
        };
        assert!(self.kept.replace((saved, pin)).is_none(), "preserved twice");
        self.state.preserved(&self.refs);
        true
    }

    /// Gets the object, if there is one and the reference is counted.
    pub(super) fn get(&mut self) -> Option<Object> {
        match self.refs.get() {
            Taken::Counted => Some(self.saved().expect("an object that is alive").obj),
            Taken::Dead | Taken::Full => None,
        }
    }

    /// Puts a reference. Says whether there was one.
    pub(super) fn put(&mut self) -> bool {
        self.refs.put() || self.release(Holder::User)
    }

    /// A holder lets go, under the lock. Says whether it held the object.
    pub(super) fn release(&mut self, holder: Holder) -> bool {
        match self.state.release(&self.refs, holder) {
            Released::Held => {}
            Released::Last => {
                let (saved, _pin) = self.kept.take().expect("an object that ends");
                self.record.ran(Callback::Unpreserve(saved));
            }
            Released::Unbalanced => return false,
        }
        true
    }

    /// What is preserved.
    pub(super) fn saved(&self) -> Option<Saved<Object>> {
        self.kept.as_ref().map(|(saved, _)| *saved)
    }
}

/// An FLB with its incoming object.
pub(super) struct Area {
    name: char,
    refs: Refs,
    object: Cell<Object>,
}

/// A pointer to an FLB.
#[derive(Clone)]
pub(super) struct Flb(Rc<Area>);

impl Flb {
    pub(super) fn new(name: char) -> Self {
        Self(Rc::new(Area {
            name,
            refs: Refs::new(0),
            object: Cell::new(0),
        }))
    }

    pub(super) fn name(&self) -> char {
        self.0.name
    }
}

impl Debug for Flb {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "FLB {}", self.0.name)
    }
}

impl PartialEq for Flb {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Counted for Flb {
    fn refs(&self) -> &Refs {
        &self.0.refs
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
    pub(super) state: Incoming<Flb, Pin, Errno>,
    pub(super) files: Refs,
    failure: Failure,
    pub(super) record: Record,
}

impl IncomingDriver {
    pub(super) fn new(files: u32, data: u64, failure: Failure) -> Self {
        Self {
            state: Incoming::Untouched { data },
            files: Refs::new(files),
            failure,
            record: Record::default(),
        }
    }

    /// Gets the object; `retrieve` will give this result.
    pub(super) fn get(
        &mut self,
        flb: &Flb,
        retrieve: Result<Object, Errno>,
    ) -> Result<Object, NotGot> {
        if flb.refs().get() == Taken::Counted {
            return Ok(flb.0.object.get());
        }
        Err(match self.state.get(flb) {
            Got::Counted => return Ok(flb.0.object.get()),
            Got::Retrieve(data) => match self.retrieve(flb, data, retrieve) {
                Ok((obj, pin)) => {
                    flb.0.object.set(obj);
                    self.state.retrieved(flb.clone(), pin);
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
    pub(super) fn put_user(&mut self, flb: &Flb) -> bool {
        flb.refs().put() || self.put_last_user(flb)
    }

    /// Puts a reference under the lock. Says whether it was held.
    pub(super) fn put_last_user(&mut self, flb: &Flb) -> bool {
        let put = self.state.put_user(flb);
        self.put(flb, put, Err(0))
    }

    /// Finishes a file; `retrieve` will give this result. Says whether there was one, and if it was
    /// the last, an object to end.
    pub(super) fn finish_file(&mut self, flb: &Flb, retrieve: Result<Object, Errno>) -> bool {
        self.files.put() || self.finish_last_file(flb, retrieve)
    }

    /// Finishes a file under the lock, as [`IncomingDriver::finish_file`].
    pub(super) fn finish_last_file(&mut self, flb: &Flb, retrieve: Result<Object, Errno>) -> bool {
        let put = match self.files.release(Holder::User) {
            Released::Last => self.state.put_files(),
            Released::Held => Put::Held,
            Released::Unbalanced => Put::Unbalanced,
        };
        self.put(flb, put, retrieve)
    }

    fn put(&mut self, flb: &Flb, put: Put<Flb, Pin>, retrieve: Result<Object, Errno>) -> bool {
        match put {
            Put::Held => {}
            Put::Unbalanced => return false,
            Put::Finish(live, _pin) => {
                assert!(!live.refs().is_alive(), "finished while in use");
                let obj = live.0.object.take();
                self.record.ran(Callback::Finish(live.name(), obj));
            }
            Put::Retrieve(data) => match self.retrieve(flb, data, retrieve) {
                Ok((obj, _pin)) => self.record.ran(Callback::Finish(flb.name(), obj)),
                Err(error) => self.state.failed(error),
            },
        }
        true
    }

    fn retrieve(
        &mut self,
        flb: &Flb,
        data: u64,
        result: Result<Object, Errno>,
    ) -> Result<(Object, Pin), Errno> {
        let pin = Pin::new(&self.record.pins);
        self.record
            .ran(Callback::Retrieve(flb.name(), data, result));
        result.map(|obj| (obj, pin))
    }
}
