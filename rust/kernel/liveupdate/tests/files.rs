// SPDX-License-Identifier: GPL-2.0

//! Handlers and the files of misc devices.

use super::*;

#[kunit_tests(rust_liveupdate_file)]
mod suite {
    use super::*;

    #[test]
    fn c_sees_what_there_is() {
        let full = file_ops(&FULL);
        assert!(full.freeze.is_some() && full.unfreeze.is_some() && full.can_finish.is_some());
        let plain = file_ops(&PLAIN);
        assert!(plain.freeze.is_none() && plain.unfreeze.is_none() && plain.can_finish.is_none());
        for ops in [full, plain] {
            assert!(ops.can_preserve.is_some() && ops.preserve.is_some());
            assert!(ops.unpreserve.is_some() && ops.retrieve.is_some() && ops.finish.is_some());
            assert!(ops.owner.is_null());
        }
        // SAFETY: Constant field of a static.
        let name = unsafe { (*FULL.as_raw()).compatible };
        assert_eq!(name[..14], *b"kunit-full-v1\0");
    }

    #[test]
    fn registered_once() -> Result {
        needs_liveupdate();
        let registration = FULL.register()?;
        assert!(FULL.register().err() == Some(EEXIST));
        drop(registration);
        drop(FULL.register()?);
        Ok(())
    }

    #[test]
    fn failed_with_unregisters() -> Result {
        needs_liveupdate();
        let twice = FULL.register()?.with(&SHARED)?.with(&SHARED).err();
        assert!(twice == Some(EEXIST));
        drop(FULL.register()?.with(&SHARED)?);
        Ok(())
    }

    #[test]
    fn files_of_a_device() -> Result {
        let file = device_file(6)?;
        assert_eq!(DEVICE.private(&file).map(|device| device.0), Some(6));
        assert!(OTHER_DEVICE.private(&file).is_none());
        let other = KBox::new(OtherDevice(0), GFP_KERNEL)?;
        let other = OTHER_DEVICE.restored_file(c"kunit", other, flags::O_RDWR)?;
        assert!(DEVICE.private(&other).is_none());
        let can = file_ops(&FULL).can_preserve.ok_or(ENXIO)?;
        // SAFETY: The files are in use.
        let seen = unsafe {
            (
                can(FULL.as_raw(), file.as_ptr()),
                can(FULL.as_raw(), other.as_ptr()),
            )
        };
        assert_eq!(seen, (true, false));
        Ok(())
    }

    #[test]
    fn operations_are_read_only() {
        extern "C" {
            static __start_ro_after_init: u8;
            static __end_ro_after_init: u8;
        }
        let section = &raw const __start_ro_after_init..&raw const __end_ro_after_init;
        assert!(section.contains(&(&raw const DEVICE).cast()));
    }

    #[test]
    fn preserve_and_back() -> Result {
        reset();
        let file = device_file(7)?;
        let ops = file_ops(&FULL);
        let mut args = file_args(Some(&file), 0);
        call_file(ops.preserve, &mut args)?;
        assert_eq!(args.serialized_data, 7);
        call_file(ops.freeze, &mut args)?;
        assert_eq!(args.serialized_data, 107);
        // What `freeze` has changed is there.
        // SAFETY: What `preserve` and `freeze` have left.
        unsafe { ops.unfreeze.ok_or(ENXIO)?(&mut args) };
        assert_eq!(UNPRESERVED.take(), 1);
        args.serialized_data = 7;
        // SAFETY: What `preserve` has left.
        unsafe { ops.unpreserve.ok_or(ENXIO)?(&mut args) };
        assert_eq!((UNPRESERVED.take(), DROPPED.take()), (1, 1));
        Ok(())
    }

    #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
    #[test]
    fn files_of_one_identity_are_preserved_once() -> Result {
        assert!(file_ops(&PLAIN).get_id.is_none());
        let id = file_ops(&FULL).get_id.ok_or(ENXIO)?;
        let files = [device_file(7)?, device_file(7)?, device_file(8)?];
        // SAFETY: The files are in use.
        let ids = files.map(|file| unsafe { id(file.as_ptr()) });
        assert_eq!(ids, [7, 7, 8]);
        Ok(())
    }

    #[test]
    fn failures_change_nothing() -> Result {
        let ops = file_ops(&FULL);
        let file = device_file(9)?;
        let mut args = file_args(Some(&file), 0);
        call_file(ops.preserve, &mut args)?;
        assert!(call_file(ops.freeze, &mut args) == Err(EBUSY));
        assert_eq!(args.serialized_data, 9);
        // SAFETY: What `preserve` has left.
        unsafe { ops.unpreserve.ok_or(ENXIO)?(&mut args) };

        let mut args = file_args(None, u64::MAX);
        assert!(call_file(ops.retrieve, &mut args) == Err(EINVAL));
        assert!(args.file.is_null());
        let other = KBox::new(OtherDevice(0), GFP_KERNEL)?;
        let other = OTHER_DEVICE.restored_file(c"kunit", other, flags::O_RDWR)?;
        let mut args = file_args(Some(&other), 0);
        assert!(call_file(ops.preserve, &mut args) == Err(EBADF));
        assert!(args.private_data.is_null());
        Ok(())
    }

    #[test]
    fn retrieve_gives_a_file() -> Result {
        let mut args = file_args(None, 31);
        call_file(file_ops(&FULL).retrieve, &mut args)?;
        let file = core::ptr::NonNull::new(args.file).ok_or(ENXIO)?;
        // SAFETY: The callback has left a reference to a file.
        let file = unsafe { ARef::<OpenFile>::from_raw(file.cast()) };
        assert_eq!(DEVICE.private(&file).map(|device| device.0), Some(31));
        assert!(file.flags() & flags::O_ACCMODE == flags::O_RDWR);
        Ok(())
    }

    #[test]
    fn status_is_told() -> Result {
        reset();
        let ops = file_ops(&FULL);
        let file = device_file(1)?;
        for (status, can) in [(0, false), (-5, false), (1, true)] {
            let mut args = file_args((status > 0).then_some(&*file), 5);
            args.retrieve_status = status;
            // SAFETY: There is a file if the status is that of success.
            let seen = unsafe {
                ops.finish.ok_or(ENXIO)?(&mut args);
                ops.can_finish.ok_or(ENXIO)?(&mut args)
            };
            assert_eq!(seen, can);
        }
        assert_eq!(
            (PRESERVED.take(), UNPRESERVED.take(), DROPPED.take()),
            (1, 1, 1)
        );
        Ok(())
    }
}
