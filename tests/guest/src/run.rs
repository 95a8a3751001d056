// SPDX-License-Identifier: GPL-2.0
//! A chain of kernels: what a scenario does in each, and the way from one to the next.

use crate::client::{self, Contract, Counts};
use crate::cmdline::Cmdline;
use crate::kmsg::{Event, Kmsg};
use crate::liveupdate::{LiveUpdate, Session, DEVICE};
use crate::memfd::Blob;
use crate::{kexec, leaks, mass, report, sys};
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::Path;

/// What the client's parameters are called on the command line.
const CLIENT_PREFIX: &str = "flb_client.";

/// What one kernel of the chain does. The sessions that it returns stay open until the kexec.
pub type Step = fn(&mut Run) -> io::Result<Vec<Session>>;

/// Boots the kernel that is loaded. Returns only on failure.
pub type Boot = Box<dyn FnOnce(&mut Run) -> io::Error>;

/// One kernel of a chain, or several in a row that do the same.
#[derive(Clone, Copy)]
pub struct Hop {
    /// Words for its command line; they replace words with the same key. Who boots the first
    /// one has to give it its word.
    pub params: &'static str,
    pub step: Step,
    pub times: usize,
}

/// A named chain.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub hops: &'static [Hop],
}

impl Scenario {
    /// How many kernels the chain has.
    pub fn kernels(&self) -> usize {
        self.hops.iter().map(|hop| hop.times).sum()
    }

    /// What the kernel with this number does.
    pub fn hop(&self, number: usize) -> Option<&'static Hop> {
        let mut rest = number;
        self.hops.iter().find(|hop| {
            let found = rest < hop.times;
            rest = rest.saturating_sub(hop.times);
            found
        })
    }
}

/// The state of a run in this kernel.
pub struct Run {
    pub name: String,
    pub hop: usize,
    pub chain: Vec<String>,
    pub cmdline: Cmdline,
    pub contract: Contract,
    pub kmsg: Kmsg,
    /// What the kernel logged during boot.
    pub boot_log: Vec<String>,
    /// Callbacks seen so far in this kernel, those during boot included.
    pub events: Vec<Event>,
    /// How the next kernel is booted, if not at once.
    pub boot: Option<Boot>,
}

impl Run {
    /// Finds out where in the chain this kernel is, and whether it is the right one.
    pub fn start(name: &str, cmdline: Cmdline) -> io::Result<Self> {
        let hop = cmdline
            .get("flb.hop")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let chain: Vec<String> = cmdline
            .get("flb.chain")
            .unwrap_or("c")
            .split(',')
            .map(str::to_string)
            .collect();
        let mut run = Self {
            name: name.to_string(),
            hop,
            chain,
            cmdline,
            contract: Contract::default(),
            kmsg: Kmsg::open()?,
            boot_log: Vec::new(),
            events: Vec::new(),
            boot: None,
        };
        report::start(name, format!("hop {hop} ({})", run.label()));

        run.contract = client::contract()?;
        run.boot_log = run.kmsg.lines();
        run.events = run
            .boot_log
            .iter()
            .filter_map(|l| Event::parse(l))
            .collect();
        report::equal(
            "the FLB core of this kernel",
            core_name(core_of(run.label()).starts_with("rust")),
            core_name(run.is_rust()),
        );
        Ok(run)
    }

    /// The label of the kernel at `hop`; the last one of the chain repeats.
    pub fn label_at(&self, hop: usize) -> &str {
        &self.chain[hop.min(self.chain.len() - 1)]
    }

    /// The label of the running kernel.
    pub fn label(&self) -> &str {
        self.label_at(self.hop)
    }

    /// Whether the core of the running kernel is the one in Rust.
    pub fn is_rust(&self) -> bool {
        self.contract.rust
    }

    /// What `get_incoming()` of any FLB returns when all that came is finished, and this FLB did
    /// not come. C still has the array then, and looks for the name.
    pub fn nothing_left(&self) -> i32 {
        if self.is_rust() {
            libc::ENODATA
        } else {
            libc::ENOENT
        }
    }

    /// The first line of the boot log that starts like this.
    pub fn booted_with(&self, start: &str) -> Option<&str> {
        self.boot_log
            .iter()
            .map(String::as_str)
            .find(|line| line.starts_with(start))
    }

