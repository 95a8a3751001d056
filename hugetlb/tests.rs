// SPDX-License-Identifier: GPL-2.0

//! A file is looked through and saved, as far as one kernel can tell.

use crate::{
    abi::{
        Run,
        RESERVED, //
    },
    memfd::Saved,
    raw::{
        Attributes,
        HugeFile,
        NewFile,
        Size, //
    },
    runs::Found, //
};
use kernel::{
    bindings,
    error::to_result,
    kho,
    liveupdate::file::OpenFile,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
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
    };
    let file = NewFile::new(size, &attributes)?;
    let before = size.overcommit(8);
    if let Some((from, to)) = reserved {
        size.hold((to - from) as isize)?;
        file.add_region(from, to)?;
    }
    let file = file.into_file();
    let allocate = |index: &usize| {
        let at = *index as i64 * size.bytes() as i64;
        // SAFETY: The file is open.
        to_result(unsafe { bindings::vfs_fallocate(file.as_ptr(), 0, at, size.bytes() as i64) })
    };
    let allocated = pages.iter().try_for_each(allocate);
    size.overcommit(before);
    allocated.map(|()| file)
}

/// Closes a file, and returns how many pages there still are.
fn close(file: ARef<OpenFile>) -> Result<usize> {
    drop(file);
    // SAFETY: May be called by any task that holds no lock.
    unsafe { bindings::flush_delayed_fput() };
    Ok(size()?.allocated())
}

#[kunit_tests(rust_liveupdate_hugetlb)]
mod suite {
    use super::*;

    #[test]
    fn pages_and_what_is_reserved_are_found() -> Result {
        let (size, before) = (size()?, size()?.allocated());
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
    fn a_file_that_was_saved_is_as_before() -> Result {
        needs_kho();
        let before = size()?.allocated();
        let file = file_with(&[2, 3], None)?;
        let mut saved = Saved::new(HugeFile::new(&file).ok_or(EINVAL)?)?;
        let huge = HugeFile::new(&file).ok_or(EINVAL)?;
        saved.again(huge)?;
        let frozen = huge.lock().attributes()?.seals;
        assert_ne!(frozen & bindings::F_SEAL_SHRINK, 0);
        saved.unfreeze(huge)?;
        let seals = huge.lock().attributes()?.seals;
        assert_eq!(seals, bindings::F_SEAL_GROW);
        // The pages stay with it when the file is gone.
        assert_eq!(close(file)?, before + 2);
        drop(saved);
        assert_eq!(size()?.allocated(), before);
        Ok(())
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_FAULTS)]
mod faults {
    use super::*;

    extern "C" {
        // See `tests/kunit/faults.c` of the FLB core.
        fn luo_flb_faults_install() -> c_int;
        fn luo_flb_faults_remove();
        fn luo_flb_faults_begin(first: u32, last: u32);
        fn luo_flb_faults_end() -> u32;
    }

    #[kunit_tests(rust_liveupdate_hugetlb_faults)]
    mod suite {
        use super::*;

        #[test]
        fn what_fails_leaves_the_file_as_it_was() -> Result {
            needs_kho();
            // SAFETY: Tests run one after the other. After a failure it is left to the next one.
            to_result(unsafe { luo_flb_faults_install() })?;
            let before = size()?.allocated();
            let file = file_with(&[0, 2, 4, 6], None)?;
            let huge = HugeFile::new(&file).ok_or(EINVAL)?;
            let mut refused = 0;
            for first in 1.. {
                // SAFETY: Allocations of this task may fail.
                unsafe { luo_flb_faults_begin(first, first) };
                let saved = Saved::new(huge);
                // SAFETY: As above.
                let failed = unsafe { luo_flb_faults_end() } >= first;
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
            // SAFETY: As above.
            unsafe { luo_flb_faults_remove() };
            // The lists, the description, the record.
            assert!(refused >= 5);
            assert_eq!(close(file)?, before);
            Ok(())
        }
    }
}
