// SPDX-License-Identifier: GPL-2.0

//! The two state machines of an FLB, one a direction.
//!
//! ```text
//! Outgoing:  Idle ──first file──▶ Preserved { files, users, .. } ──last file or user──▶ Idle
//!
//! Incoming:  Untouched { files, .. } ──get, or last file──▶ Live { files, users, .. } ──last──▶ Finished
//!                    └── retrieve fails for good ──▶ Failed(error)
//! ```
//!
//! This module is pure: it calls nothing and depends on `core` alone, so the same file is compiled
//! into the kernel and into the host tests. A transition yields what the caller has to do. What a
//! state owns is in its variant: `P` pins the module that has to stay, `O` is the live object.

#![forbid(unsafe_code)]

/// What a `preserve` callback leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saved<O> {
    /// The handle for the next kernel.
    pub(crate) data: u64,
    /// The live object of this kernel. It may be null: the state decides, not the pointer.
    pub(crate) obj: O,
}

/// Who holds an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A file that depends on the FLB.
    File,
    /// A caller who got the object and will put it.
    User,
}

/// What `preserve` made, and who holds it.
///
/// # Invariants
///
/// `files` and `users` are not both zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Preserved<O, P> {
    /// How many preserved files depend on the FLB. This is what the next kernel is told.
    pub(crate) files: u32,
    /// How many references callers hold. They stay in this kernel.
    pub(crate) users: u32,
    /// What `preserve` left behind.
    pub(crate) saved: Saved<O>,
    /// Keeps the owner of the callbacks.
    pub(crate) pin: P,
}

impl<O, P> Preserved<O, P> {
    fn held_by(&mut self, holder: Holder) -> &mut u32 {
        match holder {
            Holder::File => &mut self.files,
            Holder::User => &mut self.users,
        }
    }
}

/// The outgoing direction: this kernel preserves for the next one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing<O, P> {
    /// Nobody holds the FLB.
    Idle,
    /// `preserve` has run.
    Preserved(Preserved<O, P>),
}

/// What follows when there is one more holder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added<O, P> {
    /// There is nothing to hold, and the state is [`Outgoing::Idle`]. For a file run `preserve`, then
    /// continue with [`Outgoing::preserved`].
    Idle,
    /// The holder is counted.
    Counted(Outgoing<O, P>),
    /// The holder cannot be counted; the state is as it was.
    Full(Outgoing<O, P>),
}

/// What follows when there is one holder fewer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removed<O, P> {
    /// Others remain.
    Counted(Outgoing<O, P>),
    /// It was the last: run `unpreserve`, then release the pin. The next state is
    /// [`Outgoing::Idle`].
    Last(Saved<O>, P),
    /// There was no such holder; the state is as it was.
    Unbalanced(Outgoing<O, P>),
}

impl<O, P> Outgoing<O, P> {
    /// The state after `preserve` has succeeded for the first file.
    pub(crate) fn preserved(saved: Saved<O>, pin: P) -> Self {
        // INVARIANT: There is a file.
        Self::Preserved(Preserved {
            files: 1,
            users: 0,
            saved,
            pin,
        })
    }

    /// There is one more holder; `most` of a kind can be counted.
    pub(crate) fn add(self, holder: Holder, most: u32) -> Added<O, P> {
        let mut kept = match self {
            Self::Idle => return Added::Idle,
            Self::Preserved(kept) => kept,
        };
        let held = kept.held_by(holder);
        if *held >= most {
            return Added::Full(Self::Preserved(kept));
        }
        *held += 1;
        Added::Counted(Self::Preserved(kept))
    }

    /// There is one holder fewer.
    pub(crate) fn remove(self, holder: Holder) -> Removed<O, P> {
        let mut kept = match self {
            Self::Idle => return Removed::Unbalanced(self),
            Self::Preserved(kept) => kept,
        };
        match kept.held_by(holder) {
            0 => return Removed::Unbalanced(Self::Preserved(kept)),
            held => *held -= 1,
        }
        if kept.files == 0 && kept.users == 0 {
            return Removed::Last(kept.saved, kept.pin);
        }
        // INVARIANT: Not both counts are zero.
        Removed::Counted(Self::Preserved(kept))
    }
}

