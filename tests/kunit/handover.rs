// SPDX-License-Identifier: GPL-2.0

//! What is written for the next kernel, and what is accepted from the previous one.

use super::support::{Call::*, *};
use crate::bindings::{self, EINVAL, ENODATA};
use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

/// A new core refuses this memory, and says so to whoever asks for an entry.
fn is_refused(memory: &[u8]) -> Result<bool> {
    let b = Bench::new(1, 3)?;
    let refused = b.receive(memory) == err(EINVAL);
    // Not `ENODATA`: something was handed over.
    Ok(refused && b.get(0) == err(EINVAL) && b.is_quiet())
}

/// A new core refuses what is at this address, and says so to clients.
fn is_refused_at(address: u64) -> Result<bool> {
    let b = Bench::new(1, 1)?;
    b.core.incoming.setup(address);
    Ok(b.answer() == err(EINVAL) && b.get(0) == err(EINVAL) && b.is_quiet())
}

/// A new core that something of this content was handed over to, and where it is.
fn handed_over(array: &Block, flbs: usize) -> Result<(Arc<Bench>, HandedOver)> {
    let memory = HandedOver::new(array.bytes())?;
    let b = Bench::new(1, flbs)?;
    b.core.incoming.setup(memory.address());
    Ok((b, memory))
}

/// How many pages of the machine are free.
fn free_pages() -> usize {
    // SAFETY: All zero is a value of C's structure.
    let mut info: bindings::sysinfo = unsafe { core::mem::zeroed() };
    // SAFETY: It is ours to write.
    unsafe { bindings::si_meminfo(&mut info) };
    info.freeram as usize
}

#[kunit_tests(luo_flb_handover)]
mod suite {
    use super::*;

    #[test]
    fn setup_announces_an_empty_array() -> Result {
        needs_kho();
        let b = Bench::new(1, 1)?;
        let mut announced = 0;
        let result = b.setup_outgoing(|address| {
            announced = address;
            Ok(())
        });
        assert_eq!(result, Ok(()));
        assert!(announced != 0 && announced % PAGE_SIZE as u64 == 0);
        let array = Block::of(&b)?;
        assert_eq!(array.bytes().len() as u64, array.pages() * PAGE_SIZE as u64);
        assert_eq!(array.count(), 0);
        Ok(())
    }

    #[test]
    fn setup_keeps_nothing_if_it_cannot_announce() -> Result {
        needs_kho();
        let b = Bench::new(1, 1)?;
        let before = free_pages();
        for _ in 0..4096 {
            let result = b.setup_outgoing(|_| Err(ENOSPC));
            assert_eq!(result, err(bindings::ENOSPC));
        }
        // Not a page each; others may allocate meanwhile.
        assert!(free_pages() + 2048 > before);
        assert!(Block::of(&b).is_err());
        Ok(())
    }

    #[test]
    fn array_has_room_for_all_that_can_be_registered() -> Result {
        let b = Bench::set_up(1, MOST + 1)?;
        for flb in 0..MOST {
            b.register(0, flb)?;
        }
        assert_eq!(b.register(0, MOST), err(bindings::ENOSPC));
        b.preserve(0)?;
        let array = b.preview()?;
        assert_eq!(array.count(), MOST as u64);
        b.calls();
        let new = Bench::new(1, MOST)?;
        assert_eq!(new.receive(array.bytes()), Ok(()));
        for flb in 0..MOST {
            assert_eq!(new.get(flb), Ok(restored(flb)));
        }
        assert_eq!(new.calls().len(), MOST);
        Ok(())
    }

