// SPDX-License-Identifier: GPL-2.0

//! What registering an FLB, preserving a file and finishing one mean for the FLBs of a handler.
//!
//! A handler holds each of its FLBs once while files of it are preserved, and counts its files. So
//! only the first file and the last have to do with FLBs; any other costs one atomic instruction.
//!
//! The orchestrator says which handler a file belongs to, but not which file it is. So that each
//! file releases what it acquired, the FLBs of a handler do not change while it has preserved
//! files:
//!
//! - registering one more is refused with [`EBUSY`];
//! - unregistering one takes effect when the last of these files is released, which new files put
//!   off. Until then it is *leaving*.
//!
//! Files that were handed over, and are not finished, do not keep the FLBs of their handler: like
//! in C, what has left before they are finished is not finished with them.

#![forbid(unsafe_code)]

use crate::{
    incoming::Incoming,
    lock::{ByRegistry, HandlerGuard, RegisterRead},
    outgoing,
    raw::{self, deadlock, Dependency, Flb, Handler, HandlerState},
    refs::{Holder, Released, Taken},
    registry::Registry,
};
use kernel::prelude::*;

/// The core: its methods are the entry points, their documentation the contract.
pub(crate) struct LuoFlb {
    pub(crate) registry: ByRegistry<Registry>,
    /// What the previous kernel handed over.
    pub(crate) incoming: Incoming,
}

impl LuoFlb {
    /// A core with which nothing is registered and to which nothing was handed over.
    pub(crate) const fn new() -> Self {
        Self {
            registry: ByRegistry::new(Registry::new()),
            incoming: Incoming::new(),
        }
    }

    /// Make the files of `handler` depend on `flb`. May sleep.
    ///
    /// Errors: [`EINVAL`] if a callback is missing, the handler is not registered, or the name is
    /// empty or not terminated; [`EEXIST`] if it is registered with the handler, or another FLB
    /// bears its name; [`EBUSY`] while files of the handler are preserved; [`ENOSPC`] if there is
    /// no room for one more FLB; [`ENOMEM`]; `EDEADLK` from a callback of the handler.
    pub(crate) fn register(&self, handler: Handler, flb: Flb) -> Result {
        let Ok(flb) = flb.ready() else {
            raw::warn();
            return Err(EINVAL);
        };
        let name = flb.name()?;
        let mut links = self.lock_or_attach(handler, true)?;
        if let Some(dependency) = links.flbs.iter_mut().find(|other| other.flb == flb) {
            // It may have been unregistered while files were preserved.
            return match core::mem::take(&mut dependency.leaving) {
                true => Ok(()),
                false => Err(EEXIST),
            };
        }
        if links.state().files.is_held() {
            return Err(EBUSY);
        }
        let handler = links.state();
        links.flbs.push(Dependency::new(flb), GFP_KERNEL)?;
        let added = self.registry.lock().add(&name, flb, handler);
        if added.is_err() {
            links.flbs.pop();
        }
        added
    }

    /// Undo [`LuoFlb::register`], at once or when the last preserved file of the handler is
    /// released. May sleep.
    pub(crate) fn unregister(&self, handler: Handler, flb: Flb) {
        if let Err(error) = self.try_unregister(handler, flb) {
            flb.log(c"not unregistered", error.to_errno().into());
        }
    }

    fn try_unregister(&self, handler: Handler, flb: Flb) -> Result {
        let mut links = lock_state(handler).ok_or(ENOENT)?;
        let mut registered = links.flbs.iter_mut();
        let dependency = registered.find(|other| *other.flb == flb && !other.leaving);
        dependency.ok_or(ENOENT)?.leaving = true;
        if links.state().files.is_held() {
            flb.log(c"unregistered while preserved, used until unpreserved", 0);
        } else {
            self.unlink(handler, &mut links);
        }
        Ok(())
    }

    /// Undo all registrations with `handler`, which the orchestrator is about to forget: it holds
    /// `luo_register_rwlock` for writing. May sleep.
    pub(crate) fn unregister_all(&self, handler: Handler) {
        let Some(mut links) = lock_state(handler) else {
            return;
        };
        links.flbs.iter_mut().for_each(|flb| flb.leaving = true);
        links.unregistered = true;
        if !links.state().files.is_held() {
            self.unlink(handler, &mut links);
        }
    }

