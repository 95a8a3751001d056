// SPDX-License-Identifier: GPL-2.0

//! References to kernel modules.

use crate::bindings;

/// Keep a module loaded; built-in code, whose module is null, needs no keeping.
///
/// # Invariants
///
/// The pointer is null, or this owns one reference to the module.
pub(crate) struct ModuleRef(*mut bindings::module);

// SAFETY: References to modules are counted per CPU and may be put by any task.
unsafe impl Send for ModuleRef {}

impl ModuleRef {
    /// Take a reference; `None` if the module is being unloaded.
    ///
    /// # Safety
    ///
    /// `owner` is null or points to a module that has not been freed.
    pub(super) unsafe fn get(owner: *mut bindings::module) -> Option<Self> {
        // SAFETY: By the requirements of this function.
        let got = owner.is_null() || unsafe { bindings::luo_flb_shim_module_get(owner) };
        // INVARIANT: There is no module, or the reference has just been taken.
        got.then(|| Self(owner))
    }

    /// Wrap a reference that was taken by [`ModuleRef::get`] and then forgotten.
    ///
    /// # Safety
    ///
    /// The caller owns a reference to `owner`, and gives it up.
    pub(super) unsafe fn from_raw(owner: *mut bindings::module) -> Self {
        // INVARIANT: By the requirements of this function.
        Self(owner)
    }
}

impl Drop for ModuleRef {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: By the type invariants there is a reference to put.
            unsafe { bindings::luo_flb_shim_module_put(self.0) };
        }
    }
}
