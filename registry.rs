// SPDX-License-Identifier: GPL-2.0

//! Which FLBs are registered with which handlers: the links of all handlers; and the FLB array, in
//! which those with preserved files are handed over.
//!
//! Links are changed with the lock of their handler and the registry lock held, and read with one
//! of the two. The lists are short, so they are walked.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Name,
    bindings,
    lock::RegistryGuard,
    raw::{trace, Dependency, Direction, Flb, Handler, HandlerGuard, HandlerState, Preserved},
};
use core::{mem::take, ptr};
use kernel::prelude::*;

/// The most FLBs that can be registered.
pub(crate) const MAX_FLBS: usize = bindings::LUO_FLB_SHIM_MAX as usize;

/// The states of all handlers, which have the registrations.
pub(crate) struct Registry {
    /// The head of their list. A state whose handler is gone is used again.
    handlers: Option<&'static HandlerState>,
    /// How many FLBs are registered.
    pub(crate) flbs: usize,
    /// The FLB array for the next kernel.
    pub(crate) array: Option<Preserved>,
}

impl Registry {
    pub(crate) const fn new() -> Self {
        Self {
            handlers: None,
            flbs: 0,
            array: None,
        }
    }

    pub(crate) fn handlers(&self) -> impl Iterator<Item = &'static HandlerState> {
        core::iter::successors(self.handlers, |state| state.next)
    }
}

impl RegistryGuard<'_, Registry> {
    /// Attach a state to `handler`, unless it has one. If it was registered again while files were
    /// preserved, take the state that those files use; otherwise a free one, or allocate one.
    ///
    /// Errors: [`ENOMEM`].
    pub(crate) fn attach(&mut self, handler: Handler) -> Result {
        if handler.state().is_some() {
            return Ok(());
        }
        let find = |handler| self.handlers().find(|state| state.is_of(handler));
        let state = match find(Some(handler)).or_else(|| find(None)) {
            Some(state) => state,
            None => {
                let state = HandlerState::new(self.handlers)?;
                self.handlers = Some(state);
                state
            }
        };
        handler.attach(state, self);
        Ok(())
    }

    /// A registration of which this is true.
    pub(crate) fn find(&self, is_it: impl Fn(&Dependency) -> bool) -> Option<&Dependency> {
        let mut handlers = self.handlers();
        handlers.find_map(|state| state.links(self).flbs.iter().find(|flb| is_it(flb)))
    }

    /// Register an FLB with the handler that is locked, or call off that it is leaving.
    ///
    /// Errors: [`EEXIST`] if it is registered, or another FLB bears the name; [`EBUSY`] if the
    /// handler has files; [`ENOSPC`] if there are [`MAX_FLBS`] others; [`ENOMEM`].
    pub(crate) fn add(&mut self, guard: &mut HandlerGuard, name: Name, flb: Flb) -> Result {
        let named = self
            .find(|other| other.is_named(&name))
            .map(|other| other.flb);
        let is_new = named != Some(flb);
        let has_files = guard.state.files.is_held();
        let links = guard.links_mut(self);
        links.unregistered = false;
        let mut flbs = links.flbs.iter_mut();
        if let Some(dependency) = flbs.find(|other| !is_new && other.flb == flb) {
            // It may have been unregistered while files were preserved.
            return match take(&mut dependency.leaving) {
                true => Ok(()),
                false => Err(EEXIST),
            };
        }
        if has_files {
            return Err(EBUSY);
        }
        if is_new && self.flbs >= MAX_FLBS {
            return Err(ENOSPC);
        }
        if is_new && named.is_some() {
            return Err(EEXIST);
        }
        let dependency = Dependency {
            name,
            flb,
            leaving: false,
        };
        guard.links_mut(self).flbs.push(dependency, GFP_KERNEL)?;
        self.flbs += usize::from(is_new);
        Ok(())
    }

    /// Remove the registrations that are leaving, and detach the state if the handler is gone.
    /// There are no files.
    #[inline(never)]
    pub(crate) fn unlink(&mut self, handler: Handler, guard: &mut HandlerGuard) {
        while let Some(index) = guard.links().flbs.iter().position(|flb| flb.leaving) {
            if let Some(gone) = guard.links().flbs.get(index) {
                // Compare the name too: the FLB may be gone, and another one be at its address.
                let others = self.find(|other| {
                    other.flb == gone.flb && !ptr::eq(other, gone) && other.is_named(&gone.name)
                });
                self.flbs -= usize::from(others.is_none());
            }
            let _ = guard.links_mut(self).flbs.remove(index);
        }
        let links = guard.links_mut(self);
        links.leaving = false;
        if take(&mut links.unregistered) {
            handler.detach(guard, self);
        }
    }

    /// Allocate the array, as at reboot it is too late to look for memory, and `announce` its
    /// physical address to the next kernel. May sleep.
    ///
    /// Errors: [`ENOMEM`], or as for `announce`. Nothing is kept then.
    pub(crate) fn setup_outgoing(&mut self, announce: impl FnOnce(u64) -> Result) -> Result {
        let array = Preserved::new()?;
        announce(array.address())?;
        self.array = Some(array);
        Ok(())
    }

    /// Write the FLBs on which preserved files depend into the array, if there is one. Count files
    /// alone: unlike in C, references are not handed over, nor an FLB that has only references.
    /// Waits for no callback.
    ///
    /// The orchestrator has its sessions locked from before the call on, for good. So no file is
    /// preserved or unpreserved any more, and what files hold cannot lose its last holder.
    pub(crate) fn serialize(&mut self) {
        let Some(mut array) = self.array.take() else {
            return;
        };
        let mut writer = array.writer();
        for state in self.handlers() {
            let files = state.files.references();
            if files == 0 {
                continue;
            }
            for Dependency { name, flb, .. } in &state.links(self).flbs {
                // Files hold the FLB, so it is valid. If several handlers do, it may have an entry.
                let (handlers, data) = (
                    flb.refs(Direction::Outgoing).handlers(),
                    flb.data(Direction::Outgoing),
                );
                let is_added = handlers > 1 && writer.add_files(name, files);
                // Neither can be: the handler holds each, and there is room for MAX_FLBS.
                if !is_added && (handlers == 0 || !writer.push(name, data, files)) {
                    flb.log(c"not handed over", files.into());
                    continue;
                }
                trace::serialize(name.field(), data, files);
            }
        }
        self.array = Some(array);
    }
}
