// SPDX-License-Identifier: GPL-2.0

//! Seeds of trees, in the ways in which the target makes them.

use super::Seed;
use crate::fdt::make::{BEGIN, BUILT, END, PATCHED, PROPERTY, RAW};

const PAGE_4K: u8 = 0;
const PAGE_64K: u8 = 2;
const ADDRESS: u64 = 0x3_0000;

/// Places in the lists of nodes, properties and values.
const FLB: u8 = 0;
const FLB_AT: u8 = 1;
const OTHER: u8 = 2;
const COMPATIBLE: u8 = 0;
const HEADER: u8 = 1;
const HEADER_SHORT: u8 = 2;
const V1: u8 = 0;
const V2_V1: u8 = 1;
const V2: u8 = 2;
const V1_UNTERMINATED: u8 = 3;
const GOOD: u8 = 4;
const EMPTY: u8 = 5;
/// A value of 8 bytes that follow.
const EIGHT: u8 = 6 + 8;

/// A node of two properties.
fn node(name: u8, version: u8, header: (u8, u8), end: &[u8]) -> Vec<u8> {
    let (property, value) = header;
    let mut input = vec![PAGE_4K, BUILT, BEGIN, name];
    input.extend([PROPERTY, COMPATIBLE, version]);
    input.extend([PROPERTY, property, value]);
    [&input, end].concat()
}

/// A node with another address.
fn announcing(page_size: u8, address: u64) -> Vec<u8> {
    [&[page_size, BUILT, END][..], &address.to_ne_bytes()].concat()
}

fn built() -> Vec<Seed> {
    let good = (HEADER, GOOD);
    let unaligned = 0x3_0008u64.to_ne_bytes();
    vec![
        ("good", announcing(PAGE_4K, ADDRESS)),
        ("by-hand", node(FLB, V1, good, &[END])),
        ("unit-address", node(FLB_AT, V1, good, &[END])),
        ("no-node", vec![PAGE_4K, BUILT]),
        ("other-node", node(OTHER, V1, good, &[END])),
        (
            "deeper",
            [
                &[PAGE_4K, BUILT, BEGIN, OTHER][..],
                &node(FLB, V1, good, &[])[2..],
            ]
            .concat(),
        ),
        ("version-list", node(FLB, V2_V1, good, &[END])),
        ("version-other", node(FLB, V2, good, &[END])),
        (
            "version-unterminated",
            node(FLB, V1_UNTERMINATED, good, &[END]),
        ),
        (
            "version-missing",
            vec![PAGE_4K, BUILT, BEGIN, FLB, PROPERTY, HEADER, GOOD],
        ),
        (
            "header-missing",
            node(FLB, V1, (HEADER_SHORT, GOOD), &[END]),
        ),
        ("header-empty", node(FLB, V1, (HEADER, EMPTY), &[END])),
        ("header-short", node(FLB, V1, (HEADER, EIGHT - 1), &[0; 7])),
        ("header-long", node(FLB, V1, (HEADER, EIGHT + 1), &[0; 9])),
        ("address-zero", node(FLB, V1, (HEADER, EIGHT), &[0; 8])),
        (
            "address-unaligned",
            node(FLB, V1, (HEADER, EIGHT), &unaligned),
        ),
        ("address-small-for-64k", announcing(PAGE_64K, 0x1000)),
    ]
}

/// A good tree without its last bytes, which its header may know, and with other bytes.
fn patched(missing: u16, known: bool, patches: &[u8]) -> Vec<u8> {
    let mut input = vec![PAGE_4K, PATCHED];
    input.extend(ADDRESS.to_ne_bytes());
    input.extend(missing.to_be_bytes());
    input.push(known.into());
    [&input, patches].concat()
}

fn damaged() -> Vec<Seed> {
    vec![
        ("whole", patched(0, false, &[])),
        ("truncated", patched(1, false, &[])),
        ("truncated-strings", patched(8, true, &[])),
        ("truncated-structure", patched(120, true, &[])),
        ("truncated-header", patched(u16::MAX / 2, true, &[])),
        ("magic", patched(0, false, &[0, 0, 0])),
        ("size", patched(0, false, &[0, 4, 0xff])),
        ("structure-outside", patched(0, false, &[0, 10, 0xff])),
        ("strings-outside", patched(0, false, &[0, 14, 0xff])),
        ("version-of-tree", patched(0, false, &[0, 23, 3])),
        ("no-root", patched(0, false, &[0, 67, 2])),
        ("raw-nothing", vec![PAGE_4K, RAW]),
        (
            "raw-magic",
            vec![PAGE_4K, RAW, 0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 40],
        ),
    ]
}

pub(super) fn seeds() -> Vec<Seed> {
    [built(), damaged()].concat()
}
