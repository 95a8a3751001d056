// SPDX-License-Identifier: GPL-2.0

//! Preserved memory, as far as one kernel can tell.

use super::{
    boxed::{
        Header,
        Versioned, //
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

/// What the next kernel would have after [`Handle::restore`], but for its checks.
fn handed_over<T: Content>(published: KhoBox<T, Published>) -> KhoBox<T, Restored> {
    KhoBox {
        folio: published.folio.into_state::<Preserved>().unpreserve(),
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
        assert_eq!(size_of::<KhoSlice<u8>>(), size_of::<usize>());
        assert_eq!(size_of::<Option<KhoBox<Large>>>(), size_of::<usize>());
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
    fn published_box_can_be_used() -> Result {
        needs_kho();
        let mut published = KhoBox::<Small>::zeroed()?.publish();
        published.a = 9;
        assert_eq!(published.a, 9);
        let back = published.unpublish();
        assert_eq!(back.a, 9);
        Ok(())
    }

    #[test]
    fn handle_is_an_address() -> Result {
        needs_kho();
        let published = KhoBox::<Small>::zeroed()?.publish();
        let bits = published.handle().into_bits();
        assert!(bits != 0);
        assert_eq!(bits % PAGE_SIZE as u64, 0);
        assert_eq!(Handle::<Small>::from_bits(bits).into_bits(), bits);
        Ok(())
    }

    #[test]
    fn restored_is_what_was_published() -> Result {
        needs_kho();
        let mut published = KhoBox::<Small>::zeroed()?.publish();
        published.a = 11;
        let restored = handed_over(published).checked()?;
        assert_eq!(restored.a, 11);
        Ok(())
    }

    #[test]
    fn preserved_again_in_place() -> Result {
        needs_kho();
        let mut published = KhoBox::<Small>::zeroed()?.publish();
        published.a = 12;
        let bits = published.handle().into_bits();
        let again = handed_over(published).checked()?.preserve()?.publish();
        assert_eq!(again.a, 12);
        assert_eq!(again.handle().into_bits(), bits);
        Ok(())
    }

    #[test]
    fn unpublished_is_refused() -> Result {
        needs_kho();
        let never = KhoBox::<Small>::zeroed()?;
        assert!(Header::check::<Small>(header(&never)).is_err());
        let not_any_more = KhoBox::<Small>::zeroed()?.publish().unpublish();
        assert!(Header::check::<Small>(header(&not_any_more)).is_err());
        let once_more = handed_over(KhoBox::<Small>::zeroed()?.publish())
            .checked()?
            .preserve()?;
        assert!(Header::check::<Small>(header(&once_more)).is_err());
        Ok(())
    }

    fn header<T: Content, S: State>(of: &KhoBox<T, S>) -> &Header {
        &of.folio.header
    }

    #[test]
    fn damaged_header_is_refused() {
        let good = Header::of::<Small>;
        assert!(good().check::<Small>().is_ok());
        let bad = [
            Header { magic: 0, ..good() },
            Header {
                magic: u64::MAX,
                ..good()
            },
            Header {
                version: 6,
                ..good()
            },
            Header {
                version: 8,
                ..good()
            },
            Header {
                size: good().size - 1,
                ..good()
            },
            Header {
                size: u64::MAX,
                ..good()
            },
            Header {
                offset: 0,
                ..good()
            },
        ];
        for header in bad {
            assert!(header.check::<Small>() == Err(EINVAL));
        }
        assert!(good().check::<Large>() == Err(EINVAL));
    }

    #[test]
    fn parts_of_other_versions_are_refused() {
        let of_another_part = Header {
            versions: Small::VERSIONS ^ 1,
            ..Header::of::<Small>()
        };
        assert!(of_another_part.check::<Small>() == Err(EINVAL));
        // The same size, the same version, and a part of another one.
        assert!(Header::of::<Before>().size == Header::of::<After>().size);
        assert!(Header::of::<Before>().check::<After>() == Err(EINVAL));
        assert!(<[u16; 4]>::VERSIONS != <[u16; 2]>::VERSIONS);
    }

    #[test]
    fn no_box_is_a_slice() {
        let looks_like_it = Header {
            magic: Header::MAGIC,
            ..Header::of::<slice::Description>()
        };
        assert!(looks_like_it.check::<slice::Description>() == Err(EINVAL));
        assert!(Header::of::<slice::Description>().check::<Small>() == Err(EINVAL));
    }

    #[test]
    fn bad_addresses_are_refused() {
        for bits in [0, 1, PAGE_SIZE as u64 + 8, u64::MAX] {
            let handle = Handle::<Small>::from_bits(bits);
            assert!(handle.restore().err() == Some(EINVAL));
            let handle = SliceHandle::<Small>::from_bits(bits);
            assert!(handle.restore().err() == Some(EINVAL));
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
        // More than the machine has, one after the other.
        for _ in 0..450 {
            drop(KhoBox::<Large>::zeroed()?.publish());
        }
        for _ in 0..450 {
            drop(handed_over(KhoBox::<Large>::zeroed()?.publish()));
        }
        Ok(())
    }

    #[test]
    fn slice_of_many_pages() -> Result {
        needs_kho();
        let len = 100 * PAGE_SIZE + 3;
        let mut slice = KhoSlice::<u8>::zeroed(len)?;
        assert_eq!(slice.len(), len);
        assert!(slice.iter().all(|byte| *byte == 0));
        for (index, byte) in slice.iter_mut().enumerate() {
            *byte = index as u8;
        }
        let slice = slice.publish();
        assert!(slice.handle().into_bits() != 0);
        let slice = slice.unpublish();
        assert!(slice
            .iter()
            .enumerate()
            .all(|(index, byte)| *byte == index as u8));
        Ok(())
    }

    #[test]
    fn slice_is_a_copy() -> Result {
        needs_kho();
        let slice = KhoSlice::copy_of(&[3_u32, 1, 4])?;
        assert_eq!(*slice, [3, 1, 4]);
        Ok(())
    }

    #[test]
    fn slices_without_or_with_too_many_values() {
        assert!(KhoSlice::<u64>::zeroed(0).err() == Some(EINVAL));
        for len in [usize::MAX, usize::MAX / 8, isize::MAX as usize / 8 + 1] {
            assert!(KhoSlice::<u64>::zeroed(len).err() == Some(E2BIG));
        }
    }

    #[test]
    fn dropped_slice_is_given_back() -> Result {
        needs_kho();
        for _ in 0..40 {
            drop(KhoSlice::<u8>::zeroed(32 << 20)?);
        }
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
        let again = again.preserve()?;
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
        // Any bytes at the beginning of two pages would be a description.
        let folio = KhoFolio::<[u8; 2 * PAGE_SIZE]>::zeroed()?.unpreserve();
        let raw = folio.into_raw();
        // SAFETY: It is ours.
        let size = unsafe { bindings::folio_size(raw) };
        // SAFETY: As above, and initialised.
        drop(unsafe { KhoFolio::<[u8; 2 * PAGE_SIZE]>::from_raw(raw) }?);
        assert_eq!(size, 4 * PAGE_SIZE);
        let pages = KhoBox::<slice::Description>::zeroed()?.folio.into_state();
        let raw =
            KhoFolio::<Versioned<slice::Description>, Preserved>::unpreserve(pages).into_raw();
        // SAFETY: It is ours, and initialised.
        let refused = unsafe { KhoFolio::<Raw>::from_raw(raw) }.err();
        // SAFETY: It is ours still.
        unsafe { bindings::folio_put(raw) };
        let restored = KhoBox::<slice::Description>::zeroed()?
            .folio
            .into_state::<Preserved>();
        let again = restored.unpreserve().preserve().err();
        assert!(refused == Some(EINVAL));
        assert!(again == Some(EINVAL));
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
        let foreign = KhoBox::new(Small { a: 3, b: [0; 4] })?
            .publish()
            .into_foreign();
        // SAFETY: It came from `into_foreign`, and is used in this order only.
        let back = unsafe {
            KhoBox::<Small, Published>::borrow_mut(foreign).a += 1;
            let seen = KhoBox::<Small, Published>::borrow(foreign).a;
            (seen, KhoBox::<Small, Published>::from_foreign(foreign).a)
        };
        assert_eq!(back, (4, 4));
        let foreign = KhoSlice::copy_of(&[1_u8, 2])?.into_foreign();
        // SAFETY: As above.
        let back = unsafe {
            KhoSlice::<u8>::borrow_mut(foreign)[1] = 5;
            let seen = KhoSlice::<u8>::borrow(foreign)[1];
            (seen, KhoSlice::<u8>::from_foreign(foreign)[0])
        };
        assert_eq!(back, (5, 1));
        Ok(())
    }
}
