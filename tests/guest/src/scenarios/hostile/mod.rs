// SPDX-License-Identifier: GPL-2.0
//! A handover that is damaged on the way: what the next kernel makes of it is for the host to
//! judge, as that kernel may not come far. What has to come of each case is in
//! `tests/expected/hostile.txt`.

mod cases;
mod place;

pub use cases::list;
pub use place::{poke_behind, Place};

use super::{hop, scenario, ALL};
use crate::client;
use crate::early;
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{save, Run, Scenario};
use std::collections::BTreeMap;
use std::io;

pub const HOSTILE: Scenario = scenario(
    "hostile",
    "the handover is damaged as flb.damage= says",
    &[hop("", leave), hop("", arrive)],
);

const SESSIONS: [(&str, &[Blob]); 2] = [
    ("a", &[Blob::new(1, 100_000), Blob::new(2, 4096)]),
    ("b", &[Blob::new(3, 7)]),
];

/// The files that each FLB is handed over with.
const FILES: u64 = 3;

/// The FLBs that are handed over: those of the client and of the tree's own.
const FLBS: u64 = 6;

fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let sessions = SESSIONS
        .iter()
        .map(|(name, blobs)| save(&luo, name, blobs))
        .collect::<io::Result<Vec<Session>>>()?;
    let name = run.cmdline.get("flb.damage").unwrap_or_default();
    let case = cases::find(name, run.contract.fdt)
        .ok_or_else(|| io::Error::other("flb.damage= is no damage in this format"))?;
    if case.is_early() {
        run.cmdline.set(early::PARAM, "1");
    }
    for (address, bytes) in (case.damage)(&Place::find(run.contract.fdt)?) {
        place::poke(address, &bytes)?;
    }
    Ok(sessions)
}

/// Does what userspace and subsystems do, and tells what they got.
fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    // The log is checked by the host, which knows what has to be in it.
    run.kmsg.alarms.clear();
    let got: Vec<String> = ALL
        .iter()
        .map(|flb| errno(&client::get_incoming(flb)))
        .collect();
    for (flb, got) in ALL.iter().zip(&got) {
        if got == "0" {
            client::put_incoming(flb)?;
        }
    }
    let luo = LiveUpdate::open()?;
    let mut files = vec![take_back(&luo, &SESSIONS[0])];
    let early = calls(&client::state()?, |counts| counts.finish);
    files.push(take_back(&luo, &SESSIONS[1]));
    let last = client::state()?;
    run.update();
    run.kmsg.alarms.clear();
    report::line(format_args!(
        "FLB-OUTCOME boot={} get={} retrieve={} early={early} finish={} files={}",
        boot_get()?,
        got.join(","),
        calls(&last, |counts| counts.retrieve),
        calls(&last, |counts| counts.finish),
        files.join(",")
    ));
    Ok(Vec::new())
}

/// What a get returned before there was any allocator, if that was tried.
fn boot_get() -> io::Result<String> {
    let state = early::state()?;
    let mut words = state.split_whitespace();
    let get = words.find_map(|word| word.strip_prefix("get="));
    Ok(get.unwrap_or_default().to_string())
}

/// How often a callback of each FLB has run.
fn calls(state: &BTreeMap<String, client::Flb>, of: fn(&client::Counts) -> u32) -> String {
    let flbs = ALL.iter().filter_map(|&flb| state.get(flb));
    let calls = flbs.map(|flb| of(&flb.counts).to_string());
    calls.collect::<Vec<_>>().join(",")
}

/// How many files of a session came back as they were, `+` if it could be finished.
fn take_back(luo: &LiveUpdate, (name, blobs): &(&str, &[Blob])) -> String {
    let Ok(session) = luo.retrieve(name) else {
        return "none".to_string();
    };
    let same = |blob: &&Blob| {
        let measured = session
            .retrieve(blob.token)
            .and_then(|file| Blob::measure(&file));
        measured.is_ok_and(|found| found == (blob.size, blob.checksum()))
    };
    let same = blobs.iter().filter(same).count();
    let finished = if session.finish().is_ok() { "+" } else { "" };
    format!("{same}{finished}")
}

fn errno(result: &io::Result<()>) -> String {
    match result {
        Ok(()) => "0".to_string(),
        Err(error) => error.raw_os_error().unwrap_or(-1).to_string(),
    }
}
