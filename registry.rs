// SPDX-License-Identifier: GPL-2.0

//! Which FLBs are registered with which handlers. Protected by the registry lock.
//!
//! The lists are short, so they are walked. A name is a copy: once an FLB is unpreserved it may be
//! freed before it has left the list.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Name,
    bindings,
    raw::{Direction, Handler, HandlerState, Preserved, Ready},
};
use kernel::prelude::*;

/// The most FLBs that can be registered.
pub(crate) const MAX_FLBS: usize = bindings::LUO_FLB_SHIM_MAX as usize;

/// An FLB that is registered with a handler.
pub(crate) struct Registration {
    name: Name,
    pub(crate) flb: Ready,
    handler: &'static HandlerState,
}

/// All registrations, in their order, and the states of all handlers.
pub(crate) struct Registry {
    /// The head of their list. A state whose handler is gone is used again.
    handlers: Option<&'static HandlerState>,
    registrations: KVVec<Registration>,
    /// How many FLBs there are.
    flbs: usize,
    /// The FLB array for the next kernel.
    pub(crate) array: Option<Preserved>,
}

impl Registry {
    pub(crate) const fn new() -> Self {
        Self {
            handlers: None,
            registrations: KVVec::new(),
            flbs: 0,
            array: None,
        }
    }

    /// Attach a state to `handler`, unless it has one: the one that files from before it was
    /// registered again have kept, or a free one. Errors: [`ENOMEM`].
    pub(crate) fn attach(&mut self, handler: Handler) -> Result {
        if handler.state().is_some() {
            return Ok(());
        }
        let (mut found, mut next) = (None, self.handlers);
        while let Some(state) = next {
            if state.is_of(Some(handler)) {
                found = next;
                break;
            }
            if state.is_of(None) {
                found = next;
            }
            next = state.next;
        }
        let state = match found {
            Some(state) => state,
            None => {
                let state = HandlerState::new(self.handlers)?;
                self.handlers = Some(state);
                state
            }
        };
        handler.attach(state);
        Ok(())
    }

    /// Add a registration that is not there.
    ///
    /// Errors: [`ENOSPC`] if there are [`MAX_FLBS`] others; [`EEXIST`] if another FLB bears the
    /// name; [`ENOMEM`].
    pub(crate) fn add(
        &mut self,
        name: &Name,
        flb: Ready,
        handler: &'static HandlerState,
    ) -> Result {
        let mut named = self.registrations.iter();
        let found = named.find(|other| name.is_in(other.name.field()));
        let is_new = found.is_none_or(|found| found.flb != flb);
        if is_new && self.flbs >= MAX_FLBS {
            return Err(ENOSPC);
        }
        if is_new && found.is_some() {
            return Err(EEXIST);
        }
        let registration = Registration {
            name: *name,
            flb,
            handler,
        };
        self.registrations.push(registration, GFP_KERNEL)?;
        self.flbs += usize::from(is_new);
        Ok(())
    }

    /// Remove a registration.
    pub(crate) fn remove(&mut self, flb: Ready, handler: &HandlerState) {
        let is_it =
            |other: &Registration| other.flb == flb && core::ptr::eq(other.handler, handler);
        if let Some(index) = self.registrations.iter().position(is_it) {
            let _ = self.registrations.remove(index);
            let is_gone = !self.registrations.iter().any(|other| other.flb == flb);
            self.flbs = self.flbs.saturating_sub(usize::from(is_gone));
        }
    }

    /// Write the FLBs on which preserved files depend into the FLB array, if there is one.
    pub(crate) fn serialize(&mut self) {
        let Some(array) = &mut self.array else {
            return;
        };
        let mut writer = array.writer();
        for registration in &self.registrations {
            let Registration { name, flb, handler } = registration;
            let files = handler.files.references();
            if files == 0 {
                continue;
            }
            // Files hold the FLB, so it is valid. If several handlers do, it may have an entry.
            let side = flb.side(Direction::Outgoing);
            let handlers = side.refs().handlers();
            if handlers > 1 && writer.add_files(name, files) {
                continue;
            }
            if handlers == 0 || !writer.push(name, side.data(), files) {
                flb.log(c"not handed over", files.into());
            }
        }
        writer.finish();
    }
}
