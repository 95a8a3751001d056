// SPDX-License-Identifier: GPL-2.0

//! A name of 48 bytes, for which 47 are free.

//@ error: E0080
//@ says: the name does not fit

include!("driver.rs");

struct Other;

static OTHER: flb::Definition<Other> = flb::Definition::new();

#[vtable]
impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"123456789012345678901234567890123456789012345678";

    type Data = u64;
    type Outgoing = ();
    type Incoming = ();

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        Ok((0, ()))
    }

    fn unpreserve(_object: Self::Outgoing) {}

    fn retrieve(_data: Self::Data) -> Result<Self::Incoming> {
        Ok(())
    }

    fn finish(_object: Self::Incoming) {}
}
