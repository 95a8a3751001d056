// SPDX-License-Identifier: GPL-2.0
//! The demo: a live update that a person can follow.

mod devices;
mod huge;
mod notes;
mod own;
#[cfg(target_arch = "x86_64")]
pub mod vm;

use crate::client::{self, counts, Counts};
use crate::kmsg::Event;
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report::{self, story};
use crate::run::{core_name, finish, kernel, same_counts, Hop, Run, Scenario, Step};
use crate::scenarios::ALL;
use crate::{fdt, luo_ser};
use std::fs;
use std::io;

pub use own::read;

/// The story that is asked for: that of a sample, of a driver of one's own, or the one of memfds.
pub fn find(sample: Option<&str>) -> Option<&'static Scenario> {
    match sample {
        None => Some(&DEMO),
        Some("notes") => Some(&notes::DEMO),
        Some("devices") => Some(&devices::DEMO),
        Some("own") => Some(&own::DEMO),
        #[cfg(target_arch = "x86_64")]
        Some("vm") => Some(&vm::DEMO),
        Some(_) => None,
    }
}

const DEMO: Scenario = Scenario {
    name: "demo",
    about: "the story of one live update",
    hops: &[hop(leave), hop(arrive)],
};

const fn hop(step: Step) -> Hop {
    Hop {
        params: "",
        step,
        times: 1,
    }
}

const MIB: u64 = 1 << 20;

struct Item {
    name: &'static str,
    blob: Blob,
}

const fn item(name: &'static str, token: u64, size: u64) -> Item {
    Item {
        name,
        blob: Blob::new(token, size),
    }
}

/// Sessions and their files: two machines that have to survive.
const SESSIONS: [(&str, &[Item]); 2] = [
    (
        "vm-alpha",
        &[
            item("ram", 0xa1, 8 * MIB),
            item("video", 0xa2, 2 * MIB),
            item("firmware", 0xa3, 262_144 + 13),
        ],
    ),
    (
        "vm-beta",
        &[item("ram", 0xb1, 4 * MIB), item("state", 0xb2, 1000)],
    ),
];

const DEBUGFS: &str = "/sys/kernel/debug/kho";

fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "before the live update");
    let luo = LiveUpdate::open()?;

    step(
        "1",
        "Preserve: the first file saves every FLB, the others only count",
    );
    let mut sessions = Vec::new();
    for (name, items) in SESSIONS {
        story(format_args!("  session {name}"));
        let session = luo.create(name)?;
        for item in items {
            let file = item.blob.create(item.name)?;
            let (size, sum) = Blob::measure(&file)?;
            session.preserve(&file, item.blob.token)?;
            story(format_args!(
                "    {:<9} {:>9}  checksum {sum:016x}  preserved",
                item.name,
                human(size)
            ));
            tell(&run.update());
        }
        sessions.push(session);
    }
    sessions.extend(huge::leave(run, &luo)?);

    show_outgoing(run, "2");

    announce_kexec(run, "3");
    let before = totals(run)?;
    remember(run, &before);
    Ok(sessions)
}

fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "after the live update");

    show_incoming(run, "4");

    step(
        "5",
        "Subsystems ask for their state: each FLB is retrieved once",
    );
    story("  during boot, by the tree's own test client");
    tell(&run.events);
    for flb in ALL {
        let got = client::get_incoming(flb);
        report::errno(format_args!("get_incoming {flb}"), 0, &got);
        tell(&run.update());
        if got.is_ok() {
            client::put_incoming(flb)?;
        }
    }

    step(
        "6",
        "Retrieve the files and compare; the last one to be finished ends every FLB",
    );
    let luo = LiveUpdate::open()?;
    let mut files = 0;
    let mut intact = 0;
    let mut bytes = 0;
    for (name, items) in SESSIONS {
        story(format_args!("  session {name}"));
        let session = luo.retrieve(name)?;
        for item in items {
            let file = session.retrieve(item.blob.token)?;
            let (size, sum) = Blob::measure(&file)?;
            let same = size == item.blob.size && sum == item.blob.checksum();
            let verdict = if same { "same data" } else { "DATA DIFFER" };
            story(format_args!(
                "    {:<9} {:>9}  checksum {sum:016x}  {verdict}",
                item.name,
                human(size)
            ));
            report::holds(
                format_args!("{name}/{} came back unchanged", item.name),
                same,
            );
            files += 1;
            intact += u64::from(same);
            bytes += size;
        }
        finish(name, session);
        story("    finished");
        tell(&run.update());
    }
    if let Some((same, size)) = huge::arrive(run, &luo)? {
        files += 1;
        intact += u64::from(same);
        bytes += size;
    }
    report::errno(
        "nothing is left of the sessions",
        libc::ENOENT,
        &luo.retrieve(SESSIONS[0].0),
    );
    for flb in ALL {
        report::errno(
            format_args!("nothing is left of {flb}"),
            libc::ENODATA,
            &client::get_incoming(flb),
        );
    }

    step("7", "Callbacks, over both kernels");
    let now = totals(run)?;
    summary(run, &now);
    story("");
    story(format_args!(
        "  {intact} of {files} files came back unchanged, {}.",
        human(bytes)
    ));
    report::equal("files that came back", files, intact);
    Ok(Vec::new())
}

