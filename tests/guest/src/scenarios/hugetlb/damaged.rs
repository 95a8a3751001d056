// SPDX-License-Identifier: GPL-2.0
//! Counts that are not those of the pages, and files that say what cannot be.

use super::{only, FOUR, NOTE};
use crate::hugetlb::{expect, pool, restore, save, HugeFile, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::run::{finish, Run};
use crate::scenarios::hostile::{poke_behind, Place};
use crate::{report, sys};
use std::io;

/// The FLB's place in the block of the orchestrator: behind those of the tree's own client, which
/// are registered with each handler.
const ENTRY: u64 = 3;
/// Where the fields of the first row are.
const ORDER: u64 = 8;
const NODE: u64 = 12;
const COUNT: u64 = 16;

/// Hands over a file with something else in the counts.
fn counted(run: &Run, field: u64, bytes: &[u8]) -> io::Result<Vec<Session>> {
    let session = only("files", &[FOUR])?;
    let data = Place::find(run.contract.fdt)?.data(ENTRY);
    poke_behind(data, &[field], bytes)?;
    Ok(vec![session])
}

pub(super) fn none(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, COUNT, &(1_u64 << 40).to_ne_bytes())
}

pub(super) fn fewer(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, COUNT, &3_u64.to_ne_bytes())
}

pub(super) fn more(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, COUNT, &5_u64.to_ne_bytes())
}

pub(super) fn other_node(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, NODE, &77_u32.to_ne_bytes())
}

pub(super) fn other_size(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, ORDER, &5_u32.to_ne_bytes())
}

/// The orchestrator says that they are elsewhere than KHO does.
pub(super) fn elsewhere(run: &mut Run) -> io::Result<Vec<Session>> {
    let session = only("files", &[FOUR])?;
    let data = Place::find(run.contract.fdt)?.data(ENTRY);
    poke_behind(data, &[], &0x20_0000_u64.to_ne_bytes())?;
    Ok(vec![session])
}

/// Has a file retrieved that cannot be, and the session finished.
fn cannot_come(run: &mut Run, said: &str) -> io::Result<()> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    let got = session.retrieve(FOUR.token).map(drop);
    report::errno("retrieve", libc::EINVAL, &got);
    finish("files", session);
    is_told(run, said);
    Ok(())
}

fn is_told(run: &mut Run, said: &str) {
    let said = format!("luo_hugetlb: {said}");
    let told = run.boot_log.clone().into_iter().chain(run.kmsg.lines());
    let mut told = told.filter(|line| line.starts_with(&said));
    report::holds(&said, told.next().is_some());
}

