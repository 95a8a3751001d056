// SPDX-License-Identifier: GPL-2.0

//! Seeds of the FLB array, with pages of 144 bytes, which have room for two entries each.

use super::Seed;
use crate::{
    abi::flb_array::MAX_FILES,
    bytes::{field, Bytes},
};

const PAGE_SIZE: usize = 144;
/// Page sizes by their place in the list.
const SIZE_144: u8 = 3;
const SIZE_4K_PADDED: u8 = 8;
const SIZE_0: u8 = 6;
const SIZE_ABSURD: u8 = 7;

/// Make an array of one page with two entries, and one thing that is not as it should be.
fn with(change: impl FnOnce(&mut Bytes)) -> Vec<u8> {
    let mut bytes = Bytes::valid(PAGE_SIZE, 1, 2);
    change(&mut bytes);
    input(SIZE_144, &bytes.0)
}

fn input(page_size: u8, bytes: &[u8]) -> Vec<u8> {
    [&[page_size], bytes].concat()
}

/// Make so many pages with so many entries.
fn valid(pages: usize, entries: usize) -> Vec<u8> {
    input(SIZE_144, &Bytes::valid(PAGE_SIZE, pages, entries).0)
}

fn right() -> Vec<Seed> {
    let array = Bytes::valid(PAGE_SIZE, 1, 2).0;
    vec![
        ("none", valid(1, 0)),
        ("one", valid(1, 1)),
        ("full", valid(1, 2)),
        ("three-pages", valid(3, 6)),
        (
            "more-memory",
            with(|bytes| bytes.0.extend([0xa5; PAGE_SIZE])),
        ),
        ("page-4k", input(SIZE_4K_PADDED, &array)),
        ("files-most", with(|bytes| bytes.files(1, MAX_FILES.into()))),
        (
            "name-longest",
            with(|bytes| bytes.name(1, &field(&[b'a'; 47]))),
        ),
        (
            "name-garbage-behind",
            with(|bytes| bytes.0[16 + 64 + 6..16 + 64 + 48].fill(0xa5)),
        ),
    ]
}

fn bad_header() -> Vec<Seed> {
    let header = |pgcnt, count| {
        with(|bytes| {
            bytes.u64(0, pgcnt);
            bytes.u64(8, count);
        })
    };
    vec![
        ("no-memory", vec![SIZE_144]),
        ("truncated-header", with(|bytes| bytes.0.truncate(15))),
        ("truncated-entry", with(|bytes| bytes.0.truncate(143))),
        ("pages-none", header(0, 0)),
        ("pages-more-than-memory", header(2, 2)),
        ("pages-overflow", header(1 << 61, 2)),
        ("pages-all-ones", header(u64::MAX, 2)),
        ("count-one-more", header(1, 3)),
        (
            "count-more-than-pages",
            with(|bytes| {
                bytes.0.extend([0xa5; PAGE_SIZE]);
                bytes.u64(8, 3);
            }),
        ),
        ("count-overflow", header(1, (1 << 58) + 1)),
        ("count-all-ones", header(1, u64::MAX)),
        (
            "page-size-zero",
            input(SIZE_0, &Bytes::valid(PAGE_SIZE, 1, 2).0),
        ),
        (
            "page-size-absurd",
            input(SIZE_ABSURD, &Bytes::valid(PAGE_SIZE, 1, 2).0),
        ),
    ]
}

fn bad_entry() -> Vec<Seed> {
    let files = |files| with(|bytes| bytes.files(1, files));
    vec![
        ("name-empty", with(|bytes| bytes.name(1, &field(b"")))),
        (
            "name-unterminated",
            with(|bytes| bytes.name(1, &[b'a'; 48])),
        ),
        ("name-twice", with(|bytes| bytes.name(1, &field(b"flb-0")))),
        ("files-none", files(0)),
        ("files-one-more", files(u64::from(MAX_FILES) + 1)),
        ("files-33-bits", files((1 << 32) + 1)),
        ("files-all-ones", files(u64::MAX)),
    ]
}

pub(super) fn seeds() -> Vec<Seed> {
    [right(), bad_header(), bad_entry()].concat()
}
