// SPDX-License-Identifier: GPL-2.0

//! Seeds of what is small: numbers and names.

use super::Seed;
use crate::bytes::field;

/// A page size by its place in the list, and a number.
fn luo(page_size: u8, number: u64) -> Vec<u8> {
    [&[page_size][..], &number.to_ne_bytes()].concat()
}

pub(super) fn luo_v5() -> Vec<Seed> {
    vec![
        ("nothing", luo(0, 0)),
        ("page-4k", luo(0, 0x1000)),
        ("page-16k", luo(1, 0x4000)),
        ("page-64k", luo(2, 0x1_0000)),
        ("small-for-64k", luo(2, 0x1000)),
        ("unaligned", luo(0, 0x1008)),
        ("last-page", luo(0, u64::MAX - 0xfff)),
        ("all-ones", luo(0, u64::MAX)),
    ]
}

pub(super) fn name() -> Vec<Seed> {
    let pair = |one: &[u8], other: &[u8]| [field(one), field(other)].concat();
    let dirty = |mut fields: Vec<u8>| {
        fields[4..48].fill(0xa5);
        fields
    };
    vec![
        ("same", pair(b"flb", b"flb")),
        ("prefix", pair(b"flb", b"flb-1")),
        ("order", pair(b"flb-2", b"flb-1")),
        ("high", pair(b"\x7f\x80\xff", b"\x80\x01\x81")),
        ("empty", pair(b"", b"flb")),
        ("longest", pair(&[b'a'; 47], &[b'a'; 46])),
        ("unterminated", pair(&[b'a'; 48], b"flb")),
        ("garbage-behind", dirty(pair(b"flb", b"flb"))),
    ]
}
