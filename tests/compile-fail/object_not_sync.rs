// SPDX-License-Identifier: GPL-2.0

//! An object that is no good for several threads, which the guards of it are.

//@ error: E0277
//@ error: cannot be s

include!("driver.rs");

struct Other;

static OTHER: flb::Definition<Other> = flb::Definition::new();

#[vtable]
impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"compile-fail-other-v1";

    type Data = u64;
    type Outgoing = ();
    //~
    type Incoming = KBox<core::cell::Cell<u64>>;

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        Ok((0, ()))
    }

    fn unpreserve(_object: Self::Outgoing) {}

    fn retrieve(data: Self::Data) -> Result<Self::Incoming> {
        Ok(KBox::new(core::cell::Cell::new(data), GFP_KERNEL)?)
    }

    fn finish(_object: Self::Incoming) {}
}
