// SPDX-License-Identifier: GPL-2.0

// Included by each of the tests beside it: a whole driver, without a mistake.

use kernel::{
    fs::File,
    kho::{
        Content,
        Handle,
        KhoBox,
        KhoFolio,
        KhoVmalloc,
        Restored, //
    },
    liveupdate::{
        file::{
            self,
            Finish,
            Preserve,
            Retrieve,
            Unpreserve, //
        },
        flb,
        FileHandler,
        Flb,
        OpenFile,
        RetrieveStatus, //
    },
    prelude::*,
    preserved_data,
    str::CStr,
    sync::aref::ARef,
};

module! {
    type: Driver,
    name: "compile_fail",
    authors: ["The FLB in Rust developers"],
    description: "Driver with a mistake",
    license: "GPL",
}

pub struct Driver {
    _files: file::Registration<Files>,
}

impl kernel::Module for Driver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _files: FILES.register()?.with(&TABLE)?,
        })
    }
}

preserved_data! {
    /// What all files share.
    pub struct Table: version 1 {
        /// How many there were.
        pub files: u64,
        /// Their names.
        pub names: Handle<[u8]>,
    }
}

static TABLE: flb::Definition<Table> = flb::Definition::new();

#[vtable]
impl Flb for Table {
    const COMPATIBLE: &'static CStr = c"compile-fail-table-v1";

    type Data = Handle<Table>;
    type Outgoing = KhoBox<Table>;
    type Incoming = KhoBox<Table, Restored>;

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        let mut table = KhoBox::<Table>::zeroed()?;
        Ok((table.handle(), table))
    }

    fn unpreserve(_table: Self::Outgoing) {}

    fn retrieve(data: Self::Data) -> Result<Self::Incoming> {
        data.restore()
    }

    fn finish(_table: Self::Incoming) {}
}

struct Files;

static FILES: file::Definition<Files> = file::Definition::new(Files);

#[vtable]
impl FileHandler for Files {
    const COMPATIBLE: &'static CStr = c"compile-fail-file-v1";

    type Data = u64;
    type Private = ();

    fn can_preserve(&self, _file: &OpenFile) -> bool {
        false
    }

    fn preserve(&self, _args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        Ok((TABLE.with_outgoing(|table| table.files)?, ()))
    }

    fn unpreserve(&self, _args: Unpreserve<'_, Self>) {}

    fn retrieve(&self, _args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        Err(ENODEV)
    }

    fn finish(&self, _args: Finish<'_, Self>) {}
}
