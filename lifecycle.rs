// SPDX-License-Identifier: GPL-2.0

//! What happens to one FLB: lock, transition, callback, commit.
//!
//! An object that is alive is got and put without a lock, by one atomic instruction. Whatever else
//! is here may sleep, and runs callbacks under the lock of the direction concerned.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Name,
    lock::{self, Left, OutgoingGuard, Task},
    raw::{self, errno, Direction, Flb, Object, Pin as ModulePin, Ready, ENODATA},
    refs::{Holder, Refs, Released, Taken},
    state::{self, Got, Put},
};
use kernel::{prelude::*, sync::Mutex, task::might_sleep};

/// The first file of a handler depends on `flb`. If it is the first of all, runs `preserve`.
///
/// Errors: [`ENODEV`] if the owner is going away; `EDEADLK` from its own callback; or what
/// `preserve` returned.
#[inline(always)]
pub(crate) fn preserve(flb: Ready, task: Task) -> Result {
    let mut outgoing = OutgoingGuard::lock(flb, task)?;
    if !outgoing.hold() {
        let pin = flb.pin()?;
        let saved = flb.preserve(&pin)?;
        outgoing.preserved(saved, pin);
    }
    Ok(())
}

/// Complains where a caller cannot sleep, as it would have to if the object were not alive.
#[inline(always)]
fn check_context() {
    if cfg!(CONFIG_DEBUG_ATOMIC_SLEEP) {
        might_sleep();
    }
}

/// Counts a reference to the object of a direction, if there is one and it is alive. Takes no lock.
#[inline(always)]
pub(crate) fn get_alive(flb: Option<Flb>, direction: Direction) -> Option<Object> {
    check_context();
    let flb = flb?;
    match flb.refs(direction).get() {
        Taken::Counted => Some(flb.object(direction)),
        Taken::Dead | Taken::Full => None,
    }
}

/// Gives a reference to the object of a direction back, if others remain; whether it did. Takes no
/// lock.
#[inline(always)]
pub(crate) fn put_alive(flb: &Flb, direction: Direction) -> bool {
    check_context();
    flb.refs(direction).put()
}

/// Counts a reference to the object that `preserve` made, once no callback runs.
///
/// Errors: [`ENOENT`] if there is none; [`EOVERFLOW`]; `EDEADLK` from its own callback.
pub(crate) fn get(flb: &Flb) -> Result<Object> {
    let flb = flb.ready();
    let _outgoing = OutgoingGuard::lock(flb, Task::current())?;
    match flb.refs(Direction::Outgoing).get() {
        Taken::Counted => Ok(flb.object(Direction::Outgoing)),
        Taken::Dead => Err(ENOENT),
        Taken::Full => Err(EOVERFLOW),
    }
}

/// The object that `preserve` made, once no callback runs, `None` if there is none; `EDEADLK` from
/// its own callback.
pub(crate) fn peek(flb: &Flb) -> Result<Option<Object>> {
    let flb = flb.ready();
    let outgoing = OutgoingGuard::lock(flb, Task::current())?;
    let object = || flb.object(Direction::Outgoing);
    Ok(outgoing.is_alive().then(object))
}

/// The object that `preserve` made, `None` if there is none at the moment. Takes no lock.
#[inline(always)]
pub(crate) fn peek_alive(flb: Option<Flb>) -> Option<Object> {
    let flb = flb?;
    let refs = flb.refs(Direction::Outgoing);
    refs.is_published().then(|| flb.object(Direction::Outgoing))
}

/// The handle for the next kernel, for callers who know that files depend on `flb` and stay. `None`
/// if it is not preserved all the same. Takes no lock.
#[inline(always)]
pub(crate) fn handle(flb: Ready) -> Option<u64> {
    let refs = flb.refs(Direction::Outgoing);
    refs.is_published().then(|| flb.handle())
}

/// Waits for a callback of `flb` that runs; whether that is possible, which it is not from its own.
#[inline(never)]
pub(crate) fn wait(flb: Ready, task: Task) -> bool {
    OutgoingGuard::lock(flb, task).is_ok()
}

/// A handler has no file any more that depends on `flb`. If nobody else holds it, runs
/// `unpreserve`.
#[inline(always)]
pub(crate) fn unpreserve(flb: Ready, task: Task) {
    release(flb, task, Holder::Files, || false);
}

/// One reference fewer of [`get`] is held, unless what is outgoing is frozen. If it was the last
/// holder, runs `unpreserve`.
pub(crate) fn put(flb: &Flb, is_frozen: impl FnOnce() -> bool) {
    release(flb.ready(), Task::current(), Holder::User, is_frozen);
}

