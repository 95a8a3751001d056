// SPDX-License-Identifier: GPL-2.0

//! The FLB array for the next kernel.
//!
//! It is allocated at boot, as at reboot it is too late to look for memory, with room for as many
//! FLBs as can be registered, and written when the kernel is about to jump to the next one.

#![forbid(unsafe_code)]

use crate::{files::LuoFlb, raw::Preserved};
use kernel::prelude::*;

impl LuoFlb {
    /// Allocate the array, and `announce` its physical address to the next kernel. May sleep.
    ///
    /// Errors: [`ENOMEM`], or as for `announce`. Nothing is kept then.
    pub(crate) fn setup_outgoing(&self, announce: impl FnOnce(u64) -> Result) -> Result {
        let mut array = Preserved::new()?;
        array.writer().finish();
        let announced = announce(array.address());
        match announced {
            Ok(()) => self.registry.lock().array = Some(array),
            Err(_) => array.free(),
        }
        announced
    }

    /// Write the FLBs on which preserved files depend into the array. Waits for no callback.
    ///
    /// The orchestrator has its sessions locked from before the call on, for good. So no file is
    /// preserved or unpreserved any more, and what files hold cannot lose its last holder.
    pub(crate) fn serialize(&self) {
        self.registry.lock().serialize();
    }
}
