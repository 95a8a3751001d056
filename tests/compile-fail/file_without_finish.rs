// SPDX-License-Identifier: GPL-2.0

//! A file handler without finish.

//@ error: E0046
//@ error: `finish`

include!("driver.rs");

struct Others;

static OTHERS: file::Definition<Others> = file::Definition::new(Others);

#[vtable]
//~
impl FileHandler for Others {
    const COMPATIBLE: &'static CStr = c"compile-fail-others-v1";

    type Data = u64;
    type Private = ();

    fn can_preserve(&self, _file: &OpenFile) -> bool {
        false
    }

    fn preserve(&self, _args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        Ok((0, ()))
    }

    fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}

    fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }
}
