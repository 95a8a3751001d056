// SPDX-License-Identifier: GPL-2.0
//! The sample driver of the Rust API: its open files are notes, and the table that they share is an
//! FLB, saved and released once. The tree's own FLBs belong to notes as well as to memfds; those of
//! our client to memfds alone.

use super::{hop, scenario, ALL, GET};
use crate::client::{counts, Counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::{self, Blob};
use crate::memory;
use crate::notes::{self, expect_table, LONGEST, MOST, TABLE};
use crate::report;
use crate::run::{expect, finish, restore, same_counts, save, Run, Scenario};
use std::fmt::Display;
use std::fs::File;
use std::io;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "sample-notes",
        "notes of all lengths and a memfd in two sessions; a table saved and released once",
        &[hop("", notes_0), hop(GET, notes_1)],
    ),
    scenario(
        "sample-unpreserve",
        "sessions with notes are dropped, nothing is handed over and nothing lost",
        &[hop("", unpreserve_0), hop("", unpreserve_1)],
    ),
    scenario(
        "sample-not-retrieved",
        "notes that nobody asks for are released with their session",
        &[hop("", not_retrieved_0), hop("", not_retrieved_1)],
    ),
    scenario(
        "sample-three-kexecs",
        "the same notes through three kexecs, each kernel writes on",
        &[
            hop("", three_first),
            hop(GET, three_again),
            hop(GET, three_again),
            hop(GET, three_last),
        ],
    ),
    scenario(
        "sample-off",
        "without live update there are notes all the same",
        &[hop("", off_0), hop("liveupdate=off", off_1)],
    ),
];

/// Checks what follows every note: the table, and the tree's own FLBs.
fn expect_shared(run: &mut Run, when: impl Display, expected: Counts) {
    expect_table(run, &when, expected);
    for flb in Run::tree_flbs() {
        same_counts(&when, flb, expected, run.logged(flb));
    }
}

/// The same after a kexec, where the tree's FLBs were asked for at boot.
fn expect_arrived(run: &mut Run, when: impl Display, table: Counts, finished: u32) {
    expect_table(run, &when, table);
    for flb in Run::tree_flbs() {
        same_counts(&when, flb, counts(0, 0, 1, finished), run.logged(flb));
    }
}

/// A new session with a new note for each blob.
fn save_notes(luo: &LiveUpdate, name: &str, blobs: &[Blob]) -> io::Result<Session> {
    let session = luo.create(name)?;
    for blob in blobs {
        session.preserve(notes::create(blob)?, blob.token)?;
    }
    Ok(session)
}

fn same_text(what: impl Display, expected: &[u8], note: &File) -> io::Result<()> {
    let told = |text: &[u8]| {
        format!(
            "{} bytes, checksum {:016x}",
            text.len(),
            memfd::checksum(text)
        )
    };
    report::equal(what, told(expected), told(&notes::read(note)?));
    Ok(())
}

/// Gets a note back and checks its text.
fn restore_note(session: &Session, blob: &Blob) -> io::Result<File> {
    let note = session.retrieve(blob.token)?;
    same_text(
        format_args!("text of note {:#x}", blob.token),
        &blob.content(),
        &note,
    )?;
    Ok(note)
}

/// Writes to a note, and checks that it is at its end.
fn grows(what: impl Display, note: &File) -> io::Result<()> {
    let mut text = notes::read(note)?;
    text.extend_from_slice(b"One more line.\n");
    let appended = notes::append(note, b"One more line.\n");
    report::errno(format_args!("write to {what}"), 0, &appended);
    same_text(format_args!("text of {what}"), &text, note)
}

fn is_fixed(what: impl Display, note: &File) {
    report::errno(
        format_args!("write to {what}"),
        libc::EBUSY,
        &notes::append(note, b"Too late.\n"),
    );
}

fn nothing_left(luo: &LiveUpdate, sessions: &[&str]) {
    for name in sessions {
        report::errno(
            format_args!("retrieve session {name}"),
            libc::ENOENT,
            &luo.retrieve(name),
        );
    }
}

