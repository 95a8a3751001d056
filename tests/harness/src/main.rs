// SPDX-License-Identifier: GPL-2.0

//! The tests of kernels, scripts and text, as `cargo test` has them.
//!
//! A module per kind of test adds its trials to the [`Plan`]. What `make test` leaves out for
//! `make test-all` is an ignored test, and `--include-ignored` runs it.

mod fuzz;
mod plan;
mod process;

use libtest_mimic::{run, Arguments};
use plan::Plan;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let mut plan = Plan::default();
    fuzz::plan(&mut plan);
    run(&args, plan.trials).exit_code()
}