/// A holder lets go, unless `is_frozen` under the lock; the last runs `unpreserve`.
#[inline(always)]
fn release(flb: Ready, task: Task, holder: Holder, is_frozen: impl FnOnce() -> bool) {
    let Ok(mut outgoing) = OutgoingGuard::lock(flb, task) else {
        return flb.complain(c"released from its own callback", 0);
    };
    if is_frozen() {
        return;
    }
    let pin = match outgoing.release(holder) {
        Left::Held => None,
        Left::Ended(saved, pin) => {
            flb.unpreserve(saved, &pin);
            Some(pin)
        }
        Left::Unbalanced => {
            flb.complain(c"released, but not held", 0);
            None
        }
    };
    // The lock is in the FLB, which may go away with its owner.
    drop(outgoing);
    drop(pin);
}

/// The incoming state of an FLB.
type Incoming = state::Incoming<Flb, ModulePin, Error>;

/// An FLB that the previous kernel handed over. Its state outlives the FLBs that bear its name.
#[pin_data]
pub(crate) struct Entry {
    /// The files that were handed over with it and are not finished yet, as if each were a user.
    files: Refs,
    #[pin]
    state: Mutex<Incoming>,
}

impl Entry {
    /// What was handed over under `name` with so many files, at least one.
    pub(crate) fn new(name: Name, data: u64, files: u32) -> impl PinInit<Self> {
        pin_init!(Self {
            files: Refs::new(files),
            state <- lock::new_incoming(Incoming::Untouched { data }, name),
        })
    }

    /// Counts a reference to the object; the first runs `retrieve`. If that fails, it is tried
    /// again for the next caller, or its error is kept for all ([`raw::RETRIEVES_ONCE`]).
    ///
    /// Errors: `ENODATA` once finished, [`EBUSY`] if another FLB of the name owns the object,
    /// [`EOVERFLOW`], `EDEADLK` from its own callback, [`ENODEV`] if the owner is going away, or
    /// what `retrieve` returned.
    pub(crate) fn get(&self, flb: &Flb) -> Result<Object> {
        let mut state = Task::current().lock(&self.state)?;
        Err(match state.get(flb) {
            Got::Counted => return Ok(flb.object(Direction::Incoming)),
            Got::Retrieve(data) => {
                let pin = pin(flb)?;
                match flb.retrieve(data, &pin) {
                    Ok(obj) => {
                        flb.set_incoming(obj);
                        state.retrieved(*flb, pin);
                        return Ok(obj);
                    }
                    Err(error) if raw::RETRIEVES_ONCE => fail(&mut state, flb, error),
                    Err(error) => error,
                }
            }
            Got::Finished => errno(ENODATA),
            Got::Failed(error) => error,
            Got::Foreign => EBUSY,
            Got::Full => EOVERFLOW,
        })
    }

    /// Gives a reference back that [`Entry::get`] returned. The last runs `finish`.
    pub(crate) fn put(&self, flb: &Flb) {
        self.release(flb, Holder::User);
    }

    /// A file that depends on the FLB is finished. The last runs `finish`, unless there are users,
    /// on an object that is retrieved for it if nobody has asked for it before.
    #[inline]
    pub(crate) fn finish_file(&self, flb: &Flb) {
        if !self.files.put() {
            self.release(flb, Holder::Files);
        }
    }

    /// `holder` lets go; the last ends the life of the object.
    #[inline(never)]
    fn release(&self, flb: &Flb, holder: Holder) {
        let Ok(mut state) = Task::current().lock(&self.state) else {
            return flb.complain(c"put from its own callback", 0);
        };
        let put = match holder {
            Holder::User => state.put_user(flb),
            Holder::Files => match self.files.release(Holder::User) {
                Released::Last => state.put_files(),
                Released::Held => Put::Held,
                Released::Unbalanced => Put::Unbalanced,
            },
        };
        match put {
            // A handler may have files that were not handed over with the FLB.
            Put::Unbalanced if holder == Holder::User => flb.complain(c"put, but not held", 0),
            Put::Held | Put::Unbalanced => {}
            Put::Finish(live, pin) => {
                let obj = live.object(Direction::Incoming);
                live.set_incoming(Object::NULL);
                live.finish(obj, &pin);
                // The FLB may go away with its owner, but the lock is not in it.
            }
            Put::Retrieve(data) => {
                if let Err(error) = retrieve_and_finish(flb, data) {
                    fail(&mut state, flb, error);
                }
            }
        }
    }
}

/// Runs `retrieve` for the last file, which nobody did before, and `finish`.
fn retrieve_and_finish(flb: &Flb, data: u64) -> Result {
    let pin = pin(flb)?;
    let obj = flb.retrieve(data, &pin)?;
    flb.finish(obj, &pin);
    Ok(())
}

/// Keeps the owner of an FLB that can be retrieved and finished.
fn pin(flb: &Flb) -> Result<ModulePin> {
    if !flb.has_all_callbacks() {
        return Err(EINVAL);
    }
    flb.pin()
}

/// Gives up: there will be no object, and nothing to finish.
#[cold]
fn fail(state: &mut Incoming, flb: &Flb, error: Error) -> Error {
    flb.complain(c"not retrieved, so never finished", error.to_errno().into());
    state.failed(error);
    error
}
