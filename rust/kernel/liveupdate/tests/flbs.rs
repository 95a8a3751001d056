// SPDX-License-Identifier: GPL-2.0

//! FLBs: what C sees, registration, and the outgoing object.

use super::*;

#[kunit_tests(rust_liveupdate_flb)]
mod suite {
    use super::*;

    #[test]
    fn guards_are_pointers() {
        assert_eq!(size_of::<flb::Incoming<Shared>>(), 2 * size_of::<usize>());
        #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
        assert_eq!(size_of::<flb::Outgoing<Shared>>(), 2 * size_of::<usize>());
        assert_eq!(
            size_of::<flb::Registration<Shared>>(),
            2 * size_of::<usize>()
        );
        assert_eq!(size_of::<file::Registration<Full>>(), size_of::<usize>());
    }

    #[test]
    fn c_sees_name_and_callbacks() {
        // SAFETY: Constant fields of a static.
        let name = unsafe { (*BROKEN.as_raw()).compatible };
        assert_eq!(name[..47], *Broken::COMPATIBLE.to_bytes());
        assert_eq!(name[47], 0);
        // SAFETY: As above.
        let name = unsafe { (*SHARED.as_raw()).compatible };
        assert_eq!(name[..16], *b"kunit-shared-v1\0");
        assert!(name[16..].iter().all(|byte| *byte == 0));
        let ops = flb_ops(&SHARED);
        assert!(ops.preserve.is_some() && ops.unpreserve.is_some());
        assert!(ops.retrieve.is_some() && ops.finish.is_some());
        assert!(ops.owner.is_null());
    }

    #[test]
    fn callbacks_convert() -> Result {
        reset();
        let ops = flb_ops(&SHARED);
        let mut args = flb_args(0, core::ptr::null_mut());
        call_flb(ops.preserve, &mut args)?;
        assert_eq!(args.data, 42);
        assert!(!args.obj.is_null());
        assert_eq!(DROPPED.take(), 0);
        // SAFETY: What `preserve` has left.
        unsafe { ops.unpreserve.ok_or(ENXIO)?(&mut args) };
        assert_eq!((UNPRESERVED.take(), DROPPED.take()), (1, 1));

        let mut args = flb_args(77, core::ptr::null_mut());
        call_flb(ops.retrieve, &mut args)?;
        // SAFETY: What `retrieve` has left.
        let seen = unsafe { KBox::<Object>::borrow(args.obj) }.0;
        assert_eq!(seen, 77);
        // SAFETY: As above.
        unsafe { ops.finish.ok_or(ENXIO)?(&mut args) };
        assert_eq!(DROPPED.take(), 1);
        Ok(())
    }

    #[test]
    fn errors_are_negative_and_leave_nothing() {
        let mut args = flb_args(0, core::ptr::null_mut());
        assert!(call_flb(flb_ops(&SHARED).retrieve, &mut args) == Err(EIO));
        assert!(args.obj.is_null());
        assert!(call_flb(flb_ops(&BROKEN).preserve, &mut args) == Err(ENOSPC));
        assert!(args.obj.is_null());
    }

    #[test]
    fn nothing_was_handed_over() {
        needs_liveupdate();
        let got = SHARED.incoming().map(|object| object.get().0);
        assert!(got == Err(Error::from_errno(-(bindings::ENODATA as i32))));
    }

    #[test]
    fn nothing_is_preserved() {
        needs_liveupdate();
        let got = SHARED.with_outgoing(|object| object.0);
        assert!(got == Err(ENOENT));
    }

    #[test]
    fn registered_once_with_a_handler() -> Result {
        needs_liveupdate();
        let handler = PLAIN.register()?;
        let first = SHARED.register(&handler)?;
        assert!(SHARED.register(&handler).err() == Some(EEXIST));
        drop(first);
        drop(SHARED.register(&handler)?);
        Ok(())
    }

