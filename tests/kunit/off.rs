// SPDX-License-Identifier: GPL-2.0

//! The entry points of a kernel whose live update is off: they refuse, or do nothing.

use super::support::*;
use crate::bindings::{self, EOPNOTSUPP};
use kernel::prelude::*;

const OFF: i32 = -(EOPNOTSUPP as i32);

#[kunit_tests(luo_flb_off)]
mod suite {
    use super::*;

    #[test]
    fn clients_are_refused() -> Result {
        needs_off();
        let b = Bench::new(1, 1)?;
        let (handler, flb) = (b.raw_handler(0), b.raw_flb(0));
        // SAFETY: Both are valid, or null.
        let registered = unsafe {
            [
                bindings::liveupdate_register_flb(handler, flb),
                bindings::liveupdate_register_flb(core::ptr::null_mut(), flb),
            ]
        };
        assert_eq!(registered, [OFF; 2]);
        assert_eq!(exported_get_incoming(flb), (OFF, UNTOUCHED));
        assert_eq!(exported_get_outgoing(flb), (OFF, UNTOUCHED));
        assert_eq!(exported_get_nowhere(flb), [OFF; 2]);
        assert_eq!(
            exported_get_incoming(core::ptr::null_mut()),
            (OFF, UNTOUCHED)
        );
        assert!(b.is_quiet());
        Ok(())
    }

    #[test]
    fn d16_puts_do_nothing() -> Result {
        needs_off();
        let b = Bench::new(1, 1)?;
        let flb = b.raw_flb(0);
        // SAFETY: Both are valid.
        unsafe {
            bindings::liveupdate_unregister_flb(b.raw_handler(0), flb);
            bindings::liveupdate_flb_put_incoming(flb);
        }
        exported_put_outgoing(flb);
        assert!(b.is_quiet());
        assert_eq!(b.described(0, crate::raw::Direction::Incoming), (0, 0));
        Ok(())
    }
}