/// The live object of the incoming direction, and who has to put it.
///
/// # Invariants
///
/// `files` and `users` are not both zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Live<F, O, P> {
    /// How many files that were handed over with the FLB are not finished yet.
    pub(crate) files: u32,
    /// How many references callers hold.
    pub(crate) users: u32,
    /// The FLB whose `retrieve` made the object, and whose `finish` will release it.
    pub(crate) flb: F,
    /// The object that `retrieve` made. It may be null.
    pub(crate) obj: O,
    /// Keeps the owner of the callbacks.
    pub(crate) pin: P,
}

/// The incoming direction: the previous kernel preserved for this one.
///
/// # Invariants
///
/// In `Untouched`, `files` is not zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<F, O, P, E> {
    /// `retrieve` has not succeeded yet.
    Untouched {
        /// How many files that were handed over with the FLB are not finished yet, at least one.
        files: u32,
        /// The handle that the previous kernel's `preserve` returned.
        data: u64,
    },
    /// `retrieve` has succeeded.
    Live(Live<F, O, P>),
    /// `finish` has run.
    Finished,
    /// There is no object, and `retrieve` will not be tried again.
    Failed(E),
}

/// What follows when a caller asks for the incoming object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got<O, E> {
    /// The reference is counted.
    Counted(O),
    /// Run `retrieve` with this handle, then [`Incoming::retrieved`]. After an error the next caller
    /// will be told the same, unless it is final: [`Incoming::failed`].
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

/// What follows when a file is finished or a caller puts its reference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put<F, O, P> {
    /// Others remain.
    Counted,
    /// It was the last, and nobody ever asked for the object: run `retrieve` with this handle, then
    /// `finish`; on error [`Incoming::failed`].
    Retrieve(u64),
    /// It was the last: run `finish`, release the pin.
    Finish(Live<F, O, P>),
    /// Nobody held what is being put.
    Unbalanced,
}

impl<F: PartialEq, O: Copy, P, E: Copy> Incoming<F, O, P, E> {
    /// A caller asks for the object through `flb`; `most` references can be counted.
    pub(crate) fn get(&mut self, flb: &F, most: u32) -> Got<O, E> {
        match self {
            Self::Untouched { data, .. } => Got::Retrieve(*data),
            Self::Live(live) if live.flb != *flb => Got::Foreign,
            Self::Live(live) if live.users >= most => Got::Full,
            Self::Live(live) => {
                live.users += 1;
                Got::Counted(live.obj)
            }
            Self::Finished => Got::Finished,
            Self::Failed(error) => Got::Failed(*error),
        }
    }

    /// `retrieve` has succeeded for a caller, who holds the first reference.
    pub(crate) fn retrieved(&mut self, flb: F, obj: O, pin: P) {
        if let Self::Untouched { files, .. } = *self {
            // INVARIANT: There is a user.
            *self = Self::Live(Live {
                files,
                users: 1,
                flb,
                obj,
                pin,
            });
        }
    }

    /// `retrieve` has failed, and will not be tried again.
    pub(crate) fn failed(&mut self, error: E) {
        *self = Self::Failed(error);
    }

    /// A caller puts the reference that it got through `flb`.
    pub(crate) fn put_user(&mut self, flb: &F) -> Put<F, O, P> {
        match self {
            Self::Live(live) if live.flb == *flb && live.users > 0 => live.users -= 1,
            _ => return Put::Unbalanced,
        }
        self.settle()
    }

    /// A file that was handed over with the FLB is finished.
    pub(crate) fn put_file(&mut self) -> Put<F, O, P> {
        match self {
            Self::Untouched { files, .. } if *files > 0 => *files -= 1,
            Self::Live(live) if live.files > 0 => live.files -= 1,
            _ => return Put::Unbalanced,
        }
        self.settle()
    }

    /// What follows after one of the counts went down.
    fn settle(&mut self) -> Put<F, O, P> {
        match self {
            Self::Untouched { files: 0, .. } => {}
            Self::Live(live) if live.files == 0 && live.users == 0 => {}
            // INVARIANT: Not both counts are zero.
            _ => return Put::Counted,
        }
        match core::mem::replace(self, Self::Finished) {
            Self::Untouched { data, .. } => Put::Retrieve(data),
            Self::Live(live) => Put::Finish(live),
            _ => Put::Unbalanced,
        }
    }
}
