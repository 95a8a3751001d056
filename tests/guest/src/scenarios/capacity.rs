// SPDX-License-Identifier: GPL-2.0
//! How many FLBs can be registered and handed over. A kernel reads more of them than it can
//! register.

use super::{hop, scenario, ALL, GET};
use crate::client::{counts, Counts};
use crate::hugetlb;
use crate::liveupdate::{LiveUpdate, Session};
use crate::mass::{self, Calls, State};
use crate::memfd::{self, Blob};
use crate::notes::{self, expect_table};
use crate::report;
use crate::run::{expect, finish, same_counts, save, take_back, Run, Scenario};
use std::fmt::Display;
use std::io;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "mass-63",
        "63 FLBs, what one page has room for",
        &[hop("", leave::<63>), hop(GET, arrive::<63>)],
    ),
    scenario(
        "mass-64",
        "64 FLBs, one more than one page has room for",
        &[hop("", leave::<64>), hop(GET, arrive::<64>)],
    ),
    scenario(
        "mass-refused",
        "the last of 63 FLBs refuses a file; those before it are given back",
        &[hop("", refused::<63>)],
    ),
];

pub const MOST: Scenario = scenario(
    "mass-512",
    "512 FLBs, one more than any kernel can be configured for",
    &[hop("", leave::<512>), hop(GET, arrive::<512>)],
);

/// The FLBs that there are anyway: three of our client, three of the tree's, one of the sample, and
/// that of HugeTLB where it is. The numbers above include them.
fn others() -> u32 {
    7 + u32::from(Path::new(hugetlb::POOLS).exists())
}

/// The word of the command line that tells the next kernel how many of the many it is handed.
const COMING: &str = "flb.mass";

/// Of those that this kernel has not registered it asks for one in so many.
const STEP: u32 = 7;

const FILES: [Blob; 2] = [Blob::new(1, 70_001), Blob::new(2, 4096)];

/// With it the sample's table is handed over, too. It has a session of its own.
const NOTE: Blob = Blob::new(3, 5000);

/// How many of so many FLBs, all others included, are among the many here.
fn share(run: &Run, total: u32) -> u32 {
    total.min(run.contract.max) - others()
}

fn coming(run: &Run) -> u32 {
    let word = run.cmdline.get(COMING);
    word.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn leave<const TOTAL: u32>(run: &mut Run) -> io::Result<Vec<Session>> {
    let wanted = TOTAL - others();
    mass::create(wanted, run.hop)?;
    register(run, wanted)?;
    let here = mass::state()?;
    let sessions = depart(run, here)?;

    // They leave, are not missed, and come again, when a file of another handler is there already.
    let luo = LiveUpdate::open()?;
    drop(sessions);
    unregister()?;
    let state = mass::state()?;
    drop(save_all(&luo, "without them")?);
    mass::expect("without them", state)?;
    expect_others(run, "without them", counts(3, 3, 0, 0))?;
    let note = save_note(&luo, &note_name(run.hop))?;
    register(run, wanted)?;
    let files = save(&luo, &files_name(run.hop), &FILES)?;
    mass::expect(
        "preserved again",
        State {
            preserve: Calls::each(here.registered, 3),
            unpreserve: Calls::each(here.registered, 2),
            ..here
        },
    )?;
    expect_others(run, "preserved again", counts(4, 3, 0, 0))?;
    Ok(vec![note, files])
}

fn refused<const TOTAL: u32>(run: &mut Run) -> io::Result<Vec<Session>> {
    let wanted = TOTAL - others();
    mass::create(wanted, run.hop)?;
    register(run, wanted)?;
    let here = mass::state()?;
    let last = here.registered - 1;
    mass::fail(last)?;
    let luo = LiveUpdate::open()?;
    let result = save(&luo, "refused", &FILES);
    report::errno("preserve", libc::EIO, &result);
    let state = State {
        preserve: Calls::each(last, 1),
        unpreserve: Calls::each(last, 1),
        ..here
    };
    mass::expect("refused", state)?;
    expect("refused", &ALL, counts(1, 1, 0, 0))?;

    let session = save(&luo, "taken", &FILES)?;
    let more = |before: Calls| Calls {
        all: before.all + here.registered,
        most: before.most + 1,
    };
    let state = State {
        preserve: more(state.preserve),
        ..state
    };
    mass::expect("taken", state)?;
    drop(session);
    let state = State {
        unpreserve: more(state.unpreserve),
        ..state
    };
    mass::expect("dropped", state)?;
    expect("dropped", &ALL, counts(2, 2, 0, 0))?;
    Ok(Vec::new())
}

fn arrive<const TOTAL: u32>(run: &mut Run) -> io::Result<Vec<Session>> {
    take_over(run, TOTAL - others())?;
    go_on_without(run)
}

/// Registers so many of them, or as many as there is room for.
fn register(run: &Run, wanted: u32) -> io::Result<()> {
    let fit = share(run, wanted + others());
    let expected = if fit < wanted { libc::ENOSPC } else { 0 };
    report::errno(
        format_args!("register {wanted} FLBs"),
        expected,
        &mass::register(0..wanted),
    );
    report::equal("so many are registered", fit, mass::state()?.registered);
    Ok(())
}

fn unregister() -> io::Result<()> {
    let before = mass::state()?;
    let result = mass::unregister(0..before.registered);
    report::errno("unregister all of them", 0, &result);
    mass::expect(
        "unregistered",
        State {
            registered: 0,
            ..before
        },
    )
}

fn files_name(hop: usize) -> String {
    format!("files-{hop}")
}

fn note_name(hop: usize) -> String {
    format!("note-{hop}")
}

fn save_note(luo: &LiveUpdate, name: &str) -> io::Result<Session> {
    let session = luo.create(name)?;
    session.preserve(notes::create(&NOTE)?, NOTE.token)?;
    Ok(session)
}

/// Files that together have all FLBs depend on them.
fn save_all(luo: &LiveUpdate, name: &str) -> io::Result<Vec<Session>> {
    Ok(vec![
        save(luo, &format!("files-{name}"), &FILES)?,
        save_note(luo, &format!("note-{name}"))?,
    ])
}

/// Preserves files, gives them up, and preserves some for the next kernel. Nothing of that has
/// happened in this kernel before.
fn depart(run: &mut Run, before: State) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let each = |times| Calls::each(before.registered, times);
    let preserved = |times, undone| State {
        preserve: each(times),
        unpreserve: each(undone),
        ..before
    };
    let came = u32::from(run.hop > 0);
    let dropped = save_all(&luo, "dropped")?;
    mass::expect("preserved", preserved(1, 0))?;
    expect_others(run, "preserved", counts(1, 0, came, came))?;
    drop(dropped);
    mass::expect("dropped", preserved(1, 1))?;
    expect_others(run, "dropped", counts(1, 1, came, came))?;
    let sessions = save_all(&luo, &run.hop.to_string())?;
    let when = "preserved for the next kernel";
    mass::expect(when, preserved(2, 1))?;
    expect_others(run, when, counts(2, 1, came, came))?;
    run.cmdline.set(COMING, &before.registered.to_string());
    Ok(sessions)
}

