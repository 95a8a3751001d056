// SPDX-License-Identifier: GPL-2.0
//! Counts that are not those of the pages.

use super::{only, FOUR};
use crate::hugetlb::{expect, pool, restore, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::report;
use crate::run::{finish, Run};
use crate::scenarios::hostile::{poke_behind, Place};
use std::io;

/// The FLB's place in the block of the orchestrator: behind those of the tree's own client, which
/// are registered with each handler.
const ENTRY: u64 = 3;
/// Where the number of pages of the first row is.
const FIRST_COUNT: u64 = 16;

/// Hands over a file with another number of pages in the counts.
fn counted(run: &Run, pages: u64) -> io::Result<Vec<Session>> {
    let session = only("files", &[FOUR])?;
    let data = Place::find(run.contract.fdt)?.data(ENTRY);
    poke_behind(data, FIRST_COUNT, &pages.to_ne_bytes())?;
    Ok(vec![session])
}

pub(super) fn none(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, 1 << 40)
}

pub(super) fn fewer(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, 3)
}

pub(super) fn more(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, 5)
}

/// Has a file retrieved that cannot be, and the session finished.
fn cannot_come(run: &mut Run, said: &str) -> io::Result<()> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    let got = session.retrieve(FOUR.token).map(drop);
    report::errno("retrieve", libc::EINVAL, &got);
    finish("files", session);
    let said = format!("luo_hugetlb: {said}");
    let told = run.boot_log.clone().into_iter().chain(run.kmsg.lines());
    let mut told = told.filter(|line| line.starts_with(&said));
    report::holds(&said, told.next().is_some());
    Ok(())
}

pub(super) fn refused_counts(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 16, 0, 0))?;
    cannot_come(run, "the counts of")?;
    expect("finished", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn refused_file(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 13, 0, 0))?;
    cannot_come(run, "3 pages of order 9 have not come")?;
    expect("finished", MIB2, pool(13, 13, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn some_missing(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 11, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    let files = restore(&session, &[FOUR])?;
    finish("files", session);
    expect("finished", MIB2, pool(15, 11, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(15, 15, 0, 0))?;
    Ok(Vec::new())
}
