// SPDX-License-Identifier: GPL-2.0

//! A file is looked through and saved, as far as one kernel can tell.

use crate::{
    abi::{
        Row,
        Run,
        RESERVED, //
    },
    memfd::{
        Attributes,
        Saved, //
    },
    pools::Incoming,
    raw::{
        self,
        HugeFile,
        NewFile,
        Size, //
    },
    runs::{
        Coming,
        Found, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    kho::{
        self,
        KhoVmalloc, //
    },
    liveupdate::file::OpenFile,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    }, //
};

/// Skips the test if nothing can be preserved. No destructors run then, so this comes first.
fn needs_kho() {
    if kho::is_enabled() {
        return;
    }
    // SAFETY: This task runs a test, which nobody else uses meanwhile. Of this function nothing is
    // left to be dropped.
    unsafe {
        let test = bindings::kunit_get_current_test();
        let comment = &mut (*test).status_comment;
        for (to, from) in comment.iter_mut().zip(c"KHO is off".to_bytes_with_nul()) {
            *to = *from;
        }
        (*test).status = bindings::kunit_status_KUNIT_SKIPPED;
        bindings::kunit_try_catch_throw(&raw mut (*test).try_catch);
    }
}

/// The size of what one entry of a page middle directory maps.
fn size() -> Result<Size> {
    Size::of_order((PAGE_SIZE / size_of::<u64>()).trailing_zeros()).ok_or(ENODEV)
}

/// A file of eight pages, of which these are there; some are noted as reserved. They are allocated
/// beyond what the pool has.
fn file_with(pages: &[usize], reserved: Option<(u64, u64)>) -> Result<ARef<OpenFile>> {
    let size = size()?;
    let attributes = Attributes {
        size: 8 * size.bytes(),
        position: 5,
        seals: bindings::F_SEAL_GROW,
        flags: 0,
        mode: 0o600,
        order: size.order(),
    };
    let file = NewFile::new(size, &attributes)?;
    if let Some((from, to)) = reserved {
        let before = size.overcommit(8);
        size.hold((to - from) as isize)?;
        size.overcommit(before);
        file.add_region(from, to)?;
    }
    let file = file.into_file();
    for index in pages {
        allocate(&file, *index)?;
    }
    Ok(file)
}

/// Has a page allocated, beyond what the pool has.
fn allocate(file: &OpenFile, index: usize) -> Result {
    let size = size()?;
    let (at, len) = (index as i64 * size.bytes() as i64, size.bytes() as i64);
    let before = size.overcommit(8);
    // SAFETY: The file is open.
    let allocated = to_result(unsafe { bindings::vfs_fallocate(file.as_ptr(), 0, at, len) });
    size.overcommit(before);
    allocated
}

/// Closes files, and returns what the pool is like then.
fn close<T>(files: T) -> Result<[usize; 4]> {
    drop(files);
    // SAFETY: May be called by any task that holds no lock.
    unsafe { bindings::flush_delayed_fput() };
    Ok(size()?.pool())
}

#[kunit_tests(rust_liveupdate_hugetlb)]
mod suite {
    use super::*;

    #[test]
    fn pages_and_what_is_reserved_are_found() -> Result {
        let (size, before) = (size()?, size()?.pool());
        let file = file_with(&[0, 1, 5], Some((1, 5)))?;
        let huge = HugeFile::new(&file).ok_or(EINVAL)?;
        let found = Found::of(&huge.lock(), size)?;
        let is_there = |run: &Run| (run.index, run.count, run.address != 0);
        let runs: KVec<_> = found.runs.iter().map(is_there).try_fold(
            KVec::new(),
            |mut runs, run| -> Result<_> {
                runs.push(run, GFP_KERNEL)?;
                Ok(runs)
            },
        )?;
        let counts = |reserved| {
            let rows = found.counts.iter();
            let is_it = rows.filter(|row| (row.node == RESERVED) == reserved);
            is_it.map(|row| row.count).sum::<u64>()
        };
        assert_eq!((found.pages.len(), counts(false), counts(true)), (3, 3, 3));
        // The first two may be two runs.
        assert_eq!(runs[runs.len() - 2..], [(2, 3, false), (5, 1, true)]);
        drop(found);
        assert_eq!(close(file)?, before);
        Ok(())
    }

