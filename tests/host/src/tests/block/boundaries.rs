// SPDX-License-Identifier: GPL-2.0

//! The last good and the first bad value of each number.

use super::{bytes::Bytes, model, PAGE_SIZES};
use crate::abi::block::{capacity, is_address, pages, Error, MAX_FILES};

fn error(bytes: &[u8], page_size: usize) -> Option<Error> {
    model::read(bytes, page_size).err()
}

#[test]
fn capacity_counts_whole_entries_behind_the_header() {
    assert_eq!(PAGE_SIZES.map(capacity), [63, 255, 1023]);
    for (len, fit) in [
        (0, 0),
        (15, 0),
        (16, 0),
        (79, 0),
        (80, 1),
        (143, 1),
        (144, 2),
    ] {
        assert_eq!(capacity(len), fit, "{len} bytes");
    }
}

#[test]
fn pages_are_no_more_than_the_entries_need() {
    for page_size in PAGE_SIZES {
        for entries in (0..5000).chain(65_500..65_600) {
            let pages = pages(entries, page_size);
            assert!(capacity(pages * page_size) >= entries, "{entries} entries");
            let fewer = (pages - 1) * page_size;
            assert!(
                pages == 1 || capacity(fewer) < entries,
                "{entries} entries fit in {fewer} bytes"
            );
        }
    }
}

#[test]
fn pages_that_are_full_need_no_more_pages() {
    for page_size in PAGE_SIZES {
        for count in 1..3000 {
            let most = capacity(count * page_size);
            assert_eq!(pages(most, page_size), count);
            assert_eq!(pages(most + 1, page_size), count + 1);
        }
    }
}

#[test]
fn too_many_entries_need_too_many_pages() {
    for page_size in PAGE_SIZES {
        let most = usize::MAX.div_ceil(page_size);
        for entries in [usize::MAX / 64, usize::MAX / 64 + 1, usize::MAX] {
            assert_eq!(pages(entries, page_size), most, "{entries} entries");
        }
    }
}

#[test]
fn an_address_is_that_of_a_page_and_not_zero() {
    for page_size in PAGE_SIZES {
        let page_size = page_size as u64;
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
fn every_length_up_to_one_entry() {
    for len in 0..=80 {
        let whole = Bytes::valid(80, 1).0;
        let expected = match len {
            0..16 => Some(Error::Truncated(len as u64)),
            16..80 => Some(Error::PageCount(1)),
            _ => None,
        };
        assert_eq!(error(&whole[..len], 80), expected, "{len} bytes");
        if len >= 16 {
            let bytes = Bytes::new(len, 1, 0).0;
            assert_eq!(
                model::entries(&bytes, len),
                Ok(0),
                "an empty block of {len} bytes"
            );
        }
    }
}

#[test]
fn a_page_cut_short_is_refused() {
    for page_size in PAGE_SIZES {
        let whole = Bytes::valid(page_size, 1).0;
        assert_eq!(error(&whole, page_size), None);
        for len in [16, 80, page_size - 1] {
            assert_eq!(
                error(&whole[..len], page_size),
                Some(Error::PageCount(1)),
                "{len} of {page_size} bytes"
            );
        }
    }
}

#[test]
fn page_count() {
    for page_size in PAGE_SIZES {
        let wraps_to_zero = 1 << (64 - page_size.ilog2());
        for pages in [0, 3, wraps_to_zero, wraps_to_zero + 1, 1 << 63, u64::MAX] {
            let bytes = Bytes::new(2 * page_size, pages, 0).0;
            assert_eq!(error(&bytes, page_size), Some(Error::PageCount(pages)));
        }
        for pages in [1, 2] {
            let bytes = Bytes::new(2 * page_size, pages, 0).0;
            assert_eq!(error(&bytes, page_size), None);
        }
    }
}

#[test]
fn a_page_size_of_zero_is_no_panic() {
    let bytes = Bytes::new(64, 1, 0).0;
    assert_eq!(error(&bytes, 0), Some(Error::PageCount(1)));
}

#[test]
fn entry_count() {
    for page_size in PAGE_SIZES {
        let most = capacity(page_size);
        let mut bytes = Bytes::valid(page_size, most);
        assert_eq!(model::entries(&bytes.0, page_size), Ok(most));

        let wraps_to_zero = 1 << 58;
        let last = most as u64;
        for count in [
            last + 1,
            wraps_to_zero,
            wraps_to_zero + 1,
            1 << 32,
            u64::MAX,
        ] {
            bytes.u64(8, count);
            assert_eq!(error(&bytes.0, page_size), Some(Error::Count(count)));
        }
    }
}

#[test]
fn entries_fill_the_pages_that_are_announced_and_no_more() {
    let two_pages = capacity(2 * 4096);
    let mut bytes = Bytes::new(2 * 4096, 2, two_pages as u64);
    for index in 0..two_pages {
        let name = super::bytes::field(format!("flb-{index}").as_bytes());
        bytes.entry(index, &name, 0, 1);
    }
    let entries = |bytes: &Bytes| model::entries(&bytes.0, 4096);
    assert_eq!(entries(&bytes), Ok(127));

    // The memory would do for them, the pages do not.
    bytes.u64(0, 1);
    bytes.u64(8, 64);
    assert_eq!(entries(&bytes), Err(Error::Count(64)));
    bytes.u64(8, 63);
    assert_eq!(entries(&bytes), Ok(63));
}

#[test]
fn file_count() {
    assert_eq!(u64::from(MAX_FILES), 0x7fff_ffff);
    let mut bytes = Bytes::valid(4096, 3);
    for files in [1, 2, 0x7fff_ffff] {
        bytes.files(2, files);
        let entries = model::read(&bytes.0, 4096).unwrap();
        assert_eq!(entries.last().map(|last| last.files.into()), Some(files));
    }
    let truncates_to_one = (1 << 32) + 1;
    for files in [
        0,
        0x8000_0000,
        0xffff_ffff,
        1 << 32,
        truncates_to_one,
        1 << 63,
        u64::MAX,
    ] {
        bytes.files(2, files);
        assert_eq!(error(&bytes.0, 4096), Some(Error::FileCount(files)));
    }
}

#[test]
fn any_data_is_good() {
    for data in [0, 1, 1 << 63, u64::MAX] {
        let mut bytes = Bytes::valid(4096, 1);
        bytes.u64(16 + 48, data);
        let entries = model::read(&bytes.0, 4096).unwrap();
        assert_eq!(entries.first().map(|first| first.data), Some(data));
    }
}

#[test]
fn what_is_wrong_is_said_with_its_number() {
    let errors = [
        Error::Truncated(11),
        Error::PageCount(12),
        Error::Count(13),
        Error::NameUnterminated(14),
        Error::NameEmpty(15),
        Error::NameDuplicate(16),
        Error::FileCount(17),
    ];
    let mut texts = Vec::new();
    for (error, expected) in errors.into_iter().zip(11..) {
        let (text, number) = error.describe();
        assert_eq!(number, expected);
        assert!(!text.is_empty() && !texts.contains(&text), "{text:?}");
        texts.push(text);
    }
}
