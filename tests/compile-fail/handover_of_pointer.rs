// SPDX-License-Identifier: GPL-2.0

//! A pointer, handed over: to an address of this kernel.

//@ error: E0277
//@ error: From<u64>

include!("driver.rs");

struct Other;

static OTHER: flb::Definition<Other> = flb::Definition::new();

#[vtable]
impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"compile-fail-other-v1";

    //~
    type Data = *const u64;
    type Outgoing = ();
    type Incoming = ();

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        Err(ENOMEM)
    }

    fn unpreserve(_object: Self::Outgoing) {}

    fn retrieve(_data: Self::Data) -> Result<Self::Incoming> {
        Ok(())
    }

    fn finish(_object: Self::Incoming) {}
}