fn headline(run: &Run, when: &str) {
    let core = core_name(run.is_rust());
    story("");
    story(format_args!(
        "==== Kernel {} of 2, {when} ====",
        run.hop + 1
    ));
    story(format_args!("  kernel       {}", kernel()));
    story(format_args!(
        "  FLB core     {core} (label \"{}\")",
        run.label()
    ));
    if let Some(uptime) = uptime() {
        story(format_args!(
            "  userspace    {uptime} s after this kernel started"
        ));
    }
    match number() {
        Some(number) => story(format_args!("  live updates {number} so far")),
        None => story("  live updates unknown"),
    }
}

fn uptime() -> Option<String> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    text.split_whitespace().next().map(str::to_string)
}

/// What is for the next kernel carries the number of the live update that is to come.
fn number() -> Option<u64> {
    let lines = decode(&fs::read(format!("{DEBUGFS}/out/sub_fdts/LUO")).ok()?)?;
    let digits = lines.iter().find_map(|line| {
        let (name, value) = line.trim().split_once(" = ")?;
        let value = value.trim_matches(['<', '>', ';']);
        name.starts_with("liveupdate")
            .then(|| value.strip_prefix("0x"))?
    })?;
    u64::from_str_radix(digits, 16).ok()?.checked_sub(1)
}

fn step(number: &str, text: &str) {
    story("");
    story(format_args!("{number}. {text}"));
}

fn tell(events: &[Event]) {
    for event in events {
        let said = format!("{:<10} {}", event.callback, event.rest);
        story(format_args!(
            "        -> {:<23} {}",
            event.flb,
            said.trim_end()
        ));
    }
}

fn show_outgoing(run: &Run, number: &str) {
    step(
        number,
        "What the next kernel will find (KHO subtree \"LUO\")",
    );
    show(&format!("{DEBUGFS}/out/sub_fdts/LUO"));
    if !run.contract.fdt {
        story("    (sessions_pa is set when the kexec begins)");
    }
}

/// A structure is given back by the orchestrator once it has read it, so that only KHO's own tree
/// still tells of it.
fn show_incoming(run: &Run, number: &str) {
    if run.contract.fdt {
        step(
            number,
            "What the previous kernel left (KHO subtree \"LUO\")",
        );
        show(&format!("{DEBUGFS}/in/sub_fdts/LUO"));
    } else {
        step(number, "What the previous kernel left (KHO's own tree)");
        show(&format!("{DEBUGFS}/in/fdt"));
    }
}

/// Both forms that KHO subtrees of the orchestrator have.
fn decode(blob: &[u8]) -> Option<Vec<String>> {
    let tree = fdt::items(blob).map(|items| fdt::lines(&items));
    tree.or_else(|_| luo_ser::numbers(blob).map(luo_ser::lines))
        .ok()
}

fn show(path: &str) {
    let blob = match fs::read(path) {
        Ok(blob) => blob,
        Err(error) => return report::fail("the handover", path, error),
    };
    match decode(&blob) {
        Some(lines) => {
            report::pass("the handover decodes");
            lines
                .iter()
                .for_each(|line| story(format_args!("    {line}")));
        }
        None => report::fail("the handover", "a known form", format!("{blob:02x?}")),
    }
}

fn announce_kexec(run: &Run, number: &str) {
    let next = run.label_at(run.hop + 1);
    step(number, &format!("kexec into kernel \"{next}\""));
}

/// FLBs with the counts of their callbacks.
type Totals = Vec<(String, Counts)>;

/// Counts in this kernel, as the log tells of them.
fn logged(run: &mut Run, flbs: &[&str]) -> Totals {
    run.update();
    flbs.iter()
        .map(|flb| (flb.to_string(), run.logged(flb)))
        .collect()
}

/// Counts of all FLBs in this kernel: the client's own, and the tree's from the log.
fn totals(run: &mut Run) -> io::Result<Totals> {
    let mut all = logged(run, &Run::tree_flbs());
    let state = client::state()?;
    for flb in ALL {
        let counts = state.get(flb).map(|found| found.counts).unwrap_or_default();
        all.push((flb.to_string(), counts));
    }
    Ok(all)
}

/// Gives the counts of this kernel to the next one.
fn remember(run: &mut Run, before: &Totals) {
    for (flb, found) in before {
        same_counts("preserved once", flb, counts(1, 0, 0, 0), *found);
    }
    let list: Vec<String> = before
        .iter()
        .map(|(flb, found)| format!("{flb}:{}:{}", found.preserve, found.unpreserve))
        .collect();
    run.cmdline.set("flb.before", &list.join(","));
}

/// Counts of both kernels together.
fn summary(run: &Run, now: &Totals) {
    let before = run.cmdline.get("flb.before").unwrap_or("").to_string();
    story(format_args!(
        "  {:<24} {:>8} {:>10} {:>8} {:>6}",
        "FLB", "preserve", "unpreserve", "retrieve", "finish"
    ));
    for (flb, now) in now {
        let mut sum = *now;
        let old = before
            .split(',')
            .find_map(|entry| entry.strip_prefix(&format!("{flb}:")));
        if let Some((preserve, unpreserve)) = old.and_then(|text| text.split_once(':')) {
            sum.preserve += preserve.parse::<u32>().unwrap_or(0);
            sum.unpreserve += unpreserve.parse::<u32>().unwrap_or(0);
        }
        story(format_args!(
            "  {flb:<24} {:>8} {:>10} {:>8} {:>6}",
            sum.preserve, sum.unpreserve, sum.retrieve, sum.finish
        ));
        same_counts("each callback once", flb, counts(1, 0, 1, 1), sum);
    }
}

fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..MIB => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / MIB as f64),
    }
}
