// SPDX-License-Identifier: GPL-2.0
//! The damages, each of one thing.

use super::place::{Place, DATA, ENTRIES, ENTRY};
use super::{FILES, FLBS};

/// Bytes that are stored at a physical address.
type Poke = (u64, Vec<u8>);

/// Which formats of the orchestrator's state a damage is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Any,
    Tree,
    Structure,
}

/// What is done to a handover.
pub struct Case {
    name: &'static str,
    format: Format,
    about: &'static str,
    pub damage: fn(&Place) -> Vec<Poke>,
}

/// With names like this the next kernel asks for an FLB before there is any allocator.
const EARLY: &str = "early-";

impl Case {
    pub fn is_early(&self) -> bool {
        self.name.starts_with(EARLY)
    }

    fn is_for(&self, is_tree: bool) -> bool {
        match self.format {
            Format::Any => true,
            Format::Tree => is_tree,
            Format::Structure => !is_tree,
        }
    }
}

/// The case of this name, if the format has it.
pub fn find(name: &str, is_tree: bool) -> Option<&'static Case> {
    CASES
        .iter()
        .find(|case| case.name == name && case.is_for(is_tree))
}

/// Name and description of each case of a format.
pub fn list(is_tree: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    let cases = CASES.iter().filter(move |case| case.is_for(is_tree));
    cases.map(|case| (case.name, case.about))
}

const PAGE: usize = 4096;
const PAGES: u64 = 0;
const COUNT: u64 = 8;
const NAME: usize = 48;
const ENTRY_FILES: u64 = 56;

/// Beyond the memory of the guest.
const HOLE: u64 = 1 << 40;
/// Memory of the guest that nobody preserves.
const PLAIN: u64 = 0x0400_0000;

fn number(value: u64) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn in_block(place: &Place, offset: u64, value: u64) -> Vec<Poke> {
    vec![(place.block + offset, number(value))]
}

/// The same in all entries: their order depends on the core.
fn in_entries(place: &Place, offset: u64, value: u64) -> Vec<Poke> {
    let at = |entry| place.block + ENTRIES + entry * ENTRY + offset;
    (0..FLBS).map(|entry| (at(entry), number(value))).collect()
}

/// A name in the field of an entry.
fn name(place: &Place, entry: u64, name: &[u8]) -> Poke {
    let mut field = [0; NAME];
    field[..name.len()].copy_from_slice(name);
    (place.block + ENTRIES + entry * ENTRY, field.to_vec())
}

/// Announces the block elsewhere.
fn address(place: &Place, value: u64) -> Vec<Poke> {
    let announced = place.of(&number(place.block));
    announced
        .map(|at| (at, number(value)))
        .into_iter()
        .collect()
}

/// Other bytes in place of some in the state.
fn in_state(place: &Place, from: &[u8], to: &[u8]) -> Vec<Poke> {
    place
        .of(from)
        .map(|at| (at, to.to_vec()))
        .into_iter()
        .collect()
}

/// Bytes that look like nothing; the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

// Where numbers are in the header of a tree.
const MAGIC: u64 = 0;
const TOTAL_SIZE: u64 = 4;
const STRUCT_SIZE: u64 = 36;

/// A number in the header of the tree.
fn in_header(place: &Place, offset: u64, value: u32) -> Poke {
    (place.state + offset, value.to_be_bytes().to_vec())
}

/// The version of the node gets another length.
fn version_length(place: &Place, value: u32) -> Vec<Poke> {
    let length = place.of(b"luo-flb-v1\0").map(|value| value - 8);
    let poke = length.map(|at| (at, value.to_be_bytes().to_vec()));
    poke.into_iter().collect()
}

/// The version of the node goes on for a GiB, in a tree that says that it does so too.
fn endless(place: &Place) -> Vec<Poke> {
    let mut pokes = version_length(place, 1 << 30);
    pokes.push(in_header(place, TOTAL_SIZE, 0x7fff_fffe));
    pokes.push(in_header(place, STRUCT_SIZE, 0x7fff_0000));
    pokes
}

