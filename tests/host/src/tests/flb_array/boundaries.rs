// SPDX-License-Identifier: GPL-2.0

//! The last good and the first bad value of each number and name.

use super::{
    bytes::{field, Bytes},
    model::{count, validate},
    PAGE_SIZES,
};
use crate::abi::flb_array::{
    capacity, is_address, pages, Refusal, DUPLICATE, ENTRY_COUNT, FILE_COUNT, MAX_FILES, MAX_PAGES,
    NAME, PAGE_COUNT,
};

#[test]
fn counts_whole_entries_behind_the_header() {
    assert_eq!(PAGE_SIZES.map(capacity), [63, 255, 1023]);
    assert_eq!(capacity(MAX_PAGES * 4096), 511);
    let lengths = [0, 15, 16, 79, 80, 143, 144];
    assert_eq!(lengths.map(capacity), [0, 0, 0, 0, 1, 1, 2]);
}

#[test]
fn counts_no_more_pages_than_the_entries_need() {
    for page_size in PAGE_SIZES {
        assert_eq!(pages(0, page_size), 1);
        for count in 1..100 {
            let most = capacity(count * page_size);
            assert_eq!(pages(most, page_size), count);
            assert_eq!(pages(most + 1, page_size), count + 1);
        }
        for entries in [usize::MAX / 64, usize::MAX / 64 + 1, usize::MAX] {
            assert_eq!(pages(entries, page_size), usize::MAX.div_ceil(page_size));
        }
    }
}

#[test]
fn accepts_addresses_of_pages() {
    for page_size in PAGE_SIZES.map(|size| size as u64) {
        assert!(!is_address(0, page_size));
        for bit in 0..64 {
            let address = 1 << bit;
            assert_eq!(is_address(address, page_size), address >= page_size);
            let beside = address | (page_size / 2);
            assert!(!is_address(beside, page_size), "{beside:#x}");
        }
        assert!(is_address(page_size.wrapping_neg(), page_size));
        assert!(!is_address(u64::MAX, page_size));
    }
}

#[test]
fn refuses_memory_without_room_for_an_entry() {
    assert_eq!(count(&Bytes(vec![]), 80), Err((PAGE_COUNT, 0)));
    for len in 8..=80 {
        let bytes = Bytes(Bytes::valid(80, 1, 1).0[..len].to_vec());
        let expected = match len {
            80 => Ok(1),
            _ => Err((PAGE_COUNT, 1)),
        };
        assert_eq!(count(&bytes, 80), expected, "{len} bytes");
    }
    assert_eq!(count(&Bytes::new(64, 1, 0), 0), Err((PAGE_COUNT, 1)));
}

#[test]
fn refuses_a_bad_page_count() {
    for page_size in PAGE_SIZES {
        let overflow = 1 << (64 - page_size.ilog2());
        for pages in [0, 3, overflow, overflow + 1, 1 << 63, u64::MAX] {
            let bytes = Bytes::new(2 * page_size, pages, 0);
            assert_eq!(count(&bytes, page_size), Err((PAGE_COUNT, pages)));
        }
        for pages in [1, 2] {
            let bytes = Bytes::new(2 * page_size, pages, 0);
            assert_eq!(count(&bytes, page_size), Ok(0));
        }
    }
}

#[test]
fn refuses_a_bad_entry_count() {
    for page_size in PAGE_SIZES {
        for pages in [1, 2, MAX_PAGES] {
            let most = capacity(pages * page_size);
            let mut bytes = Bytes::valid(page_size, pages, most);
            // There is more memory than the header says.
            bytes.0.resize((pages + 1) * page_size, 0x5a);
            assert_eq!(count(&bytes, page_size), Ok(most));
            for more in [most as u64 + 1, 1 << 32, 1 << 58, (1 << 58) + 1, u64::MAX] {
                bytes.u64(8, more);
                assert_eq!(count(&bytes, page_size), Err((ENTRY_COUNT, more)));
            }
        }
    }
}

#[test]
fn refuses_a_bad_file_count() {
    assert_eq!(u64::from(MAX_FILES), 0x7fff_ffff);
    let mut bytes = Bytes::valid(4096, 1, 3);
    for files in [1, 2, 0x7fff_ffff] {
        bytes.files(2, files);
        assert_eq!(u64::from(validate(&bytes.0, 4096).unwrap()[2].files), files);
    }
    for files in [
        0,
        0x8000_0000,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 1,
        u64::MAX,
    ] {
        bytes.files(2, files);
        assert_eq!(count(&bytes, 4096), Err((FILE_COUNT, files)));
    }
}

#[test]
fn accepts_any_data() {
    for data in [0, 1, 1 << 63, u64::MAX] {
        let mut bytes = Bytes::valid(4096, 1, 1);
        bytes.u64(16 + 48, data);
        assert_eq!(validate(&bytes.0, 4096).unwrap()[0].data, data);
    }
}

/// Return what becomes of an array of four entries when the third has a name.
fn third(name: &[u8; 48]) -> Result<usize, Refusal> {
    let mut bytes = Bytes::valid(4096, 1, 4);
    bytes.name(2, name);
    // A NUL in the data does not terminate the name.
    bytes.u64(16 + 2 * 64 + 48, 0);
    count(&bytes, 4096)
}

#[test]
fn accepts_names_of_1_to_47_bytes() {
    assert_eq!(third(&field(b"")), Err((NAME, 2)));
    assert_eq!(third(&field(b"a")), Ok(4));
    assert_eq!(third(&field(&[b'a'; 47])), Ok(4));
    assert_eq!(third(&[b'a'; 48]), Err((NAME, 2)));
    let mut name = field(b"?garbage");
    name[0] = 0;
    assert_eq!(third(&name), Err((NAME, 2)));
}

#[test]
fn refuses_a_name_that_is_there_twice() {
    for (later, earlier) in [(1, 0), (3, 0), (3, 2), (510, 0), (510, 509), (510, 64)] {
        let mut bytes = Bytes::valid(4096, MAX_PAGES, 511);
        bytes.name(later, &field(format!("flb-{earlier}").as_bytes()));
        assert_eq!(count(&bytes, 4096), Err((DUPLICATE, later as u64)));
        // What is behind the last entry does not count.
        bytes.u64(8, later as u64);
        assert_eq!(count(&bytes, 4096), Ok(later));
    }
    // Garbage behind the NUL hides none, and a prefix is none.
    let mut name = field(b"flb-0");
    name[6..].fill(0x5a);
    assert_eq!(third(&name), Err((DUPLICATE, 2)));
    assert_eq!(third(&field(b"flb-")), Ok(4));
    assert_eq!(third(&field(b"flb-00")), Ok(4));
}

#[test]
fn says_first_what_is_wrong_with_an_entry() {
    let mut bytes = Bytes::valid(4096, 1, 5);
    bytes.name(1, &field(b"flb-0"));
    bytes.files(4, 0);
    assert_eq!(count(&bytes, 4096), Err((FILE_COUNT, 0)));
    bytes.name(4, &field(b""));
    assert_eq!(count(&bytes, 4096), Err((NAME, 4)));
    bytes.name(3, &[b'a'; 48]);
    assert_eq!(count(&bytes, 4096), Err((NAME, 3)));
}
