// SPDX-License-Identifier: GPL-2.0
//! What an operator can see: the file in debugfs, and trace events.

use super::{hop, scenario, ALL, GET, IOMMU, PCI};
use crate::client;
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::observe;
use crate::report;
use crate::run::{save, take_back, touch, Run, Scenario};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "observed",
        "debugfs shows what is preserved, what came, and what becomes of it",
        &[hop("", observed_0), hop("", observed_1)],
    ),
    scenario(
        "observed-under-load",
        "debugfs and trace events are read while files and FLBs come and go",
        &[hop("", load_0), hop(GET, load_1)],
    ),
];

/// For kernels with trace events. The suite hands over, and refuses, on instances of its own.
pub const TRACED: Scenario = scenario(
    "traced",
    "each trace event of FLBs, with its result",
    &[
        hop(
            "trace_event=luo_flb kunit.enable=1 kunit.autorun=1 kunit.filter_glob=luo_flb_handover",
            traced_0,
        ),
        hop("trace_event=luo_flb kunit.enable=0", traced_1),
    ],
);

const A: [Blob; 2] = [Blob::new(0xa1, 30_000), Blob::new(0xa2, 4096)];
const B: [Blob; 1] = [Blob::new(0xb1, 5000)];
const READERS: usize = 2;
const ROUNDS: u32 = 40;

/// Compares what is shown after `start`, but for the handle, which is returned.
fn shown(when: &str, start: &str, expected: &str) -> io::Result<String> {
    let mut words = observe::words(start)?;
    let is_data = |word: &String| word.starts_with("data=");
    let data = words.iter().position(is_data).map(|at| words.remove(at));
    let got = words.join(" ");
    report::equal(format_args!("{when}: {start}"), expected, got.as_str());
    Ok(data.unwrap_or_default())
}

/// The core in C shows nothing, so there is nothing more to compare.
fn is_shown(run: &Run) -> bool {
    report::equal("debugfs shows FLBs", run.is_rust(), observe::is_there());
    observe::is_there()
}

fn observed_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let sessions = vec![save(&luo, "a", &A)?, save(&luo, "b", &B)?];
    if !is_shown(run) {
        return Ok(sessions);
    }
    for flb in ALL {
        let data = shown(
            "preserved",
            &format!("flb {flb} "),
            "preserved owner=kernel handlers=1 files=3 users=0",
        )?;
        run.cmdline.set(&format!("flb.data.{flb}"), &data);
    }
    let handler = observe::words("handler memfd-v")?;
    report::equal(
        "files of memfds",
        Some("files=3"),
        handler.get(1).map(String::as_str),
    );
    shown("nothing came", "handover ", "none")?;
    if run.contract.put_outgoing {
        client::get_outgoing(PCI)?;
        shown(
            "a reference",
            &format!("flb {PCI} "),
            "preserved owner=kernel handlers=1 files=3 users=1",
        )?;
        client::put_outgoing(PCI)?;
    }
    Ok(sessions)
}

fn observed_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    if is_shown(run) {
        came(run)?;
    }
    touch(&ALL);
    take_back(&luo, "a", &A)?;
    if observe::is_there() {
        shown(
            "one session is finished",
            &format!("entry {IOMMU} "),
            "retrieved files=1 users=1",
        )?;
    }
    take_back(&luo, "b", &B)?;
    if observe::is_there() {
        shown("a reference is left", &format!("entry {PCI} "), "finished")?;
        shown(
            "a reference is left",
            &format!("entry {IOMMU} "),
            "retrieved files=0 users=1",
        )?;
        client::put_incoming(IOMMU)?;
        shown("all is finished", "handover ", "finished")?;
    }
    Ok(Vec::new())
}

/// What came is shown with the handles that were handed over; then one is retrieved.
fn came(run: &Run) -> io::Result<()> {
    // The tree's own test has FLBs too.
    let came = observe::lines()?;
    let came = came
        .iter()
        .filter(|line| line.starts_with("entry "))
        .count();
    shown(
        "came",
        "handover ",
        &format!("received entries={came} unfinished={came}"),
    )?;
    for flb in ALL {
        let data = shown("came", &format!("entry {flb} "), "not-retrieved files=3")?;
        if let Some(before) = run.cmdline.get(&format!("flb.data.{flb}")) {
            report::equal(format_args!("handle of {flb}"), before, data.as_str());
        }
    }
    client::get_incoming(IOMMU)?;
    shown(
        "got",
        &format!("entry {IOMMU} "),
        "retrieved files=3 users=1",
    )
    .map(drop)
}

/// Reads what is shown until told to stop, or something is wrong; how often, and what is wrong.
fn read_all(stop: &AtomicBool) -> (u32, Option<String>) {
    let mut times = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Err(error) = read_once() {
            return (times, Some(error.to_string()));
        }
        times += 1;
    }
    (times, None)
}