    /// Whether live update is on.
    pub fn enabled(&self) -> bool {
        Path::new(DEVICE).exists()
    }

    /// Does what the scenario wants in this kernel, then goes to the next one or ends.
    pub fn play(mut self, scenario: &Scenario) -> io::Result<()> {
        let Some(hop) = scenario.hop(self.hop) else {
            return Err(io::Error::other(format!(
                "{} has no hop {}",
                scenario.name, self.hop
            )));
        };
        let sessions = (hop.step)(&mut self)?;
        self.end_of_hop()?;
        // What a kernel hands over after something went wrong in it proves nothing, and may be
        // bad enough to keep the next one from booting.
        if report::failures() > 0 {
            return Ok(());
        }
        match scenario.hop(self.hop + 1).filter(|_| !self.is_last()) {
            Some(next) => self.kexec(next, scenario.kernels(), sessions),
            None => Ok(()),
        }
    }

    /// Whether fewer kexecs than the scenario has are asked for, and this was the last.
    fn is_last(&self) -> bool {
        let hops = self.cmdline.get("flb.hops");
        hops.and_then(|text| text.parse().ok()) == Some(self.hop)
    }

    fn end_of_hop(&mut self) -> io::Result<()> {
        for (name, flb) in client::state()? {
            if flb.bad != 0 {
                report::fail(format_args!("{name}: the client's own checks"), 0, flb.bad);
            }
        }
        let many = mass::state()?;
        if many.bad != 0 {
            report::fail("the client's own checks of the many FLBs", 0, many.bad);
        }
        if self.cmdline.get("flb.leaks").is_some() {
            leaks::check()?;
        }
        self.update();
        match self.kmsg.alarms.first() {
            None => report::pass("the kernel log has no warning"),
            Some(first) => report::fail("the kernel log", "no warning", first),
        }
        Ok(())
    }

    fn kexec(mut self, next: &Hop, kernels: usize, sessions: Vec<Session>) -> io::Result<()> {
        let hop = self.hop + 1;
        let label = self.label_at(hop).to_string();
        let later: Vec<String> = (hop + 1..kernels)
            .map(|at| self.label_at(at).to_string())
            .collect();
        let words = Cmdline::parse(&self.cmdline.text());
        for key in words.keys().filter(|key| key.starts_with(CLIENT_PREFIX)) {
            self.cmdline.remove(key);
        }
        for word in next.params.split_whitespace() {
            if let Some((key, value)) = word.split_once('=') {
                self.cmdline.set(key, value);
            }
        }
        if let Some(names) = words.get(&format!("flb.names{hop}")) {
            self.cmdline.set("flb_client.names", names);
        }
        self.cmdline.set("flb.hop", &hop.to_string());
        self.cmdline
            .set("flb.fails", &report::failures().to_string());

        kexec::load(&label, &later, &self.cmdline)
            .map_err(|error| io::Error::other(format!("kexec_file_load of '{label}': {error}")))?;
        report::pass(format_args!("kexec to hop {hop} ({label})"));
        let error = match self.boot.take() {
            Some(boot) => boot(&mut self),
            None => kexec::boot(),
        };
        drop(sessions);
        Err(io::Error::other(format!("kexec: {error}")))
    }

    /// Takes note of the callbacks since the last call, and returns them.
    pub fn update(&mut self) -> Vec<Event> {
        let events = self.kmsg.events();
        self.events.extend(events.iter().cloned());
        events
    }

    /// What the log says about an FLB of the tree's own client, which keeps no counters.
    pub fn logged(&self, flb: &str) -> Counts {
        let count = |callback: &str| {
            let is_it = |event: &&Event| event.flb == flb && event.callback == callback;
            self.events.iter().filter(is_it).count() as u32
        };
        Counts {
            preserve: count("preserve"),
            unpreserve: count("unpreserve"),
            retrieve: count("retrieve"),
            finish: count("finish"),
        }
    }

    /// The names of the FLBs of the tree's own client that were seen in the log.
    pub fn tree_flbs() -> [&'static str; 3] {
        [
            "liveupdate-test-flb-v0",
            "liveupdate-test-flb-v1",
            "liveupdate-test-flb-v2",
        ]
    }
}

