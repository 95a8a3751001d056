// SPDX-License-Identifier: GPL-2.0

//! The number of Linux 7.2 and 7.3, and the structure that it is in.

use super::{block, config};
use crate::abi::luo_v5::{read, write, Error, Field, Received, FLBS, LEN, VERSION};
use proptest::prelude::*;
use std::mem::{offset_of, size_of};

/// The page sizes that there are.
fn page_sizes() -> [u64; 3] {
    block::PAGE_SIZES.map(|size| size as u64)
}

/// `struct luo_ser`, packed in C.
#[repr(C, packed)]
struct Luo {
    compatible: [u8; 8],
    liveupdate_num: u64,
    sessions_pa: u64,
    flbs_pa: u64,
}

#[test]
fn size_offset_and_version_are_those_of_the_c_structure() {
    assert_eq!(LEN, size_of::<Luo>());
    assert_eq!(FLBS, offset_of!(Luo, flbs_pa));
    assert_eq!(VERSION, c"luo-v5");
    assert!(VERSION.count_bytes() < size_of::<[u8; 8]>());
}

/// What a table in a text says: offset, size and name of each field, whose order it keeps.
fn fields(text: &str) -> Vec<(usize, usize, String)> {
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (offset, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((offset, size, words.next()?.to_owned()))
    });
    rows.collect()
}

#[test]
fn the_documentation_describes_the_structure() {
    let text = include_str!("../../../../Documentation/handover.rst");
    let start = text.find("Linux 7.2 and 7.3").unwrap();
    let table = &text[start..][..text[start..].find("The block\n").unwrap()];
    let offsets = [
        (offset_of!(Luo, compatible), "compatible"),
        (offset_of!(Luo, liveupdate_num), "liveupdate_num"),
        (offset_of!(Luo, sessions_pa), "sessions_pa"),
        (offset_of!(Luo, flbs_pa), "flbs_pa"),
    ];
    let expected = offsets.map(|(offset, name)| (offset, 8, name.to_owned()));
    assert_eq!(fields(table), expected);
    assert!(table.contains(&format!("{:?}", VERSION)));
}

#[test]
fn zero_announces_nothing() {
    for page_size in page_sizes() {
        assert_eq!(read(&Received(0), page_size), Ok(None));
    }
}

#[test]
fn an_address_is_that_of_a_page() {
    for page_size in page_sizes() {
        for page in [1, 2, 0x1_0000, u64::MAX / page_size] {
            let address = page * page_size;
            assert_eq!(read(&Received(address), page_size), Ok(Some(address)));
            for wrong in [
                address + 1,
                address + 8,
                address + page_size / 2,
                address - 1,
            ] {
                let expected = Err(Error::Address(wrong));
                assert_eq!(read(&Received(wrong), page_size), expected, "{wrong:#x}");
            }
        }
    }
}

#[test]
fn a_page_is_as_large_as_the_kernel_says() {
    let received = Received(0x1_4000);
    assert_eq!(read(&received, 4 << 10), Ok(Some(0x1_4000)));
    assert_eq!(read(&received, 16 << 10), Ok(Some(0x1_4000)));
    assert_eq!(read(&received, 64 << 10), Err(Error::Address(0x1_4000)));
}

#[test]
fn the_whole_number_is_written() {
    for old in [0, u64::MAX] {
        for address in [0x1000, 0x1_2345_6000, u64::MAX - 0xfff] {
            let mut number = old;
            write(&mut Field(&mut number), address);
            assert_eq!(number, address);
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_its_number() {
    let (text, number) = Error::Address(0x1234).describe();
    assert!(!text.is_empty());
    assert_eq!(number, 0x1234);
}

proptest! {
    #![proptest_config(config::cases(500))]

    #[test]
    fn any_page_that_is_written_is_read(page in 1..=u64::MAX >> 16, shift in 12..=16u32) {
        let mut number = 0;
        write(&mut Field(&mut number), page << shift);
        prop_assert_eq!(read(&Received(number), 1 << shift), Ok(Some(page << shift)));
    }

    #[test]
    fn any_number_is_nothing_a_page_or_an_error(number in any::<u64>(), shift in 12..=16u32) {
        let expected = match number.trailing_zeros() {
            64 => Ok(None),
            zeros if zeros >= shift => Ok(Some(number)),
            _ => Err(Error::Address(number)),
        };
        prop_assert_eq!(read(&Received(number), 1 << shift), expected);
    }
}