/// From less than a page to all that there is room for.
const DESK: [Blob; 3] = [
    Blob::new(0xd1, 1),
    Blob::new(0xd2, LONGEST),
    Blob::new(0xd3, 4096),
];
/// The first is empty.
const SHELF: [Blob; 2] = [Blob::new(0xe1, 0), Blob::new(0xe2, 70_001)];
const MEMFD: Blob = Blob::new(0xf1, 65_537);
/// The token of a note that was opened to be read.
const READ_ONLY: u64 = 0xe3;

fn notes_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect_shared(run, "at first", counts(0, 0, 0, 0));
    let desk = luo.create("desk")?;
    let mut kept = Vec::new();
    for blob in DESK {
        let note = notes::create(&blob)?;
        desk.preserve(&note, blob.token)?;
        let when = format!("note {:#x} preserved", blob.token);
        expect_shared(run, when, counts(1, 0, 0, 0));
        kept.push(note);
    }
    report::errno(
        "preserve a note again",
        libc::EBUSY,
        &desk.preserve(&kept[0], 0xdd),
    );
    expect("only notes preserved", &ALL, counts(0, 0, 0, 0))?;
    let shelf = save_notes(&luo, "shelf", &SHELF)?;
    shelf.preserve(notes::open_to_read()?, READ_ONLY)?;
    shelf.preserve(MEMFD.create("memfd")?, MEMFD.token)?;
    expect("a memfd preserved", &ALL, counts(1, 0, 0, 0))?;
    expect_shared(run, "all preserved", counts(1, 0, 0, 0));

    for (note, blob) in kept.iter().zip(DESK) {
        is_fixed("a preserved note", note);
        same_text("a preserved note", &blob.content(), note)?;
    }
    let full = notes::create(&Blob::new(0xd4, LONGEST))?;
    report::errno(
        "write to a full note",
        libc::EFBIG,
        &notes::append(&full, b"!"),
    );
    Ok(vec![desk, shelf])
}

fn notes_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect_arrived(run, "at first", counts(0, 0, 0, 0), 0);
    same_text("a note that is opened", b"", &notes::open()?)?;
    let desk = luo.retrieve("desk")?;
    let shelf = luo.retrieve("shelf")?;
    let mut back = vec![restore_note(&shelf, &SHELF[0])?];
    expect_arrived(run, "a note retrieved", counts(0, 0, 1, 0), 0);
    let entries = (DESK.len() + SHELF.len() + 1).to_string();
    let told = run.events.iter().find(|event| event.flb == TABLE);
    report::equal(
        "notes in the table",
        Some(format!("with {entries} notes")),
        told.map(|event| event.rest.clone()),
    );
    restore(&shelf, &MEMFD)?;
    let read_only = shelf.retrieve(READ_ONLY)?;
    same_text("a note that was opened to be read", b"", &read_only)?;
    report::errno(
        "write to a note that was opened to be read",
        libc::EBADF,
        &notes::append(&read_only, b"!"),
    );
    back.push(restore_note(&shelf, &SHELF[1])?);
    for blob in DESK.iter().rev() {
        back.push(restore_note(&desk, blob)?);
    }
    expect("before finish", &ALL, counts(0, 0, 1, 0))?;
    finish("shelf", shelf);
    expect("the memfd finished", &ALL, counts(0, 0, 1, 1))?;
    expect_arrived(run, "one of two sessions finished", counts(0, 0, 1, 0), 0);
    finish("desk", desk);
    expect_arrived(run, "both sessions finished", counts(0, 0, 1, 1), 1);
    nothing_left(&luo, &["desk", "shelf"]);

    // The one that is full is left out.
    let room = back
        .iter()
        .zip([SHELF[0], SHELF[1], DESK[2], DESK[1], DESK[0]]);
    for (note, blob) in room.filter(|(_, blob)| blob.size < LONGEST) {
        grows(format_args!("note {:#x}", blob.token), note)?;
    }
    report::errno(
        "write to a full note",
        libc::EFBIG,
        &notes::append(&back[3], b"!"),
    );
    let again = luo.create("again")?;
    again.preserve(&back[0], 1)?;
    is_fixed("a note that is preserved again", &back[0]);
    expect_table(run, "preserved again", counts(1, 0, 1, 1));
    drop(again);
    expect_table(run, "dropped", counts(1, 1, 1, 1));
    grows("a note that was dropped", &back[0])?;
    Ok(Vec::new())
}

