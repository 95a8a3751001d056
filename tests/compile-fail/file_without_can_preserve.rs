// SPDX-License-Identifier: GPL-2.0

//! A file handler without can_preserve.

//@ error: E0046
//@ error: `can_preserve`

include!("driver.rs");

struct Others;

static OTHERS: file::Definition<Others> = file::Definition::new();

#[vtable]
//~
impl FileHandler for Others {
    const COMPATIBLE: &'static CStr = c"compile-fail-others-v1";

    type Data = u64;
    type Private = ();

    fn preserve(_args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        Ok((0, ()))
    }

    fn unpreserve(_args: Unpreserve<'_, Self>) {}

    fn retrieve(_args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(_args: Finish<'_, Self>) {}
}
