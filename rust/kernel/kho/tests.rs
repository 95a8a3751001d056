// SPDX-License-Identifier: GPL-2.0

//! Preserved memory, as far as one kernel can tell.

use super::{
    boxed::{
        check,
        header,
        Header,
        BOX, //
    },
    folio::DESCRIPTION,
    vmalloc::{
        Description,
        PAGES_IN_ONE, //
    },
    *, //
};
use crate::{
    page::PAGE_SIZE,
    prelude::*,
    preserved_data,
    types::ForeignOwnable, //
};

preserved_data! {
    struct Small: version 7 {
        a: u64,
        b: [u16; 4],
    }

    struct Large: version 1 {
        bytes: [u8; 1 << 21],
    }
}

/// How many pages of the machine are free.
fn free_pages() -> usize {
    // SAFETY: All zero is a value of C's structure.
    let mut info: bindings::sysinfo = unsafe { core::mem::zeroed() };
    // SAFETY: It is ours to write.
    unsafe { bindings::si_meminfo(&mut info) };
    info.freeram as usize
}

/// Whether what is done many times loses no page each. Others may allocate meanwhile, and KASAN
/// keeps what is freed for a while, so not every attempt need show it.
fn gives_back(round: impl Fn() -> Result) -> Result<bool> {
    const ROUNDS: usize = 1024;
    for _ in 0..16 {
        let before = free_pages();
        for _ in 0..ROUNDS {
            round()?;
        }
        if free_pages() + ROUNDS / 2 > before {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The error of an attempt, without what was to be preserved.
fn error<T>((error, _): (Error, T)) -> Error {
    error
}

/// Of another layout than a box.
type Raw = [u64; 512];

mod before {
    super::preserved_data! {
        pub(super) struct Part: version 1 {
            a: u64,
        }
    }
}

preserved_data! {
    struct Part: version 2 {
        a: u64,
    }

    struct Before: version 5 {
        part: before::Part,
    }

    struct After: version 5 {
        part: Part,
    }
}

/// Skips the test unless `condition`. No destructors run then, so this comes first.
pub(crate) fn skip_unless(condition: bool, reason: &CStr) {
    if condition {
        return;
    }
    // SAFETY: This task runs a test, which nobody else uses meanwhile. Of this function nothing is
    // left to be dropped.
    unsafe {
        let test = bindings::kunit_get_current_test();
        let comment = &mut (*test).status_comment;
        for (to, from) in comment.iter_mut().zip(reason.to_bytes_with_nul()) {
            *to = *from;
        }
        (*test).status = bindings::kunit_status_KUNIT_SKIPPED;
        bindings::kunit_try_catch_throw(&raw mut (*test).try_catch);
    }
}

/// Skips the test if there is no Kexec HandOver.
pub(super) fn needs_kho() {
    skip_unless(is_enabled(), c"KHO is off");
}

#[kunit_tests(rust_kho)]
mod suite {
    use super::*;

    #[test]
    fn pointers_and_no_more() {
        assert_eq!(size_of::<KhoBox<Large>>(), size_of::<usize>());
        assert_eq!(size_of::<Option<KhoBox<Large>>>(), size_of::<usize>());
        assert_eq!(size_of::<KhoVmalloc<u8>>(), 4 * size_of::<usize>());
        assert_eq!(size_of::<Handle<Large>>(), size_of::<u64>());
    }

    #[test]
    fn new_box_has_its_value() -> Result {
        needs_kho();
        let new = KhoBox::new(Small {
            a: 5,
            b: [1, 2, 3, 4],
        })?;
        assert_eq!((new.a, new.b), (5, [1, 2, 3, 4]));
        let zeroed = KhoBox::<Large>::zeroed()?;
        assert!(zeroed.bytes.iter().all(|byte| *byte == 0));
        Ok(())
    }

    #[test]
    fn box_with_a_handle_can_be_used() -> Result {
        needs_kho();
        let mut new = KhoBox::<Small>::zeroed()?;
        let handle = new.handle();
        new.a = 9;
        assert_eq!(new.a, 9);
        assert_eq!(new.handle().into_bits(), handle.into_bits());
        Ok(())
    }

    #[test]
    fn handle_is_an_address() -> Result {
        needs_kho();
        let mut new = KhoBox::<Small>::zeroed()?;
        let bits = new.handle().into_bits();
        assert!(bits != 0);
        assert_eq!(bits % PAGE_SIZE as u64, 0);
        assert_eq!(Handle::<Small>::from_bits(bits).into_bits(), bits);
        Ok(())
    }

    #[test]
    fn box_has_a_header_with_its_handle() -> Result {
        needs_kho();
        let mut new = KhoBox::<Small>::zeroed()?;
        assert!(check::<Small>(&new.layout().header, BOX) == Err(EINVAL));
        new.handle();
        assert!(check::<Small>(&new.layout().header, BOX).is_ok());
        Ok(())
    }

    #[test]
    fn preserved_again_in_place() -> Result {
        needs_kho();
        let mut new = KhoBox::<Small>::zeroed()?;
        new.a = 12;
        let bits = new.handle().into_bits();
        let mut again = new.unpreserve().preserve().map_err(error)?;
        assert_eq!(again.a, 12);
        assert_eq!(again.handle().into_bits(), bits);
        Ok(())
    }

    #[test]
    fn damaged_header_is_refused() {
        let good: Header = header::<Small>(BOX);
        assert!(check::<Small>(&good, BOX).is_ok());
        for index in 0..good.len() {
            for bits in [1, 1 << 63, !0] {
                let mut bad = good;
                bad[index] ^= bits;
                assert!(check::<Small>(&bad, BOX) == Err(EINVAL));
            }
        }
        assert!(check::<Small>(&[0; 4], BOX) == Err(EINVAL));
        assert!(check::<Large>(&good, BOX) == Err(EINVAL));
    }

    #[test]
    fn parts_of_other_versions_are_refused() {
        // The same size, the same version, and a part of another one.
        assert_eq!(size_of::<Before>(), size_of::<After>());
        assert!(check::<After>(&header::<Before>(BOX), BOX) == Err(EINVAL));
        assert!(<[u16; 4]>::VERSIONS != <[u16; 2]>::VERSIONS);
    }

    #[test]
    fn bad_addresses_are_refused() {
        for bits in [0, 1, PAGE_SIZE as u64 + 8, u64::MAX] {
            let handle = Handle::<Small>::from_bits(bits);
            assert!(handle.restore().err() == Some(EINVAL));
            let handle = Handle::<[Small]>::from_bits(bits);
            assert!(handle.release() == Err(EINVAL));
        }
    }

    #[test]
    fn no_memory_there() {
        // Aligned, and above all memory that there can be.
        let nowhere = Handle::<Small>::from_bits(!0 << 20);
        assert!(nowhere.restore().err() == Some(ENOENT));
    }

    #[test]
    fn dropped_box_is_given_back() -> Result {
        needs_kho();
        assert!(gives_back(|| KhoBox::<Small>::zeroed().map(drop))?);
        assert!(gives_back(
            || KhoBox::<Small>::zeroed().map(|new| drop(new.unpreserve()))
        )?);
        Ok(())
    }

    #[test]
    fn folio_has_its_value_at_the_beginning() -> Result {
        needs_kho();
        assert_eq!(size_of::<KhoFolio<Raw>>(), size_of::<usize>());
        let mut folio = KhoFolio::<Raw>::zeroed()?;
        assert_eq!(folio.address() % PAGE_SIZE as u64, 0);
        assert!(folio.iter().all(|word| *word == 0));
        folio[0] = 0x1234;
        // SAFETY: The memory is in the linear mapping, and nobody writes to it.
        let first = unsafe { *bindings::phys_to_virt(folio.address()).cast::<u64>() };
        assert_eq!(first, 0x1234);
        let again = folio.unpreserve();
        let address = again.address();
        let again = again.preserve().map_err(error)?;
        assert_eq!((again[0], again.address()), (0x1234, address));
        Ok(())
    }

    #[test]
    fn folio_of_a_driver_is_preserved_where_it_is() -> Result {
        needs_kho();
        let mut folio = KhoFolio::<Raw>::zeroed()?.unpreserve();
        folio[511] = 7;
        let address = folio.address();
        let raw = folio.into_raw();
        // SAFETY: It is ours.
        let too_small = unsafe { KhoFolio::<[u64; 1 << 20]>::from_raw(raw) }.err();
        // SAFETY: It is ours, and initialised.
        let folio = unsafe { KhoFolio::<Raw>::from_raw(raw) }?;
        assert!(too_small == Some(EINVAL));
        assert_eq!((folio.address(), folio[511]), (address, 7));
        Ok(())
    }

    #[test]
    fn no_folio_is_as_large_as_a_description() -> Result {
        needs_kho();
        let folio = KhoFolio::<[u8; 2 * PAGE_SIZE]>::zeroed()?;
        assert_eq!(folio.size(), 4 * PAGE_SIZE);
        assert_eq!(
            KhoFolio::<[u8; PAGE_SIZE + 1]>::zeroed()?.size(),
            4 * PAGE_SIZE
        );
        drop(folio.unpreserve().preserve().map_err(error)?);
        let two = KhoFolio::<Raw>::alloc(DESCRIPTION)?.unpreserve();
        assert_eq!(two.size(), 2 * PAGE_SIZE);
        // It is still there.
        let Err((error, two)) = two.preserve() else {
            return Err(EIO);
        };
        assert!(error == EINVAL);
        assert_eq!(two.size(), 2 * PAGE_SIZE);
        Ok(())
    }

    #[test]
    fn folio_that_is_not_there() {
        for (address, error) in [(0, EINVAL), (8, EINVAL), (!0 << 20, ENOENT)] {
            // SAFETY: Nobody has memory there.
            let folio = unsafe { KhoFolio::<Raw, Restored>::restore(address) };
            assert!(folio.err() == Some(error));
        }
    }

    #[test]
    fn foreign_and_back() -> Result {
        needs_kho();
        let foreign = KhoBox::new(Small { a: 3, b: [0; 4] })?.into_foreign();
        // SAFETY: It came from `into_foreign`, and is used in this order only.
        let back = unsafe {
            KhoBox::<Small>::borrow_mut(foreign).a += 1;
            let seen = KhoBox::<Small>::borrow(foreign).a;
            (seen, KhoBox::<Small>::from_foreign(foreign).a)
        };
        assert_eq!(back, (4, 4));
        Ok(())
    }
}

#[kunit_tests(rust_kho_vmalloc)]
mod vmalloc_suite {
    use super::*;

    #[test]
    fn values_of_many_pages() -> Result {
        needs_kho();
        let len = 100 * PAGE_SIZE + 3;
        let mut values = KhoVmalloc::<u8>::zeroed(len)?;
        assert_eq!(values.len(), len);
        assert!(values.iter().all(|byte| *byte == 0));
        for (index, byte) in values.iter_mut().enumerate() {
            *byte = index as u8;
        }
        let handle = values.preserve()?;
        let before = (handle.into_bits() != 0, values.is_preserved());
        values.unpreserve();
        assert_eq!((before, values.is_preserved()), ((true, true), false));
        let same = |(index, byte): (usize, &u8)| *byte == index as u8;
        assert!(values.iter().enumerate().all(same));
        Ok(())
    }

    #[test]
    fn preserved_once_and_again() -> Result {
        needs_kho();
        let mut values = KhoVmalloc::<u64>::zeroed(9000)?;
        values[8999] = 5;
        let place = values.as_ptr();
        let first = values.preserve()?.into_bits();
        assert_eq!(values.preserve()?.into_bits(), first);
        for _ in 0..2 {
            values.unpreserve();
        }
        values.preserve()?;
        assert_eq!((values.as_ptr(), values[8999]), (place, 5));
        Ok(())
    }

    #[test]
    fn without_or_with_too_many_values() {
        assert!(KhoVmalloc::<u64>::zeroed(0).err() == Some(EINVAL));
        for len in [usize::MAX, usize::MAX / 8, isize::MAX as usize / 8 + 1] {
            assert!(KhoVmalloc::<u64>::zeroed(len).err() == Some(E2BIG));
        }
    }

    #[test]
    fn dropped_are_given_back() -> Result {
        needs_kho();
        // Of values, of their list and of the description.
        assert!(gives_back(|| KhoVmalloc::<u8>::zeroed(1)?
            .preserve()
            .map(drop))?);
        Ok(())
    }

    /// Changes a description of three pages that is right, and looks whether it is refused.
    fn refused(change: impl FnOnce(&mut Description)) -> Result<bool> {
        let mut values = KhoVmalloc::<u32>::zeroed(PAGE_SIZE / 2 + 1)?;
        values.preserve()?;
        let description = values.description.as_mut().ok_or(ENXIO)?;
        let right = Description::clone(description);
        change(description);
        let result = Description::check::<u32>(description);
        **description = right;
        Ok(result == Err(EINVAL))
    }

    #[test]
    fn other_descriptions_are_refused() -> Result {
        needs_kho();
        assert!(!refused(|_| ())?);
        for index in 0..4 {
            assert!(refused(|description| description.header[index] ^= 1)?);
        }
        assert!(refused(
            |description| description.header = header::<u32>(BOX)
        )?);
        let mut bytes = KhoVmalloc::<u8>::zeroed(4)?;
        bytes.preserve()?;
        let description = bytes.description.as_ref().ok_or(ENXIO)?;
        assert!(Description::check::<i8>(description).is_ok());
        assert!(Description::check::<u16>(description) == Err(EINVAL));
        Ok(())
    }

    #[test]
    fn description_in_a_folio_of_another_size_is_refused() -> Result {
        needs_kho();
        let mut values = KhoVmalloc::<u8>::zeroed(1)?;
        values.preserve()?;
        let description = values.description.as_ref().ok_or(ENXIO)?;
        for (size, right) in [
            (PAGE_SIZE, false),
            (DESCRIPTION, true),
            (4 * PAGE_SIZE, false),
        ] {
            let mut other = KhoFolio::<Description>::alloc(size)?;
            other.clone_from(description);
            assert_eq!(Description::check::<u8>(&other).is_ok(), right);
        }
        Ok(())
    }

    #[test]
    fn wrong_numbers_are_refused() -> Result {
        needs_kho();
        for len in [0, 1, PAGE_SIZE as u64, u64::MAX, u64::MAX / 4 + 1] {
            assert!(refused(|description| description.len = len)?);
        }
        for pages in [0, 2, 4, u32::MAX] {
            assert!(refused(|description| description.total_pages = pages)?);
        }
        assert!(refused(|description| description.order = 1)?);
        for flags in [0, 2, 3, 1 << 15 | 1] {
            assert!(refused(|description| description.flags = flags)?);
        }
        Ok(())
    }

    #[test]
    fn list_that_leads_astray_is_refused() -> Result {
        needs_kho();
        // Nowhere; not aligned; above all memory that there can be.
        for first in [0, 1, !0, !0 << 20] {
            assert!(refused(|description| description.first = first)?);
        }
        Ok(())
    }

    #[test]
    fn list_without_an_end_is_refused() -> Result {
        needs_kho();
        let mut values = KhoVmalloc::<u8>::zeroed(1)?;
        values.preserve()?;
        let description = values.description.as_ref().ok_or(ENXIO)?;
        let first = description.first;
        // SAFETY: The function takes any address.
        let page = unsafe { bindings::phys_to_virt(first) }.cast::<u64>();
        // SAFETY: The page is ours until it is preserved no more.
        let next = unsafe { page.replace(first) };
        let result = Description::check::<u8>(description);
        // SAFETY: As above.
        unsafe { page.write(next) };
        assert!(result == Err(EINVAL));
        Ok(())
    }

    #[test]
    fn lists_of_several_pages() -> Result {
        needs_kho();
        for pages in [PAGES_IN_ONE - 1, PAGES_IN_ONE, PAGES_IN_ONE + 1] {
            // With pages of 64 KiB these are 512 MiB.
            if pages > 1000 {
                break;
            }
            let mut values = KhoVmalloc::<u8>::zeroed(pages * PAGE_SIZE)?;
            values.preserve()?;
            let description = values.description.as_ref().ok_or(ENXIO)?;
            assert!(Description::check::<u8>(description).is_ok());
        }
        Ok(())
    }
}