/// Takes over what was handed over: registers so many FLBs, and finishes the files.
fn take_over(run: &mut Run, wanted: u32) -> io::Result<()> {
    let came = coming(run);
    let n = came.max(wanted);
    mass::create(n, run.hop)?;
    register(run, wanted)?;
    let registered = share(run, wanted + others());
    let known = came.min(registered);
    if came < n {
        report::errno(
            "get_incoming of one that did not come",
            libc::ENOENT,
            &mass::touch(came..came + 1, 1),
        );
    }
    // What is registered and nobody asks for is retrieved in the end; not so in C (D1).
    let step = if run.is_rust() { 2 } else { 1 };
    touch(0..known, step);
    touch(known..came, STEP);
    let unknown = (came - known).div_ceil(STEP);
    let state = |retrieve, finish| State {
        n,
        registered,
        retrieve: Calls::each(retrieve + unknown, 1),
        finish: Calls::each(finish, 1),
        ..State::default()
    };
    mass::expect("asked for", state(known.div_ceil(step), 0))?;
    touch(0..known, step);
    mass::expect("asked for again", state(known.div_ceil(step), 0))?;

    let luo = LiveUpdate::open()?;
    let note = luo.retrieve(&note_name(run.hop - 1))?;
    let text = notes::read(&note.retrieve(NOTE.token)?)?;
    report::equal("text of the note", NOTE.checksum(), memfd::checksum(&text));
    finish("the note", note);
    mass::expect("note finished", state(known.div_ceil(step), 0))?;
    take_back(&luo, &files_name(run.hop - 1), &FILES)?;
    mass::expect("files finished", state(known, known))?;
    expect_others(run, "files finished", counts(0, 0, 1, 1))?;
    for index in [0, known.saturating_sub(1)] {
        if index < known {
            report::errno(
                format_args!("get_incoming of FLB {index} after finish"),
                libc::ENODATA,
                &mass::touch(index..index + 1, 1),
            );
        }
    }
    Ok(())
}

/// `get_incoming()` and `put_incoming()` of every `step`th, the last of them always being one.
fn touch(which: std::ops::Range<u32>, step: u32) {
    let Some(last) = which.end.checked_sub(1).filter(|last| *last >= which.start) else {
        return;
    };
    let first = which.start + (last - which.start) % step;
    report::errno(
        format_args!("get_incoming of FLB {first} to {last}, in steps of {step}"),
        0,
        &mass::touch(first..which.end, step),
    );
}

/// Without the many all goes on as before.
fn go_on_without(run: &mut Run) -> io::Result<Vec<Session>> {
    unregister()?;
    let state = mass::state()?;
    drop(save_all(&LiveUpdate::open()?, "again")?);
    mass::expect("others preserved again", state)?;
    expect_others(run, "others preserved again", counts(1, 1, 1, 1))?;
    Ok(Vec::new())
}

/// Checks all other FLBs, which have the files in common with the many.
fn expect_others(run: &mut Run, when: impl Display, expected: Counts) -> io::Result<()> {
    expect(&when, &ALL, expected)?;
    expect_table(run, &when, expected);
    for flb in Run::tree_flbs() {
        same_counts(&when, flb, expected, run.logged(flb));
    }
    Ok(())
}
