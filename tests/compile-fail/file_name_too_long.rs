// SPDX-License-Identifier: GPL-2.0

//! A name of 48 bytes, for which 47 are free.

//@ error: E0080
//@ says: the name does not fit

include!("driver.rs");

struct Others;

static OTHERS: file::Definition<Others> = file::Definition::new();

#[vtable]
impl FileHandler for Others {
    const COMPATIBLE: &'static CStr = c"123456789012345678901234567890123456789012345678";

    type Data = u64;
    type Private = ();

    fn can_preserve(_file: &OpenFile) -> bool {
        false
    }

    fn preserve(_args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        Ok((0, ()))
    }

    fn unpreserve(_args: Unpreserve<'_, Self>) {}

    fn retrieve(_args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(_args: Finish<'_, Self>) {}
}
