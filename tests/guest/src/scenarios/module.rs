// SPDX-License-Identifier: GPL-2.0
//! An FLB in a module, which stays loaded as long as its callbacks are needed, and no longer.

use super::{hop, scenario};
use crate::client::{counts, Counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{same_counts, save, take_back, Run, Scenario};
use crate::sys;
use std::fmt::Display;
use std::fs::{self, File};
use std::io;

pub const PRESERVED: Scenario = scenario(
    "module-preserved",
    "a module cannot go while its FLB is preserved, and goes afterwards",
    &[hop("", preserved)],
);

pub const HANDED_OVER: Scenario = scenario(
    "module-handed-over",
    "a module cannot go while what was handed over is in use",
    &[hop("", save_0), hop("", handed_over_1)],
);

pub const ABSENT: Scenario = scenario(
    "module-absent",
    "files are finished without the module, which finds what is left when it is loaded",
    &[hop("", save_0), hop("", absent_1)],
);

const MODULE: &str = "flb_module";
const FLB: &str = "demo-module-v1";
const FILES: [Blob; 2] = [Blob::new(1, 10_000), Blob::new(2, 4096)];

fn load(run: &Run) -> io::Result<()> {
    let file = File::open(format!("/modules/{}.ko", run.label()))?;
    sys::load_module(&file)
}

/// Writes to the module's parameter `incoming`.
fn incoming(get: bool) -> io::Result<()> {
    let value = if get { "1" } else { "0" };
    fs::write(format!("/sys/module/{MODULE}/parameters/incoming"), value)
}

/// Checks how often the module is in use, and that it can be unloaded only if it is not.
fn in_use(when: impl Display, times: u32) -> io::Result<()> {
    let refs = fs::read_to_string(format!("/sys/module/{MODULE}/refcnt"))?;
    report::equal(
        format_args!("{when}: references to the module"),
        times.to_string(),
        refs.trim().to_string(),
    );
    let errno = if times == 0 { 0 } else { libc::EAGAIN };
    let unloaded = sys::unload_module(MODULE);
    report::errno(format_args!("{when}: unload"), errno, &unloaded);
    Ok(())
}

fn called(run: &mut Run, when: impl Display, expected: Counts) {
    run.update();
    same_counts(when, FLB, expected, run.logged(FLB));
}

fn preserved(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno("load", 0, &load(run));
    in_use("loaded", 0)?;
    report::errno("load again", 0, &load(run));

    let first = save(&luo, "first", &FILES)?;
    called(run, "preserved", counts(1, 0, 0, 0));
    in_use("preserved", 1)?;
    let second = save(&luo, "second", &FILES)?;
    drop(first);
    called(run, "one session dropped", counts(1, 0, 0, 0));
    in_use("one session dropped", 1)?;
    drop(second);
    called(run, "all dropped", counts(1, 1, 0, 0));
    in_use("all dropped", 0)?;

    let without = save(&luo, "without", &FILES)?;
    called(run, "unloaded", counts(1, 1, 0, 0));
    report::errno("load next to files", libc::EBUSY, &load(run));
    drop(without);
    report::errno("load without files", 0, &load(run));
    in_use("loaded once more", 0)?;
    Ok(Vec::new())
}

fn save_0(run: &mut Run) -> io::Result<Vec<Session>> {
    report::errno("load", 0, &load(run));
    let session = save(&LiveUpdate::open()?, "session", &FILES)?;
    called(run, "preserved", counts(1, 0, 0, 0));
    Ok(vec![session])
}

fn handed_over_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno("load", 0, &load(run));
    in_use("nobody has asked", 0)?;
    report::errno("load again", 0, &load(run));

    report::errno("get", 0, &incoming(true));
    report::errno("get again", 0, &incoming(true));
    called(run, "got", counts(0, 0, 1, 0));
    in_use("got", 1)?;
    incoming(false)?;
    in_use("put once", 1)?;
    take_back(&luo, "session", &FILES)?;
    called(run, "files finished", counts(0, 0, 1, 0));
    in_use("files finished", 1)?;
    incoming(false)?;
    called(run, "put", counts(0, 0, 1, 1));
    in_use("put", 0)?;

    report::errno("load after all", 0, &load(run));
    report::errno("get what is finished", libc::ENODATA, &incoming(true));
    in_use("finished", 0)?;
    called(run, "in the end", counts(0, 0, 1, 1));
    Ok(Vec::new())
}

fn absent_1(run: &mut Run) -> io::Result<Vec<Session>> {
    take_back(&LiveUpdate::open()?, "session", &FILES)?;
    called(run, "files finished", counts(0, 0, 0, 0));
    report::errno("load", 0, &load(run));
    report::errno("get", 0, &incoming(true));
    called(run, "got", counts(0, 0, 1, 0));
    incoming(false)?;
    // The files that would have released it are gone.
    in_use("put", 1)?;
    called(run, "put", counts(0, 0, 1, 0));
    Ok(Vec::new())
}
