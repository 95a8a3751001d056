// SPDX-License-Identifier: GPL-2.0

//! What debugfs shows of a core.

use super::support::*;
use crate::{bindings::EINVAL as BAD, files::LuoFlb};
use kernel::{
    fmt::{Display, Formatter},
    prelude::*,
    str::CString,
};

struct Shown<'a>(&'a LuoFlb);

impl Display for Shown<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> kernel::fmt::Result {
        self.0.show(to)
    }
}

/// Whether all is shown but for the first line, and no more; otherwise log what is.
fn shows(b: &Bench, expected: &[&str]) -> Result<bool> {
    let shown = CString::try_from_fmt(fmt!("{}", Shown(&b.core)))?;
    let shown = shown.to_str().map_err(|_| EINVAL)?;
    let are_same = shown.lines().skip(1).eq(expected.iter().copied());
    if !are_same {
        pr_err!("shown: {shown}");
    }
    Ok(are_same)
}

#[kunit_tests(luo_flb_debugfs)]
mod suite {
    use super::*;

    #[test]
    fn nothing_is_shown_of_an_unused_core() -> Result {
        let b = Bench::new(1, 1)?;
        assert!(shows(&b, &["handover none"])?);
        Ok(())
    }

    #[test]
    fn files_are_those_of_all_handlers() -> Result {
        let b = Bench::new(2, 2)?;
        b.register(0, 0)?;
        b.register(0, 1)?;
        b.register(1, 1)?;
        b.preserve(0)?;
        b.preserve(0)?;
        b.preserve(1)?;
        b.get_outgoing(0)?;
        assert!(shows(
            &b,
            &[
                "flb test-0001 preserved owner=kernel handlers=2 files=3 users=0 \
                 data=0xdada000000000001",
                "flb test-0000 preserved owner=kernel handlers=1 files=2 users=1 \
                 data=0xdada000000000000",
                "handler  files=1",
                "  test-0001",
                "handler  files=2",
                "  test-0000",
                "  test-0001",
                "handover none",
            ]
        )?);
        b.put_outgoing(0);
        Ok(())
    }

    #[test]
    fn one_that_is_leaving_is_not_looked_at() -> Result {
        let b = Bench::new(1, 2)?;
        b.register_all(0)?;
        b.preserve(0)?;
        b.unregister(0, 0);
        assert!(shows(
            &b,
            &[
                "flb test-0001 preserved owner=kernel handlers=1 files=1 users=0 \
                 data=0xdada000000000001",
                "handler  files=1",
                "  test-0000 leaving",
                "  test-0001",
                "handover none",
            ]
        )?);
        b.unpreserve(0);
        assert!(shows(
            &b,
            &[
                "flb test-0001 idle owner=kernel handlers=0 files=0 users=0 data=0x0",
                "handler  files=0",
                "  test-0001",
                "handover none",
            ]
        )?);
        Ok(())
    }

    #[test]
    fn each_entry_that_came_has_a_state() -> Result {
        let b = Bench::new(1, 3)?;
        b.receive(Block::full(3, 1)?.bytes())?;
        b.script(1, |script| script.retrieve = -(BAD as i32));
        b.get(0)?;
        assert_eq!(b.get(1), err(BAD));
        let failed = after_failure(
            "entry test-0001 not-retrieved files=1 data=0xdada000000000001",
            "entry test-0001 failed errno=-22 files=1",
        );
        assert!(shows(
            &b,
            &[
                "handover received entries=3 unfinished=3",
                "entry test-0000 retrieved files=1 users=1 data=0xdada000000000000",
                failed,
                "entry test-0002 not-retrieved files=1 data=0xdada000000000002",
            ]
        )?);
        b.put(0);
        Ok(())
    }

    #[test]
    fn entries_are_shown_until_the_last_is_finished() -> Result {
        let b = Bench::handed_over(2, 1)?;
        b.get(1)?;
        b.finish(0);
        b.unregister(0, 0);
        b.unregister(0, 1);
        assert!(shows(
            &b,
            &[
                "handler  files=0",
                "handover received entries=2 unfinished=1",
                "entry test-0000 finished",
                "entry test-0001 retrieved files=0 users=1 data=0xdada000000000001",
            ]
        )?);
        b.put(1);
        assert!(shows(&b, &["handler  files=0", "handover finished"])?);
        Ok(())
    }

    #[test]
    fn a_refused_handover_has_its_reason() -> Result {
        let b = Bench::new(1, 1)?;
        assert_eq!(b.receive(&[0; 4096]), err(BAD));
        assert!(shows(&b, &["handover refused: bad page count (0, 0x0)"])?);
        Ok(())
    }

    #[test]
    fn callbacks_are_not_waited_for() -> Result {
        let b = Bench::set_up(1, 1)?;
        b.register_all(0)?;
        b.script(0, |script| {
            script.on_preserve = Some(|b, _| {
                let shown = shows(
                    b,
                    &[
                        "flb test-0000 idle owner=kernel handlers=0 files=0 users=0 data=0x0",
                        "handler  files=0",
                        "  test-0000",
                        "handover none",
                    ],
                );
                b.note_unless(shown.unwrap_or(false));
            });
        });
        b.preserve(0)?;
        assert_eq!(b.notes().len(), 0);
        b.unpreserve(0);
        Ok(())
    }
}
