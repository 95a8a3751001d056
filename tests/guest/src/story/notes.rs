// SPDX-License-Identifier: GPL-2.0
//! The story of the sample driver: notes, and the table that they share.

use super::{
    announce_kexec, headline, hop, human, logged, remember, show_incoming, show_outgoing, step,
    summary, tell, Totals,
};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::{checksum, Blob};
use crate::notes::{self, DEVICE, TABLE};
use crate::report::{self, story};
use crate::run::{finish, Run, Scenario};
use std::fs::File;
use std::io;

pub const DEMO: Scenario = Scenario {
    name: "demo",
    about: "the story of the sample driver",
    hops: &[hop(leave), hop(arrive)],
};

/// What is written to a note.
enum Text {
    Words(&'static str),
    Bulk(Blob),
}

struct Note {
    name: &'static str,
    token: u64,
    text: Text,
}

impl Note {
    fn text(&self) -> Vec<u8> {
        match &self.text {
            Text::Words(words) => words.as_bytes().to_vec(),
            Text::Bulk(blob) => blob.content(),
        }
    }
}

const fn words(name: &'static str, token: u64, text: &'static str) -> Note {
    Note {
        name,
        token,
        text: Text::Words(text),
    }
}

const SESSIONS: [(&str, &[Note]); 2] = [
    (
        "kitchen",
        &[
            words("shopping", 0xa1, "Milk, bread, six eggs."),
            words("blank", 0xa2, ""),
        ],
    ),
    (
        "office",
        &[
            words("agenda", 0xb1, "Noon: a new kernel."),
            Note {
                name: "archive",
                token: 0xb2,
                text: Text::Bulk(Blob::new(0xb2, 700_000)),
            },
        ],
    ),
];

/// The note that is written on afterwards, and with what.
const ADDED: (u64, &str) = (0xb1, " One o'clock: lunch.");

fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "before the live update");
    let luo = LiveUpdate::open()?;

    step(
        "1",
        &format!("Open {DEVICE}, write, preserve: the first note saves the table"),
    );
    let mut sessions = Vec::new();
    for (name, list) in SESSIONS {
        story(format_args!("  session {name}"));
        let session = luo.create(name)?;
        for item in list {
            let note = notes::open()?;
            notes::append(&note, &item.text())?;
            session.preserve(&note, item.token)?;
            show_note(item, &notes::read(&note)?, "preserved");
            tell(&run.update());
            let refused = notes::append(&note, b"!");
            report::errno("write to a preserved note", libc::EBUSY, &refused);
        }
        sessions.push(session);
    }
    story("  From now on they do not change: to write to one gives EBUSY.");

    show_outgoing(run, "2");
    story(format_args!(
        "    (the FLB {TABLE} hands over where the table is, the table where the texts are)"
    ));

    announce_kexec(run, "3");
    let before = totals(run);
    remember(run, &before);
    Ok(sessions)
}

fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "after the live update");

    show_incoming(run, "4");

    step("5", "What was asked for during boot; the table was not");
    tell(&run.events);

    step(
        "6",
        "Retrieve the notes and compare: the first restores the table, the last releases it",
    );
    let luo = LiveUpdate::open()?;
    let mut intact = 0;
    let mut bytes = 0;
    let mut kept = None;
    for (name, list) in SESSIONS {
        story(format_args!("  session {name}"));
        let session = luo.retrieve(name)?;
        for item in list {
            let note = session.retrieve(item.token)?;
            let (same, size) = compare(name, item, &note)?;
            tell(&run.update());
            intact += usize::from(same);
            bytes += size;
            if item.token == ADDED.0 {
                kept = Some((item, note));
            }
        }
        finish(name, session);
        story("    finished");
        tell(&run.update());
        report::errno(
            format_args!("nothing is left of session {name}"),
            libc::ENOENT,
            &luo.retrieve(name),
        );
    }

    step("7", "They are notes as before: one is written on");
    if let Some((item, note)) = kept {
        notes::append(&note, ADDED.1.as_bytes())?;
        let text = notes::read(&note)?;
        show_note(item, &text, "");
        let whole = [&item.text(), ADDED.1.as_bytes()].concat();
        report::holds("old and new text", text == whole);
    }

    step("8", "Callbacks, over both kernels");
    let now = totals(run);
    summary(run, &now);
    let all: usize = SESSIONS.iter().map(|(_, list)| list.len()).sum();
    story("");
    story(format_args!(
        "  {intact} of {all} notes came back unchanged, {}.",
        human(bytes)
    ));
    report::equal("notes that came back", all, intact);
    Ok(Vec::new())
}

fn compare(session: &str, item: &Note, note: &File) -> io::Result<(bool, u64)> {
    let text = notes::read(note)?;
    let same = text == item.text();
    show_note(item, &text, if same { "same text" } else { "TEXT DIFFERS" });
    report::holds(
        format_args!("{session}/{} came back unchanged", item.name),
        same,
    );
    Ok((same, text.len() as u64))
}

/// One line for a note; a short text in full.
fn show_note(item: &Note, text: &[u8], verdict: &str) {
    let shown = match (&item.text, text.len()) {
        (_, 0) => "(empty)".to_string(),
        (Text::Words(_), _) => format!("\"{}\"", String::from_utf8_lossy(text)),
        (Text::Bulk(_), _) => format!("checksum {:016x}", checksum(text)),
    };
    let size = human(text.len() as u64);
    let line = format!("    {:<9} {size:>9}  {shown:<26} {verdict}", item.name);
    story(line.trim_end());
}

/// The table, and what the tree's own client has with every file.
fn totals(run: &mut Run) -> Totals {
    let [first, second, third] = Run::tree_flbs();
    logged(run, &[TABLE, first, second, third])
}
