// SPDX-License-Identifier: GPL-2.0

//! An FLB that is registered with a handler which is gone.

//@ error: E0597

include!("driver.rs");

struct Other;

liveupdate_flb! {
    static OTHER: Other;
}

impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"compile-fail-other-v1";
    const OWNER: Owner = liveupdate_owner!();

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

pub fn mistake() -> Result {
    let dependency;
    {
        let files = FILES.register()?;
        //~
        dependency = OTHER.register(&files)?;
    }
    drop(dependency);
    Ok(())
}