const LARGE: [Blob; 6] = [
    Blob::new(0x11, LONGEST),
    Blob::new(0x12, LONGEST - 1),
    Blob::new(0x13, LONGEST - 4095),
    Blob::new(0x14, LONGEST - 4096),
    Blob::new(0x15, LONGEST),
    Blob::new(0x16, 0),
];
const ROUNDS: u32 = 12;

fn unpreserve_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let note = notes::create(&SHELF[1])?;
    let first = luo.create("first")?;
    first.preserve(&note, 1)?;
    let second = save_notes(&luo, "second", &DESK[..1])?;
    is_fixed("a preserved note", &note);
    drop(first);
    grows("a note that was dropped", &note)?;
    expect_shared(run, "one of two sessions dropped", counts(1, 0, 0, 0));
    drop(second);
    expect_shared(run, "both dropped", counts(1, 1, 0, 0));

    table_is_full(run, &luo)?;
    memory_comes_back(run, &luo)?;
    grows("the first note", &note)?;
    Ok(Vec::new())
}

/// There is room for so many notes, and again for one when another goes.
fn table_is_full(run: &mut Run, luo: &LiveUpdate) -> io::Result<()> {
    let most = luo.create("most")?;
    let last = luo.create("last")?;
    for token in 1..MOST {
        most.preserve(notes::create(&Blob::new(token, token % 3))?, token)?;
    }
    let extra = notes::create(&Blob::new(MOST, 9000))?;
    last.preserve(notes::open()?, 1)?;
    report::errno(
        "preserve one note too many",
        libc::ENOSPC,
        &most.preserve(&extra, MOST),
    );
    grows("the one too many", &extra)?;
    drop(last);
    report::errno("preserve it then", 0, &most.preserve(&extra, MOST));
    expect_shared(run, "as many as there can be", counts(2, 1, 0, 0));
    drop(most);
    expect_shared(run, "none", counts(2, 2, 0, 0));
    Ok(())
}

fn memory_comes_back(run: &mut Run, luo: &LiveUpdate) -> io::Result<()> {
    // What is allocated once, such as KHO's own maps, is there after the first round.
    drop(save_notes(luo, "round", &LARGE)?);
    let before = memory::free()?;
    for _ in 0..ROUNDS {
        drop(save_notes(luo, "round", &LARGE)?);
    }
    let lost = before.saturating_sub(memory::free()?);
    let all = LARGE.iter().map(|blob| blob.size).sum::<u64>() * u64::from(ROUNDS);
    report::holds(
        format_args!(
            "{} MiB came and went, {} KiB are less",
            all >> 20,
            lost >> 10
        ),
        lost < all / 8,
    );
    let rounds = ROUNDS + 3;
    expect_shared(run, "many rounds", counts(rounds, rounds, 0, 0));
    Ok(())
}

fn unpreserve_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    nothing_left(&luo, &["first", "second", "most", "last", "round"]);
    expect_shared(run, "nothing came", counts(0, 0, 0, 0));
    drop(save_notes(&luo, "new", &DESK)?);
    expect_shared(run, "a live update called off", counts(1, 1, 0, 0));
    Ok(Vec::new())
}

fn not_retrieved_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let unread = save_notes(&luo, "unread", &LARGE)?;
    let partly = save_notes(&luo, "partly", &DESK)?;
    expect_shared(run, "preserved", counts(1, 0, 0, 0));
    Ok(vec![unread, partly])
}

/// At the first finish nobody has asked for the table yet.
fn not_retrieved_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let before = memory::free()?;
    let unread = luo.retrieve("unread")?;
    expect_arrived(run, "at first", counts(0, 0, 0, 0), 0);
    finish("unread", unread);
    expect_arrived(run, "one of two sessions finished", counts(0, 0, 1, 0), 0);
    let gained = memory::free()?.saturating_sub(before);
    let all: u64 = LARGE.iter().map(|blob| blob.size).sum();
    // One of five is a fifth. The kernel allocates and frees for others too, with KASAN later.
    report::holds(
        format_args!("of {} KiB {} are free now", all >> 10, gained >> 10),
        gained > all / 16 * 13,
    );

    let partly = luo.retrieve("partly")?;
    let note = restore_note(&partly, &DESK[2])?;
    finish("partly", partly);
    expect_arrived(run, "both finished", counts(0, 0, 1, 1), 1);
    nothing_left(&luo, &["unread", "partly"]);
    grows("the only note that was retrieved", &note)?;
    Ok(Vec::new())
}

