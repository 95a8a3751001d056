// SPDX-License-Identifier: GPL-2.0
//! What a file costs in huge pages, and in small ones.

use super::TWO;
use crate::hugetlb::{GIB1, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::run::{finish, Run, Scenario};
use crate::scenarios::{hop, scenario};
use crate::{memory, report, sys};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

/// What it costs to hand over a file of 1 GiB, in huge pages and in small ones. With a clock that
/// ticks once an instruction this is in instructions.
pub const COST: Scenario = scenario(
    "hugetlb-cost",
    "a file in huge pages costs at most a hundredth of one in small pages",
    &[hop("flb.memory=5G hugepages=514", cost_0), hop("", cost_1)],
);

/// What the files are called, and how much their pages have, as a power of two.
const COSTS: [(&str, u32); 2] = [("memfd", 12), ("huge", MIB2.0)];

/// Tells both, for the benchmark, and compares them.
fn compare(what: &str, unit: &str, [small, huge]: [u64; 2]) {
    report::line(format_args!("FLB-COST {what} {unit} {small} {huge}"));
    let of = format!("{what}: {huge} {unit} of {small}");
    report::holds(of, huge.saturating_mul(100) <= small);
}

fn cost_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.create("files")?;
    let (mut instructions, mut bytes) = ([0; 2], [0; 2]);
    for (at, (name, log)) in COSTS.into_iter().enumerate() {
        let file = match name {
            "huge" => sys::memfd_create_huge(name, log)?,
            _ => sys::memfd_create(name)?,
        };
        sys::fallocate(&file, 0, 0, GIB1.bytes())?;
        // What files share, and KHO's own tree, are there by then.
        let other = match name {
            "huge" => TWO.create()?,
            _ => Blob::new(9, 70_000).create(name)?,
        };
        session.preserve(other, 100 + at as u64)?;
        let (free, start) = (memory::free()?, Instant::now());
        session.preserve(file, at as u64)?;
        instructions[at] = start.elapsed().as_nanos() as u64;
        bytes[at] = free.saturating_sub(memory::free()?);
    }
    compare("preserve", "instructions", instructions);
    compare("preserve", "bytes", bytes);
    Ok(vec![session])
}

fn cost_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    let mut instructions = [0; 2];
    for (at, instructions) in instructions.iter_mut().enumerate() {
        let start = Instant::now();
        let file = session.retrieve(at as u64)?;
        *instructions = start.elapsed().as_nanos() as u64;
        report::equal("blocks", GIB1.bytes() / 512, file.metadata()?.blocks());
    }
    compare("retrieve", "instructions", instructions);
    finish("files", session);
    Ok(Vec::new())
}
