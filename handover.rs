// SPDX-License-Identifier: GPL-2.0

//! The block for the next kernel, and the table from the previous one.
//!
//! The table is read once at boot: the block is validated and its entries are copied. Its memory
//! is given back when boot is over, unless it turned out not to be such a block. From then on the
//! table does not change; the state of each entry does.
//!
//! There is always a block in which all FLBs fit that are registered: one that does not is only
//! registered when there is a larger one, which is announced in place of the one before. The block
//! is written once, when the kernel is about to jump to the next one. There is no way back from
//! there, so from then on what it says stays true: the outgoing direction is frozen.

#![forbid(unsafe_code)]

use crate::{
    abi::{
        block::{self, Failure},
        name::Name,
    },
    announcement::{refuse, Announce, Announced, Announcement},
    lifecycle::{self, Entry},
    lock::{self, Block, ByRegistry, Task},
    raw::{errno, Preserved, Restored, ENODATA},
    registry::Registry,
    word::Count,
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    rbtree::RBTree,
    sync::{Arc, SetOnce},
};

/// The most bytes of a block, for 65,535 FLBs.
const MOST_BYTES: usize = 4 << 20;

/// The most pages of a block.
pub(crate) const MOST_PAGES: usize = if MOST_BYTES / PAGE_SIZE < Preserved::MOST_PAGES {
    MOST_BYTES / PAGE_SIZE
} else {
    Preserved::MOST_PAGES
};

/// The block for the next kernel.
///
/// # Invariants
///
/// The address that is announced is that of `announced`, or else of `block`.
struct Outgoing {
    block: Preserved,
    /// The first block, if another one has taken its place before its address could.
    announced: Option<Preserved>,
    /// Where the address can be changed, once the orchestrator's state is complete.
    announcement: Option<Announcement>,
    complete: bool,
}

impl Outgoing {
    /// Puts a larger block in place.
    fn replace(&mut self, block: Preserved) -> Result {
        let announcement = self.announcement.as_mut().ok_or(ENOSPC)?;
        if self.complete {
            announcement.update(block.address())?;
            self.block = block;
        } else {
            // INVARIANT: The first block is kept, however often it is replaced.
            let before = core::mem::replace(&mut self.block, block);
            self.announced.get_or_insert(before);
        }
        Ok(())
    }

    /// From now on the address can be changed.
    fn complete(&mut self) -> Result {
        self.complete = true;
        if let (Some(announcement), Some(_)) = (&mut self.announcement, &self.announced) {
            announcement.update(self.block.address())?;
            // INVARIANT: `block` is announced.
            self.announced = None;
        }
        Ok(())
    }
}

/// The entries that were handed over, by name.
type Table = RBTree<Name, Arc<Entry>>;

/// What is handed over, in both directions.
pub(crate) struct Handover {
    outgoing: ByRegistry<Option<Outgoing>, Block>,
    /// The most pages that the block may have.
    most_pages: usize,
    /// Not zero once the block is what the next kernel gets.
    frozen: Count,
    /// The table, or why what was handed over is refused.
    received: SetOnce<Result<Table>>,
    /// The memory that the table came in, until it can be given back.
    memory: ByRegistry<Option<Restored>, Block>,
}

impl Handover {
    /// Nothing was handed over, and nothing can be. The block may grow to so many pages.
    pub(crate) const fn new(most_pages: usize) -> Self {
        Self {
            outgoing: ByRegistry::new(None),
            most_pages,
            frozen: Count::new(0),
            received: SetOnce::new(),
            memory: ByRegistry::new(None),
        }
    }

    /// Prepares the block, with room for what is registered already, and announces it to the next
    /// kernel. May sleep.
    ///
    /// Errors: [`ENOMEM`], or [`ENOSPC`] if it cannot be announced; then nothing is kept.
    pub(crate) fn setup_outgoing(&self, mut state: impl Announce, registry: &Registry) -> Result {
        let mut token = lock::Registry::lock();
        let block = empty_block(self.pages(registry.flbs(&mut token))?)?;
        state.announce(block.address())?;
        *self.outgoing.get(token.block()) = Some(Outgoing {
            block,
            announced: None,
            announcement: state.into_announcement(),
            complete: false,
        });
        Ok(())
    }

