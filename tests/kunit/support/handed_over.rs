// SPDX-License-Identifier: GPL-2.0

//! What one kernel hands to the next: blocks, trees and pages for the tests.

use super::{data, name, Bench, BLOCK};
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
use crate::raw::OutgoingField;
use crate::{
    abi::{fdt_v1, luo_v5},
    announcement::{Announce, Announced, Announcement},
    bindings,
};
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
use core::cell::UnsafeCell;
use core::{ffi::CStr, mem::offset_of, ptr::copy_nonoverlapping};
use kernel::{page::PAGE_SIZE, prelude::*};

/// A block as it is handed over, written byte by byte from the C header's description.
pub(in super::super) struct Block(KVVec<u8>);

impl Block {
    /// A block without entries.
    pub(in super::super) fn new() -> Result<Self> {
        Self::of_pages(1)
    }

    /// A block of so many pages without entries.
    pub(in super::super) fn of_pages(pages: usize) -> Result<Self> {
        let mut block = Self(KVVec::from_elem(0, pages * PAGE_SIZE, GFP_KERNEL)?);
        block.set_pages(pages as u64);
        Ok(block)
    }

    /// A block with the first FLBs under their first names, each with this many files.
    pub(in super::super) fn full(flbs: usize, files: u64) -> Result<Self> {
        let mut block = Self::of_pages((16 + 64 * flbs).div_ceil(PAGE_SIZE))?;
        for flb in 0..flbs {
            block.push(&name(flb), data(flb), files);
        }
        Ok(block)
    }

    /// A copy of the block for the next kernel; an error if there is none.
    pub(in super::super) fn of(bench: &Bench) -> Result<Self> {
        Ok(Self(bench.core.handover().block()?))
    }

    /// What [`of`](Self::of) would be if all were handed over now.
    pub(in super::super) fn would_be(bench: &Bench) -> Result<Self> {
        Ok(Self(bench.core.preview()?))
    }

    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn put(&mut self, at: usize, number: u64) {
        self.0[at..at + 8].copy_from_slice(&number.to_ne_bytes());
    }

    fn number(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        u64::from_ne_bytes(bytes)
    }

    pub(in super::super) fn pages(&self) -> u64 {
        self.number(0)
    }

    pub(in super::super) fn set_pages(&mut self, pages: u64) {
        self.put(0, pages);
    }

    /// The number of entries.
    pub(in super::super) fn count(&self) -> u64 {
        self.number(8)
    }

    pub(in super::super) fn set_count(&mut self, count: u64) {
        self.put(8, count);
    }

    /// Appends an entry; the name is up to all 48 bytes of the field.
    pub(in super::super) fn push(&mut self, name: &[u8], data: u64, files: u64) {
        let count = self.count();
        let at = 16 + 64 * count as usize;
        self.0[at..at + name.len()].copy_from_slice(name);
        self.put(at + 48, data);
        self.put(at + 56, files);
        self.set_count(count + 1);
    }

    /// The number of the entry with a name, if there is one.
    pub(in super::super) fn find(&self, name: &[u8]) -> Option<usize> {
        (0..self.count() as usize).find(|index| self.0[16 + 64 * index..].starts_with(name))
    }

    /// The handle of an entry.
    pub(in super::super) fn data(&self, index: usize) -> u64 {
        self.number(16 + 64 * index + 48)
    }

    /// How many files an entry has.
    pub(in super::super) fn files(&self, index: usize) -> u64 {
        self.number(16 + 64 * index + 56)
    }

    /// Whether an entry is this, its name padded with zeroes.
    pub(in super::super) fn is(&self, index: usize, name: &[u8], data: u64, files: u64) -> bool {
        let at = 16 + 64 * index;
        let (text, rest) = self.0[at..at + 48].split_at(name.len());
        text == name
            && rest.iter().all(|byte| *byte == 0)
            && self.data(index) == data
            && self.files(index) == files
    }
}

/// A tree in memory, which may refuse to be written.
pub(in super::super) struct FakeTree {
    /// The name of the node.
    pub(in super::super) node: KVec<u8>,
    /// Its properties, each with its name.
    pub(in super::super) properties: KVec<(KVec<u8>, KVec<u8>)>,
    /// How many nodes are open.
    pub(in super::super) depth: i32,
    /// How many more calls are accepted.
    pub(in super::super) accepts: u32,
}

fn copy(bytes: &[u8]) -> Result<KVec<u8>> {
    let mut copy = KVec::new();
    copy.extend_from_slice(bytes, GFP_KERNEL)?;
    Ok(copy)
}

impl FakeTree {
    /// An empty tree.
    pub(in super::super) fn new() -> Self {
        Self {
            node: KVec::new(),
            properties: KVec::new(),
            depth: 0,
            accepts: u32::MAX,
        }
    }