/// The property with the address, half as long; what is left over counts as nothing.
fn short_property(place: &Place) -> Vec<Poke> {
    const NOP: [u8; 4] = 4u32.to_be_bytes();
    let length = place.of(&number(place.block)).map(|value| value - 8);
    let pokes = |at: u64| vec![(at, 4u32.to_be_bytes().to_vec()), (at + 12, NOP.to_vec())];
    length.map(pokes).unwrap_or_default()
}

const fn case(
    name: &'static str,
    format: Format,
    about: &'static str,
    damage: fn(&Place) -> Vec<Poke>,
) -> Case {
    Case {
        name,
        format,
        about,
        damage,
    }
}

use Format::{Any, Structure, Tree};

const CASES: &[Case] = &[
    case("none", Any, "nothing", |_| Vec::new()),
    case("count-one-more", Any, "count: one more than fits", |p| {
        in_block(p, COUNT, 64)
    }),
    case(
        "count-unwritten",
        Any,
        "count: more than was written",
        |p| in_block(p, COUNT, 63),
    ),
    case("count-1000", Any, "count: 1000", |p| {
        in_block(p, COUNT, 1000)
    }),
    case("count-high-bit", Any, "count: 1 << 63", |p| {
        in_block(p, COUNT, 1 << 63)
    }),
    case("count-max", Any, "count: all ones", |p| {
        in_block(p, COUNT, u64::MAX)
    }),
    case("count-zero", Any, "count: 0", |p| in_block(p, COUNT, 0)),
    case("pages-zero", Any, "pgcnt: 0", |p| in_block(p, PAGES, 0)),
    case("pages-two", Any, "pgcnt: one more than preserved", |p| {
        in_block(p, PAGES, 2)
    }),
    case("pages-overflow", Any, "pgcnt: 1 << 52, 0 as bytes", |p| {
        in_block(p, PAGES, 1 << 52)
    }),
    case("pages-high-bit", Any, "pgcnt: 1 << 63", |p| {
        in_block(p, PAGES, 1 << 63)
    }),
    case("pages-max", Any, "pgcnt: all ones", |p| {
        in_block(p, PAGES, u64::MAX)
    }),
    case("address-zero", Any, "address: 0", |p| address(p, 0)),
    case("address-unaligned", Any, "address: 8 bytes further", |p| {
        address(p, p.block + 8)
    }),
    case(
        "address-plain",
        Any,
        "address: memory that is not preserved",
        |p| address(p, PLAIN),
    ),
    case("address-hole", Any, "address: beyond the memory", |p| {
        address(p, HOLE)
    }),
    case("address-high-bit", Any, "address: 1 << 63", |p| {
        address(p, 1 << 63)
    }),
    case(
        "address-last",
        Any,
        "address: the last page there could be",
        |p| address(p, !0xfff),
    ),
    case("address-max", Any, "address: all ones", |p| {
        address(p, u64::MAX)
    }),
    case(
        "address-of-state",
        Any,
        "address: the orchestrator's own page",
        |p| address(p, p.state),
    ),
    case(
        "name-unterminated",
        Any,
        "name: 48 characters, no NUL",
        |p| vec![name(p, 0, &[b'x'; NAME])],
    ),
    case("name-empty", Any, "name: empty", |p| vec![name(p, 0, b"")]),
    case("name-duplicate", Any, "name: the same twice", |p| {
        vec![name(p, 0, b"demo-pci-v1"), name(p, 1, b"demo-pci-v1")]
    }),
    case("files-zero", Any, "files of an entry: 0", |p| {
        in_block(p, ENTRIES + ENTRY_FILES, 0)
    }),
    case("files-high-bit", Any, "files of an entry: 1 << 31", |p| {
        in_block(p, ENTRIES + ENTRY_FILES, 1 << 31)
    }),
    case("files-overflow", Any, "files of an entry: 1 << 32", |p| {
        in_block(p, ENTRIES + ENTRY_FILES, 1 << 32)
    }),
    case("files-max", Any, "files of an entry: all ones", |p| {
        in_block(p, ENTRIES + ENTRY_FILES, u64::MAX)
    }),
    case("block-zeroes", Any, "the whole block: zeroes", |p| {
        vec![(p.block, vec![0; PAGE])]
    }),
    case("block-ones", Any, "the whole block: ones", |p| {
        vec![(p.block, vec![0xff; PAGE])]
    }),
    case("block-noise", Any, "the whole block: noise", |p| {
        vec![(p.block, noise(PAGE))]
    }),
    case("entries-noise", Any, "all entries: noise", |p| {
        vec![(p.block + ENTRIES, noise(PAGE - ENTRIES as usize))]
    }),
    case("early-address", Any, "address: beyond the memory", |p| {
        address(p, HOLE)
    }),
    case("early-count", Any, "count: one more than fits", |p| {
        in_block(p, COUNT, 64)
    }),
    case("node-renamed", Tree, "node: another name", |p| {
        in_state(p, b"luo-flb\0", b"luo-xxx\0")
    }),
    case("node-version", Tree, "node: another version", |p| {
        in_state(p, b"luo-flb-v1\0", b"luo-flb-v9\0")
    }),
    case("property-renamed", Tree, "property: another name", |p| {
        in_state(p, b"luo-flb-header\0", b"luo-flb-xxxxxx\0")
    }),
    case("property-short", Tree, "property: 4 bytes", short_property),
    case("property-too-long", Tree, "version: 1 GiB", |p| {
        version_length(p, 1 << 30)
    }),
    case(
        "property-endless",
        Tree,
        "version and tree: 1 GiB and more",
        endless,
    ),
    case("tree-too-long", Tree, "tree: 2 GiB", |p| {
        vec![in_header(p, TOTAL_SIZE, 0x7fff_fffe)]
    }),
    case("tree-unfinished", Tree, "tree: being written", |p| {
        vec![in_header(p, MAGIC, !0xd00d_feed)]
    }),
    case(
        "state-version",
        Structure,
        "the state: another version",
        |p| in_state(p, b"luo-v5\0", b"luo-v9\0"),
    ),
    // What no check can tell from what is right.
    case(
        "names-unknown",
        Any,
        "names of all entries: of no FLB",
        |p| {
            let unknown = |entry| name(p, entry, format!("nobody-{entry}-v1").as_bytes());
            (0..FLBS).map(unknown).collect()
        },
    ),
    case(
        "files-one-more",
        Any,
        "files of all entries: one too many",
        |p| in_entries(p, ENTRY_FILES, FILES + 1),
    ),
    case(
        "files-one-less",
        Any,
        "files of all entries: one too few",
        |p| in_entries(p, ENTRY_FILES, FILES - 1),
    ),
    case("data-max", Any, "data of all entries: all ones", |p| {
        in_entries(p, DATA, u64::MAX)
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_of_each_format() {
        for is_tree in [false, true] {
            assert!(list(is_tree).count() > 30);
        }
    }

    #[test]
    fn each_but_none_does_something_within_pages() {
        let block = 0x1234_5000u64;
        let mut content = b"luo-v5\0\0luo-flb\0luo-flb-v1\0luo-flb-header\0".to_vec();
        content.extend([3, 0, 0, 8].iter().chain(&[0; 12]));
        content.extend(number(block));
        let place = Place {
            block,
            state: 0x2000,
            content,
        };
        for case in CASES {
            let pokes = (case.damage)(&place);
            assert_eq!(pokes.is_empty(), case.name == "none", "{}", case.name);
            for (address, bytes) in pokes {
                assert!(
                    address as usize % PAGE + bytes.len() <= PAGE,
                    "{}",
                    case.name
                );
            }
        }
    }
}
