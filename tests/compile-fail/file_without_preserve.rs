// SPDX-License-Identifier: GPL-2.0

//! A file handler without preserve.

//@ error: E0046
//@ error: `preserve`

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

    fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}

    fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(&self, _args: Finish<'_, Self>) {}
}