fn read_once() -> io::Result<()> {
    if observe::has_events() {
        observe::traced()?;
    }
    if !observe::is_there() {
        return Ok(());
    }
    let lines = observe::lines()?;
    match lines.into_iter().find(|line| !is_plausible(line)) {
        Some(line) => Err(io::Error::other(line)),
        None => Ok(()),
    }
}

/// An FLB that is preserved has a holder and a handle, whenever it is looked at.
fn is_plausible(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["flb", _, "preserved", "owner=kernel", handlers, _, users, data] => {
            (handlers != "handlers=0" || users != "users=0") && data != "data=0x0"
        }
        ["flb", _, "idle" | "busy", ..] => true,
        ["handler", _, files] => files.starts_with("files="),
        ["entry", _, state, ..] => {
            ["not-retrieved", "retrieving", "retrieved", "finished"].contains(&state)
        }
        ["registered", _, "of", _] | ["handover", ..] => true,
        [_] | [_, "leaving"] => line.starts_with("  "),
        _ => false,
    }
}

/// Does something while others look on.
fn watched(play: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if observe::has_events() {
        observe::trace()?;
    }
    let stop = AtomicBool::new(false);
    let (played, seen) = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| read_all(&stop)))
            .collect();
        let played = play();
        stop.store(true, Ordering::Relaxed);
        let seen: Vec<_> = readers
            .into_iter()
            .filter_map(|reader| reader.join().ok())
            .collect();
        (played, seen)
    });
    for (times, wrong) in &seen {
        report::holds(
            format_args!("a reader has looked {times} times"),
            *times > 0,
        );
        report::equal("what it has seen that is wrong", &None, wrong);
    }
    report::equal("readers", READERS, seen.len());
    played
}

fn load_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    watched(|| {
        for round in 0..ROUNDS {
            let sessions = [save(&luo, "a", &A)?, save(&luo, "b", &B)?];
            if round % 2 == 0 {
                client::unregister(PCI)?;
            }
            drop(sessions);
            if round % 2 == 0 {
                client::register(PCI)?;
            }
        }
        Ok(())
    })?;
    Ok(vec![save(&luo, "a", &A)?, save(&luo, "b", &B)?])
}

fn load_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    watched(|| {
        for _ in 0..ROUNDS {
            client::get_incoming(IOMMU)?;
            client::put_incoming(IOMMU)?;
        }
        take_back(&luo, "a", &A)?;
        take_back(&luo, "b", &B)
    })?;
    Ok(Vec::new())
}

/// Whether there is an event with all these words, or such that begin like them, in their order.
fn has_event(events: &[String], words: &str) {
    let is_it = |event: &String| {
        let mut rest = event.split_whitespace();
        words
            .split_whitespace()
            .all(|word| rest.any(|other| other.starts_with(word)))
    };
    report::holds(format_args!("traced: {words}"), events.iter().any(is_it));
}

fn traced_0(run: &mut Run) -> io::Result<Vec<Session>> {
    // What the cores of the suite have kept is not found any more.
    run.cmdline.remove("flb.leaks");
    let events = observe::traced()?;
    has_event(&events, "luo_flb_serialize: name=test-0000 data= files=");
    has_event(&events, "luo_flb_refuse: bad entry count");
    let luo = LiveUpdate::open()?;
    client::fail(PCI, "preserve", -libc::EIO, 1)?;
    let failed = save(&luo, "failing", &B);
    report::errno("preserve fails", libc::EIO, &failed.map(drop));
    let session = save(&luo, "a", &A)?;
    client::unregister(PCI)?;
    drop(session);
    client::unregister(IOMMU)?;
    client::register(IOMMU)?;
    let events = observe::traced()?;
    for event in [
        "luo_flb_callback: preserve name=demo-pci-v1 handler=memfd-v data= err=-5 ns=",
        "luo_flb_callback: preserve name=demo-pci-v1 handler=memfd-v data= err=0 ns=",
        "luo_flb_unregister: name=demo-pci-v1 handler=memfd-v err=-16",
        "luo_flb_callback: unpreserve name=demo-pci-v1 handler=memfd-v data= err=0 ns=",
        "luo_flb_unregister: name=demo-iommu-v1 handler=memfd-v err=0",
        "luo_flb_register: name=demo-iommu-v1 handler=memfd-v err=0",
    ] {
        has_event(&events, event);
    }
    Ok(vec![save(&luo, "a", &A)?])
}

fn traced_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    client::get_incoming(IOMMU)?;
    take_back(&luo, "a", &A)?;
    client::put_incoming(IOMMU)?;
    let events = observe::traced()?;
    for event in [
        "luo_flb_callback: retrieve name=demo-iommu-v1 handler=- data= err=0 ns=",
        "luo_flb_callback: finish name=demo-iommu-v1 handler=- data= err=0 ns=",
        "luo_flb_callback: finish name=demo-hugetlb-v1",
    ] {
        has_event(&events, event);
    }
    Ok(Vec::new())
}
