// SPDX-License-Identifier: GPL-2.0
//! Twenty kexecs in a row. Files and FLBs come, are carried on and go; who is there at a hop
//! follows from its number alone, so that each kernel can check what the one before it did.

use super::{hop, hops, scenario, ALL, GET};
use crate::client::{self, counts, Counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, finish, restore, same_counts, touch, Run, Scenario};
use std::fmt::Display;
use std::fs::File;
use std::io;

const LAST: usize = 20;

pub const TWENTY: Scenario = scenario(
    "chain-20",
    "twenty kexecs; files and FLBs are added, carried on and finished at each",
    &[hop("", first), hops(LAST - 1, GET, middle), hop(GET, last)],
);

/// What the orchestrator logs at boot, before its own count.
const NUMBER: &str = "luo: Retrieved live update data, liveupdate number: ";

/// Whether the kernel at a hop hands an FLB over.
type Leaves = fn(usize) -> bool;

/// FLBs that are not always there.
const SOMETIMES: [(&str, Leaves); 4] = [
    ("chain-early", |hop| hop < 6),
    ("chain-late", |hop| hop >= 5),
    ("chain-odd", |hop| hop % 2 == 1),
    ("chain-seldom", |hop| hop % 7 == 3),
];

const SESSIONS: usize = 3;

/// A file from the hop that creates it to the one that finishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    token: u64,
    born: usize,
    ends: usize,
    /// Each kernel that carries it on gives it new content.
    rewritten: bool,
}

impl Life {
    /// Whether the kernel at `hop` hands it over.
    fn leaves(&self, hop: usize) -> bool {
        (self.born..self.ends).contains(&hop)
    }

    /// What the file is when the kernel at `hop` hands it over.
    fn blob(&self, hop: usize) -> Blob {
        let generation = if self.rewritten { hop } else { self.born };
        Blob {
            token: self.token,
            size: 1 + self.token * 7919 % 200_000,
            seed: (generation as u64) << 32 | self.token,
        }
    }
}

/// One file stays all along, at every hop one comes for a single kexec, and at every third one for
/// five.
fn lives() -> Vec<Life> {
    let long = (0, LAST, false);
    let short = (0..LAST).map(|born| (born, born + 1, false));
    let medium = (0..LAST)
        .step_by(3)
        .map(|born| (born, LAST.min(born + 5), true));
    std::iter::once(long)
        .chain(short)
        .chain(medium)
        .zip(0..)
        .map(|((born, ends, rewritten), token)| Life {
            token,
            born,
            ends,
            rewritten,
        })
        .collect()
}

/// The files of a session that the kernel at `hop` hands over.
fn in_session(session: usize, hop: usize) -> Vec<Life> {
    let belongs = |life: &Life| life.token as usize % SESSIONS == session && life.leaves(hop);
    lives().into_iter().filter(belongs).collect()
}

fn session_name(hop: usize, session: usize) -> String {
    format!("chain-{hop}-{session}")
}

/// How far a kernel has got.
#[derive(Clone, Copy)]
enum Stage {
    Arrived,
    Finished,
    Preserved,
}

/// Checks the callbacks of all FLBs, the tree's own included.
fn expect_all(run: &mut Run, stage: Stage, when: impl Display) -> io::Result<()> {
    for flb in ALL {
        expect(&when, &[flb], flb_counts(always, run.hop, stage))?;
    }
    for (flb, leaves) in SOMETIMES {
        let wanted = flb_counts(leaves, run.hop, stage);
        // Until it joins, the client does not know it.
        if wanted != Counts::default() {
            expect(&when, &[flb], wanted)?;
        }
    }
    run.update();
    for flb in Run::tree_flbs() {
        let wanted = flb_counts(always, run.hop, stage);
        same_counts(&when, flb, wanted, run.logged(flb));
    }
    Ok(())
}

fn always(_: usize) -> bool {
    true
}

/// Whether the kernel before this one handed an FLB over.
fn arrives(leaves: Leaves, hop: usize) -> bool {
    hop > 0 && leaves(hop - 1)
}

fn flb_counts(leaves: Leaves, hop: usize, stage: Stage) -> Counts {
    let came = u32::from(arrives(leaves, hop));
    match stage {
        Stage::Arrived => counts(0, 0, came, 0),
        Stage::Finished => counts(0, 0, came, came),
        Stage::Preserved => counts(leaves(hop).into(), 0, came, came),
    }
}

fn first(run: &mut Run) -> io::Result<Vec<Session>> {
    depart(run, Vec::new())
}

fn middle(run: &mut Run) -> io::Result<Vec<Session>> {
    let carried = arrive(run)?;
    depart(run, carried)
}

