// SPDX-License-Identifier: GPL-2.0
//! The FLB array, as the kernel validates it.

use crate::{
    abi::{
        flb_array::{self, Entry, Header, Refusal, DUPLICATE, ENTRY_COUNT, NAME, PAGE_COUNT},
        name::Name,
    },
    report::{self, Content, Damage, Flb, Hex, Part},
};

pub const WHAT: &str = "FLB array";
/// Offsets of the count, of the first entry, and of the number of files in an entry.
const COUNT: usize = 8;
const ENTRIES: usize = size_of::<Header>();
const FILES: usize = 56;

/// Decode the bytes of an array and what follows it in memory.
pub fn decode(bytes: &[u8], page_size: usize) -> Part {
    let header = Header {
        pages: u64_at(bytes, 0),
        count: u64_at(bytes, COUNT),
    };
    let entries = bytes.get(ENTRIES..).unwrap_or_default();
    let entries = entries.chunks_exact(size_of::<Entry>());
    let mut entries: Vec<_> = entries.map(entry).collect();
    let validated = flb_array::validate(&header, &mut entries, page_size);
    let damage = validated.err().map(|why| damage(why, &entries));

    // Of a damaged one, what has a name.
    let count = usize::try_from(header.count).unwrap_or(usize::MAX);
    let entries = entries.iter().take(count);
    let flbs = entries.filter(|entry| Name::new(&entry.name).is_some());
    let content = Content::Array {
        pgcnt: header.pages,
        count: header.count,
        flbs: flbs.map(flb).collect(),
    };
    Part::new(WHAT, damage, content)
}

/// What is missing at the end is zero.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    let bytes = bytes.iter().skip(at);
    word.iter_mut()
        .zip(bytes)
        .for_each(|(to, byte)| *to = *byte);
    u64::from_ne_bytes(word)
}

fn entry(bytes: &[u8]) -> Entry {
    let mut name = [0; 48];
    name.copy_from_slice(&bytes[..48]);
    Entry {
        name,
        data: u64_at(bytes, 48),
        files: u64_at(bytes, FILES),
    }
}

fn flb(entry: &Entry) -> Flb {
    Flb {
        name: report::Name::of(&entry.name),
        data: Hex(entry.data),
        files: entry.files,
    }
}

/// What is wrong, and where.
fn damage((what, number): Refusal, entries: &[Entry]) -> Damage {
    let entry = |index: usize| ENTRIES + index * size_of::<Entry>();
    let at = if what == PAGE_COUNT {
        0
    } else if what == ENTRY_COUNT {
        COUNT
    } else if what == NAME || what == DUPLICATE {
        entry(number as usize)
    } else {
        // An earlier entry with this count would have been refused.
        let index = entries.iter().position(|entry| entry.files == number);
        entry(index.unwrap_or(0)) + FILES
    };
    Damage {
        number: Some(number),
        ..Damage::new(at, what.to_string_lossy())
    }
}
