// SPDX-License-Identifier: GPL-2.0

//! The number of Linux 7.2 and 7.3: a page size and 8 bytes.

use crate::{
    abi::luo_v5::{read, write, Error, Field, Received},
    input::{Input, PAGE_SIZES},
};

/// What a number means, by division.
fn oracle(number: u64, page_size: u64) -> Result<Option<u64>, Error> {
    match (number, number % page_size) {
        (0, _) => Ok(None),
        (_, 0) => Ok(Some(number)),
        _ => Err(Error::Address(number)),
    }
}

/// The address in a number.
#[cfg(test)]
pub(crate) fn answer(data: &[u8]) -> Result<Option<u64>, Error> {
    let mut input = Input(data);
    let page_size = input.choice(&PAGE_SIZES);
    read(&Received(input.u64()), page_size)
}

/// Any number announces a page, nothing, or is wrong; what is written is read.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let page_size = input.choice(&PAGE_SIZES);
    let number = input.u64();

    let read = |number| read(&Received(number), page_size);
    assert_eq!(read(number), oracle(number, page_size));
    if let Err(error) = read(number) {
        let (text, shown) = error.describe();
        assert!(!text.is_empty() && shown == number, "what is said");
    }

    let mut field = !number;
    write(&mut Field(&mut field), number);
    assert_eq!(field, number, "what is written");
}
