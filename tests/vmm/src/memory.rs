// SPDX-License-Identifier: GPL-2.0
//! The guest's memory: one file, and what is where in it before the guest begins.

use crate::program;
use std::fs::File;
use std::io;
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryMmap};

/// Page tables, one of each level. The last has pages of 2 MiB, each where it is.
pub const TABLES: u64 = 0x1000;
const GDT: u64 = 0x4000;
pub const IDT: u64 = 0x5000;
/// The stack ends here.
pub const STACK: u64 = 0x8000;
pub const PROGRAM: u64 = 0x10000;
/// What the program works on, to the end of memory.
pub const WORK: u64 = 0x20_0000;

/// Segments of the GDT.
pub const CODE: u16 = 8;
pub const DATA: u16 = 16;
const SEGMENTS: [u64; 3] = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

/// The serial port.
pub const PORT: u16 = 0x3f8;

/// Bits of entries of page tables.
const PRESENT_WRITABLE: u64 = 3;
const LARGE: u64 = 1 << 7;

/// The base and limit of the GDT.
pub const fn gdt() -> (u64, u16) {
    (GDT, (8 * SEGMENTS.len() - 1) as u16)
}

/// The file in memory, shared with it: what the guest writes is in the file.
pub fn map(file: &File) -> io::Result<GuestMemoryMmap> {
    let size = file.metadata()?.len() as usize;
    let whole = FileOffset::new(file.try_clone()?, 0);
    GuestMemoryMmap::from_ranges_with_files([(GuestAddress(0), size, Some(whole))])
        .map_err(io::Error::other)
}

/// Writes what the guest finds when it begins.
pub fn fill(memory: &GuestMemoryMmap) -> io::Result<()> {
    let write = |at: u64, words: &[u64]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        memory.write_slice(&bytes, GuestAddress(at))
    };
    let pages: Vec<u64> = (0..512)
        .map(|page| page << 21 | LARGE | PRESENT_WRITABLE)
        .collect();
    write(TABLES, &[(TABLES + 0x1000) | PRESENT_WRITABLE])
        .and_then(|()| write(TABLES + 0x1000, &[(TABLES + 0x2000) | PRESENT_WRITABLE]))
        .and_then(|()| write(TABLES + 0x2000, &pages))
        .and_then(|()| write(GDT, &SEGMENTS))
        .and_then(|()| memory.write_slice(program::code(), GuestAddress(PROGRAM)))
        .map_err(io::Error::other)
}