    #[test]
    fn registration_may_outlive_that_of_the_handler() -> Result {
        needs_liveupdate();
        let handler = PLAIN.register()?;
        let dependency = SHARED.register(&handler)?;
        drop(handler);
        drop(dependency);
        // Of a handler of C only the address is known.
        let handler = PLAIN.register()?;
        // SAFETY: The handler is a static, and registered.
        let dependency = unsafe { SHARED.register_with(PLAIN.as_raw()) }?;
        let again = SHARED.register(&handler).err();
        drop(dependency);
        assert!(again == Some(EEXIST));
        Ok(())
    }

    #[test]
    fn object_of_the_first_file() -> Result {
        needs_liveupdate();
        let handler = FULL.register()?.with(&SHARED)?;
        reset();
        let file = Preserved::new(&FULL)?;
        let second = Preserved::new(&FULL)?;
        let seen = SHARED.with_outgoing(|object| object.0)?;
        let again = SHARED.with_outgoing(|object| object.0)?;
        drop(second);
        let last = SHARED.with_outgoing(|object| object.0)?;
        let before = (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take());
        drop(file);
        let after = (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take());
        let gone = SHARED.with_outgoing(|_| ()).err();
        drop(handler);
        assert_eq!((seen, again, last), (43, 43, 43));
        assert_eq!((before, after), ((1, 0, 0), (0, 1, 1)));
        assert!(gone == Some(ENOENT));
        Ok(())
    }

    #[test]
    fn failure_is_that_of_the_file() -> Result {
        needs_liveupdate();
        let handler = FULL.register()?.with(&SHARED)?.with(&BROKEN)?;
        reset();
        let error = Preserved::new(&FULL).err();
        let counts = (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take());
        drop(handler);
        assert!(error == Some(ENOSPC));
        assert_eq!(counts, (1, 1, 1));
        Ok(())
    }

    #[test]
    fn flb_of_several_handlers() -> Result {
        needs_liveupdate();
        let full = FULL.register()?.with(&SHARED)?;
        let plain = PLAIN.register()?.with(&SHARED)?;
        reset();
        let (one, two) = (Preserved::new(&FULL)?, Preserved::new(&PLAIN)?);
        drop(one);
        let seen = SHARED.with_outgoing(|object| object.0)?;
        let before = (PRESERVED.take(), UNPRESERVED.take());
        drop(two);
        let after = UNPRESERVED.take();
        drop((full, plain));
        assert_eq!((seen, before, after), (43, (1, 0), 1));
        Ok(())
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
#[kunit_tests(rust_liveupdate_outgoing)]
mod counted {
    use super::*;

    #[test]
    fn reference_outlives_the_last_file() -> Result {
        needs_liveupdate();
        let handler = FULL.register()?.with(&SHARED)?;
        reset();
        let file = Preserved::new(&FULL)?;
        let object = SHARED.outgoing()?;
        drop(file);
        let held = (object.get().0, DROPPED.take());
        drop(object);
        let after = (UNPRESERVED.take(), DROPPED.take());
        drop(handler);
        assert_eq!((held, after), ((43, 0), (1, 1)));
        Ok(())
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
#[kunit_tests(rust_liveupdate_outgoing)]
mod locked {
    use super::*;

    #[test]
    fn object_is_locked() -> Result {
        needs_liveupdate();
        let handler = FULL.register()?.with(&SHARED)?;
        let file = Preserved::new(&FULL)?;
        let held = [
            is_locked(),
            SHARED
                .with_outgoing(|_| is_locked())
                .is_ok_and(|locked| locked),
            is_locked(),
        ];
        drop(file);
        let nothing = (SHARED.with_outgoing(|_| ()).err(), is_locked());
        drop(handler);
        assert_eq!(held, [false, true, false]);
        assert!(nothing == (Some(ENOENT), false));
        Ok(())
    }

    /// Whether somebody holds the lock that files are preserved and unpreserved with.
    fn is_locked() -> bool {
        // SAFETY: The FLB was registered, so that its locks are initialised.
        unsafe {
            let lock = &raw mut (*SHARED.as_raw()).private.outgoing.lock;
            if bindings::mutex_trylock(lock) == 0 {
                return true;
            }
            bindings::mutex_unlock(lock);
        }
        false
    }
}
