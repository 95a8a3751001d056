// SPDX-License-Identifier: GPL-2.0
//! Random steps from a seed, over as many kexecs as are asked for; a model says what each does.

mod model;
mod plan;

use super::{hop, hops, scenario};
use crate::client::{self, Counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::memory;
use crate::report;
use crate::run::{restore, Run, Scenario};
use model::{FLBS, NULL};
use plan::{plan, Op, Step};
use std::collections::HashMap;
use std::fs::File;
use std::io;

/// More kexecs than a chain is ever asked for.
const MOST: usize = 100_000;

pub const SOAK: Scenario = scenario(
    "soak",
    "random sessions, files, FLBs and failures from flb.seed=, over flb.hops= kexecs",
    &[hop("", soak), hops(MOST, "", soak)],
);

/// The hop whose free memory the later ones are compared with, and what they may have less: what
/// comes with them differs by some MiB.
const SETTLED: usize = 5;
const SLACK_KIB: u64 = 16 << 10;

/// What the sessions of a kernel hold, and its files.
struct Player {
    luo: LiveUpdate,
    hop: usize,
    incoming: HashMap<usize, Session>,
    outgoing: HashMap<usize, Session>,
    files: HashMap<u64, File>,
}

fn soak(run: &mut Run) -> io::Result<Vec<Session>> {
    let seed = number(run, "flb.seed")?;
    let last = number(run, "flb.hops")? as usize;
    report::pass(format_args!("seed {seed}, {last} kexecs"));
    memory_is_kept(run)?;
    let steps = plan(seed, run.hop, last, run.contract);
    let mut player = Player::new(run.hop)?;
    for (at, step) in steps.iter().enumerate() {
        player.play(step)?;
        compare(at, step)?;
        if report::failures() > 0 {
            report::fail(
                "replay",
                format_args!("SEED={seed}"),
                format_args!("hop {}", run.hop),
            );
            break;
        }
    }
    Ok(player.outgoing.into_values().collect())
}

fn number(run: &Run, key: &str) -> io::Result<u64> {
    run.cmdline
        .get(key)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::other(format!("{key}= is no number")))
}

/// What is lost in a kernel, and handed on, makes the next one have less.
fn memory_is_kept(run: &mut Run) -> io::Result<()> {
    let free = memory::free()? >> 10;
    report::pass(format_args!("{free} KiB are free"));
    if run.hop == SETTLED {
        run.cmdline.set("flb.free", &free.to_string());
    } else if run.hop > SETTLED {
        let before = number(run, "flb.free")?;
        report::holds(
            format_args!("{free} KiB free, {before} at hop {SETTLED}"),
            free + SLACK_KIB >= before,
        );
    }
    Ok(())
}

/// Compares the callbacks of every FLB with the model's.
fn compare(at: usize, step: &Step) -> io::Result<()> {
    let state = client::state()?;
    let got: Vec<Counts> = FLBS
        .iter()
        .map(|&flb| state.get(flb).map(|found| found.counts).unwrap_or_default())
        .collect();
    report::equal(format_args!("step {at}: {:?}", step.op), &step.counts, &got);
    Ok(())
}

impl Player {
    fn new(hop: usize) -> io::Result<Self> {
        Ok(Self {
            luo: LiveUpdate::open()?,
            hop,
            incoming: HashMap::new(),
            outgoing: HashMap::new(),
            files: HashMap::new(),
        })
    }

    fn play(&mut self, step: &Step) -> io::Result<()> {
        let result = match step.op {
            Op::Register(flb) => register(flb),
            Op::Unregister(flb) => client::unregister(FLBS[flb]),
            Op::GetIncoming(flb) => client::get_incoming(FLBS[flb]),
            Op::GetFailing(flb, result) => {
                client::fail(FLBS[flb], "retrieve", result, 1)?;
                client::get_incoming(FLBS[flb])
            }
            Op::PutIncoming(flb) => client::put_incoming(FLBS[flb]),
            Op::GetOutgoing(flb) => client::get_outgoing(FLBS[flb]),
            Op::PutOutgoing(flb) => client::put_outgoing(FLBS[flb]),
            Op::Preserve(session, blob) => self.preserve(session, &blob)?,
            Op::PreserveFailing(session, blob, flb, result) => {
                client::fail(FLBS[flb], "preserve", result, 1)?;
                self.preserve(session, &blob)?
            }
            Op::Drop(session) => {
                self.outgoing.remove(&session);
                Ok(())
            }
            Op::Retrieve(session, blob) => self.retrieve(session, &blob),
            Op::Finish(session) => self.finish(session),
        };
        report::errno(format_args!("{:?}", step.op), step.errno, &result);
        Ok(())
    }

    /// The inner result is that of the preserve itself.
    fn preserve(&mut self, number: usize, blob: &Blob) -> io::Result<io::Result<()>> {
        if !self.outgoing.contains_key(&number) {
            let session = self.luo.create(&session_name(self.hop, number))?;
            self.outgoing.insert(number, session);
        }
        let file = match self.files.remove(&blob.token) {
            Some(file) => file,
            None => blob.create("soak")?,
        };
        let result = self.outgoing[&number].preserve(&file, blob.token);
        if result.is_err() {
            self.files.insert(blob.token, file);
        }
        Ok(result)
    }

    fn retrieve(&mut self, number: usize, blob: &Blob) -> io::Result<()> {
        let file = restore(self.arrived(number)?, blob)?;
        self.files.insert(blob.token, file);
        Ok(())
    }

    fn finish(&mut self, number: usize) -> io::Result<()> {
        self.arrived(number)?.finish()?;
        self.incoming.remove(&number);
        Ok(())
    }

    /// A session of the previous kernel.
    fn arrived(&mut self, number: usize) -> io::Result<&Session> {
        if !self.incoming.contains_key(&number) {
            let session = self.luo.retrieve(&session_name(self.hop - 1, number))?;
            self.incoming.insert(number, session);
        }
        Ok(&self.incoming[&number])
    }
}

fn session_name(hop: usize, number: usize) -> String {
    format!("soak-{hop}-{number}")
}

fn register(flb: usize) -> io::Result<()> {
    let result = client::register(FLBS[flb]);
    if flb == NULL {
        client::null_object(FLBS[flb])?;
    }
    result
}
