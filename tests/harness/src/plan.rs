// SPDX-License-Identifier: GPL-2.0

//! The list of tests, and where things are.

use libtest_mimic::{Completion, Failed, Trial};
use std::env;
use std::path::{Path, PathBuf};

/// How a test ends. A message is one line: what is wrong, and where to read more.
pub type Outcome = Result<Completion, Failed>;

/// When a test runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// In `make test` and `make test-all`.
    Always,
    /// In `make test-all` alone.
    All,
}

/// The tests, in the order in which they start.
#[derive(Default)]
pub struct Plan {
    pub trials: Vec<Trial>,
}

impl Plan {
    /// Adds a test. It succeeds with `Ok(())`.
    pub fn test(
        &mut self,
        tier: Tier,
        name: impl Into<String>,
        run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) {
        self.skippable(tier, name, || run().map(|()| Completion::Completed));
    }

    /// Adds a test that may find out that it cannot run here.
    pub fn skippable(
        &mut self,
        tier: Tier,
        name: impl Into<String>,
        run: impl FnOnce() -> Outcome + Send + 'static,
    ) {
        let trial = Trial::ignorable_test(name, run).with_ignored_flag(tier == Tier::All);
        self.trials.push(trial);
    }
}

/// The checkout.
pub fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The cache outside of the checkout, as in `scripts/lib.sh`.
pub fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache"),
        PathBuf::from,
    );
    base.join("luo-flb")
}

/// Where logs of this run go.
pub fn logs() -> PathBuf {
    env::var_os("FLB_RUN").map_or_else(|| cache().join("run/test"), PathBuf::from)
}
