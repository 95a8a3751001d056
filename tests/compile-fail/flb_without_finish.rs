// SPDX-License-Identifier: GPL-2.0

//! An FLB without finish.

//@ error: E0046
//@ error: `finish`

include!("driver.rs");

struct Other;

static OTHER: flb::Definition<Other> = flb::Definition::new();

#[vtable]
//~
impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"compile-fail-other-v1";

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
}
