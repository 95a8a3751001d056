// SPDX-License-Identifier: GPL-2.0

//! The handler of `memfd_create(MFD_HUGETLB)` files.
//!
//! The file stays in use after it was saved. What can be saved again when the kexec begins is: the
//! position, the flags, the seals, the mode. If pages have come, gone or were replaced since, or
//! the size is another, the live update is refused. While the machine goes down after that, no page
//! comes or goes. For that the file is as long as it has no hole: faults behind its end fail.
//! `Documentation/hugetlb.rst` has the two exceptions.

use crate::{
    abi::{
        self,
        Row,
        Run, //
    },
    pools::{
        Incoming,
        POOLS, //
    },
    raw::{
        HugeFile,
        LockedFile,
        PreservedPage,
        Size, //
    },
    runs::{
        Coming,
        Found, //
    }, //
};
use kernel::{
    bindings,
    kho::{
        Handle,
        KhoBox,
        KhoVmalloc, //
    },
    liveupdate::file::{
        self,
        FileHandler,
        Finish,
        Freeze,
        OpenFile,
        Preserve,
        Retrieve,
        RetrieveStatus,
        Unpreserve, //
    },
    prelude::*,
    preserved_data,
    sync::{
        aref::ARef,
        Mutex, //
    }, //
};

preserved_data! {
    /// What of a file is handed over beside its pages.
    #[derive(Clone, Copy)]
    pub(crate) struct Attributes: version 1 {
        pub(crate) size: u64,
        pub(crate) position: u64,
        pub(crate) seals: u32,
        pub(crate) flags: u32,
        pub(crate) mode: u32,
        /// Of its pages.
        pub(crate) order: u32,
    }

    /// A file.
    pub(crate) struct Record: version 1 {
        attributes: Attributes,
        /// Nowhere if there are none.
        runs: Handle<[Run]>,
    }
}

impl Record {
    /// What has come of it.
    fn coming<'a>(&self, pools: Pin<&'a Mutex<Incoming>>) -> Result<Coming<'a>> {
        let size = Size::of_order(self.attributes.order).ok_or(EINVAL)?;
        let runs = match self.runs.into_bits() {
            0 => None,
            _ => Some(self.runs.restore()?),
        };
        Coming::new(runs, self.attributes.size, size, pools)
    }
}

/// Seals of a file while the machine goes down.
const FROZEN: u32 = bindings::F_SEAL_GROW
    | bindings::F_SEAL_SHRINK
    | bindings::F_SEAL_FUTURE_WRITE
    | bindings::F_SEAL_SEAL;

/// What belongs to a file that is saved.
pub(crate) struct Saved {
    record: KhoBox<Record>,
    runs: Option<KhoVmalloc<Run>>,
    counts: KVec<Row>,
    /// They stay where they are, and are not freed if the file is.
    _pages: KVVec<PreservedPage>,
}

impl Saved {
    pub(crate) fn new(file: HugeFile<'_>) -> Result<Self> {
        let size = file.size()?;
        let locked = file.lock();
        let attributes = locked.attributes()?;
        let found = Found::of(&locked, size)?;
        drop(locked);

        let mut pages = KVVec::with_capacity(found.pages.len(), GFP_KERNEL)?;
        for page in found.pages {
            pages.push(page.preserve()?, GFP_KERNEL)?;
        }
        let (list, runs) = match found.runs.len() {
            0 => (None, Handle::NOWHERE),
            len => {
                let mut list = KhoVmalloc::zeroed(len)?;
                list.copy_from_slice(&found.runs);
                let handle = list.preserve()?;
                (Some(list), handle)
            }
        };
        Ok(Self {
            record: KhoBox::new(Record { attributes, runs })?,
            runs: list,
            counts: found.counts,
            _pages: pages,
        })
    }

    /// Saves what may have changed, and refuses what must not have. From then on no page comes or
    /// goes.
    pub(crate) fn again(&mut self, file: HugeFile<'_>) -> Result {
        let size = file.size()?;
        let locked = file.lock();
        let attributes = locked.attributes()?;
        let found = Found::of(&locked, size)?;

        if attributes.size != self.record.attributes.size || *found.runs != *self.runs() {
            return Err(EBUSY);
        }
        self.record.attributes = attributes;
        locked.set_seals(attributes.seals | FROZEN);
        let filled = abi::first_hole(self.runs()) * size.bytes();
        let pages = locked.set_size(attributes.size.min(filled));
        // One may have come since it was looked through.
        if pages != found.pages.len() << size.order() {
            self.unfreeze_locked(&locked);
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Undoes what [`again`](Self::again) does to the file.
    pub(crate) fn unfreeze(&self, file: HugeFile<'_>) {
        self.unfreeze_locked(&file.lock());
    }

    fn unfreeze_locked(&self, locked: &LockedFile<'_>) {
        // Nobody could change them.
        locked.set_seals(self.record.attributes.seals);
        locked.set_size(self.record.attributes.size);
    }

    pub(crate) fn runs(&self) -> &[Run] {
        self.runs.as_deref().unwrap_or(&[])
    }
}

pub(crate) static HANDLER: file::Definition<Memfd> = file::Definition::new(Memfd);

pub(crate) struct Memfd;

#[vtable]
impl FileHandler for Memfd {
    const COMPATIBLE: &'static CStr = c"hugetlb-memfd-v1";

    type Data = Handle<Record>;
    type Private = KBox<Saved>;

    fn can_preserve(&self, file: &OpenFile) -> bool {
        HugeFile::new(file).is_some()
    }

    fn preserve(&self, args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        let file = HugeFile::new(args.file).ok_or(EINVAL)?;
        let mut saved = KBox::new(Saved::new(file)?, GFP_KERNEL)?;
        let counted = POOLS.with_outgoing(|pools| pools.lock().pools().add(&saved.counts))?;
        counted.then_some(()).ok_or(ENOSPC)?;
        Ok((saved.record.handle(), saved))
    }

    fn unpreserve(&self, args: Unpreserve<'_, Self>) {
        let mut counts = args.private.counts.iter();
        let taken = POOLS.with_outgoing(|pools| {
            let mut pools = pools.lock();
            counts.all(|count| pools.pools().take(*count))
        });
        if taken != Ok(true) {
            pr_err!("the pages of a file were not counted\n");
        }
    }

    fn freeze(&self, args: Freeze<'_, Self>) -> Result<Self::Data> {
        let file = HugeFile::new(args.file).ok_or(EINVAL)?;
        args.private.again(file).inspect_err(|error| {
            file.complain(match *error {
                EBUSY => c"it has changed since it was preserved",
                _ => c"its pages cannot be preserved any more",
            });
        })?;
        Ok(args.data)
    }

    fn unfreeze(&self, args: Freeze<'_, Self>) {
        if let Some(file) = HugeFile::new(args.file) {
            args.private.unfreeze(file);
        }
    }

    fn id(file: &OpenFile) -> usize {
        HugeFile::new(file).map_or(0, |file| file.id())
    }

    fn retrieve(&self, args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        let pools = POOLS.incoming()?;
        let record = args.data.restore()?;
        let coming = record.coming(pools.get())?;
        coming.into_file(&record.attributes)
    }

    fn finish(&self, args: Finish<'_, Self>) {
        // Else `retrieve` has given back what it could not use, or has told what is lost.
        let RetrieveStatus::NotRetrieved = args.status else {
            return;
        };
        let release = || {
            let pools = POOLS.incoming()?;
            args.data.restore()?.coming(pools.get()).map(drop)
        };
        if let Err(error) = release() {
            pr_err!("a file that was not retrieved is lost: {error:?}\n");
        }
    }
}
