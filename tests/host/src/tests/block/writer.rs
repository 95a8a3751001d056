// SPDX-License-Identifier: GPL-2.0

//! What the writer leaves behind.

use super::{
    bytes::{named, Bytes},
    model, PAGE_SIZES,
};
use crate::abi::block::{capacity, Entry, Writer};

/// Pushes entries `from..to` until one is refused; says how many were taken.
fn push(writer: &mut Writer<'_>, from: usize, to: usize) -> usize {
    let taken = (from..to).take_while(|index| {
        writer.push(&Entry {
            name: named(format!("new-{index}").as_bytes()),
            data: *index as u64,
            files: 1,
        })
    });
    taken.count()
}

fn entries(bytes: &[u8]) -> usize {
    model::entries(bytes, bytes.len()).unwrap()
}

/// The handles in a block.
fn data(bytes: &[u8], page_size: usize) -> Vec<u64> {
    let entries = model::read(bytes, page_size).unwrap();
    entries.iter().map(|entry| entry.data).collect()
}

#[test]
fn the_header_must_fit() {
    for len in 0..16 {
        assert!(Writer::new(&mut vec![0; len], 1).is_none(), "{len} bytes");
    }
    let mut bytes = [0xff; 16];
    Writer::new(&mut bytes, 1).unwrap().finish();
    assert_eq!(entries(&bytes), 0);
}

#[test]
fn a_full_block_takes_no_more_and_stays_as_it_is() {
    for page_size in PAGE_SIZES {
        let most = capacity(page_size);
        let mut bytes = vec![0xff; page_size];
        let mut writer = Writer::new(&mut bytes, 1).unwrap();
        assert_eq!(push(&mut writer, 0, most + 10), most);
        assert_eq!(push(&mut writer, most, most + 1), 0);
        writer.finish();
        assert!(data(&bytes, page_size).into_iter().eq(0..most as u64));
    }
}

#[test]
fn nothing_counts_before_the_end() {
    for count in [0, 3] {
        let mut bytes = Bytes::valid(4096, 5).0;
        let mut unfinished = Writer::new(&mut bytes, 1).unwrap();
        assert_eq!(push(&mut unfinished, 0, count), count);
        assert_eq!(entries(&bytes), 0);
    }
}

#[test]
fn written_again_with_fewer_entries_none_is_left_over() {
    let mut bytes = Bytes::valid(4096, 63).0;
    for count in [40, 7, 1, 0, 2] {
        let mut writer = Writer::new(&mut bytes, 1).unwrap();
        assert_eq!(push(&mut writer, 100, 100 + count), count);
        writer.finish();
        let data = data(&bytes, 4096).into_iter();
        assert!(data.eq(100..100 + count as u64), "{count} entries");
    }
}

#[test]
fn an_entry_is_written_over_all_that_stood_there() {
    let mut dirty = vec![0xff; 4096];
    let mut clean = vec![0; 4096];
    for bytes in [&mut dirty, &mut clean] {
        let mut writer = Writer::new(bytes, 1).unwrap();
        assert_eq!(push(&mut writer, 0, 5), 5);
        writer.finish();
    }
    let end = 16 + 5 * 64;
    assert!(dirty[..end] == clean[..end]);
    assert!(dirty[end..].iter().all(|byte| *byte == 0xff));
}

#[test]
fn the_header_says_the_pages_it_was_given() {
    let mut bytes = vec![0; 3 * 4096];
    Writer::new(&mut bytes, 3).unwrap().finish();
    assert_eq!(bytes[..8], 3u64.to_ne_bytes());
    assert!(model::read(&bytes, 4096).is_ok());
    assert!(model::read(&bytes[..2 * 4096], 4096).is_err());
}
