// SPDX-License-Identifier: GPL-2.0
//! Memfds in huge pages, and the pools that their pages are from.

use crate::memfd::Random;
use crate::sys::{self, Mapping};
use crate::{liveupdate::Session, report};
use std::fmt::{Display, Formatter};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;

/// Where the pools are, if the kernel has some.
pub const POOLS: &str = "/sys/kernel/mm/hugepages";

/// The size of a huge page.
#[derive(Clone, Copy)]
pub struct Size(pub u32);

pub const MIB2: Size = Size(21);
pub const GIB1: Size = Size(30);

impl Size {
    pub fn bytes(self) -> u64 {
        1 << self.0
    }

    /// What the kernel calls its directories.
    fn directory(self) -> String {
        format!("hugepages-{}kB", self.bytes() >> 10)
    }
}

/// The pool of a size, or a node's part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    pub total: u64,
    pub free: u64,
    /// None is told of a node.
    pub reserved: u64,
    pub surplus: u64,
}

pub const fn pool(total: u64, free: u64, reserved: u64, surplus: u64) -> Pool {
    Pool {
        total,
        free,
        reserved,
        surplus,
    }
}

impl Display for Pool {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            total,
            free,
            reserved,
            surplus,
        } = self;
        write!(
            f,
            "total={total} free={free} rsvd={reserved} surp={surplus}"
        )
    }
}

impl Pool {
    pub fn of(size: Size) -> io::Result<Self> {
        Self::read(&format!("{POOLS}/{}", size.directory()))
    }

    pub fn of_node(size: Size, node: u32) -> io::Result<Self> {
        let nodes = "/sys/devices/system/node";
        Self::read(&format!(
            "{nodes}/node{node}/hugepages/{}",
            size.directory()
        ))
    }

    fn read(directory: &str) -> io::Result<Self> {
        let number = |file: &str| -> io::Result<u64> {
            let text = fs::read_to_string(format!("{directory}/{file}"))?;
            text.trim().parse().map_err(io::Error::other)
        };
        Ok(Self {
            total: number("nr_hugepages")?,
            free: number("free_hugepages")?,
            reserved: number("resv_hugepages").unwrap_or(0),
            surplus: number("surplus_hugepages")?,
        })
    }
}

/// Compares the pool of a size with what it has to be.
pub fn expect(when: impl Display, size: Size, expected: Pool) -> io::Result<()> {
    let got = Pool::of(size)?;
    report::equal(format_args!("{when}: pool {got}"), expected, got);
    Ok(())
}

/// The same for one node.
pub fn expect_node(when: impl Display, node: u32, expected: Pool) -> io::Result<()> {
    let got = Pool::of_node(MIB2, node)?;
    report::equal(format_args!("{when}: node {node} {got}"), expected, got);
    Ok(())
}

/// A file in which some pages are filled, and others are not there.
#[derive(Clone, Copy)]
pub struct HugeFile {
    pub token: u64,
    pub size: Size,
    /// How many huge pages it is long.
    pub len: u64,
    /// Which have data.
    pub filled: &'static [u64],
}

/// How much at the beginning and at the end of a page is filled: enough to see which page it is.
const PART: usize = 4096;

impl HugeFile {
    pub fn create_empty(&self) -> io::Result<File> {
        let file = sys::memfd_create_huge("huge", self.size.0)?;
        file.set_len(self.len * self.size.bytes())?;
        Ok(file)
    }

    pub fn create(&self) -> io::Result<File> {
        let file = self.create_empty()?;
        for &index in self.filled {
            self.fill(&file, index)?;
        }
        Ok(file)
    }

    /// Fills a page. Its first word says which frame it is in.
    pub fn fill(&self, file: &File, index: u64) -> io::Result<()> {
        let mut page = self.map(file, index)?;
        let bytes = page.bytes();
        let end = bytes.len() - PART;
        for part in [0, end] {
            self.random(index, part).fill(&mut bytes[part..part + PART]);
        }
        let frame = page.frame()?;
        page.bytes()[..8].copy_from_slice(&frame.to_ne_bytes());
        Ok(())
    }

    pub fn map(&self, file: &File, index: u64) -> io::Result<Mapping> {
        let bytes = self.size.bytes();
        Mapping::new(file, index * bytes, bytes as usize)
    }

    fn random(&self, index: u64, part: usize) -> Random {
        Random::new(self.token << 32 ^ index << 1 ^ u64::from(part != 0))
    }

    /// Whether the file has its length and its data, in the frames where they were, and holes.
    pub fn check(&self, file: &File) -> io::Result<bool> {
        let what = format!("file {:#x}", self.token);
        let meta = file.metadata()?;
        let is_long = report::equal(
            format_args!("{what}: length"),
            self.len * self.size.bytes(),
            meta.len(),
        );
        let is_full = report::equal(
            format_args!("{what}: pages"),
            self.filled.len() as u64,
            meta.blocks() * 512 / self.size.bytes(),
        );
        let mut wrong = Vec::new();
        for &index in self.filled {
            if !self.is_as_it_was(file, index)? {
                wrong.push(index);
            }
        }
        let is_same = report::equal(format_args!("{what}: data and frames"), Vec::new(), wrong);
        Ok(is_long && is_full && is_same)
    }

    fn is_as_it_was(&self, file: &File, index: u64) -> io::Result<bool> {
        let mut page = self.map(file, index)?;
        // The page is there when it was read.
        let first = page.bytes()[..8].to_vec();
        let same_frame = first == page.frame()?.to_ne_bytes();
        let end = self.size.bytes() as usize - PART;
        let same = [0, end].map(|part| {
            let mut expected = vec![0; PART];
            self.random(index, part).fill(&mut expected);
            let skip = if part == 0 { 8 } else { 0 };
            page.bytes()[part + skip..part + PART] == expected[skip..]
        });
        Ok(same_frame && same == [true; 2])
    }
}

/// A new session with such files, which are closed.
pub fn save(session: &Session, files: &[HugeFile]) -> io::Result<()> {
    for file in files {
        session.preserve(file.create()?, file.token)?;
    }
    Ok(())
}

/// Gets files back and checks them.
pub fn restore(session: &Session, files: &[HugeFile]) -> io::Result<Vec<File>> {
    let restore = |file: &HugeFile| {
        let restored = session.retrieve(file.token)?;
        file.check(&restored)?;
        Ok(restored)
    };
    files.iter().map(restore).collect()
}