    #[test]
    fn files_that_come_are_counted() -> Result {
        needs_kho();
        let size = size()?;
        let before = size.pool();
        let overcommit = size.overcommit(64);
        let mut came = Came::new()?;
        let mut files = KVec::new();
        for file in 0..FILES {
            files.push(came.retrieve(file)?, GFP_KERNEL)?;
            let (pages, reserved) = (PAGES as usize, RESERVED_PAGES as usize);
            let each = [pages + reserved, reserved, reserved, pages + reserved];
            for (now, (before, each)) in size.pool().iter().zip(before.iter().zip(each)) {
                assert_eq!(*now, before + each * (file + 1));
            }
        }
        assert!(came.is_over()?);
        assert_eq!(close(files)?, before);
        size.overcommit(overcommit);
        Ok(())
    }

    #[test]
    fn a_page_of_another_size_is_not_taken() -> Result {
        needs_kho();
        let size = size()?;
        let before = size.pool();
        let overcommit = size.overcommit(64);
        let mut came = Came::new()?;
        let second = came.runs[0].as_ref().and_then(|runs| runs.get(1));
        // SAFETY: The function takes any address.
        let bytes = unsafe { bindings::phys_to_virt(second.ok_or(EINVAL)?.address) };
        // SAFETY: The address is one of the linear mapping.
        let other = unsafe { bindings::virt_to_folio(bytes) };
        say(NonNull::new(other.cast()).ok_or(EINVAL)?, 3);
        assert_eq!(came.retrieve(0).err(), Some(EINVAL));
        // Whoever has it has it still.
        // SAFETY: It has not been given away.
        assert_eq!(unsafe { bindings::folio_size(other) }, 8 * PAGE_SIZE);
        let files = [came.retrieve(1)?, came.retrieve(2)?];
        assert_eq!(came.pools.as_ref().lock().left(size, false), 1);
        assert_eq!(close(files)?, before);
        size.overcommit(overcommit);
        Ok(())
    }

    #[test]
    fn a_file_that_was_saved_is_as_before() -> Result {
        needs_kho();
        let before = size()?.pool();
        let file = file_with(&[0, 1, 3], None)?;
        let mut saved = Saved::new(HugeFile::new(&file).ok_or(EINVAL)?)?;
        let huge = HugeFile::new(&file).ok_or(EINVAL)?;
        let is_as_before = || -> Result<bool> {
            let now = huge.lock().attributes()?;
            let len = 8 * size()?.bytes();
            Ok(now.seals == bindings::F_SEAL_GROW && now.size == len)
        };
        saved.again(huge)?;
        let frozen = huge.lock().attributes()?;
        assert_eq!(frozen.size, 2 * size()?.bytes());
        assert_ne!(frozen.seals & bindings::F_SEAL_SHRINK, 0);
        assert_eq!(allocate(&file, 2), Err(EPERM));
        saved.unfreeze(huge);
        assert!(is_as_before()?);
        // One that has changed is not frozen.
        allocate(&file, 2)?;
        assert_eq!(saved.again(huge), Err(EBUSY));
        assert!(is_as_before()?);
        // The pages stay with it when the file is gone.
        assert_eq!(close(file)?[0], before[0] + 3);
        drop(saved);
        assert_eq!(size()?.pool(), before);
        Ok(())
    }
}

/// New memory that KHO takes for a folio of the previous kernel, and its address.
fn arrived(order: u32) -> Result<(NonNull<c_void>, u64)> {
    // SAFETY: The function may be called with any order.
    let page = unsafe { bindings::alloc_pages(bindings::GFP_KERNEL, order) };
    let page = NonNull::new(page).ok_or(ENOMEM)?;
    // SAFETY: The page is ours. When it is restored it is counted again.
    unsafe { bindings::adjust_managed_page_count(page.as_ptr(), -(1 << order)) };
    say(page, order);
    // SAFETY: As above.
    let bytes = unsafe { bindings::folio_address(page.as_ptr().cast()) };
    let bytes = NonNull::new(bytes).ok_or(EINVAL)?;
    // SAFETY: The address is one of the linear mapping.
    Ok((bytes, unsafe { bindings::virt_to_phys(bytes.as_ptr()) }))
}

