// SPDX-License-Identifier: GPL-2.0

//! The block for the next kernel, and the table from the previous one.
//!
//! The table is read once at boot: the block is validated, its entries are copied, and the memory
//! is given back. From then on the table does not change; the state of each entry does.

#![forbid(unsafe_code)]

use crate::{
    abi::{
        block::{self, Block},
        fdt_v1, name,
    },
    chain::Chain,
    lifecycle::Entry,
    lock::{self, ByRegistry, OutgoingGuard},
    raw::{self, errno, Preserved, Restored, ENODATA},
    registry::Registry,
};
use core::ffi::CStr;
use kernel::{page::PAGE_SIZE, prelude::*, sync::SetOnce};

/// Pages of the block.
const PAGES: usize = 1;

/// What is handed over, in both directions.
pub(crate) struct Handover {
    block: ByRegistry<Option<Preserved>>,
    /// The entries that were handed over.
    table: Chain<Entry>,
    /// The table is complete.
    received: SetOnce<()>,
}

impl Handover {
    /// Nothing was handed over, and nothing can be.
    pub(crate) const fn new() -> Self {
        Self {
            block: ByRegistry::new(None),
            table: Chain::new(),
            received: SetOnce::new(),
        }
    }

    /// Prepares the block and announces it in the tree for the next kernel. May sleep.
    ///
    /// Errors: [`ENOMEM`], or [`ENOSPC`] if the tree is full; then nothing is kept.
    pub(crate) fn setup_outgoing(&self, tree: &mut impl fdt_v1::Writer<Error = Error>) -> Result {
        let mut block = Preserved::new(PAGES * PAGE_SIZE)?;
        if let Some(empty) = block::Writer::new(block.bytes(), PAGES as u64) {
            empty.finish();
        }
        fdt_v1::write(tree, block.address())?;
        *self.block.get(&mut lock::Registry::lock()) = Some(block);
        Ok(())
    }

    /// Takes over the block that the previous kernel announced in its tree. May sleep.
    ///
    /// Errors: [`ENOENT`] if the tree has no node; [`EINVAL`] if the node or the block is not what
    /// the format says; [`ENOMEM`].
    pub(crate) fn setup_incoming(&self, tree: &impl fdt_v1::Reader) -> Result {
        let address = fdt_v1::read(tree, PAGE_SIZE as u64).map_err(|error| {
            refuse(error.describe());
            match error {
                fdt_v1::Error::NoNode => ENOENT,
                _ => EINVAL,
            }
        })?;
        let Some(block) = Restored::new(address) else {
            return Err(refuse((c"no preserved memory at", address)));
        };
        self.receive(block.bytes())
    }

    /// Validates a block and keeps its entries. To be called once. May sleep.
    ///
    /// Errors: as for [`Handover::setup_incoming`]; then nothing counts as handed over.
    pub(crate) fn receive(&self, bytes: &[u8]) -> Result {
        // As many pages as the format has; more would take ever longer to look through.
        let ours = bytes.get(..PAGES * PAGE_SIZE).unwrap_or(bytes);
        let block = Block::decode(ours, PAGE_SIZE).map_err(|error| refuse(error.describe()))?;
        for entry in block.entries() {
            self.table.push(Entry::new(entry))?;
        }
        self.received.populate(());
        Ok(())
    }

    /// The entry with a name. Works from the start, and takes no lock.
    ///
    /// Errors: `ENODATA` if nothing was handed over, [`ENOENT`] if no entry has the name.
    pub(crate) fn entry(&self, name: &name::Field) -> Result<&Entry> {
        if self.received.as_ref().is_none() {
            return Err(errno(ENODATA));
        }
        let mut entries = self.table.iter();
        entries.find(|entry| entry.is_named(name)).ok_or(ENOENT)
    }

    /// Writes the FLBs that are preserved into the block. May sleep.
    ///
    /// It may be called again if the reboot does not take place.
    pub(crate) fn serialize(&self, registry: &Registry) {
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

/// Logs why a handover is refused.
fn refuse((what, number): (&CStr, u64)) -> Error {
    raw::report(b"handover refused", what, number as i64);
    EINVAL
}
