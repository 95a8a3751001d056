// SPDX-License-Identifier: GPL-2.0

//! What one kernel hands to the next: blocks, trees and pages for the tests.

use super::{data, name, Bench, BLOCK};
use crate::{bindings, raw::Preserved};
use core::{mem::offset_of, ptr::copy_nonoverlapping};
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
        let registry = bench.core.registry.lock();
        let mut copy = KVVec::new();
        let array = registry.array.as_ref().ok_or(ENXIO)?;
        // SAFETY: There is so much memory in the mapping of all memory, zeroed at first, and the
        // registry is locked.
        let bytes = unsafe {
            let array: *const u8 = bindings::phys_to_virt(array.address()).cast();
            core::slice::from_raw_parts(array, Preserved::PAGES * PAGE_SIZE)
        };
        copy.extend_from_slice(bytes, GFP_KERNEL)?;
        Ok(Self(copy))
    }

    /// What [`of`](Self::of) would be if all were handed over now.
    pub(in super::super) fn would_be(bench: &Bench) -> Result<Self> {
        bench.core.registry.lock().serialize();
        Self::of(bench)
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

    /// Whether there is such an entry. The order of handlers does not matter.
    pub(in super::super) fn has(&self, name: &[u8], data: u64, files: u64) -> bool {
        (0..self.count() as usize).any(|index| self.is(index, name, data, files))
    }
}

/// Memory that KHO takes for what the previous kernel preserved. The core frees it, unless it
/// refuses what is in it; then it is left alone.
pub(in super::super) struct HandedOver {
    /// Contiguous pages, and the order of each piece in which they were preserved.
    pages: *mut bindings::page,
    pieces: &'static [u32],
}

impl HandedOver {
    /// Copies this into such memory, a folio.
    pub(in super::super) fn new(bytes: &[u8]) -> Result<Self> {
        const ORDERS: [[u32; 1]; 5] = [[0], [1], [2], [3], [4]];
        let pages = bytes.len().div_ceil(PAGE_SIZE).max(1);
        let order = pages.next_power_of_two().ilog2() as usize;
        Self::in_pieces(bytes, ORDERS.get(order).ok_or(E2BIG)?)
    }

    /// Copies the block, or its beginning, into pieces of these orders, one behind the other. Their
    /// pages are a power of two.
    pub(in super::super) fn in_pieces(bytes: &[u8], pieces: &'static [u32]) -> Result<Self> {
        let count: usize = pieces.iter().map(|order| 1 << order).sum();
        // SAFETY: The function takes any order.
        let pages = unsafe {
            bindings::alloc_pages(bindings::GFP_KERNEL | bindings::__GFP_ZERO, count.ilog2())
        };
        if pages.is_null() {
            return Err(ENOMEM);
        }
        let new = Self { pages, pieces };
        let len = bytes.len().min(count * PAGE_SIZE);
        // SAFETY: The pages are ours, contiguous in the mapping of all memory, and so long.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), new.mapping(), len) };
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

    /// Whether the core has taken all of it.
    pub(in super::super) fn is_taken(&self) -> bool {
        // SAFETY: There is a `struct page` for each page.
        self.pieces()
            .all(|(page, _)| unsafe { Self::mark(page).read() } >> 32 != KHO_MAGIC)
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
        unsafe { bindings::virt_to_phys(self.mapping().cast()) }
    }

    /// Whether all of it was given back.
    pub(in super::super) fn is_free(&self) -> bool {
        self.pieces().all(|(page, _)| {
            // SAFETY: There is a `struct page` for each page, whoever owns it.
            unsafe { (*page)._refcount.counter == 0 }
        })
    }
}

/// Pages that no machine has; KHO finds nothing there.
pub(in super::super) const NOWHERE: [u64; 2] = [1 << 51, (BLOCK as u64).wrapping_neg()];

/// By this KHO knows a page, see `kexec_handover.c`.
const KHO_MAGIC: u64 = 0x4b48_4f50;
