// SPDX-License-Identifier: GPL-2.0

//! Memory that is lost at the next kexec, handed over.

//@ error: E0308

include!("driver.rs");

struct Other;

static OTHER: flb::Definition<Other> = flb::Definition::new();

#[vtable]
impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"compile-fail-other-v1";

    type Data = Handle<Table>;
    type Outgoing = KhoBox<Table>;
    type Incoming = ();

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        let table = KhoBox::<Table>::zeroed()?.unpreserve();
        //~
        Ok((Handle::NOWHERE, table))
    }

    fn unpreserve(_object: Self::Outgoing) {}

    fn retrieve(_data: Self::Data) -> Result<Self::Incoming> {
        Ok(())
    }

    fn finish(_object: Self::Incoming) {}
}
