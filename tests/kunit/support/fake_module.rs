// SPDX-License-Identifier: GPL-2.0

//! A module that is loaded, and can be made to go away.

use super::{zeroed, Bench};
use crate::bindings;
use core::cell::UnsafeCell;
use kernel::prelude::*;

/// A module of which only the state and the count of references are set.
pub(in super::super) struct FakeModule(KBox<UnsafeCell<bindings::module>>);

impl FakeModule {
    pub(in super::super) fn new() -> Result<Self> {
        // SAFETY: For counting references nothing of a module is needed but its state and count.
        let module = Self(unsafe { zeroed()? });
        module.set(bindings::module_state_MODULE_STATE_LIVE);
        // SAFETY: Nobody else uses the module.
        unsafe { (*module.0.get()).refcnt.counter = 1 };
        Ok(module)
    }

    fn set(&self, state: bindings::module_state) {
        // SAFETY: Nobody else uses the module at the moment.
        unsafe { (*self.0.get()).state = state };
    }

    /// From now on it is being unloaded.
    pub(in super::super) fn leave(&self) {
        self.set(bindings::module_state_MODULE_STATE_GOING);
    }

    /// Not any more.
    pub(in super::super) fn stay(&self) {
        self.set(bindings::module_state_MODULE_STATE_LIVE);
    }

    /// How many references the core holds.
    pub(in super::super) fn pins(&self) -> i32 {
        // SAFETY: Nobody else uses the module at the moment.
        unsafe { (*self.0.get()).refcnt.counter - 1 }
    }
}

impl Bench {
    /// Makes a module the owner of an FLB.
    pub(in super::super) fn set_owner(&self, flb: usize, owner: &FakeModule) {
        self.edit_ops(flb, |ops| ops.owner = owner.0.get());
    }

    /// How many references to the owner of an FLB the core holds.
    pub(in super::super) fn pins(&self, flb: usize) -> i32 {
        // SAFETY: The owner is null or a fake that is as alive as the test; the count is a number.
        unsafe { (*self.fake(flb)).ops.owner.as_ref() }.map_or(-1, |owner| owner.refcnt.counter - 1)
    }
}
