// SPDX-License-Identifier: GPL-2.0

//! Blocks of many pages.

use super::{
    bytes::{field, named, Bytes},
    model, PAGE_SIZES,
};
use crate::abi::block::{capacity, pages, Entry, Error, Writer};

/// As many FLBs as there has to be room for.
const MANY: usize = 65_536;

/// A block with as many pages as so many entries need, and these entries.
fn written(page_size: usize, entries: usize) -> Vec<u8> {
    let pages = pages(entries, page_size);
    let mut bytes = vec![0xa5; pages * page_size];
    let mut writer = Writer::new(&mut bytes, pages as u64).unwrap();
    for index in 0..entries {
        assert!(writer.push(&Entry {
            name: named(format!("flb-{index}").as_bytes()),
            data: index as u64,
            files: index as u32 + 1,
        }));
    }
    writer.finish();
    bytes
}

#[test]
fn many_entries_are_written_and_read() {
    for page_size in PAGE_SIZES {
        for count in [MANY - 1, MANY, MANY + 1] {
            let bytes = written(page_size, count);
            let entries = model::read(&bytes, page_size).unwrap();
            assert_eq!(entries.len(), count);
            for (index, entry) in entries.iter().enumerate() {
                assert_eq!((entry.data, entry.files), (index as u64, index as u32 + 1));
            }
        }
    }
}

#[test]
fn a_block_of_many_pages_is_full_to_its_last_entry() {
    for page_size in PAGE_SIZES {
        let pages = pages(MANY, page_size);
        let most = capacity(pages * page_size);
        assert!(most >= MANY);
        let mut bytes = Bytes::pages(page_size, pages, most);
        assert_eq!(model::entries(&bytes.0, page_size), Ok(most));

        let more = most as u64 + 1;
        bytes.u64(8, more);
        let entries = model::entries(&bytes.0, page_size);
        assert_eq!(entries, Err(Error::Count(more)));
    }
}

#[test]
fn entries_may_lie_on_two_pages() {
    // The header shifts the entries, so that one lies across each boundary.
    let bytes = written(4096, 64 * 3);
    for boundary in [4096, 8192, 12288] {
        let record = (boundary - 16) / 64;
        assert!(16 + 64 * record < boundary && 16 + 64 * (record + 1) > boundary);
        let entries = model::read(&bytes, 4096).unwrap();
        let name = named(format!("flb-{record}").as_bytes());
        assert_eq!(entries.get(record).map(|entry| entry.name), Some(name));
    }
}

#[test]
fn duplicates_are_found_pages_apart() {
    let last = MANY - 1;
    for (later, earlier) in [(last, 0), (last, last - 1), (last, MANY / 2), (MANY / 2, 1)] {
        let mut bytes = Bytes(written(4096, MANY));
        bytes.name(later, &field(format!("flb-{earlier}").as_bytes()));
        assert_eq!(
            model::entries(&bytes.0, 4096),
            Err(Error::NameDuplicate(later as u64))
        );
    }
}

#[test]
fn a_page_that_is_missing_is_noticed() {
    let bytes = written(4096, MANY);
    let pages = bytes.len() / 4096;
    for missing in [1, 2, pages / 2, pages - 1] {
        let rest = &bytes[..(pages - missing) * 4096];
        assert_eq!(
            model::entries(rest, 4096),
            Err(Error::PageCount(pages as u64))
        );
    }
}

#[test]
fn pages_behind_the_block_do_not_count() {
    let mut bytes = written(4096, 100);
    bytes.resize(64 * 4096, 0x5a);
    assert_eq!(model::entries(&bytes, 4096), Ok(100));
}

#[test]
fn a_block_may_have_pages_to_spare() {
    let mut bytes = Bytes(written(4096, 1000));
    bytes.0.resize(1024 * 4096, 0x5a);
    bytes.u64(0, 1024);
    assert_eq!(model::entries(&bytes.0, 4096), Ok(1000));
}