    #[test]
    fn serialize_without_setup_does_nothing() -> Result {
        let b = Bench::new(1, 1)?;
        b.register(0, 0)?;
        b.preserve(0)?;
        assert!(b.preview().is_err());
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn serialize_nothing() -> Result {
        let b = Bench::set_up(1, 2)?;
        assert_eq!(b.preview()?.count(), 0);
        // Registered is not preserved.
        b.register_all(0)?;
        let block = b.preview()?;
        assert_eq!(block.bytes().len() as u64, block.pages() * PAGE_SIZE as u64);
        assert_eq!(block.count(), 0);
        Ok(())
    }

    #[test]
    fn serialize_one() -> Result {
        let b = Bench::set_up(1, 3)?;
        b.register_all(0)?;
        b.unregister(0, 0);
        b.unregister(0, 2);
        b.preserve(0)?;
        let block = b.preview()?;
        assert_eq!(block.count(), 1);
        assert!(block.is(0, &name(1), data(1), 1));
        assert_eq!(b.calls(), [P(1)]);
        Ok(())
    }

    #[test]
    fn serialize_leaves_out_what_is_not_preserved() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register(0, 0)?;
        // Files that hold nothing, as only a mistake in counting could make them.
        b.set_files(0, 1);
        assert_eq!(b.preview()?.count(), 0);
        b.set_files(0, 0);
        b.preserve(0)?;
        assert_eq!(b.preview()?.count(), 1);
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), U(0)]);
        Ok(())
    }

    #[test]
    fn serialize_as_many_as_there_can_be() -> Result {
        let b = Bench::set_up(1, MOST)?;
        b.register_all(0)?;
        b.preserve(0)?;
        let block = b.preview()?;
        assert_eq!(block.count(), MOST as u64);
        for flb in 0..MOST {
            assert!(block.is(flb, &name(flb), data(flb), 1));
        }
        Ok(())
    }

    #[test]
    fn serialize_counts_files_over_handlers() -> Result {
        let b = Bench::set_up(2, 2)?;
        b.register(0, 0)?;
        b.register(1, 1)?;
        b.register(1, 0)?;
        for _ in 0..3 {
            b.preserve(0)?;
        }
        for _ in 0..4 {
            b.preserve(1)?;
        }
        let block = b.preview()?;
        assert_eq!(block.count(), 2);
        assert!(block.has(&name(0), data(0), 7));
        assert!(block.has(&name(1), data(1), 4));
        b.unpreserve(1);
        let block = b.preview()?;
        assert!(block.has(&name(0), data(0), 6));
        assert!(block.has(&name(1), data(1), 3));
        Ok(())
    }

    #[test]
    fn serialize_again() -> Result {
        let b = Bench::set_up(2, 3)?;
        b.register(0, 0)?;
        b.register(1, 1)?;
        b.register(1, 2)?;
        b.preserve(0)?;
        b.preserve(1)?;
        let first = b.preview()?;
        assert_eq!(first.count(), 3);
        assert!(b.preview()?.bytes() == first.bytes());
        // The reboot did not take place, and things go on.
        b.unpreserve(0);
        let block = b.preview()?;
        assert_eq!(block.count(), 2);
        assert!(block.is(0, &name(1), data(1), 1));
        assert!(block.is(1, &name(2), data(2), 1));
        b.unpreserve(1);
        assert_eq!(b.preview()?.count(), 0);
        Ok(())
    }

    #[test]
    fn serialize_forgets_what_was_unregistered() -> Result {
        let b = Bench::set_up(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        assert_eq!(b.preview()?.count(), 2);
        b.unpreserve(0);
        b.unregister(0, 0);
        b.preserve(0)?;
        let block = b.preview()?;
        assert_eq!(block.count(), 1);
        assert!(block.is(0, &name(1), data(1), 1));
        Ok(())
    }

    #[test]
    fn data_is_handed_over_as_it_is() -> Result {
        for value in [0, 1, u64::MAX, 1 << 63, 0x0123_4567_89ab_cdef] {
            let old = Bench::set_up(1, 1)?;
            old.register(0, 0)?;
            old.script(0, |script| script.data = value);
            old.preserve(0)?;
            let new = Bench::new(1, 1)?;
            new.receive(old.preview()?.bytes())?;
            new.get(0)?;
            assert_eq!(new.seen(R(0)), (value, 0));
        }
        Ok(())
    }

    #[test]
    fn loop_back() -> Result {
        let old = Bench::set_up(2, MOST)?;
        old.register_all(0)?;
        for flb in (0..MOST).step_by(2) {
            old.register(1, flb)?;
        }
        old.preserve(0)?;
        old.preserve(1)?;
        old.preserve(1)?;

        let new = Bench::new(2, MOST)?;
        assert_eq!(new.receive(old.preview()?.bytes()), Ok(()));
        new.register_all(0)?;
        for flb in (0..MOST).step_by(2) {
            new.register(1, flb)?;
        }
        for flb in 0..MOST {
            assert_eq!(new.get(flb), Ok(restored(flb)));
            assert_eq!(new.seen(R(flb)), (data(flb), 0));
            new.put(flb);
        }
        assert!(new.calls().len() == MOST);
        new.finish(1);
        assert!(new.is_quiet());
        // Those that only the other handler has.
        new.finish(0);
        let calls = new.calls();
        assert!(calls.len() == MOST / 2);
        assert!(calls
            .iter()
            .rev()
            .enumerate()
            .all(|(nth, call)| *call == F(2 * nth + 1)));
        new.finish(1);
        let calls = new.calls();
        assert!(calls.len() == MOST.div_ceil(2));
        assert!(calls
            .iter()
            .rev()
            .enumerate()
            .all(|(nth, call)| *call == F(2 * nth)));
        Ok(())
    }

    #[test]
    fn three_kernels_in_a_row() -> Result {
        needs_kho();
        let mut block = Block::full(2, 1)?;
        for _ in 0..3 {
            let b = Bench::new(1, 2)?;
            b.receive(block.bytes())?;
            b.setup()?;
            b.register_all(0)?;
            b.get(0)?;
            b.put(0);
            b.finish(0);
            assert_eq!(b.calls(), [R(0), R(1), F(1), F(0)]);
            b.preserve(0)?;
            block = b.preview()?;
            assert_eq!(block.count(), 2);
            assert!(block.is(0, &name(0), data(0), 1));
            assert!(block.is(1, &name(1), data(1), 1));
        }
        Ok(())
    }

    #[test]
    fn arrays_of_up_to_eight_pages_are_accepted() -> Result {
        for pages in [2, 4, 8] {
            let flbs = (pages * PAGE_SIZE - 16) / 64;
            let last = flbs - 1;
            let b = Bench::new(1, flbs)?;
            assert_eq!(b.receive(Block::full(flbs, 1)?.bytes()), Ok(()));
            assert_eq!(b.get(last), Ok(restored(last)));
            assert_eq!(b.seen(R(last)), (data(last), 0));
        }
        // As is one that does not fill its memory.
        let b = Bench::new(1, 1)?;
        let mut array = Block::of_pages(4)?;
        array.set_pages(3);
        array.push(&name(0), data(0), 1);
        assert_eq!(b.receive(array.bytes()), Ok(()));
        assert_eq!(b.get(0), Ok(restored(0)));
        Ok(())
    }

    #[test]
    fn longer_arrays_are_einval() -> Result {
        assert!(is_refused(Block::of_pages(16)?.bytes())?);
        Ok(())
    }

    #[test]
    fn nothing_is_validated_before_the_first_need() -> Result {
        let (b, memory) = handed_over(&Block::full(1, 1)?, 1)?;
        b.register(0, 0)?;
        let early = memory.is_taken();
        b.finish(0);
        let taken = memory.taken();
        assert!(!early);
        assert_eq!(taken, 1);
        assert_eq!(b.calls(), [R(0), F(0)]);
        Ok(())
    }

    #[test]
    fn second_setup_changes_nothing() -> Result {
        let (b, memory) = handed_over(&Block::full(2, 1)?, 2)?;
        b.register_all(0)?;
        b.get(0)?;
        b.core.incoming.setup(memory.address() + 8);
        memory.taken();
        assert_eq!(b.get(1), Ok(restored(1)));
        b.put(0);
        b.put(1);
        b.finish(0);
        b.core.incoming.complete();
        assert_eq!(b.calls(), [R(0), R(1), F(1), F(0)]);
        // It counts its users once.
        assert!(memory.is_free());
        Ok(())
    }

    #[test]
    fn d11_memory_is_given_back_when_all_is_finished() -> Result {
        let (b, memory) = handed_over(&Block::full(2, 1)?, 3)?;
        b.register(0, 0)?;
        b.register(0, 1)?;
        b.get(0)?;
        b.finish(0);
        memory.taken();
        b.core.incoming.complete();
        let used = memory.is_free();
        b.put(0);
        assert!(!used);
        assert!(memory.is_free());
        for flb in [0, 2] {
            assert_eq!(b.get(flb), err(ENODATA));
        }
        assert_eq!(b.answer(), Ok(()));
        Ok(())
    }

    #[test]
    fn d11_empty_array_is_given_back_when_it_was_asked_for() -> Result {
        let (b, memory) = handed_over(&Block::new()?, 1)?;
        assert_eq!(b.get(0), err(ENODATA));
        memory.taken();
        let used = memory.is_free();
        // Others are told without a look at their names.
        let empty = b.core.incoming.is_empty();
        b.core.incoming.complete();
        assert!(!used && empty);
        assert!(memory.is_free());
        assert_eq!(b.get(0), err(ENODATA));
        Ok(())
    }

    #[test]
    fn d11_empty_array_is_given_back_when_nobody_has_asked() -> Result {
        let (b, memory) = handed_over(&Block::new()?, 1)?;
        b.core.incoming.complete();
        let free = memory.is_free();
        memory.taken();
        assert!(free);
        assert_eq!(b.get(0), err(ENODATA));
        Ok(())
    }

    #[test]
    fn d11_memory_is_kept_if_it_is_refused_or_an_entry_has_failed() -> Result {
        let mut bad = Block::full(1, 1)?;
        bad.set_count(64);
        let (b, memory) = handed_over(&bad, 1)?;
        b.register(0, 0)?;
        b.finish(0);
        b.core.incoming.complete();
        let taken = memory.taken();
        assert_eq!(taken, 1);
        assert!(!memory.is_free());
        assert_eq!(b.get(0), err(EINVAL));

        let (b, memory) = handed_over(&Block::full(1, 1)?, 1)?;
        b.script(0, |script| script.retrieve = -5);
        b.register(0, 0)?;
        b.finish(0);
        b.core.incoming.complete();
        memory.taken();
        assert!(!memory.is_free());
        assert_eq!(b.get(0), err(bindings::EIO));
        Ok(())
    }

    #[test]
    fn names_are_padded_in_place() -> Result {
        let b = Bench::new(1, 2)?;
        b.rename(0, b"one");
        b.rename(1, b"another-name\0behind");
        let mut array = Block::new()?;
        array.push(b"one\0and-what-was-there-before", 1, 1);
        array.push(b"another-name\0else", 2, 1);
        assert_eq!(b.receive(array.bytes()), Ok(()));
        b.get(0)?;
        b.get(1)?;
        assert_eq!([b.seen(R(0)).0, b.seen(R(1)).0], [1, 2]);
        Ok(())
    }

    #[test]
    fn largest_array_is_accepted() -> Result {
        let b = Bench::new(1, MOST)?;
        assert_eq!(b.receive(Block::full(MOST, 0x7fff_ffff)?.bytes()), Ok(()));
        assert_eq!(b.get(MOST - 1), Ok(restored(MOST - 1)));
        Ok(())
    }

    #[test]
    fn bad_entry_counts() -> Result {
        let more = MOST as u64 + 1;
        for count in [more, more + 1, 0x7fff_ffff, 1 << 58, 1 << 60, u64::MAX] {
            let mut block = Block::full(1, 1)?;
            block.set_count(count);
            assert!(is_refused(block.bytes())?);
        }
        Ok(())
    }

    #[test]
    fn bad_page_counts() -> Result {
        // So many have no bytes, if one does not look.
        let wrapping = 1 << (64 - BLOCK.ilog2());
        for pages in [0, 2, 1000, 1 << 32, wrapping / 2, wrapping, u64::MAX] {
            let mut block = Block::full(1, 1)?;
            block.set_pages(pages);
            assert!(is_refused(block.bytes())?);
        }
        Ok(())
    }

    #[test]
    fn bad_file_counts() -> Result {
        for files in [
            0,
            0x8000_0000,
            0x8000_0001,
            0xffff_ffff,
            1 << 32,
            (1 << 32) + 1,
            u64::MAX,
        ] {
            for bad in 0..3 {
                let mut block = Block::new()?;
                for flb in 0..3 {
                    block.push(&name(flb), data(flb), if flb == bad { files } else { 1 });
                }
                assert!(is_refused(block.bytes())?);
            }
        }
        Ok(())
    }

    #[test]
    fn bad_names() -> Result {
        for bad in [&b""[..], b"\0behind", &[b'x'; 48]] {
            for at in 0..3 {
                let mut block = Block::new()?;
                for flb in 0..3 {
                    if flb == at {
                        block.push(bad, data(flb), 1);
                    } else {
                        block.push(&name(flb), data(flb), 1);
                    }
                }
                assert!(is_refused(block.bytes())?);
            }
        }
        Ok(())
    }

    #[test]
    fn duplicate_names() -> Result {
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let mut block = Block::new()?;
            for flb in 0..3 {
                block.push(&name(if flb == other { one } else { flb }), data(flb), 1);
            }
            assert!(is_refused(block.bytes())?);
        }
        // What stands behind the NUL makes no difference.
        let mut block = Block::new()?;
        block.push(b"same\0one", 1, 1);
        block.push(b"same\0other", 2, 1);
        assert!(is_refused(block.bytes())?);
        Ok(())
    }

    #[test]
    fn noise() -> Result {
        for byte in [0x01, 0x7f, 0x80, 0xff] {
            assert!(is_refused(&KVec::from_elem(byte, BLOCK, GFP_KERNEL)?)?);
        }
        Ok(())
    }

    #[test]
    fn bad_addresses_are_einval() -> Result {
        let page = PAGE_SIZE as u64;
        for address in [0, 1, 8, page / 2, page - 1, page + 8, u64::MAX] {
            assert!(is_refused_at(address)?);
        }
        for address in NOWHERE {
            assert!(is_refused_at(address)?);
        }
        Ok(())
    }

    #[test]
    fn memory_waits_until_the_address_is_right() -> Result {
        let (b, memory) = handed_over(&Block::full(1, 1)?, 1)?;
        let refused = is_refused_at(memory.address() + 8);
        let got = b.get(0);
        let taken = memory.taken();
        assert!(refused?);
        assert_eq!(got, Ok(restored(0)));
        assert_eq!(taken, 1);
        Ok(())
    }

    #[test]
    fn after_a_refusal_nothing_runs_for_what_was_handed_over() -> Result {
        let b = Bench::new(1, 2)?;
        b.core.incoming.setup(1);
        b.register_all(0)?;
        for _ in 0..2 {
            assert_eq!(b.get(0), err(EINVAL));
            b.put(0);
            b.finish(0);
        }
        assert!(b.is_quiet());
        // This kernel can hand over all the same.
        b.preserve(0)?;
        b.unpreserve(0);
        assert_eq!(b.calls(), [P(0), P(1), U(1), U(0)]);
        assert_eq!(b.get(0), err(EINVAL));
        Ok(())
    }
}