pub(super) fn refused_counts(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 16, 0, 0))?;
    cannot_come(run, "the counts of")?;
    expect("finished", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn refused_size(run: &mut Run) -> io::Result<Vec<Session>> {
    is_told(run, "4 pages of order 5 come, which are no use");
    expect("at first", MIB2, pool(16, 16, 0, 0))?;
    cannot_come(run, "the runs of a file are damaged")?;
    expect("finished", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// As what was counted at boot does not come, it stays in use.
pub(super) fn refused_place(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 12, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    let got = session.retrieve(FOUR.token).map(drop);
    report::errno("retrieve", libc::EINVAL, &got);
    finish("files", session);
    expect("finished", MIB2, pool(16, 12, 0, 0))?;
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

pub(super) fn all_come(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 12, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &[FOUR])?);
    finish("files", session);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// Where something is in a file that is handed over.
#[derive(Clone, Copy)]
enum At {
    /// So many bytes behind the beginning of its record: a `KhoBox`, which has a head.
    Record(u64),
    /// So many bytes behind the beginning of its runs.
    Runs(u64),
}
use At::{Record, Runs};

const VERSION: u64 = 8;
const SIZE: u64 = 32;
const POSITION: u64 = 40;
const SEALS: u64 = 48;
/// Behind the mode.
const MODE: u64 = 56;
const RUNS: u64 = 64;
/// Of the first run. The second one is behind it.
const RUN_COUNT: u64 = 8;
const RUN_ADDRESS: u64 = 16;
const SECOND_INDEX: u64 = 24;
const SECOND_ADDRESS: u64 = 40;

/// Has it damaged in the file with this number, of the first session.
fn damage(run: &Run, file: usize, at: At, bytes: u64) -> io::Result<()> {
    let sessions = Place::find(run.contract.fdt)?.state + 16;
    // Behind the head of a block and a name, to the files; in the same way to what one hands over.
    let mut path = vec![16 + 64, 16 + 64 * file as u64 + 48];
    match at {
        Record(field) => path.push(field),
        // By the list of pages to the first of them.
        Runs(field) => path.extend([RUNS, 0, 8, field]),
    }
    poke_behind(sessions, &path, &bytes.to_ne_bytes())
}

/// A file in two runs.
const fn in_two_runs(token: u64) -> HugeFile {
    HugeFile {
        token,
        size: MIB2,
        len: 3,
        filled: &[0, 2],
    }
}

/// What is damaged, and how many of the two pages are lost with the file.
const DAMAGES: [(&str, At, u64, u64); 12] = [
    ("another version", Record(VERSION), 0, 2),
    ("a size that cannot be", Record(SIZE), u64::MAX, 0),
    ("a position that cannot be", Record(POSITION), 1 << 63, 0),
    ("seals that there are not", Record(SEALS), 1 << 31, 0),
    ("pages of another size", Record(MODE), 18 << 32, 2),
    ("runs that are nowhere", Record(RUNS), 0x1001, 2),
    ("a run of no pages", Runs(RUN_COUNT), 0, 2),
    ("more pages than come", Runs(RUN_COUNT), 1 << 40, 2),
    ("half a page", Runs(RUN_ADDRESS), 4096, 2),
    ("a page twice", Runs(SECOND_INDEX), 0, 2),
    ("a page behind the end", Runs(SECOND_INDEX), 3, 2),
    ("a page outside of memory", Runs(SECOND_ADDRESS), 1 << 45, 1),
];

pub(super) const MANY: &str = "hugepages=32";

/// Many files, each damaged in another way, and one that is not.
pub(super) fn files(run: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.create("files")?;
    for (file, (_, at, bytes, _)) in DAMAGES.into_iter().enumerate() {
        let token = 100 + file as u64;
        session.preserve(in_two_runs(token).create()?, token)?;
        damage(run, file, at, bytes)?;
    }
    save(&session, &[FOUR])?;
    Ok(vec![session])
}

pub(super) fn refused_files(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(32, 4, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    let (mut come, mut lost) = (0, 0);
    for (file, (what, _, _, lost_here)) in DAMAGES.into_iter().enumerate() {
        let got = session.retrieve(100 + file as u64).map(drop);
        report::errno(what, libc::EINVAL, &got);
        come += 2 - lost_here;
        lost += lost_here;
        expect(what, MIB2, pool(32, 4 + come, 0, 0))?;
    }
    let files = restore(&session, &[FOUR])?;
    finish("files", session);
    is_told(run, &format!("{lost} pages of order 9 have not come"));
    expect("finished", MIB2, pool(32 - lost, 4 + come, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(32 - lost, 32 - lost, 0, 0))?;
    Ok(Vec::new())
}

/// One file says that another's page is its own, and one that nobody's is.
pub(super) fn stolen(run: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.create("files")?;
    let owner = FOUR.create()?;
    let nobody = in_two_runs(9).create()?;
    session.preserve(&owner, FOUR.token)?;
    let stolen = [FOUR.map(&owner, 2)?, in_two_runs(9).map(&nobody, 0)?];
    for (number, mut page) in (1..).zip(stolen) {
        let token = 100 + number as u64;
        session.preserve(in_two_runs(token).create()?, token)?;
        // The page has to be there for that.
        page.bytes()[NOTE] = 0;
        let address = page.frame()? * sys::page_size()?;
        damage(run, number, Runs(RUN_ADDRESS), address)?;
    }
    Ok(vec![session])
}

pub(super) fn not_stolen(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 8, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    let owner = restore(&session, &[FOUR])?;
    // KHO warns, once, which is looked for below and not on the console.
    sys::show_messages(1)?;
    for number in [1, 2] {
        let got = session.retrieve(100 + number).map(drop);
        report::errno("retrieve", libc::EINVAL, &got);
        expect("refused", MIB2, pool(16, 8 + number, 0, 0))?;
    }
    sys::show_messages(5)?;
    finish("files", session);
    FOUR.check(&owner[0])?;
    drop(owner);
    expect("closed", MIB2, pool(14, 14, 0, 0))?;
    is_told(run, "2 pages of order 9 have not come");
    let alarms = std::mem::take(&mut run.kmsg.alarms);
    let is_it = |alarm: &String| alarm.contains("kho_restore_page");
    report::holds("KHO warns", alarms.len() == 1 && alarms.iter().all(is_it));
    Ok(Vec::new())
}
