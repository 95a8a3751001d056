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
//! - registering one more is refused with [`EBUSY`], unlike in C;
//! - unregistering one takes effect when the handler has no preserved file left. Until then it is
//!   *leaving*, and new files still use it. C unlinks it at once.
//!
//! The FLBs of a handler may change while files that came are not finished. Finishing a file drops
//! it from the FLBs that are registered then, as in C.

#![forbid(unsafe_code)]

use crate::{
    incoming::{self, Incoming},
    lock::{ByRegistry, RegisterRead},
    outgoing,
    raw::{
        self, errno, trace, Dependency, Direction, Flb, FlbGuard, Handler, HandlerGuard, EDEADLK,
    },
    refs::{Holder, Released, Taken},
    registry::Registry,
    state::FileFinished,
};
use kernel::prelude::*;

/// The core. `ffi.rs` calls its methods and those of its fields. Their comments are the contract.
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
    /// Errors: [`EINVAL`] if the handler is not registered, or the name is empty or not terminated;
    /// [`EEXIST`] if the FLB is registered with the handler, or another FLB bears its name;
    /// [`EBUSY`] while files of the handler are preserved; [`ENOSPC`] if there is no room for one
    /// more FLB; [`ENOMEM`]; or as for [`LuoFlb::lock_or_attach`].
    pub(crate) fn register(&self, handler: Handler, flb: Flb) -> Result {
        let registered = flb.name().and_then(|name| {
            let mut guard = self.lock_or_attach(handler, true)?;
            self.registry.lock().add(&mut guard, name, flb)
        });
        trace::register(handler, flb, registered);
        registered
    }

    /// Undo [`LuoFlb::register`], at once or when the last preserved file of the handler is
    /// released. May sleep.
    pub(crate) fn unregister(&self, handler: Handler, flb: Flb) {
        let left = self.leave(handler, Some(flb));
        trace::unregister(handler, flb, left);
        if let Err(error) = left {
            let what = match error == EBUSY {
                true => c"unregistered with the last preserved file",
                false => c"not unregistered",
            };
            flb.log(what, error.to_errno().into());
        }
    }

    /// Undo all registrations with `handler`, which the orchestrator is about to forget: it holds
    /// `luo_register_rwlock` for writing. May sleep.
    pub(crate) fn unregister_all(&self, handler: Handler) {
        // It need not have any.
        let _ = self.leave(handler, None);
    }

    /// Have one FLB leave, or all with the handler, now or with the last preserved file.
    ///
    /// Errors: [`ENOENT`] if it is not registered; [`EBUSY`] if it leaves later.
    fn leave(&self, handler: Handler, which: Option<Flb>) -> Result {
        let mut guard = handler.lock().ok_or(ENOENT)?;
        let mut registry = self.registry.lock();
        let links = guard.links_mut(&mut registry);
        let mut found = Err(ENOENT);
        for dependency in &mut links.flbs {
            let leaves = which.is_none_or(|flb| dependency.flb == flb);
            if leaves && !core::mem::replace(&mut dependency.leaving, true) {
                found = Ok(());
            }
        }
        links.unregistered |= which.is_none();
        links.leaving = true;
        if guard.state.files.is_held() {
            return found.and(Err(EBUSY));
        }
        registry.unlink(handler, &mut guard);
        found
    }

    /// A file of `handler`, which seems to be the first, is about to be preserved. The first
    /// acquires its FLBs, in the order of registration. For any other `luo_flb_file_preserve()`
    /// takes no lock. May sleep.
    ///
    /// Errors: [`EOVERFLOW`]; or as for [`LuoFlb::lock_or_attach`] and [`outgoing::preserve`].
    /// Nothing is held then for the file.
    pub(crate) fn preserve_first(&self, handler: Handler) -> Result {
        // Even without FLBs: register has to know that there are files.
        let guard = self.lock_or_attach(handler, false)?;
        let state = guard.state;
        match state.files.try_get() {
            Taken::Counted => return Ok(()),
            Taken::Saturated => return Err(EOVERFLOW),
            Taken::Zero => {}
        }
        let flbs = &guard.links().flbs;
        for (index, dependency) in flbs.iter().enumerate() {
            if let Err(error) = outgoing::preserve(dependency.flb, handler) {
                self.unpreserve_all(handler, flbs.get(..index).unwrap_or_default());
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
        let Ok(mut guard) = self.lock_or_attach(handler, false) else {
            return;
        };
        match guard.state.files.release(Holder::Reference) {
            Released::Held => return,
            Released::Underflow => return handler.log(c"file released, but not preserved", 0),
            Released::Last => {}
        }
        self.unpreserve_all(handler, &guard.links().flbs);
        // INVARIANT: The handler holds no FLB.
        if guard.links().leaving {
            self.registry.lock().unlink(handler, &mut guard);
        }
    }

    /// A file of `handler` that was handed over is finished, and so it is for its FLBs, in reverse
    /// order. The last runs `finish`, unless there are references, on an object that is retrieved
    /// for it if that was not done before. What was not handed over is left alone. May sleep.
    pub(crate) fn finish_file(&self, handler: Handler) {
        if self.incoming.is_empty() {
            return;
        }
        let Some(guard) = handler.lock() else {
            return;
        };
        for dependency in guard.links().flbs.iter().rev() {
            if self.finish_one(handler, dependency, None) == FileFinished::Last {
                self.retrieve_and_finish_one(handler, dependency);
            }
        }
    }

    /// The last file is finished before its object was retrieved: do that first.
    fn retrieve_and_finish_one(&self, handler: Handler, dependency: &Dependency) {
        let flb = dependency.flb;
        // EBUSY: another FLB of the name runs retrieve. If that fails, try once with this one.
        for again in [true, false] {
            let retrieved = self.incoming.get(flb);
            let error = retrieved.err().filter(|error| !again || *error != EBUSY);
            match (self.finish_one(handler, dependency, error), retrieved) {
                (FileFinished::Last, _) => continue,
                (_, Ok(())) => self.put(flb, Direction::Incoming, None),
                (FileFinished::Failed, Err(error)) => incoming::log_failure(flb, error),
                _ => {}
            }
            return;
        }
    }

    /// A file that depends on an FLB is finished, see [`Incoming::file_finished`]. Put the FLB that
    /// has retrieved the entry: it may be another one of the same name.
    fn finish_one(
        &self,
        handler: Handler,
        dependency: &Dependency,
        error: Option<Error>,
    ) -> FileFinished {
        let (finished, flb) = self.incoming.file_finished(dependency, error);
        if let Some(flb) = flb {
            self.put(flb, Direction::Incoming, Some(handler));
        }
        finished
    }

    /// Remove a holder of an object: files, the last of which is one of `handler`, or a reference.
    /// The last holder runs `unpreserve` or `finish`. May sleep.
    #[inline(never)]
    pub(crate) fn put(&self, flb: Flb, direction: Direction, handler: Option<Handler>) {
        let Ok(guard) = FlbGuard::lock(flb, direction) else {
            return flb.log(c"put from its own callback", 0);
        };
        guard.release(handler, || {
            if direction == Direction::Incoming {
                self.incoming.finished(flb);
            }
        });
    }

    /// Unpreserve FLBs for a handler, in reverse order.
    fn unpreserve_all(&self, handler: Handler, flbs: &[Dependency]) {
        for dependency in flbs.iter().rev() {
            self.put(dependency.flb, Direction::Outgoing, Some(handler));
        }
    }

    /// Lock the state of a handler, to which one is attached if it has none, for a file, or only if
    /// the handler is `registered`.
    ///
    /// Errors: [`EINVAL`] if it is not; [`ENOMEM`]; `EDEADLK` from a callback of the handler;
    /// [`EBUSY`] if the state was detached twice meanwhile.
    fn lock_or_attach(&self, handler: Handler, registered: bool) -> Result<HandlerGuard> {
        let guard = handler
            .lock()
            .filter(|guard| !(registered && guard.links().unregistered));
        guard.map_or_else(|| self.attach(handler, registered), Ok)
    }

    #[inline(never)]
    fn attach(&self, handler: Handler, registered: bool) -> Result<HandlerGuard> {
        // In a callback of the handler: do not wait for who unregisters it and waits for us.
        let state = handler.state();
        if state.is_some_and(|state| HandlerGuard::lock(state).is_none()) {
            return Err(errno(EDEADLK));
        }
        RegisterRead::with(|register| {
            if registered && !handler.is_registered(register) {
                raw::warn();
                return Err(EINVAL);
            }
            // Try twice: the last file from before a second registration may detach the state once.
            for _ in 0..2 {
                self.registry.lock().attach(handler)?;
                if let Some(guard) = handler.lock() {
                    return Ok(guard);
                }
            }
            Err(EBUSY)
        })
    }
}