    /// A tree with a node of that name and version, and no address.
    pub(in super::super) fn with(node: &CStr, version: &[u8]) -> Result<Self> {
        let mut tree = Self::new();
        tree.node = copy(node.to_bytes())?;
        tree.add(c"compatible", version)?;
        Ok(tree)
    }

    /// A tree with everything, and this as the address.
    pub(in super::super) fn announcing(address: &[u8]) -> Result<Self> {
        let mut tree = Self::with(c"luo-flb", b"luo-flb-v1\0")?;
        tree.add(c"luo-flb-header", address)?;
        Ok(tree)
    }

    /// Adds a property.
    pub(in super::super) fn add(&mut self, name: &CStr, value: &[u8]) -> Result {
        let property = (copy(name.to_bytes())?, copy(value)?);
        self.properties.push(property, GFP_KERNEL)?;
        Ok(())
    }

    /// The value of a property; empty if there is none.
    pub(in super::super) fn value(&self, name: &CStr) -> &[u8] {
        let found = self
            .properties
            .iter()
            .find(|(other, _)| other[..] == *name.to_bytes());
        found.map_or(&[], |(_, value)| value)
    }

    fn accept(&mut self) -> Result {
        self.accepts = self.accepts.checked_sub(1).ok_or(ENOSPC)?;
        Ok(())
    }
}

impl Announce for &mut FakeTree {
    fn announce(&mut self, address: u64) -> Result {
        fdt_v1::write(self, address)
    }

    fn into_announcement(self) -> Option<Announcement> {
        None
    }
}

impl Announce for luo_v5::Field<'_> {
    fn announce(&mut self, address: u64) -> Result {
        luo_v5::write(self, address);
        Ok(())
    }

    fn into_announcement(self) -> Option<Announcement> {
        None
    }
}

impl fdt_v1::Writer for &mut FakeTree {
    type Error = Error;

    fn begin_node(&mut self, name: &CStr) -> Result {
        self.accept()?;
        self.node = copy(name.to_bytes())?;
        self.depth += 1;
        Ok(())
    }

    fn property(&mut self, name: &CStr, value: &[u8]) -> Result {
        self.accept()?;
        self.add(name, value)
    }

    fn end_node(&mut self) -> Result {
        self.accept()?;
        self.depth -= 1;
        Ok(())
    }
}

impl fdt_v1::Reader for &FakeTree {
    type Node = ();

    fn node(&self, name: &CStr) -> Option<()> {
        (self.node[..] == *name.to_bytes()).then_some(())
    }

    fn is_compatible(&self, _node: (), version: &CStr) -> bool {
        let values = self.value(c"compatible");
        values
            .split(|byte| *byte == 0)
            .any(|value| value == version.to_bytes())
    }

    fn property(&self, _node: (), name: &CStr) -> Option<&[u8]> {
        let value = self.value(name);
        (!value.is_empty()).then_some(value)
    }
}

/// Memory that KHO takes for what the previous kernel preserved. The core frees it, unless it
/// refuses what is in it.
pub(in super::super) struct HandedOver {
    /// Contiguous pages, and the order of each piece in which they were preserved.
    pages: *mut bindings::page,
    pieces: &'static [u32],
}

impl HandedOver {
    /// Copies the block into such a page.
    pub(in super::super) fn new(block: &Block) -> Result<Self> {
        Self::in_pieces(block, &[0])
    }

    /// Copies the block, or its beginning, into pieces of these orders, one behind the other. Their
    /// pages are a power of two.
    pub(in super::super) fn in_pieces(block: &Block, pieces: &'static [u32]) -> Result<Self> {
        let count: usize = pieces.iter().map(|order| 1 << order).sum();
        // SAFETY: The function takes any order.
        let pages = unsafe { bindings::alloc_pages(bindings::GFP_KERNEL, count.ilog2()) };
        if pages.is_null() {
            return Err(ENOMEM);
        }
        let new = Self { pages, pieces };
        let len = block.bytes().len().min(count * PAGE_SIZE);
        // SAFETY: The pages are ours, contiguous in the mapping of all memory, and so long.
        unsafe { copy_nonoverlapping(block.bytes().as_ptr(), new.mapping(), len) };
        for (page, order) in new.pieces() {
            // SAFETY: The field is free for the owner of the page.
            unsafe { Self::mark(page).write((KHO_MAGIC << 32) | u64::from(order)) };
        }
        Ok(new)
    }

    /// Where KHO marks a page.
    fn mark(page: *mut bindings::page) -> *mut u64 {
        let private = offset_of!(bindings::page, __bindgen_anon_1)
            + offset_of!(bindings::page__bindgen_ty_1__bindgen_ty_1, private);
        page.wrapping_byte_add(private).cast()
    }

