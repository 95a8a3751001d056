// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail.

use crate::bindings;
use kernel::{error::to_result, prelude::*};

/// While it exists allocations of this task can be made to fail.
pub(in super::super) struct Faults(());

/// Which allocations of an operation fail: from the first of these to the last.
type Failing = (u32, u32);

/// What has become of an operation each of whose allocations has failed.
#[derive(Default)]
pub(in super::super) struct Outcome {
    /// How often it was refused.
    pub(in super::super) refused: u32,
    /// The failure that did what it must not.
    pub(in super::super) wrong: Option<Failing>,
}

impl Faults {
    pub(in super::super) fn new() -> Result<Self> {
        // SAFETY: Tests run one after the other.
        to_result(unsafe { bindings::luo_flb_faults_install() })?;
        Ok(Self(()))
    }

    /// Runs something some of whose allocations fail; whether there were so many.
    fn during<T>(&self, (first, last): Failing, run: impl FnOnce() -> T) -> (T, bool) {
        // SAFETY: The task is this one.
        unsafe { bindings::luo_flb_faults_begin(first, last) };
        let result = run();
        // SAFETY: As above.
        let seen = unsafe { bindings::luo_flb_faults_end() };
        (result, seen >= first)
    }

    /// Whether something makes no allocation.
    pub(in super::super) fn none(&self, run: impl FnOnce()) -> bool {
        let (_, some) = self.during((1, 1), run);
        !some
    }

    /// Has each allocation of `run` fail in turn, alone and with all that follow, with a new state
    /// each time. If it is refused it has to be with [`ENOMEM`], and `is_refused` has to say so of
    /// the state; otherwise `is_done` has.
    pub(in super::super) fn each<T>(
        &self,
        state: impl Fn() -> Result<T>,
        run: impl Fn(&T) -> Result,
        is_refused: impl Fn(&T) -> Result<bool>,
        is_done: impl Fn(&T) -> Result<bool>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for lasts in [false, true] {
            for first in 1.. {
                let failing = (first, if lasts { u32::MAX } else { first });
                let state = state()?;
                let (result, failed) = self.during(failing, || run(&state));
                let is_right = match result {
                    Ok(()) => is_done(&state)?,
                    Err(error) => failed && error == ENOMEM && is_refused(&state)?,
                };
                if !is_right {
                    outcome.wrong = Some(failing);
                    return Ok(outcome);
                }
                if !failed {
                    break;
                }
                outcome.refused += u32::from(result.is_err());
            }
        }
        Ok(outcome)
    }

    /// As [`Faults::each`], for what can be tried again: `run` then has to succeed.
    pub(in super::super) fn each_again<T>(
        &self,
        state: impl Fn() -> Result<T>,
        run: impl Fn(&T) -> Result,
        is_untouched: impl Fn(&T) -> Result<bool>,
        is_done: impl Fn(&T) -> Result<bool>,
    ) -> Result<Outcome> {
        let is_refused =
            |state: &T| Ok(is_untouched(state)? && run(state).is_ok() && is_done(state)?);
        self.each(state, &run, is_refused, &is_done)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // SAFETY: As for `new`. When a test has failed it is left to the next one.
        unsafe { bindings::luo_flb_faults_remove() };
    }
}
