// SPDX-License-Identifier: GPL-2.0

//! The block for the next kernel, and the table from the previous one.
//!
//! The table is read once at boot: the block is validated, its entries are copied, and the memory
//! is given back, unless it turned out not to be such a block. From then on the table does not change; the state of each entry does.
//!
//! The block is written once, when the kernel is about to jump to the next one. There is no way back
//! from there, so from then on what it says stays true: the outgoing direction is frozen.

#![forbid(unsafe_code)]

use crate::{
    abi::{
        block::{self, Block},
        name,
    },
    announcement::{refuse, Announce, Announced},
    chain::Chain,
    lifecycle::Entry,
    lock::{self, ByRegistry, OutgoingGuard},
    raw::{errno, Preserved, Restored, ENODATA},
    registry::Registry,
};
use kernel::{page::PAGE_SIZE, prelude::*, sync::SetOnce};

/// Pages of the block.
const PAGES: usize = 1;

/// What is handed over, in both directions.
pub(crate) struct Handover {
    block: ByRegistry<Option<Preserved>>,
    /// The block is what the next kernel gets.
    frozen: SetOnce<()>,
    /// The entries that were handed over.
    table: Chain<Entry>,
    /// The table is complete, or what was handed over is refused.
    received: SetOnce<Result>,
}

impl Handover {
    /// Nothing was handed over, and nothing can be.
    pub(crate) const fn new() -> Self {
        Self {
            block: ByRegistry::new(None),
            frozen: SetOnce::new(),
            table: Chain::new(),
            received: SetOnce::new(),
        }
    }

    /// Prepares the block and announces it to the next kernel. May sleep.
    ///
    /// Errors: [`ENOMEM`], or [`ENOSPC`] if it cannot be announced; then nothing is kept.
    pub(crate) fn setup_outgoing(&self, state: &mut impl Announce) -> Result {
        let mut block = Preserved::new(PAGES * PAGE_SIZE)?;
        if let Some(empty) = block::Writer::new(block.bytes(), PAGES as u64) {
            empty.finish();
        }
        state.announce(block.address())?;
        *self.block.get(&mut lock::Registry::lock()) = Some(block);
        Ok(())
    }

    /// Takes over the block that the previous kernel announced, if any. To be called once. May sleep.
    ///
    /// Errors: [`ENOENT`] if the announcement is missing, on which the orchestrator does not go on;
    /// [`EINVAL`] if it or the block is not what the format says; [`ENOMEM`]. They are logged. From
    /// then on that is the answer to whoever asks for an entry: something was handed over, and a
    /// client must not take it for nothing.
    pub(crate) fn setup_incoming(&self, state: &impl Announced) -> Result {
        match state.address() {
            Ok(None) => Ok(()),
            Ok(Some(address)) => self.conclude(self.take_over(address)),
            Err(error) => self.conclude(Err(error)),
        }
    }

    /// Takes over the block at a physical address.
    fn take_over(&self, address: u64) -> Result {
        let Some(block) = Restored::new(address) else {
            return Err(refuse((c"no preserved memory at", address), EINVAL));
        };
        self.read(block.bytes())?;
        block.give_back();
        Ok(())
    }

    /// Takes over a block that is somewhere else; as [`Handover::setup_incoming`].
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn receive(&self, bytes: &[u8]) -> Result {
        self.conclude(self.read(bytes))
    }

    /// Validates a block and copies its entries.
    fn read(&self, bytes: &[u8]) -> Result {
        // As many pages as the format has; more would take ever longer to look through.
        let ours = bytes.get(..PAGES * PAGE_SIZE).unwrap_or(bytes);
        let block =
            Block::decode(ours, PAGE_SIZE).map_err(|error| refuse(error.describe(), EINVAL))?;
        for (index, entry) in block.entries().enumerate() {
            let kept = self.table.push(Entry::new(entry));
            kept.map_err(|error| refuse((c"no memory for entry", index as u64), error))?;
        }
        Ok(())
    }

    /// Makes known how the handover went.
    fn conclude(&self, result: Result) -> Result {
        self.received.populate(result);
        result
    }

    /// The entry with a name. Works from the start, and takes no lock.
    ///
    /// Errors: `ENODATA` if nothing was handed over, [`ENOENT`] if no entry has the name; or why what
    /// was handed over is refused.
    pub(crate) fn entry(&self, name: &name::Field) -> Result<&Entry> {
        (*self.received.as_ref().ok_or(errno(ENODATA))?)?;
        let mut entries = self.table.iter();
        entries.find(|entry| entry.is_named(name)).ok_or(ENOENT)
    }

    /// Whether the block has been written, so that nothing may change any more.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.as_ref().is_some()
    }

    /// Writes the FLBs on which preserved files depend into the block, the first time that it is
    /// called. May sleep.
    ///
    /// From then on no reference to an FLB that was looked at here is put, as its lock was taken after
    /// the core was frozen. Another one may be on its way; it cannot take away what is handed over.
    pub(crate) fn serialize(&self, registry: &Registry) {
        if self.frozen.populate(()) {
            self.write(registry);
        }
    }

    /// Writes the block. May sleep.
    pub(crate) fn write(&self, registry: &Registry) {
        let mut token = lock::Registry::lock();
        let Some(mut block) = self.block.get(&mut token).take() else {
            return;
        };
        if let Some(mut writer) = block::Writer::new(block.bytes(), PAGES as u64) {
            registry.for_each(&mut token, |flb| {
                let written = match OutgoingGuard::lock(flb).map(|outgoing| outgoing.handover()) {
                    Ok(Some((data, files))) => {
                        let name = flb.name_field();
                        writer.push(&block::Entry { name, data, files })
                    }
                    Ok(None) => true,
                    Err(_) => false,
                };
                if !written {
                    flb.complain(c"not handed over", 0);
                }
            });
            writer.finish();
        }
        *self.block.get(&mut token) = Some(block);
    }

    /// A copy of the block for the next kernel; [`ENXIO`] if there is none.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn block(&self) -> Result<KVec<u8>> {
        let mut copy = KVec::new();
        let mut token = lock::Registry::lock();
        let block = self.block.get(&mut token).as_mut().ok_or(ENXIO)?;
        copy.extend_from_slice(block.bytes(), GFP_KERNEL)?;
        Ok(copy)
    }
}