    /// The orchestrator's state for the next kernel is complete and stays, so that the address in
    /// it can be changed from now on. May sleep.
    ///
    /// Errors: [`ENOSPC`] if a larger block cannot be announced that was necessary meanwhile.
    pub(crate) fn complete_outgoing(&self) -> Result {
        let mut token = lock::Registry::lock();
        match self.outgoing.get(token.block()) {
            Some(outgoing) => outgoing.complete(),
            None => Ok(()),
        }
    }

    /// Whether so many FLBs fit into the block, or it is yet to be made for them.
    #[inline]
    pub(crate) fn has_room(&self, token: &mut lock::Registry<'_>, flbs: usize) -> bool {
        match self.outgoing.get(token.block()) {
            Some(outgoing) => flbs <= block::capacity(outgoing.block.pages() * PAGE_SIZE),
            None => flbs <= block::capacity(self.most_pages * PAGE_SIZE),
        }
    }

    /// Sees to it that so many FLBs fit into the block. May sleep.
    ///
    /// Errors: [`ENOSPC`] if they are more than there may be, or the larger block that they need
    /// cannot be announced; [`ENOMEM`] if there are no contiguous pages for it; [`EBUSY`] if the
    /// block has been written. Then all is as it was.
    #[cold]
    pub(crate) fn reserve(&self, token: &mut lock::Registry<'_>, flbs: usize) -> Result {
        let pages = self.pages(flbs)?;
        if self.has_room(token, flbs) {
            return Ok(());
        }
        if self.is_frozen() {
            return Err(EBUSY);
        }
        let outgoing = self.outgoing.get(token.block()).as_mut().ok_or(ENOSPC)?;
        outgoing.replace(empty_block(pages)?)
    }

    /// How many pages the block is to have for so many FLBs; [`ENOSPC`] if they are too many.
    ///
    /// It grows by doubling, so that few registrations have to wait for it.
    fn pages(&self, flbs: usize) -> Result<usize> {
        let pages = block::pages(flbs, PAGE_SIZE);
        if pages > self.most_pages {
            return Err(ENOSPC);
        }
        Ok(pages.next_power_of_two().min(self.most_pages))
    }

    /// Takes over the block that the previous kernel announced, if any. To be called once. May
    /// sleep. Its memory is kept until [`Handover::give_back`].
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

    /// Takes over a block that is somewhere else; as [`Handover::setup_incoming`].
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn receive(&self, bytes: &[u8]) -> Result {
        self.conclude(read(bytes))
    }

    /// Takes over the block at a physical address.
    fn take_over(&self, address: u64) -> Result<Table> {
        let Some(block) = Restored::new(address) else {
            return Err(refuse((c"no preserved memory at", address), EINVAL));
        };
        let table = read(block.bytes())?;
        *self.memory.get(lock::Registry::lock().block()) = Some(block);
        Ok(table)
    }

    /// Gives the memory of the block back that was taken over. To be called when all memory is
    /// set up: the page allocator looks at the pages around those that it is given.
    pub(crate) fn give_back(&self) {
        let mut token = lock::Registry::lock();
        if let Some(block) = self.memory.get(token.block()).take() {
            block.give_back();
        }
    }

    /// Makes known how the handover went.
    fn conclude(&self, result: Result<Table>) -> Result {
        let summary = result.as_ref().map(|_| ()).map_err(|error| *error);
        self.received.populate(result);
        summary
    }

    /// The entry with a name. Works from the start, and takes no lock.
    ///
    /// Errors: `ENODATA` if nothing was handed over, [`ENOENT`] if no entry has the name; or why
    /// what was handed over is refused.
    pub(crate) fn entry(&self, name: &Name) -> Result<&Arc<Entry>> {
        match self.received.as_ref().ok_or(errno(ENODATA))? {
            Ok(table) => table.get(name).ok_or(ENOENT),
            Err(error) => Err(*error),
        }
    }

