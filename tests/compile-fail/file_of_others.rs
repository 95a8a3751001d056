// SPDX-License-Identifier: GPL-2.0

//! A file is given back that need not be open.

//@ error: E0308
//@ says: expected `ARef<OpenFile>`, found `ARef<File>`

#![allow(dead_code, missing_docs, unused_imports)]

include!("driver.rs");

struct Other;

#[vtable]
impl FileHandler for Other {
    const COMPATIBLE: &'static CStr = c"compile-fail-other-v1";

    type Data = u64;
    type Private = ();

    fn can_preserve(&self, _file: &OpenFile) -> bool {
        false
    }

    fn preserve(&self, _args: Preserve<'_>) -> Result<(u64, ())> {
        Err(ENODEV)
    }

    fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}

    fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        //~
        Ok(kept())
    }

    fn finish(&self, _args: Finish<'_, Self>) {}
}

fn kept() -> ARef<File> {
    loop {}
}