/// Says what came there, which must be a page of the test.
fn say(page: NonNull<bindings::page>, order: u32) {
    // `KHO_PAGE_MAGIC`, see `union kho_page_info`.
    const MAGIC: usize = u32::from_be_bytes(*b"KHOP") as usize;

    let private = MAGIC << u32::BITS | order as usize;
    // SAFETY: The page is ours.
    unsafe { (*page.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.private = private };
}

/// How many files come in a test, and how many pages each has, and has reserved.
const FILES: usize = 3;
const PAGES: u64 = 3;
const RESERVED_PAGES: u64 = 2;

/// What has come of files, which share their pools.
struct Came {
    pools: Pin<KBox<Mutex<Incoming>>>,
    runs: KVec<Option<KhoVmalloc<Run>>>,
}

impl Came {
    fn new() -> Result<Self> {
        let (size, mut files, node) = (size()?, KVec::new(), raw::node(0));
        for _ in 0..FILES {
            // Far from each other, so that there is something to allocate for each.
            let mut runs = KhoVmalloc::zeroed(PAGES as usize + 1)?;
            for (run, index) in runs.iter_mut().zip((0..PAGES).map(|page| page * 5000)) {
                let (count, address) = (1, arrived(size.order())?.1);
                *run = Run {
                    index,
                    count,
                    address,
                };
            }
            if let Some(last) = runs.last_mut() {
                let (index, count, address) = (PAGES * 5000, RESERVED_PAGES, 0);
                *last = Run {
                    index,
                    count,
                    address,
                };
            }
            files.push(Some(runs), GFP_KERNEL)?;
        }
        let row = |node, each| Row {
            order: size.order(),
            node,
            count: FILES as u64 * each,
        };
        let counts = [row(node, PAGES), row(RESERVED, RESERVED_PAGES)];
        let incoming = Incoming::of(&counts)?;
        Ok(Self {
            pools: KBox::pin_init(new_mutex!(incoming), GFP_KERNEL)?,
            runs: files,
        })
    }

    /// Has a file come, as the handler does.
    fn retrieve(&mut self, file: usize) -> Result<ARef<OpenFile>> {
        let (size, runs) = (size()?, self.runs.get_mut(file).and_then(Option::take));
        let attributes = Attributes {
            size: 5000 * (PAGES + 1) * size.bytes(),
            position: 0,
            seals: 0,
            flags: 0,
            mode: 0o600,
            order: size.order(),
        };
        Coming::new(runs, attributes.size, size, self.pools.as_ref())?.into_file(&attributes)
    }

    /// Whether nothing is left.
    fn is_over(&self) -> Result<bool> {
        let (size, pools) = (size()?, self.pools.as_ref());
        let pools = pools.lock();
        Ok(pools.left(size, false) == 0 && pools.left(size, true) == 0)
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_FAULTS)]
mod faults {
    use super::*;
    use crate::{
        abi::Pools,
        pools::Shared, //
    };
    use kernel::liveupdate::Flb;

    extern "C" {
        // See `tests/kunit/faults.c` of the FLB core.
        fn luo_flb_faults_install() -> c_int;
        fn luo_flb_faults_remove();
        fn luo_flb_faults_begin(first: u32, last: u32);
        fn luo_flb_faults_end() -> u32;
    }

    /// How much memory of the machine is free, in small pages.
    fn free_memory() -> usize {
        // SAFETY: All zero is a value of C's structure.
        let mut info: bindings::sysinfo = unsafe { core::mem::zeroed() };
        // SAFETY: It is ours to write.
        unsafe { bindings::si_meminfo(&mut info) };
        info.freeram as usize
    }

    /// Allocations can fail, as long as there is this. Tests run one after the other.
    struct Faults;

    impl Faults {
        fn new() -> Result<Self> {
            // SAFETY: Nobody else does; after a test that failed it is there already.
            to_result(unsafe { luo_flb_faults_install() })?;
            Ok(Self)
        }

        /// Has one allocation fail, if there are so many. Returns whether there were, too.
        fn one<R>(&self, which: u32, run: impl FnOnce() -> R) -> (R, bool) {
            // SAFETY: They are installed.
            unsafe { luo_flb_faults_begin(which, which) };
            let result = run();
            // SAFETY: As above.
            (result, unsafe { luo_flb_faults_end() } >= which)
        }
    }

    impl Drop for Faults {
        fn drop(&mut self) {
            // SAFETY: They are installed.
            unsafe { luo_flb_faults_remove() };
        }
    }

    #[kunit_tests(rust_liveupdate_hugetlb_faults)]
    mod suite {
        use super::*;

        #[test]
        fn what_fails_leaves_the_file_as_it_was() -> Result {
            needs_kho();
            let faults = Faults::new()?;
            let before = size()?.pool();
            let file = file_with(&[0, 2, 4, 6], None)?;
            let huge = HugeFile::new(&file).ok_or(EINVAL)?;
            let mut refused = 0;
            for first in 1.. {
                let (saved, failed) = faults.one(first, || Saved::new(huge));
                match &saved {
                    Ok(saved) => {
                        assert_eq!(saved.runs().iter().map(|run| run.count).sum::<u64>(), 4)
                    }
                    Err(error) => {
                        assert!(failed && *error == ENOMEM);
                        refused += 1;
                    }
                }
                if !failed {
                    break;
                }
            }
            // The lists, the description, the record.
            assert!(refused >= 5);
            assert_eq!(close(file)?, before);
            Ok(())
        }

        #[test]
        fn counts_that_could_not_be_retrieved_come_later() -> Result {
            let faults = Faults::new()?;
            let (bytes, address) = arrived(0)?;
            let mut counts = Pools::zeroed();
            counts.init();
            // SAFETY: The page is ours, and large enough.
            unsafe { bytes.cast().write(counts) };
            let refused = faults.one(1, || Shared::retrieve(address).err());
            assert_eq!(refused, (Some(ENOMEM), true));
            Shared::finish(Shared::retrieve(address)?);
            Ok(())
        }

        #[test]
        fn what_cannot_come_goes_to_the_pool() -> Result {
            needs_kho();
            let faults = Faults::new()?;
            let size = size()?;
            let overcommit = size.overcommit(64);
            let before = size.pool();
            let mut refused = 0;
            for which in 0..FILES {
                for first in 1.. {
                    let free = free_memory();
                    let mut came = Came::new()?;
                    let mut files = KVec::with_capacity(FILES, GFP_KERNEL)?;
                    let mut failed = false;
                    for file in 0..FILES {
                        if file != which {
                            files.push(came.retrieve(file)?, GFP_KERNEL)?;
                            continue;
                        }
                        let retrieved;
                        (retrieved, failed) = faults.one(first, || came.retrieve(file));
                        match retrieved {
                            Ok(file) => files.push(file, GFP_KERNEL)?,
                            Err(error) => {
                                assert!(failed && (error == ENOMEM || error == ENOSPC));
                                refused += 1;
                            }
                        }
                    }
                    assert!(came.is_over()?);
                    let pages = files.len() * PAGES as usize;
                    // SAFETY: May be called by any task that holds no lock.
                    unsafe { bindings::flush_delayed_fput() };
                    let [total, free_pages, reserved, surplus] = size.pool();
                    assert_eq!(total - free_pages - before[0] + before[1], pages);
                    assert_eq!(free_pages - before[1], reserved - before[2]);
                    assert_eq!(total - before[0], surplus - before[3]);
                    assert_eq!(close(files)?, before);
                    drop(came);
                    assert!(free_memory() + (1 << size.order()) / 2 > free);
                    if !failed {
                        break;
                    }
                }
            }
            size.overcommit(overcommit);
            // The inode, the file, what is reserved, the list of pages.
            assert!(refused >= FILES * 5);
            Ok(())
        }
    }
}
