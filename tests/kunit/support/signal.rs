// SPDX-License-Identifier: GPL-2.0

//! Something for which another thread waits.

use super::let_others_run;
use kernel::{
    sync::atomic::{Acquire, Atomic, Release},
    time::{delay::fsleep, Delta},
};

/// How often a thread lets others run before it sleeps.
const PATIENCE: u32 = 1_000_000;

/// How often something has happened.
pub(in super::super) struct Signal(Atomic<i32>);

impl Signal {
    pub(super) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    pub(in super::super) fn raise(&self) {
        self.0.fetch_add(1, Release);
    }

    fn has_been(&self, times: i32) -> bool {
        self.0.load(Acquire) >= times
    }

    /// Whether it has happened `times` times within a few milliseconds.
    pub(in super::super) fn is(&self, times: i32) -> bool {
        fsleep(Delta::from_millis(5));
        self.has_been(times)
    }

    /// Waits a few seconds at most for it to happen `times` times; whether it has.
    pub(in super::super) fn wait(&self, times: i32) -> bool {
        for _ in 0..3000 {
            if self.has_been(times) {
                return true;
            }
            fsleep(Delta::from_millis(1));
        }
        false
    }

    /// As [`wait`](Self::wait), for what happens soon: goes on at once then.
    pub(super) fn wait_awake(&self, times: i32) -> bool {
        for _ in 0..PATIENCE {
            if self.has_been(times) {
                return true;
            }
            let_others_run();
        }
        self.wait(times)
    }
}