    /// Remove what is leaving, and detach the state if the handler is. There are no files.
    #[inline(never)]
    fn unlink(&self, handler: Handler, links: &mut HandlerGuard) {
        let mut registry = self.registry.lock();
        let state = links.state();
        let mut index = 0;
        while let Some(dependency) = links.flbs.get(index) {
            if !dependency.leaving {
                index += 1;
                continue;
            }
            registry.remove(dependency.flb, state);
            let _ = links.flbs.remove(index);
        }
        if core::mem::take(&mut links.unregistered) {
            handler.detach(state);
        }
    }

    /// A file of `handler`, which seems to be the first, is about to be preserved. The first
    /// acquires its FLBs, in the order of registration. For any other `luo_flb_file_preserve()`
    /// takes no lock. May sleep.
    ///
    /// Errors: [`ENOMEM`]; [`EOVERFLOW`]; `EDEADLK` from a callback of the handler; or as for
    /// [`outgoing::preserve`]. Nothing is held then for the file.
    pub(crate) fn preserve_first(&self, handler: Handler) -> Result {
        let links = self.lock_or_attach(handler, false)?;
        let state = links.state();
        match state.files.try_get() {
            Taken::Counted => return Ok(()),
            Taken::Saturated => return Err(EOVERFLOW),
            Taken::Zero => {}
        }
        for (index, dependency) in links.flbs.iter().enumerate() {
            if let Err(error) = outgoing::preserve(dependency.flb) {
                unpreserve_all(links.flbs.get(..index).unwrap_or_default());
                return Err(error);
            }
        }
        // INVARIANT: The handler holds each FLB.
        state.files.publish(false, 1);
        Ok(())
    }

    /// A file of `handler`, which seems to be the last, is not preserved any more. The last
    /// releases its FLBs, in reverse order. For any other `luo_flb_file_unpreserve()` takes no
    /// lock. May sleep.
    pub(crate) fn unpreserve_last(&self, handler: Handler) {
        let Ok(mut links) = self.lock_or_attach(handler, false) else {
            return handler.log(c"file released, but not preserved", 0);
        };
        match links.state().files.release(Holder::Reference) {
            Released::Held => {}
            Released::Underflow => handler.log(c"file released, but not preserved", 0),
            Released::Last => {
                unpreserve_all(&links.flbs);
                // INVARIANT: The handler holds no FLB.
                if links.unregistered || links.flbs.iter().any(|flb| flb.leaving) {
                    self.unlink(handler, &mut links);
                }
            }
        }
    }

    /// A file of `handler` that was handed over is finished, and so it is for its FLBs, in reverse
    /// order. Those that were not handed over are left alone. May sleep.
    pub(crate) fn finish_file(&self, handler: Handler) {
        if let Some(mut links) = lock_state(handler) {
            self.incoming.finish_file(&mut links.flbs);
        }
    }

    /// Lock the state of a handler, to which one is attached if it has none, for a file, or only if
    /// the handler is `registered`.
    ///
    /// Errors: [`EINVAL`] if it is not; [`ENOMEM`]; `EDEADLK` from a callback of the handler.
    fn lock_or_attach(&self, handler: Handler, registered: bool) -> Result<HandlerGuard> {
        let locked = lock_state(handler).filter(|links| !(registered && links.unregistered));
        locked.map_or_else(|| self.attach(handler, registered), Ok)
    }

    #[cold]
    fn attach(&self, handler: Handler, registered: bool) -> Result<HandlerGuard> {
        // A task that unregisters the handler would wait for the callback, with the lock held.
        if handler
            .state()
            .is_some_and(HandlerState::is_locked_by_this_task)
        {
            return Err(deadlock());
        }
        let register = RegisterRead::lock();
        if registered && !handler.is_registered(&register) {
            raw::warn();
            return Err(EINVAL);
        }
        // The last file from before the handler was registered again may detach the state once.
        for _ in 0..2 {
            self.registry.lock().attach(handler)?;
            if let Some(mut links) = lock_state(handler) {
                links.unregistered &= !registered;
                return Ok(links);
            }
        }
        Err(EBUSY)
    }
}

/// Lock the state of a handler; `None` if there is none, or from a callback of the handler.
#[inline(never)]
fn lock_state(handler: Handler) -> Option<HandlerGuard> {
    let links = HandlerGuard::lock(handler.state()?);
    if links.is_none() {
        handler.log(c"used by a callback of its own", 0);
    }
    // It may have been detached meanwhile.
    links.filter(|links| links.state().is_of(Some(handler)))
}

/// Unpreserve FLBs for a handler, in reverse order.
#[inline(never)]
fn unpreserve_all(flbs: &[Dependency]) {
    for dependency in flbs.iter().rev() {
        outgoing::put(dependency.flb, Holder::Handler);
    }
}
