// SPDX-License-Identifier: GPL-2.0

//! The tests of kernels, scripts and text, as `cargo test` has them.
//!
//! A module per kind of test adds to the [`Plan`]. What `make test` leaves out for `make test-all`
//! is an ignored test, and `--include-ignored` runs it.

mod accel;
mod bare_root;
mod compile_fail;
mod faults;
mod fuzz;
mod guest;
mod guide;
mod hostile;
mod kernels;
mod kexec;
mod kunit;
mod lint;
mod matrix;
mod next;
mod overlay;
mod plan;
mod process;
mod series;
mod setup;

use libtest_mimic::Arguments;
use plan::Plan;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut plan = Plan::default();
    lint::plan(&mut plan);
    accel::plan(&mut plan);
    compile_fail::plan(&mut plan);
    fuzz::plan(&mut plan);
    kunit::plan(&mut plan);
    kexec::plan(&mut plan);
    guide::plan(&mut plan);
    hostile::plan(&mut plan);
    matrix::plan(&mut plan);
    next::plan(&mut plan);
    setup::plan(&mut plan);
    bare_root::plan(&mut plan);
    overlay::plan(&mut plan);
    series::plan(&mut plan);
    plan.run(&Arguments::from_args())
}
