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
    raw::{errno, Flb, Object, Outgoing, Pin as ModulePin, ENODATA},
    state::{self, Added, Got, Put, Removed},
};
use kernel::{new_mutex, prelude::*, sync::Mutex};

/// One more file depends on `flb`. The first runs `preserve`.
///
/// Errors: [`ENODEV`] if the owner is going away; [`EOVERFLOW`]; `EDEADLK` from its own callback; or
/// what `preserve` returned.
#[inline(never)]
pub(crate) fn preserve(flb: &Flb) -> Result {
    let mut outgoing = OutgoingGuard::lock(flb)?;
    match outgoing.take().add_file(MAX_FILES) {
        Added::First => {
            let pin = flb.pin()?;
            let saved = flb.preserve(&pin)?;
            outgoing.set(Outgoing::preserved(saved, pin));
        }
        Added::Counted(state) => outgoing.set(state),
        Added::Full(state) => {
            outgoing.set(state);
            return Err(EOVERFLOW);
        }
    }
    Ok(())
}

/// One file fewer depends on `flb`. The last runs `unpreserve`.
#[inline(never)]
pub(crate) fn unpreserve(flb: &Flb) {
    let Ok(mut outgoing) = OutgoingGuard::lock(flb) else {
        return flb.complain(c"unpreserved from its own callback", 0);
    };
    let pin = match outgoing.take().remove_file() {
        Removed::Counted(state) => {
            outgoing.set(state);
            None
        }
        Removed::Last(saved, pin) => {
            flb.unpreserve(saved, &pin);
            Some(pin)
        }
        Removed::Unbalanced => {
            flb.complain(c"unpreserved, but not preserved", 0);
            None
        }
    };
    // The lock is in the FLB, which may go away with its owner.
    drop(outgoing);
    drop(pin);
}

/// The incoming state of an FLB.
type Incoming = state::Incoming<Flb, Object, ModulePin, Error>;

/// Who lets go of an incoming object.
enum Holder {
    /// A caller of [`Entry::get`].
    Caller,
    /// A file that is finished.
    File,
}

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

    /// Counts a reference to the object; the first runs `retrieve`, which is tried again if it
    /// failed before.
    ///
    /// Errors: `ENODATA` once finished, [`EBUSY`] if another FLB of the name owns the object,
    /// [`EOVERFLOW`], `EDEADLK` from its own callback, [`ENODEV`] if the owner is going away, or
    /// what `retrieve` returned.
    pub(crate) fn get(&self, flb: &Flb) -> Result<Object> {
        let mut state = lock::mutex(&self.state)?;
        Err(match state.get(flb, MAX_FILES) {
            Got::Counted(obj) => return Ok(obj),
            Got::Retrieve(data) => {
                let (obj, pin) = retrieve(flb, data)?;
                state.retrieved(*flb, obj, pin);
                return Ok(obj);
            }
            Got::Finished => errno(ENODATA),
            Got::Failed(error) => error,
            Got::Foreign => EBUSY,
            Got::Full => EOVERFLOW,
        })
    }

    /// Gives a reference back that [`Entry::get`] returned. The last runs `finish`.
    pub(crate) fn put(&self, flb: &Flb) {
        self.release(flb, Holder::Caller);
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
            Holder::Caller => state.put_user(flb),
            Holder::File => state.put_file(),
        };
        match put {
            Put::Counted | Put::Unbalanced => {}
            Put::Finish(live) => live.flb.finish(live.obj, &live.pin),
            Put::Retrieve(data) => match retrieve(flb, data) {
                Ok((obj, pin)) => flb.finish(obj, &pin),
                Err(error) => {
                    flb.complain(c"not retrieved, so never finished", error.to_errno().into());
                    state.failed(error);
                }
            },
        }
    }
}

/// Runs `retrieve`, with the owner pinned.
#[inline(never)]
fn retrieve(flb: &Flb, data: u64) -> Result<(Object, ModulePin)> {
    if !flb.has_all_callbacks() {
        return Err(EINVAL);
    }
    let pin = flb.pin()?;
    let obj = flb.retrieve(data, &pin)?;
    Ok((obj, pin))
}
