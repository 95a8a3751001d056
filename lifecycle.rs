// SPDX-License-Identifier: GPL-2.0

//! What happens to one FLB: lock, transition, callback, commit.
//!
//! Every function here may sleep, and runs callbacks under the lock of the direction concerned.

#![forbid(unsafe_code)]

use crate::{
    abi::{
        block::{self, MAX_FILES},
        name,
    },
    lock::{self, OutgoingGuard},
    raw::{self, errno, Flb, Object, Outgoing, Pin as ModulePin, ENODATA},
    state::{self, Added, Got, Holder, Put, Removed},
};
use kernel::{new_mutex, prelude::*, sync::Mutex};

/// One more file depends on `flb`. The first runs `preserve`.
///
/// Errors: [`ENODEV`] if the owner is going away; [`EOVERFLOW`]; `EDEADLK` from its own callback; or
/// what `preserve` returned.
#[inline(never)]
pub(crate) fn preserve(flb: &Flb) -> Result {
    let mut outgoing = OutgoingGuard::lock(flb)?;
    if !count(&mut outgoing, Holder::File)? {
        let pin = flb.pin()?;
        let saved = flb.preserve(&pin)?;
        outgoing.set(Outgoing::preserved(saved, pin));
    }
    Ok(())
}

/// Counts a reference to the object that `preserve` made.
///
/// Errors: [`ENOENT`] if there is none; [`EOVERFLOW`]; `EDEADLK` from its own callback.
pub(crate) fn get(flb: &Flb) -> Result<Object> {
    let mut outgoing = OutgoingGuard::lock(flb)?;
    count(&mut outgoing, Holder::User)?;
    outgoing.object().ok_or(ENOENT)
}

/// Counts one more holder, if there is something to hold; whether there is.
fn count(outgoing: &mut OutgoingGuard<'_>, holder: Holder) -> Result<bool> {
    match outgoing.take().add(holder, MAX_FILES) {
        Added::Idle => Ok(false),
        Added::Counted(state) => {
            outgoing.set(state);
            Ok(true)
        }
        Added::Full(state) => {
            outgoing.set(state);
            Err(EOVERFLOW)
        }
    }
}

/// One file fewer depends on `flb`. If it was the last holder, runs `unpreserve`.
pub(crate) fn unpreserve(flb: &Flb) {
    release(flb, Holder::File, || false);
}

/// One reference fewer of [`get`] is held, unless what is outgoing is frozen. If it was the last
/// holder, runs `unpreserve`.
pub(crate) fn put(flb: &Flb, is_frozen: impl FnOnce() -> bool) {
    release(flb, Holder::User, is_frozen);
}

/// A holder lets go, unless `is_frozen` under the lock; the last runs `unpreserve`.
fn release(flb: &Flb, holder: Holder, is_frozen: impl FnOnce() -> bool) {
    let Ok(mut outgoing) = OutgoingGuard::lock(flb) else {
        return flb.complain(c"released from its own callback", 0);
    };
    if is_frozen() {
        return;
    }
    let pin = match outgoing.take().remove(holder) {
        Removed::Counted(state) => {
            outgoing.set(state);
            None
        }
        Removed::Last(saved, pin) => {
            flb.unpreserve(saved, &pin);
            Some(pin)
        }
        Removed::Unbalanced(state) => {
            outgoing.set(state);
            flb.complain(c"released, but not held", 0);
            None
        }
    };
    // The lock is in the FLB, which may go away with its owner.
    drop(outgoing);
    drop(pin);
}

/// The incoming state of an FLB.
type Incoming = state::Incoming<Flb, Object, ModulePin, Error>;

/// An FLB that the previous kernel handed over. Its state outlives the FLBs that bear its name.
#[pin_data]
pub(crate) struct Entry {
    name: name::Field,
    #[pin]
    state: Mutex<Incoming>,
}

impl Entry {
    /// What was handed over, with its name.
    pub(crate) fn new<'a>(entry: block::Entry<'a>) -> impl PinInit<Self> + 'a {
        let block::Entry { name, data, files } = entry;
        pin_init!(Self {
            name: *name,
            state <- new_mutex!(Incoming::Untouched { files, data }, "luo_flb_entry"),
        })
    }

    /// Whether this is the entry with a name.
    pub(crate) fn is_named(&self, name: &name::Field) -> bool {
        name::same(&self.name, name)
    }

    /// Counts a reference to the object; the first runs `retrieve`. If that fails, it is tried again
    /// for the next caller, or its error is kept for all ([`raw::RETRIEVES_ONCE`]).
    ///
    /// Errors: `ENODATA` once finished, [`EBUSY`] if another FLB of the name owns the object,
    /// [`EOVERFLOW`], `EDEADLK` from its own callback, [`ENODEV`] if the owner is going away, or
    /// what `retrieve` returned.
    pub(crate) fn get(&self, flb: &Flb) -> Result<Object> {
        let mut state = lock::mutex(&self.state)?;
        Err(match state.get(flb, MAX_FILES) {
            Got::Counted(obj) => return Ok(obj),
            Got::Retrieve(data) => {
                let pin = pin(flb)?;
                match flb.retrieve(data, &pin) {
                    Ok(obj) => {
                        state.retrieved(*flb, obj, pin);
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

    /// A file that depends on the FLB is finished. The last runs `finish`, on an object that is
    /// retrieved for it if nobody has asked for it before.
    pub(crate) fn finish_file(&self, flb: &Flb) {
        self.release(flb, Holder::File);
    }

    /// `holder` lets go; the last ends the life of the object.
    #[inline(never)]
    fn release(&self, flb: &Flb, holder: Holder) {
        let Ok(mut state) = lock::mutex(&self.state) else {
            return flb.complain(c"put from its own callback", 0);
        };
        let put = match holder {
            Holder::User => state.put_user(flb),
            Holder::File => state.put_file(),
        };
        match put {
            Put::Counted | Put::Unbalanced => {}
            Put::Finish(live) => live.flb.finish(live.obj, &live.pin),
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
#[inline(never)]
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
