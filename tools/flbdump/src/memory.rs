// SPDX-License-Identifier: GPL-2.0
//! A machine's memory in an ELF file: a vmcore, or what QEMU's `dump-guest-memory` writes.

use crate::fdt;
use object::{
    elf::{FileHeader64, ET_CORE, PT_LOAD},
    read::elf::{FileHeader, ProgramHeader},
    NativeEndian,
};
use std::{fs::File, os::unix::fs::FileExt};

/// Of all machines.
pub const MAX_PAGE_SIZE: u64 = 65536;

/// What can be read anywhere.
pub trait Source {
    /// Fill as much of `bytes` as there is.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> usize;
}

impl Source for File {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> usize {
        let mut len = 0;
        while let Some(Ok(read @ 1..)) = (offset.checked_add(len as u64))
            .filter(|_| len < bytes.len())
            .map(|offset| FileExt::read_at(self, &mut bytes[len..], offset))
        {
            len += read;
        }
        len
    }
}

impl Source for &[u8] {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(offset..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        len
    }
}

/// A part of memory that is in the file.
struct Load {
    address: u64,
    len: u64,
    offset: u64,
}

pub struct Memory<'a> {
    source: &'a dyn Source,
    /// By their offsets.
    loads: Vec<Load>,
    /// What the kernel noted of its pages.
    pub page_size: Option<u64>,
}

impl<'a> Memory<'a> {
    /// Read the headers, which are in `head`, the file's beginning.
    pub fn new(head: &[u8], source: &'a dyn Source) -> Result<Self, String> {
        let refused = |error| format!("not a dump of memory: {error}");
        let header = FileHeader64::<NativeEndian>::parse(head).map_err(refused)?;
        let endian = header.endian().map_err(refused)?;
        if header.e_type(endian) != ET_CORE {
            return Err("an ELF file, but not a dump of memory".to_owned());
        }
        let headers = header.program_headers(endian, head).map_err(refused)?;
        let loads = headers.iter().filter(|load| load.p_type(endian) == PT_LOAD);
        let loads = loads.map(|load| Load {
            address: load.p_paddr(endian),
            len: load.p_filesz(endian),
            offset: load.p_offset(endian),
        });
        let mut loads: Vec<_> = loads
            .filter(|load| load.address.checked_add(load.len).is_some())
            .collect();
        loads.sort_by_key(|load| load.offset);

        let notes = headers
            .iter()
            .filter_map(|note| note.notes(endian, head).ok()?);
        let page_size = notes.flat_map(|mut notes| {
            let notes = std::iter::from_fn(move || notes.next().ok()?);
            notes.filter(|note| note.name() == b"VMCOREINFO")
        });
        let page_size = page_size.filter_map(|note| {
            let text = std::str::from_utf8(note.desc()).ok()?;
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix("PAGESIZE=")?.parse::<u64>().ok())
        });
        let mut page_size = page_size.filter(|size| size.is_power_of_two());
        let page_size = page_size.find(|size| *size <= MAX_PAGE_SIZE);
        Ok(Self {
            source,
            loads,
            page_size,
        })
    }

    /// The bytes from an address on, as many as there are, up to `len`.
    pub fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let at = address.saturating_add(bytes.len() as u64);
            let loads = self.loads.iter();
            let inside =
                |load: &&Load| at.checked_sub(load.address).is_some_and(|at| at < load.len);
            let Some(load) = loads.clone().find(inside) else {
                break;
            };
            let skip = at - load.address;
            let part = (load.len - skip).min((len - bytes.len()) as u64);
            let mut part = vec![0; part as usize];
            let offset = load.offset.saturating_add(skip);
            let read = self.source.read_at(offset, &mut part);
            bytes.extend(&part[..read]);
            if read < part.len() {
                break;
            }
        }
        bytes
    }

    /// The address behind all memory.
    pub fn end(&self) -> u64 {
        let ends = self.loads.iter().map(|load| load.address + load.len);
        ends.max().unwrap_or(0)
    }

    /// The addresses of pages that begin as a device tree does. Of the file nothing is read twice,
    /// as several headers may lead to the same bytes.
    pub fn trees(&self, page_size: u64) -> Vec<u64> {
        const CHUNK: u64 = 1 << 20;
        let mut trees = Vec::new();
        let mut done = 0_u64;
        for load in &self.loads {
            let begin = done.saturating_sub(load.offset);
            let begin = load.address.saturating_add(begin);
            let end = load.address + load.len;
            let mut at = begin.checked_next_multiple_of(page_size).unwrap_or(end);
            while at < end {
                let len = CHUNK.min(end - at);
                let mut chunk = vec![0; len as usize];
                let offset = load.offset.saturating_add(at - load.address);
                let read = self.source.read_at(offset, &mut chunk) as u64;
                let pages = chunk[..read as usize].chunks(page_size as usize);
                let found = pages
                    .enumerate()
                    .filter(|(_, page)| page.starts_with(&fdt::MAGIC));
                trees.extend(found.map(|(page, _)| at + page as u64 * page_size));
                if read < len {
                    break;
                }
                at = at.saturating_add(len);
            }
            done = done.max(load.offset.saturating_add(load.len));
        }
        trees
    }
}
