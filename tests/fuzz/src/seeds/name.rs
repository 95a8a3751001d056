// SPDX-License-Identifier: GPL-2.0

//! Seeds of names.

use super::Seed;
use crate::bytes::field;

pub(super) fn seeds() -> Vec<Seed> {
    let pair = |one: &[u8], other: &[u8]| [field(one), field(other)].concat();
    let dirty = |mut fields: Vec<u8>| {
        fields[4..48].fill(0xa5);
        fields
    };
    let unterminated = [&[b'a'; 48][..], &field(b"flb")].concat();
    vec![
        ("same", pair(b"flb", b"flb")),
        ("prefix", pair(b"flb", b"flb-1")),
        ("last-letter", pair(b"flb-2", b"flb-1")),
        ("high", pair(b"\x7f\x80\xff", b"\x80\x01\x81")),
        ("empty", pair(b"", b"flb")),
        ("longest", pair(&[b'a'; 47], &[b'a'; 46])),
        ("unterminated", unterminated),
        ("garbage-behind", dirty(pair(b"flb", b"flb"))),
    ]
}
