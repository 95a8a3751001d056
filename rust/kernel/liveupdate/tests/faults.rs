// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail.

use super::*;

extern "C" {
    // See `tests/kunit/faults.c` of the FLB core.
    fn luo_flb_faults_install() -> c_int;
    fn luo_flb_faults_remove();
    fn luo_flb_faults_begin(first: u32, last: u32);
    fn luo_flb_faults_end() -> u32;
}

/// A device whose private data are seen to be dropped.
struct Counted;

#[link_section = ".data..ro_after_init"]
static COUNTED: misc::Definition<Counted> = misc::Definition::new();

#[vtable]
impl MiscDevice for Counted {
    type Ptr = KBox<Object>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<KBox<Object>> {
        Err(ENODEV)
    }
}

/// Makes a file while allocations fail, from the first of these to the last; whether there were so
/// many.
fn file_with(first: u32, last: u32) -> Result<(Result<ARef<OpenFile>>, bool)> {
    let object = KBox::new(Object(5), GFP_KERNEL)?;
    DROPPED.take();
    // SAFETY: Allocations of this task may fail.
    unsafe { luo_flb_faults_begin(first, last) };
    let file = COUNTED.restored_file(c"kunit", object, flags::O_RDWR);
    // SAFETY: As above.
    let seen = unsafe { luo_flb_faults_end() };
    Ok((file, seen >= first))
}

/// Closes a file.
fn close(file: ARef<OpenFile>) {
    drop(file);
    // SAFETY: May be called by any task that holds no lock.
    unsafe { bindings::flush_delayed_fput() };
}

#[kunit_tests(rust_liveupdate_faults)]
mod suite {
    use super::*;

    #[test]
    fn private_data_of_a_file_that_cannot_be_made_are_dropped() -> Result {
        // SAFETY: Tests run one after the other. After a failure it is left to the next one.
        to_result(unsafe { luo_flb_faults_install() })?;
        let mut refused = 0;
        for lasts in [false, true] {
            for first in 1.. {
                let (file, failed) = file_with(first, if lasts { u32::MAX } else { first })?;
                match file {
                    Ok(file) => {
                        let number = COUNTED.private(&file).map(|object| object.0);
                        assert_eq!((number, DROPPED.take()), (Some(5), 0));
                        close(file);
                    }
                    Err(error) => {
                        assert!(failed && error == ENOMEM);
                        refused += 1;
                    }
                }
                assert_eq!(DROPPED.take(), 1);
                if !failed {
                    break;
                }
            }
        }
        // SAFETY: As above.
        unsafe { luo_flb_faults_remove() };
        // The file and its entry in a directory.
        assert!(refused >= 4);
        Ok(())
    }
}