/// What the kernel at `hop` writes to one of the notes that are carried on.
fn line(note: u64, hop: usize) -> Blob {
    Blob {
        token: note,
        size: 1 + (note * 40_009 + hop as u64 * 4093) % 90_000,
        seed: (hop as u64) << 32 | note,
    }
}

const CARRIED: u64 = 3;

/// What a note holds when the kernel at `hop` hands it over.
fn text(note: u64, hop: usize) -> Vec<u8> {
    (0..=hop)
        .flat_map(|hop| line(note, hop).content())
        .collect()
}

/// Beside those that are carried on there is a note for each kexec.
fn of_hop(hop: usize) -> Blob {
    Blob::new(0x100 + hop as u64, 5000 * hop as u64)
}

fn three_first(run: &mut Run) -> io::Result<Vec<Session>> {
    let opened: io::Result<Vec<File>> = (0..CARRIED).map(|_| notes::open()).collect();
    let sessions = carry(run, opened?)?;
    expect_shared(run, "preserved", counts(1, 0, 0, 0));
    Ok(sessions)
}

fn three_again(run: &mut Run) -> io::Result<Vec<Session>> {
    let notes = back(run)?;
    let sessions = carry(run, notes)?;
    expect_shared(run, "preserved again", counts(1, 0, 1, 1));
    Ok(sessions)
}

fn three_last(run: &mut Run) -> io::Result<Vec<Session>> {
    back(run)?;
    Ok(Vec::new())
}

/// Writes on, and preserves each note in a session of its own, next to a memfd.
fn carry(run: &Run, carried: Vec<File>) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let new = of_hop(run.hop);
    let mut sessions = vec![
        save(&luo, "memfd", &[MEMFD])?,
        save_notes(&luo, "new", &[new])?,
    ];
    for (number, note) in (0..CARRIED).zip(carried) {
        notes::append(&note, &line(number, run.hop).content())?;
        let session = luo.create(&format!("carried-{number}"))?;
        session.preserve(&note, number)?;
        sessions.push(session);
    }
    Ok(sessions)
}

fn back(run: &mut Run) -> io::Result<Vec<File>> {
    let luo = LiveUpdate::open()?;
    let mut carried = Vec::new();
    for number in 0..CARRIED {
        let session = luo.retrieve(&format!("carried-{number}"))?;
        let note = session.retrieve(number)?;
        same_text(
            format_args!("text of note {number}"),
            &text(number, run.hop - 1),
            &note,
        )?;
        finish(format_args!("carried-{number}"), session);
        carried.push(note);
    }
    expect_table(run, "one note is left", counts(0, 0, 1, 0));
    let new = luo.retrieve("new")?;
    restore_note(&new, &of_hop(run.hop - 1))?;
    finish("new", new);
    expect_arrived(run, "all notes finished", counts(0, 0, 1, 1), 0);
    let other = luo.retrieve("memfd")?;
    restore(&other, &MEMFD)?;
    finish("memfd", other);
    expect_shared(run, "all finished", counts(0, 0, 1, 1));
    Ok(carried)
}

fn off_0(run: &mut Run) -> io::Result<Vec<Session>> {
    report::holds("live update is on in this kernel", run.enabled());
    grows("a note", &notes::open()?)?;
    Ok(Vec::new())
}

fn off_1(run: &mut Run) -> io::Result<Vec<Session>> {
    report::holds("there is no live update", !run.enabled());
    let note = notes::create(&SHELF[1])?;
    same_text("text of a note", &SHELF[1].content(), &note)?;
    grows("a note", &note)?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_and_differ() {
        let last = 3;
        for note in 0..CARRIED {
            assert!(text(note, last).len() as u64 <= LONGEST);
            assert_eq!(text(note, last)[..text(note, 1).len()], text(note, 1));
            assert_ne!(text(note, 0), text((note + 1) % CARRIED, 0));
        }
    }

    #[test]
    fn all_fit_into_the_table() {
        assert!((LARGE.len() + DESK.len()) as u64 <= MOST);
        assert!(DESK.iter().chain(&SHELF).any(|blob| blob.size == 0));
    }
}
