// SPDX-License-Identifier: GPL-2.0

//! Seeds of what `flbdump` is given. A machine's memory has small pages, as a note in it says.

use super::Seed;
use crate::bytes::{field, Bytes};
use vm_fdt::FdtWriter;

const PAGE: usize = 256;
/// Where things are in memory.
const KHO: u64 = PAGE as u64;
const LUO: u64 = 2 * KHO;
const ARRAY: u64 = 4 * KHO;
const POOLS: u64 = 5 * KHO;
const END: u64 = 6 * KHO;

/// A node: its properties, text or numbers of the machine.
type Node<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);

/// Make a tree of a root and nodes in it.
fn tree(root: &[(&str, &[u8])], nodes: &[Node<'_>]) -> Vec<u8> {
    let properties = |fdt: &mut FdtWriter, properties: &[(&str, &[u8])]| {
        for (name, data) in properties {
            fdt.property(name, data).unwrap();
        }
    };
    let mut fdt = FdtWriter::new().unwrap();
    let top = fdt.begin_node("").unwrap();
    properties(&mut fdt, root);
    for (name, node) in nodes {
        let begun = fdt.begin_node(name).unwrap();
        properties(&mut fdt, node);
        fdt.end_node(begun).unwrap();
    }
    fdt.end_node(top).unwrap();
    fdt.finish().unwrap()
}

fn kho(luo: u64) -> Vec<u8> {
    let root: &[(&str, &[u8])] = &[("compatible", b"kho-v4\0")];
    tree(root, &[("LUO", &[("preserved-data", &luo.to_ne_bytes())])])
}

/// The state of 7.1.
fn luo_tree(compatible: &[u8], header: &[u8]) -> Vec<u8> {
    let root: &[(&str, &[u8])] = &[("compatible", b"luo-v1\0")];
    let node: Node<'_> = (
        "luo-flb",
        &[("compatible", compatible), ("luo-flb-header", header)],
    );
    tree(root, &[node])
}

/// The state of later versions.
fn luo(compatible: &[u8; 8], flbs: u64) -> Vec<u8> {
    let numbers = [3, 0, flbs].map(u64::to_ne_bytes);
    [compatible, &numbers.concat()[..]].concat()
}

/// An array with an FLB that leads to counts of huge pages.
fn array(files: u64) -> Vec<u8> {
    let mut array = Bytes::valid(PAGE, 1, 3);
    array.entry(1, &field(b"hugetlb-pools-v1"), POOLS, files);
    array.0
}

fn pools() -> Vec<u8> {
    let row = |order: u32, node: u32, count: u64| {
        let place = [order, node].map(u32::to_ne_bytes).concat();
        [&place[..], &count.to_ne_bytes()].concat()
    };
    // Of six pages two are in pages of their double size, one of which is reserved as well.
    let mut pools = [&b"hugepl01"[..], &row(1, 0, 2), &row(1, u32::MAX, 1)].concat();
    pools.resize(PAGE, 0);
    pools
}

/// Make an ELF file of such headers, a type with an address and bytes each.
fn elf(kind: u16, headers: &[(u32, u64, &[u8])]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    // As the machine has them.
    file[5] = if cfg!(target_endian = "big") { 2 } else { 1 };
    file.resize(16, 0);
    let halves = |file: &mut Vec<u8>, halves: &[u16]| {
        file.extend(halves.iter().copied().flat_map(u16::to_ne_bytes));
    };
    let words = |file: &mut Vec<u8>, words: &[u64]| {
        file.extend(words.iter().copied().flat_map(u64::to_ne_bytes));
    };
    halves(&mut file, &[kind, 62]);
    file.extend(1_u32.to_ne_bytes());
    words(&mut file, &[0, 64, 0]);
    file.extend(0_u32.to_ne_bytes());
    halves(&mut file, &[64, 56, headers.len() as u16, 0, 0, 0]);
    let mut offset = file.len() + 56 * headers.len();
    for (kind, address, bytes) in headers {
        let len = bytes.len() as u64;
        file.extend([*kind, 0].map(u32::to_ne_bytes).concat());
        words(&mut file, &[offset as u64, 0, *address, len, len, 4]);
        offset += bytes.len();
    }
    for (_, _, bytes) in headers {
        file.extend(*bytes);
    }
    file
}

