// SPDX-License-Identifier: GPL-2.0

//! FLBs written with the safe API, as the core sees them.

use super::support::*;
use crate::{
    bindings::{EINVAL, ENOENT},
    outgoing,
    raw::{self, Direction},
};
use kernel::{
    kho::{Handle, KhoBox, Restored},
    liveupdate::{flb::Definition, Flb},
    prelude::*,
    preserved_data,
    sync::atomic::{Atomic, Relaxed},
    types::ForeignOwnable,
};

preserved_data! {
    /// What is handed over.
    struct Pools: version 1 {
        pages: u64,
    }
}

static POOLS: Definition<Pools> = Definition::new();

const NAME: &[u8] = b"kunit-pools-v1";

/// The core is no module.
#[cfg(CONFIG_LIVEUPDATE_RUST_HAS_THIS_MODULE)]
struct BuiltIn;

#[cfg(CONFIG_LIVEUPDATE_RUST_HAS_THIS_MODULE)]
impl kernel::ModuleMetadata for BuiltIn {
    const NAME: &'static CStr = c"luo_flb";
    // SAFETY: Null stands for what is never unloaded.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

/// Which callbacks have ended an object since this was asked last.
static ENDED: Atomic<i32> = Atomic::new(0);
const UNPRESERVE: i32 = 1;
const FINISH: i32 = 100;

#[vtable]
impl Flb for Pools {
    const COMPATIBLE: &'static CStr = c"kunit-pools-v1";
    #[cfg(CONFIG_LIVEUPDATE_RUST_HAS_THIS_MODULE)]
    type OwnerModule = BuiltIn;
    type Data = Handle<Pools>;
    type Outgoing = KhoBox<Pools>;
    type Incoming = KBox<Pools>;

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        let mut pools = KhoBox::new(Pools { pages: 512 })?;
        Ok((pools.handle(), pools))
    }

    fn unpreserve(pools: Self::Outgoing) {
        if pools.pages == 512 {
            ENDED.fetch_add(UNPRESERVE, Relaxed);
        }
    }

    // In one kernel there is no memory of a previous one: what stands for it is a number.
    fn retrieve(data: Self::Data) -> Result<KBox<Pools>> {
        match data.into_bits() {
            pages @ 1..1000 => Ok(KBox::new(Pools { pages }, GFP_KERNEL)?),
            _ => {
                let pools: KhoBox<Pools, Restored> = data.restore()?;
                Ok(KBox::new(Pools { pages: pools.pages }, GFP_KERNEL)?)
            }
        }
    }

    fn finish(_pools: KBox<Pools>) {
        ENDED.fetch_add(FINISH, Relaxed);
    }
}

/// The FLB as the core wants it.
fn pools() -> raw::Flb {
    let flb: &'static Definition<Pools> = &POOLS;
    // SAFETY: It is a static.
    unsafe { raw::Flb::from_raw(flb.as_raw()).unwrap_unchecked() }
}

fn ended() -> i32 {
    ENDED.xchg(0, Relaxed)
}

/// A handover of this FLB.
fn handed_over(data: u64, files: u64) -> Result<Block> {
    let mut block = Block::new()?;
    block.push(NAME, data, files);
    Ok(block)
}

#[kunit_tests(luo_flb_clients)]
mod suite {
    use super::*;

    #[test]
    fn saved_with_the_first_file_and_given_back_with_the_last() -> Result {
        needs_kho();
        let b = Bench::new(2, 0)?;
        b.core.register(b.handler(0), pools())?;
        b.core.register(b.handler(1), pools())?;
        b.preserve(0)?;
        b.preserve(1)?;
        outgoing::get_unreferenced(pools())?;
        let object = pools().object(Direction::Outgoing);
        // SAFETY: It came from `preserve`, and is there until the last file is unpreserved.
        let pages = unsafe { KhoBox::<Pools>::borrow(object) }.pages;
        b.unpreserve(0);
        let before = ended();
        b.unpreserve(1);
        let after = ended();
        b.unregister_all(0);
        b.unregister_all(1);
        assert_eq!((pages, before, after), (512, 0, UNPRESERVE));
        Ok(())
    }

    #[test]
    fn its_handle_is_handed_over() -> Result {
        let b = Bench::set_up(1, 0)?;
        b.core.register(b.handler(0), pools())?;
        b.preserve(0)?;
        b.preserve(0)?;
        outgoing::get_unreferenced(pools())?;
        let object = pools().object(Direction::Outgoing);
        let block = b.preview()?;
        // SAFETY: It came from `preserve`, and is there until the last file is unpreserved.
        let mut kept = unsafe { KhoBox::<Pools>::from_foreign(object) };
        let handle = kept.handle().into_bits();
        kept.into_foreign();
        let same = block.is(0, NAME, handle, 2);
        b.unpreserve(0);
        b.unpreserve(0);
        b.unregister_all(0);
        assert_eq!(ended(), UNPRESERVE);
        assert!(same);
        Ok(())
    }

    #[test]
    fn restored_once_and_released_once() -> Result {
        let b = Bench::new(1, 0)?;
        b.receive(handed_over(77, 2)?.bytes())?;
        b.core.register(b.handler(0), pools())?;
        b.core.incoming.get(pools())?;
        let first = pools().object(Direction::Incoming);
        b.core.incoming.get(pools())?;
        let second = pools().object(Direction::Incoming);
        // SAFETY: It came from `retrieve`, and is there as long as the references are.
        let pages = unsafe { KBox::<Pools>::borrow(first) }.pages;
        b.finish(0);
        b.finish(0);
        b.core.put(pools(), Direction::Incoming, None);
        let before = ended();
        b.core.put(pools(), Direction::Incoming, None);
        let after = ended();
        b.unregister_all(0);
        assert_eq!((pages, before, after), (77, 0, FINISH));
        assert!(first == second);
        Ok(())
    }

    #[test]
    fn handle_that_leads_nowhere() -> Result {
        // Aligned, and above all memory that there can be; and not aligned.
        for (data, errno) in [(!0 << 20, ENOENT), (4097, EINVAL)] {
            let b = Bench::new(1, 0)?;
            b.receive(handed_over(data, 1)?.bytes())?;
            b.core.register(b.handler(0), pools())?;
            let got = b.core.incoming.get(pools());
            b.unregister_all(0);
            assert_eq!(got, err(errno));
        }
        assert_eq!(ended(), 0);
        Ok(())
    }
}