/// The core that a label names, whatever stands before; what follows is the configuration.
fn core_of(label: &str) -> &str {
    label.rsplit('-').next().unwrap_or(label)
}

/// The name of a core.
pub fn core_name(is_rust: bool) -> &'static str {
    if is_rust {
        "Rust"
    } else {
        "C"
    }
}

/// Compares the counts of some FLBs of the client with what they have to be.
pub fn expect(when: impl Display, flbs: &[&str], expected: Counts) -> io::Result<()> {
    let state = client::state()?;
    for &flb in flbs {
        match state.get(flb) {
            Some(found) => same_counts(&when, flb, expected, found.counts),
            None => report::fail(format_args!("{when}: {flb}"), expected, "an unknown name"),
        }
    }
    Ok(())
}

/// Compares the counts of one FLB.
pub fn same_counts(when: impl Display, flb: &str, expected: Counts, got: Counts) {
    if expected == got {
        report::pass(format_args!("{when}: {flb} {got}"));
    } else {
        report::fail(
            format_args!("{when}: {flb}"),
            format_args!("expected {expected}"),
            format_args!("got {got}"),
        );
    }
}

/// A new session with a new memfd for each blob.
pub fn save(luo: &LiveUpdate, name: &str, blobs: &[Blob]) -> io::Result<Session> {
    let session = luo.create(name)?;
    for blob in blobs {
        session.preserve(blob.create(name)?, blob.token)?;
    }
    Ok(session)
}

/// Gets a file back and checks that its data are what they were.
pub fn restore(session: &Session, blob: &Blob) -> io::Result<File> {
    let file = session.retrieve(blob.token)?;
    let (size, sum) = Blob::measure(&file)?;
    let expected = format!("{} bytes, checksum {:016x}", blob.size, blob.checksum());
    let got = format!("{size} bytes, checksum {sum:016x}");
    report::equal(
        format_args!("data of file {:#x}", blob.token),
        expected,
        got,
    );
    Ok(file)
}

/// Gets a session back, checks its files, and finishes it.
pub fn take_back(luo: &LiveUpdate, name: &str, blobs: &[Blob]) -> io::Result<()> {
    let session = luo.retrieve(name)?;
    for blob in blobs {
        restore(&session, blob)?;
    }
    finish(name, session);
    Ok(())
}

/// Finishes and closes a session.
pub fn finish(what: impl Display, session: Session) {
    report::errno(format_args!("finish {what}"), 0, &session.finish());
}

/// Asks for the incoming state of FLBs and lets go of it, as a subsystem does at init.
pub fn touch(flbs: &[&str]) {
    for flb in flbs {
        let got = client::get_incoming(flb);
        if report::errno(format_args!("get_incoming {flb}"), 0, &got) {
            report::errno(
                format_args!("put_incoming {flb}"),
                0,
                &client::put_incoming(flb),
            );
        }
    }
}

/// The release and architecture of the running kernel.
pub fn kernel() -> String {
    let (release, machine) = sys::uname();
    format!("Linux {release} {machine}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &mut Run) -> io::Result<Vec<Session>> {
        Ok(Vec::new())
    }

    const fn hop(params: &'static str, times: usize) -> Hop {
        Hop {
            params,
            step: nothing,
            times,
        }
    }

    #[test]
    fn hops_that_repeat() {
        const CHAIN: Scenario = Scenario {
            name: "test",
            about: "",
            hops: &[hop("first", 1), hop("middle", 3), hop("last", 1)],
        };
        assert_eq!(CHAIN.kernels(), 5);
        let params: Vec<_> = (0..6).map(|n| CHAIN.hop(n).map(|hop| hop.params)).collect();
        let [first, middle, last] = ["first", "middle", "last"].map(Some);
        assert_eq!(params, [first, middle, middle, middle, last, None]);
    }

    #[test]
    fn labels() {
        for label in ["rust", "7.2-rust", "7.3-arm64-rust"] {
            assert_eq!(core_of(label), "rust");
        }
        assert_eq!(core_of("c"), "c");
        assert_eq!(core_of("7.3-c"), "c");
    }
}