const CORE: u16 = 4;
const LOAD: u32 = 1;
const NOTE: u32 = 4;

/// What the kernel notes of itself.
fn note() -> Vec<u8> {
    let text = format!("OSRELEASE=7.3.4\nPAGESIZE={PAGE}\n");
    let len = text.len().next_multiple_of(4);
    let lens = [11, text.len() as u32, 0].map(u32::to_ne_bytes).concat();
    let mut note = [&lens[..], b"VMCOREINFO\0\0", text.as_bytes()].concat();
    note.resize(24 + len, 0);
    note
}

/// Make a dump of memory with such things at their places.
fn memory(things: &[(u64, &[u8])]) -> Vec<u8> {
    let mut memory = vec![0xa5; (END - KHO) as usize];
    for (address, bytes) in things {
        let at = (address - KHO) as usize;
        memory[at..at + bytes.len()].copy_from_slice(bytes);
    }
    // In two parts, in the other order.
    let (low, high) = memory.split_at((LUO - KHO) as usize);
    let loads = [(NOTE, 0, &note()[..]), (LOAD, LUO, high), (LOAD, KHO, low)];
    elf(CORE, &loads)
}

/// Make a dump of the machine that has handed over this state and array.
fn machine(state: &[u8], array: &[u8]) -> Vec<u8> {
    let kho = kho(LUO);
    memory(&[(KHO, &kho), (LUO, state), (ARRAY, array), (POOLS, &pools())])
}

fn blobs() -> Vec<Seed> {
    let v5 = luo(b"luo-v5\0\0", ARRAY);
    let mut cut = luo_tree(b"luo-flb-v1\0", &ARRAY.to_ne_bytes());
    let tree_of = |compatible: &[u8]| luo_tree(compatible, &ARRAY.to_ne_bytes());
    cut.truncate(100);
    vec![
        ("luo", v5.clone()),
        ("luo-short", v5[..20].to_vec()),
        ("luo-other-version", luo(b"luo-v6\0\0", ARRAY)),
        ("tree", tree_of(b"luo-flb-v1\0")),
        ("tree-other-node", tree_of(b"luo-flb-v2\0")),
        ("tree-bad-header", luo_tree(b"luo-flb-v1\0", &[0; 4])),
        ("tree-no-node", tree(&[("compatible", b"luo-v1\0")], &[])),
        ("tree-cut", cut),
        ("tree-kho", kho(LUO)),
        ("names", b"flb-v1\nflb-v2 7 files\n\n".to_vec()),
        (
            "modinfo",
            b"mem.parm=x:y\0luo.flb=flb-v1\0luo.file_handler=f\0".to_vec(),
        ),
        ("nothing", Vec::new()),
    ]
}

fn memories() -> Vec<Seed> {
    let state = |flbs| luo(b"luo-v5\0\0", flbs);
    let v1 = |flbs: u64| luo_tree(b"luo-flb-v1\0", &flbs.to_ne_bytes());
    let loop_ = kho(KHO);
    let aliases = [
        (NOTE, 0, &note()[..]),
        (LOAD, KHO, &loop_),
        (LOAD, LUO, &loop_),
    ];
    let mut aliases = elf(CORE, &aliases);
    // The third leads to the bytes of the second.
    let header = |index: usize| 64 + 56 * index + 8;
    aliases.copy_within(header(1)..header(1) + 8, header(2));
    vec![
        ("memory", machine(&state(ARRAY), &array(2))),
        ("memory-tree", machine(&v1(ARRAY), &array(2))),
        ("memory-no-flbs", machine(&state(0), &array(2))),
        ("memory-tree-no-flbs", machine(&v1(0), &array(2))),
        ("memory-bad-address", machine(&state(ARRAY + 8), &array(2))),
        ("memory-not-there", machine(&state(END), &array(2))),
        ("memory-bad-array", machine(&state(ARRAY), &array(0))),
        ("memory-other-luo", machine(&[0; 32], &array(2))),
        ("memory-no-kho", memory(&[(LUO, &state(ARRAY))])),
        ("memory-loop", memory(&[(KHO, &loop_)])),
        ("memory-aliases", aliases),
        ("elf-program", elf(2, &[])),
        ("elf-cut", machine(&state(ARRAY), &array(2))[..100].to_vec()),
    ]
}

pub(super) fn seeds() -> Vec<Seed> {
    [blobs(), memories()].concat()
}
