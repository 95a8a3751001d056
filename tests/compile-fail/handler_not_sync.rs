// SPDX-License-Identifier: GPL-2.0

//! A handler with data of its own that are no good for several threads.

//@ error: E0277
//@ error: cannot be shared between threads safely

include!("driver.rs");

struct Others(core::cell::Cell<u64>);

#[vtable]
//~
impl FileHandler for Others {
    const COMPATIBLE: &'static CStr = c"compile-fail-others-v1";

    type Data = u64;
    type Private = ();

    fn can_preserve(&self, _file: &OpenFile) -> bool {
        self.0.get() != 0
    }

    fn preserve(&self, _args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        Ok((0, ()))
    }

    fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}

    fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(&self, _args: Finish<'_, Self>) {}
}
