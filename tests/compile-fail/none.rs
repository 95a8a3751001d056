// SPDX-License-Identifier: GPL-2.0

//! The same without a mistake, and without unsafe code.

#![forbid(unsafe_code)]
#![allow(dead_code, missing_docs, unused_imports)]

include!("driver.rs");

struct Other;

static OTHER: flb::Definition<Other> = flb::Definition::new();

#[vtable]
impl Flb for Other {
    const COMPATIBLE: &'static CStr = c"12345678901234567890123456789012345678901234567";

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

struct Others;

static OTHERS: file::Definition<Others> = file::Definition::new(Others);

#[vtable]
impl FileHandler for Others {
    const COMPATIBLE: &'static CStr = c"12345678901234567890123456789012345678901234567";

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

    fn finish(&self, _args: Finish<'_, Self>) {}
}

preserved_data! {
    struct Data: version 1 {
        small: u8,
        spare: [u8; 7],
        large: u64,
    }

    #[derive(Clone, Copy)]
    struct Entry: version 2 {
        data: Handle<Data>,
    }
}

pub fn guards() -> Result {
    let guard = TABLE.incoming()?;
    let table = guard.get();
    pr_info!("{}\n", table.files);
    drop(guard);
    TABLE.with_outgoing(|table| pr_info!("{}\n", table.files))
}

/// A module can keep both.
struct Registrations {
    files: file::Registration<Others>,
    dependency: flb::Registration<Other>,
}

pub fn registrations() -> Result {
    let files = OTHERS.register()?;
    let dependency = OTHER.register(&files)?;
    drop(Registrations { files, dependency });
    Ok(())
}

fn send<T: Send + Sync>(_: T) {}

pub fn memory(data: Handle<Table>) -> Result {
    let folio = KhoFolio::<[u64; 512]>::zeroed()?;
    let _ = folio.address();
    send(folio.unpreserve().preserve().map_err(|(error, _)| error)?);
    let mut new: KhoBox<u64> = KhoBox::new(7)?;
    let _ = new.handle();
    send(new);
    let mut values = KhoVmalloc::<u8>::zeroed(7)?;
    let _: Handle<[u8]> = values.preserve()?;
    send(values);
    let restored: KhoBox<Table, Restored> = data.restore()?;
    drop(restored.preserve().map_err(|(error, _)| error)?);
    send(TABLE.incoming()?);
    Ok(())
}
