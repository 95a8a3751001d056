// SPDX-License-Identifier: GPL-2.0

//! A file handler without unpreserve.

//@ error: E0046
//@ error: `unpreserve`

include!("driver.rs");

struct Others;

static OTHERS: file::Definition<Others> = file::Definition::new();

#[vtable]
//~
impl FileHandler for Others {
    const COMPATIBLE: &'static CStr = c"compile-fail-others-v1";

    type Data = u64;
    type Private = ();

    fn can_preserve(_file: &OpenFile) -> bool {
        false
    }

    fn preserve(_args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        Ok((0, ()))
    }

    fn retrieve(_args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(_args: Finish<'_, Self>) {}
}