fn last(run: &mut Run) -> io::Result<Vec<Session>> {
    let carried = arrive(run)?;
    report::equal("files that are left in the end", 0, carried.len());
    Ok(Vec::new())
}

/// Takes over everything, finishes it, and returns the files that live on.
fn arrive(run: &mut Run) -> io::Result<Vec<(Life, File)>> {
    let number = run
        .booted_with(NUMBER)
        .map(|line| line[NUMBER.len()..].to_string());
    report::equal("live updates so far", Some(run.hop.to_string()), number);
    for (flb, leaves) in SOMETIMES {
        if arrives(leaves, run.hop) {
            report::errno(format_args!("register {flb}"), 0, &client::register(flb));
            touch(&[flb]);
        }
    }
    expect_all(run, Stage::Arrived, "what came")?;
    let luo = LiveUpdate::open()?;
    let mut carried = Vec::new();
    let mut left = lives().iter().filter(|l| l.leaves(run.hop - 1)).count();
    for at in 0..SESSIONS {
        // Which of them is finished last changes from hop to hop.
        let number = (run.hop + at) % SESSIONS;
        let name = session_name(run.hop - 1, number);
        let session = luo.retrieve(&name)?;
        for life in in_session(number, run.hop - 1) {
            let file = restore(&session, &life.blob(run.hop - 1))?;
            if life.leaves(run.hop) {
                carried.push((life, file));
            }
            left -= 1;
        }
        finish(&name, session);
        let stage = if left == 0 {
            Stage::Finished
        } else {
            Stage::Arrived
        };
        expect_all(run, stage, format_args!("{name} finished"))?;
    }
    Ok(carried)
}

/// Lets FLBs go and come, then preserves what lives on and what is new.
fn depart(run: &mut Run, mut carried: Vec<(Life, File)>) -> io::Result<Vec<Session>> {
    for (flb, leaves) in SOMETIMES {
        match (arrives(leaves, run.hop), leaves(run.hop)) {
            (true, false) => leave(flb),
            (false, true) => join(run, flb),
            _ => {}
        }
    }
    let luo = LiveUpdate::open()?;
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let session = luo.create(&session_name(run.hop, number))?;
        for life in in_session(number, run.hop) {
            let at = carried.iter().position(|(other, _)| *other == life);
            let file = at.map(|at| carried.swap_remove(at).1);
            preserve(&session, &life, run.hop, file)?;
        }
        sessions.push(session);
    }
    report::equal("carried files without a session", 0, carried.len());
    expect_all(run, Stage::Preserved, "all files preserved")?;
    Ok(sessions)
}

fn leave(flb: &str) {
    report::errno(
        format_args!("unregister {flb}"),
        0,
        &client::unregister(flb),
    );
}

fn join(run: &Run, flb: &str) {
    report::errno(format_args!("register {flb}"), 0, &client::register(flb));
    let nothing = if run.hop == 0 {
        libc::ENODATA
    } else {
        run.nothing_left()
    };
    report::errno(
        format_args!("get_incoming {flb}"),
        nothing,
        &client::get_incoming(flb),
    );
}

/// A file that is carried on, or a new one.
fn preserve(session: &Session, life: &Life, hop: usize, file: Option<File>) -> io::Result<()> {
    let blob = life.blob(hop);
    let file = match file {
        Some(file) => {
            if life.rewritten {
                blob.write(&file)?;
            }
            file
        }
        None => blob.create("chain")?,
    };
    session.preserve(&file, blob.token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_leaves_as_often_as_it_lives() {
        for life in lives() {
            let often = (0..=LAST).filter(|&hop| life.leaves(hop)).count();
            assert_eq!(often, life.ends - life.born);
            assert!(often > 0);
        }
        assert!(lives().iter().all(|life| !life.leaves(LAST)));
    }

    #[test]
    fn every_hop_has_some_of_each() {
        for hop in 1..LAST {
            let there: Vec<Life> = lives().into_iter().filter(|l| l.leaves(hop)).collect();
            assert!(there.iter().any(|life| life.born == hop), "one is new");
            assert!(
                there.iter().any(|life| life.born < hop),
                "one is carried on"
            );
            assert!(there.iter().any(|life| life.ends == hop + 1), "one ends");
        }
        assert_eq!(TWENTY.kernels(), LAST + 1);
    }

    #[test]
    fn flbs_come_and_go() {
        for (flb, leaves) in SOMETIMES {
            assert!((0..LAST).any(leaves), "{flb}");
            assert!(!(0..LAST).all(leaves), "{flb}");
        }
    }
}