    /// Whether the block has been written, so that nothing may change any more.
    #[inline(always)]
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load() != 0
    }

    /// Writes the FLBs on which preserved files depend into the block, the first time that it is
    /// called. May sleep.
    ///
    /// No file is preserved or unpreserved any more from before the call on, and what those before
    /// have done happens before it: the orchestrator has its sessions locked.
    ///
    /// If there is a block, no last reference is put from then on to an FLB that is registered:
    /// those on which files depend are held by them, and of all others the lock was taken after the
    /// core was frozen. A put of one that is not registered any more may be on its way; it cannot
    /// take away what is handed over.
    pub(crate) fn serialize(&self, registry: &Registry) {
        let mut token = lock::Registry::lock();
        if !self.is_frozen() {
            self.frozen.store_release(1);
            self.write(&mut token, registry);
        }
    }

    /// Writes the block. May sleep.
    fn write(&self, token: &mut lock::Registry<'_>, registry: &Registry) {
        let (names, block) = token.keys();
        let Some(outgoing) = self.outgoing.get(block) else {
            return;
        };
        let pages = outgoing.block.pages() as u64;
        let Some(mut writer) = block::Writer::new(outgoing.block.bytes(), pages) else {
            return;
        };
        registry.for_each(names, |flb, name, files| {
            let written = match files {
                // The last reference may be on its way out.
                0 => lifecycle::wait(flb, Task::current()),
                _ => lifecycle::handle(flb)
                    .map(|data| block::Entry { name, data, files })
                    .is_some_and(|entry| writer.push(&entry)),
            };
            if !written {
                flb.complain(c"not handed over", files.into());
            }
        });
        writer.finish();
    }

    /// Writes the block as [`Handover::serialize`] would, and freezes nothing; as
    /// [`Handover::block`].
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn preview(&self, registry: &Registry) -> Result<KVVec<u8>> {
        let mut token = lock::Registry::lock();
        self.write(&mut token, registry);
        self.copy(&mut token)
    }

    /// The address of the block that the next kernel is told of; [`ENXIO`] if there is none.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn announced(&self) -> Result<u64> {
        let mut token = lock::Registry::lock();
        let outgoing = self.outgoing.get(token.block()).as_ref().ok_or(ENXIO)?;
        Ok(outgoing
            .announced
            .as_ref()
            .unwrap_or(&outgoing.block)
            .address())
    }

    /// A copy of the block for the next kernel; [`ENXIO`] if there is none.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn block(&self) -> Result<KVVec<u8>> {
        self.copy(&mut lock::Registry::lock())
    }

    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    fn copy(&self, token: &mut lock::Registry<'_>) -> Result<KVVec<u8>> {
        let mut copy = KVVec::new();
        let outgoing = self.outgoing.get(token.block()).as_mut().ok_or(ENXIO)?;
        copy.extend_from_slice(outgoing.block.bytes(), GFP_KERNEL)?;
        Ok(copy)
    }
}

/// A block of so many pages, without entries.
fn empty_block(pages: usize) -> Result<Preserved> {
    let mut block = Preserved::new(pages)?;
    if let Some(empty) = block::Writer::new(block.bytes(), pages as u64) {
        empty.finish();
    }
    Ok(block)
}

/// Validates a block and copies its entries.
fn read(bytes: &[u8]) -> Result<Table> {
    // What is longer cannot be a block, and would take ever longer to look through.
    if bytes.len() > MOST_PAGES * PAGE_SIZE {
        let len = bytes.len() as u64;
        return Err(refuse((c"block too long, bytes", len), EINVAL));
    }
    let mut table = Table::new();
    match block::read(bytes, PAGE_SIZE, &mut table) {
        Ok(()) => Ok(table),
        Err(Failure::Refused(error)) => Err(refuse(error.describe(), EINVAL)),
        Err(Failure::Index(number, error)) => Err(refuse((c"no memory for entry", number), error)),
    }
}

impl block::Index for Table {
    type Error = Error;

    fn insert(&mut self, entry: block::Entry) -> Result<bool> {
        let block::Entry { name, data, files } = entry;
        let entry = Arc::pin_init(Entry::new(name, data, files), GFP_KERNEL)?;
        let replaced = self.try_create_and_insert(name, entry, GFP_KERNEL)?;
        Ok(replaced.is_none())
    }
}
