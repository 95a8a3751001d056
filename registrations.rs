// SPDX-License-Identifier: GPL-2.0

//! Which FLBs are registered with which handlers.
//!
//! All registrations are in one tree, in the order of names, so that an FLB is found by its name,
//! and everything that is registered under it.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Name,
    arrivals::Place,
    handlers::{Dependencies, Record},
    raw::{Flb, Ready},
};
use kernel::{
    prelude::*,
    rbtree::{self, RBTree, RBTreeNodeReservation},
};

/// A registration of an FLB with a handler.
#[derive(Clone, Copy)]
pub(crate) struct Registration {
    /// [`Handler::id`](crate::raw::Handler::id).
    pub(crate) handler: usize,
    /// Where the FLB is among those of the handler.
    place: Place,
}

/// An FLB that is registered.
pub(crate) struct Registered {
    pub(crate) flb: Ready,
    /// One of its registrations, and with most FLBs the only one.
    pub(crate) first: Registration,
    pub(crate) others: KVec<Registration>,
}

impl Registered {
    /// Where the FLB is among those of a handler, if it is registered with it.
    fn place(&self, handler: usize) -> Option<Place> {
        if self.first.handler == handler {
            return Some(self.first.place);
        }
        let mut others = self.others.iter();
        let found = others.find(|registration| registration.handler == handler)?;
        Some(found.place)
    }

    /// Adds a registration with a handler; or calls its removal off, which works when it is `busy`
    /// too.
    fn add(&mut self, handler: usize, deps: &mut Dependencies, busy: bool) -> Result {
        if let Some(place) = self.place(handler) {
            return deps.readmit(place);
        }
        if busy {
            return Err(EBUSY);
        }
        self.others.reserve(1, GFP_KERNEL)?;
        let place = deps.add(self.flb)?;
        // There is room.
        Ok(self
            .others
            .push(Registration { handler, place }, GFP_KERNEL)?)
    }

    /// Removes the registration with a handler, unless it is the last, which is left to the caller;
    /// whether it was removed.
    fn remove(&mut self, handler: usize) -> bool {
        if self.first.handler != handler {
            self.others.retain(|other| other.handler != handler);
            return true;
        }
        match self.others.pop() {
            Some(other) => self.first = other,
            None => return false,
        }
        true
    }
}

/// All FLBs that are registered, those that are leaving included, by name.
pub(crate) struct Registrations {
    tree: RBTree<Name, Registered>,
    flbs: usize,
}

impl Registrations {
    pub(crate) fn new() -> Self {
        Self {
            tree: RBTree::new(),
            flbs: 0,
        }
    }

    /// How many FLBs there are.
    pub(crate) fn flbs(&self) -> usize {
        self.flbs
    }

    /// All FLBs, in the order of names.
    pub(crate) fn iter(&self) -> rbtree::Iter<'_, Name, Registered> {
        self.tree.iter()
    }

    /// Adds the registration of an FLB with the handler of a record. `false` if there is none yet
    /// of the FLB, and no `room` for it.
    pub(crate) fn add(
        &mut self,
        name: Name,
        flb: Ready,
        record: &Record,
        deps: &mut Dependencies,
        room: bool,
    ) -> Result<bool> {
        let (handler, busy) = (record.id(), record.files.is_alive());
        match self.tree.entry(name) {
            rbtree::Entry::Occupied(mut found) if found.get().flb == flb => {
                found.get_mut().add(handler, deps, busy)?;
            }
            _ if busy => return Err(EBUSY),
            _ if !room => return Ok(false),
            rbtree::Entry::Occupied(_) => return Err(EEXIST),
            rbtree::Entry::Vacant(free) => {
                let node = RBTreeNodeReservation::new(GFP_KERNEL)?;
                let place = deps.add(flb)?;
                let registered = Registered {
                    flb,
                    first: Registration { handler, place },
                    others: KVec::new(),
                };
                free.insert(registered, node);
                self.flbs = self.flbs.saturating_add(1);
            }
        }
        Ok(true)
    }

    /// Where an FLB is among those of a handler; [`ENOENT`] if it is not registered with it.
    /// Removes the registration if it `goes`.
    pub(crate) fn find(&mut self, flb: &Flb, handler: usize, goes: bool) -> Result<Place> {
        let found = flb.with_name(|name| self.tree.find_mut(name).ok_or(ENOENT));
        let mut found = found?;
        let registered = found.get_mut();
        if *registered.flb != *flb {
            return Err(ENOENT);
        }
        let place = registered.place(handler).ok_or(ENOENT)?;
        if goes && !registered.remove(handler) {
            found.remove_node();
            self.flbs = self.flbs.saturating_sub(1);
        }
        Ok(place)
    }
}