    /// How many pieces of a page the core has taken, without giving them back.
    pub(in super::super) fn taken(&self) -> usize {
        let mut taken = 0;
        for (page, order) in self.pieces() {
            // SAFETY: There is a `struct page` for each page. KHO has removed its mark, and counted
            // a page that the kernel did not have before; this one it had.
            unsafe {
                if Self::mark(page).read() >> 32 != KHO_MAGIC {
                    bindings::adjust_managed_page_count(page, -(1 << order));
                    taken += 1;
                } else {
                    Self::mark(page).write(0);
                }
            }
        }
        taken
    }

    /// The first page of each piece, and its order.
    fn pieces(&self) -> impl Iterator<Item = (*mut bindings::page, u32)> + '_ {
        let mut page = self.pages;
        self.pieces.iter().map(move |order| {
            let first = page;
            page = page.wrapping_add(1 << order);
            (first, *order)
        })
    }

    fn mapping(&self) -> *mut u8 {
        // SAFETY: KHO is for machines that map all memory, so that a mapping needs no end.
        unsafe { bindings::kmap_local_page(self.pages).cast() }
    }

    /// Its physical address.
    pub(in super::super) fn address(&self) -> u64 {
        // SAFETY: The function converts an address of the mapping.
        unsafe { bindings::luo_flb_shim_block_address(self.mapping().cast()) }
    }

    /// What says that it is there.
    pub(in super::super) fn announcement(&self) -> luo_v5::Received {
        luo_v5::Received(self.address())
    }

    /// Whether the core, which has taken it, gives it back when all of the kernel is set up.
    pub(in super::super) fn is_given_back(&self, bench: &Bench) -> bool {
        for (page, order) in self.pieces() {
            // SAFETY: KHO has counted pages that the kernel did not have before; these it had.
            unsafe { bindings::adjust_managed_page_count(page, -(1 << order)) };
        }
        let early = self.is_free();
        bench.core.complete();
        !early && self.is_free()
    }

    fn is_free(&self) -> bool {
        self.pieces().all(|(page, _)| {
            // SAFETY: There is a `struct page` for each page, whoever owns it.
            unsafe { (*page)._refcount.counter == 0 }
        })
    }

    /// Frees what the core has refused.
    pub(in super::super) fn free(self) {
        let count: usize = self.pieces.iter().map(|order| 1 << order).sum();
        // SAFETY: Nobody else has the pages, of which the first is as when they were allocated.
        unsafe { bindings::__free_pages(self.pages, count.ilog2()) };
    }
}

/// State for the next kernel that can be changed when it is complete.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
pub(in super::super) struct Lasting(super::RealTree);

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
impl Lasting {
    /// Has the core announce its block there.
    pub(in super::super) fn announce(bench: &Bench) -> Result<Self> {
        let mut tree = super::RealTree::new(1024)?;
        bench.core.setup_outgoing(tree.builder())?;
        tree.close()?;
        Ok(Self(tree))
    }

    /// The same, when all is set up.
    pub(in super::super) fn complete(bench: &Bench) -> Result<Self> {
        let new = Self::announce(bench)?;
        bench.core.complete();
        Ok(new)
    }

    /// What the next kernel would find.
    pub(in super::super) fn address(&self) -> Result<u64> {
        self.0.tree().ok_or(ENXIO)?.address()?.ok_or(ENXIO)
    }
}

/// State for the next kernel that can be changed when it is complete.
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
pub(in super::super) struct Lasting(KBox<UnsafeCell<u64>>);

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
impl Lasting {
    /// Has the core announce its block there.
    pub(in super::super) fn announce(bench: &Bench) -> Result<Self> {
        let field = KBox::new(UnsafeCell::new(0), GFP_KERNEL)?;
        // SAFETY: The field is in a box, which the test keeps as long as it registers FLBs.
        let state = unsafe { OutgoingField::from_raw(field.get()) };
        bench.core.setup_outgoing(state)?;
        Ok(Self(field))
    }

    /// The same, when all is set up.
    pub(in super::super) fn complete(bench: &Bench) -> Result<Self> {
        let new = Self::announce(bench)?;
        bench.core.complete();
        Ok(new)
    }

    /// What the next kernel would find.
    pub(in super::super) fn address(&self) -> Result<u64> {
        // SAFETY: Nobody writes it at the moment.
        let number = unsafe { *self.0.get() };
        luo_v5::Received(number).address()?.ok_or(ENXIO)
    }
}

/// Pages that no machine has; KHO finds nothing there.
pub(in super::super) const NOWHERE: [u64; 2] = [1 << 51, (BLOCK as u64).wrapping_neg()];

/// By this KHO knows a page, see `kexec_handover.c`.
const KHO_MAGIC: u64 = 0x4b48_4f50;
