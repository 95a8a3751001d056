// SPDX-License-Identifier: GPL-2.0

//! The two state machines of an FLB, one a direction.
//!
//! ```text
//! Outgoing:  idle ──first file──▶ preserved ──last file or user──▶ idle
//!
//! Incoming:  Untouched(data) ──get, or last file──▶ Live(flb) ──last file or user──▶ Finished
//!                    └── retrieve fails for good ──▶ Failed(error)
//! ```
//!
//! Each runs under a lock of its own. Who holds the object is counted in a [`Refs`] next to the
//! object, for those who take no lock too; it is alive in `preserved` and in `Live`, and only
//! there.
//!
//! This module is pure: it calls nothing and depends on `core` alone, so the same file is compiled
//! into the kernel and into the host tests. A transition yields what the caller has to do. What a
//! state owns is in its variant: `P` pins the module that has to stay.

#![forbid(unsafe_code)]

use crate::refs::{Holder, Refs, Released, Taken};

/// What a `preserve` callback leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saved<O> {
    /// The handle for the next kernel.
    pub(crate) data: u64,
    /// The live object of this kernel. It may be null: the state decides, not the pointer.
    pub(crate) obj: O,
}

/// The outgoing direction: this kernel preserves for the next one.
///
/// # Invariants
///
/// Files are among the holders if and only if `handlers` is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Outgoing {
    /// How many handlers with preserved files depend on the FLB. Each counts its files itself.
    handlers: u32,
}

/// For the host tests, which have no private area that holds the state.
#[cfg(test)]
impl Outgoing {
    /// The state with this many handlers.
    pub(crate) const fn new(handlers: u32) -> Self {
        Self { handlers }
    }

    /// How many handlers with preserved files depend on the FLB.
    pub(crate) fn handlers(self) -> u32 {
        self.handlers
    }
}

impl Outgoing {
    /// A handler has its first file. If it says `false` nothing is preserved: run `preserve`, then
    /// continue with [`Outgoing::preserved`].
    pub(crate) fn hold(&mut self, refs: &Refs) -> bool {
        let held = refs.hold();
        if held {
            // INVARIANT: Files are among the holders.
            self.handlers = self.handlers.saturating_add(1);
        }
        held
    }

    /// `preserve` has succeeded for the first file of a handler, and what it left is in place.
    pub(crate) fn preserved(&mut self, refs: &Refs) {
        // INVARIANT: There is one handler.
        self.handlers = 1;
        refs.publish(true, 0);
    }

    /// A handler has no file any more, or a user puts a reference. If it was the last: run
    /// `unpreserve`, then release the pin.
    pub(crate) fn release(&mut self, refs: &Refs, holder: Holder) -> Released {
        if holder == Holder::Files {
            match self.handlers {
                0 => return Released::Unbalanced,
                1 => {}
                _ => {
                    self.handlers -= 1;
                    return Released::Held;
                }
            }
            // INVARIANT: Files are not among the holders in a moment.
            self.handlers = 0;
        }
        refs.release(holder)
    }
}

/// An FLB with the references to its incoming object.
pub(crate) trait Counted: PartialEq {
    /// Who holds the object.
    fn refs(&self) -> &Refs;
}

/// The incoming direction: the previous kernel preserved for this one.
///
/// # Invariants
///
/// - The object of an FLB is alive if and only if it is the one in `Live`.
/// - Files are among its holders until the last of those that were handed over is finished, which
///   they have not been in `Untouched`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<F, P, E> {
    /// `retrieve` has not succeeded yet.
    Untouched {
        /// The handle that the previous kernel's `preserve` returned.
        data: u64,
    },
    /// `retrieve` has succeeded.
    Live {
        /// The FLB whose `retrieve` made the object, and whose `finish` will release it.
        flb: F,
        /// Keeps the owner of the callbacks.
        pin: P,
    },
    /// `finish` has run.
    Finished,
    /// There is no object, and `retrieve` will not be tried again.
    Failed(E),
}

/// What follows when a caller asks for the incoming object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got<E> {
    /// The reference is counted.
    Counted,
    /// Run `retrieve` with this handle, then [`Incoming::retrieved`]. After an error the next
    /// caller will be told the same, unless it is final: [`Incoming::failed`].
    Retrieve(u64),
    /// `finish` has run.
    Finished,
    /// There will never be an object, for this reason.
    Failed(E),
    /// Another FLB of the same name owns the object.
    Foreign,
    /// No more references can be counted.
    Full,
}

/// What follows when the last file is finished or a caller puts its reference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put<F, P> {
    /// Others remain.
    Held,
    /// It was the last, and nobody ever asked for the object: run `retrieve` with this handle, then
    /// `finish`; on error [`Incoming::failed`].
    Retrieve(u64),
    /// It was the last: run `finish`, release the pin.
    Finish(F, P),
    /// Nobody held what is being put.
    Unbalanced,
}

impl<F: Counted, P, E: Copy> Incoming<F, P, E> {
    /// A caller asks for the object through `flb`.
    pub(crate) fn get(&mut self, flb: &F) -> Got<E> {
        match self {
            Self::Untouched { data } => Got::Retrieve(*data),
            Self::Live { flb: live, .. } if live != flb => Got::Foreign,
            Self::Live { flb: live, .. } => match live.refs().get() {
                Taken::Counted => Got::Counted,
                Taken::Full => Got::Full,
                Taken::Dead => Got::Finished,
            },
            Self::Finished => Got::Finished,
            Self::Failed(error) => Got::Failed(*error),
        }
    }

    /// `retrieve` has succeeded for a caller, who holds the first reference, and the object is in
    /// place.
    pub(crate) fn retrieved(&mut self, flb: F, pin: P) {
        // INVARIANT: The object becomes alive. It was `Untouched`, so files are among the holders.
        flb.refs().publish(true, 1);
        *self = Self::Live { flb, pin };
    }

    /// `retrieve` has failed, and will not be tried again.
    pub(crate) fn failed(&mut self, error: E) {
        *self = Self::Failed(error);
    }

    /// A caller puts the reference that it got through `flb`.
    pub(crate) fn put_user(&mut self, flb: &F) -> Put<F, P> {
        match self {
            Self::Live { flb: live, .. } if live == flb => self.release(Holder::User),
            _ => Put::Unbalanced,
        }
    }

    /// The last of the files that were handed over is finished.
    pub(crate) fn put_files(&mut self) -> Put<F, P> {
        match self {
            Self::Untouched { data } => {
                let data = *data;
                *self = Self::Finished;
                Put::Retrieve(data)
            }
            Self::Live { .. } => self.release(Holder::Files),
            _ => Put::Unbalanced,
        }
    }

    /// One of those who hold the live object lets go.
    fn release(&mut self, holder: Holder) -> Put<F, P> {
        let released = match self {
            Self::Live { flb, .. } => flb.refs().release(holder),
            _ => Released::Unbalanced,
        };
        match released {
            Released::Held => return Put::Held,
            Released::Unbalanced => return Put::Unbalanced,
            Released::Last => {}
        }
        // INVARIANT: The object is dead.
        match core::mem::replace(self, Self::Finished) {
            Self::Live { flb, pin } => Put::Finish(flb, pin),
            _ => Put::Unbalanced,
        }
    }
}
