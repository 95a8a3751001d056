// SPDX-License-Identifier: GPL-2.0

//! The list of tests, when each runs, and what has to be built for it.

use crate::kernels::Build;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    tests: Vec<(Trial, Vec<Build>)>,
}

impl Plan {
    /// Adds a test that needs no kernel. It succeeds with `Ok(())`.
    pub fn test(
        &mut self,
        tier: Tier,
        name: impl Into<String>,
        run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) {
        self.skippable(tier, name, || run().map(|()| Completion::Completed));
    }

    /// Adds a test that needs no kernel and may find out that it cannot run here.
    pub fn skippable(
        &mut self,
        tier: Tier,
        name: impl Into<String>,
        run: impl FnOnce() -> Outcome + Send + 'static,
    ) {
        self.add(tier, &[], Trial::ignorable_test(name, run));
    }

    /// Adds a test of what these builds make.
    pub fn add(&mut self, tier: Tier, needs: &[Build], trial: Trial) {
        let trial = trial.with_ignored_flag(tier == Tier::All);
        self.tests.push((trial, needs.to_vec()));
    }

    /// Runs what the arguments select. With `FLB_NEEDS` set, prints what has to be built for it.
    pub fn run(mut self, args: &Arguments) -> ExitCode {
        if !args.list {
            let before = self.tests.len();
            self.tests.retain(|(trial, _)| !args.is_ignored(trial));
            println!(
                "{} tests are left to make test-all",
                before - self.tests.len()
            );
        }
        if env::var_os("FLB_NEEDS").is_none() {
            let trials = self.tests.into_iter().map(|(trial, _)| trial).collect();
            return libtest_mimic::run(args, trials).exit_code();
        }
        let mut seen = BTreeSet::new();
        self.tests.retain(|(trial, _)| !args.is_filtered_out(trial));
        for need in self.tests.iter().flat_map(|(_, needs)| needs) {
            if seen.insert(need.to_string()) {
                println!("{need}");
            }
        }
        ExitCode::SUCCESS
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

/// A file of this run, like a log. The directory is made.
pub fn run_file(name: &str) -> PathBuf {
    let dir = env::var_os("FLB_RUN").map_or_else(|| cache().join("run/test"), PathBuf::from);
    let path = dir.join(name);
    // Whoever writes to the file says what is wrong.
    let _ = path.parent().map(std::fs::create_dir_all);
    path
}
