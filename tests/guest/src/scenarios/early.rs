// SPDX-License-Identifier: GPL-2.0
//! What came is taken, and asked for, while the kernel parses its command line: before there is any
//! allocator, as by code that reserves memory at boot. The orchestrator takes it again later.

use super::{hop, scenario, ALL};
use crate::client::counts;
use crate::early;
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, save, take_back, touch, Run, Scenario};
use std::io;

pub const SCENARIOS: &[Scenario] = &[scenario(
    "early",
    "an FLB is asked for before there is any allocator, put and finished when all is up",
    &[hop("", leave), hop("flb_early.get=1", arrive)],
)];

const FILES: [Blob; 2] = [Blob::new(1, 50_000), Blob::new(2, 4096)];

/// Nothing was asked for early in this kernel.
const NOT_ASKED: &str = "slab=0 setup=-11 get=-11";
/// The object was got, and there was no allocator.
const GOT: &str = "slab=0 setup=0 get=0";

fn leave(_: &mut Run) -> io::Result<Vec<Session>> {
    report::errno("register", 0, &early::register());
    let session = save(&LiveUpdate::open()?, "files", &FILES)?;
    early::expect(
        "preserved",
        format_args!("{NOT_ASKED} preserve=1 unpreserve=0 retrieve=0 finish=0 bad=0"),
    )?;
    Ok(vec![session])
}

fn arrive(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let state = |preserve, finish| {
        format!("{GOT} preserve={preserve} unpreserve={preserve} retrieve=1 finish={finish} bad=0")
    };
    early::expect("asked for at boot", state(0, 0))?;
    report::errno("register", 0, &early::register());
    report::errno("get the same object", 0, &early::get());
    touch(&ALL);
    report::errno("put it", 0, &early::put());
    report::errno("put the one from boot", 0, &early::put());
    early::expect("put", state(0, 0))?;
    take_back(&luo, "files", &FILES)?;
    early::expect("files finished", state(0, 1))?;
    expect("files finished", &ALL, counts(0, 0, 1, 1))?;
    report::errno("get after finish", libc::ENODATA, &early::get());
    drop(save(&luo, "again", &FILES)?);
    early::expect("preserved again", state(1, 1))?;
    Ok(Vec::new())
}
