// SPDX-License-Identifier: GPL-2.0
//! What a kernel of the soak does, from the seed and the hop's number alone.

use super::model::{Model, State, FLBS};
use crate::client::{Contract, Counts};
use crate::memfd::{Blob, Random};

const SESSIONS: usize = 4;
const OPERATIONS: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Register(usize),
    Unregister(usize),
    GetIncoming(usize),
    /// The retrieve returns this.
    GetFailing(usize, i32),
    PutIncoming(usize),
    GetOutgoing(usize),
    PutOutgoing(usize),
    /// A file into a session of this kernel, which is created for the first.
    Preserve(usize, Blob),
    /// The preserve of this FLB returns this.
    PreserveFailing(usize, Blob, usize, i32),
    /// Gives up a session of this kernel.
    Drop(usize),
    /// Gets a file of a session of the previous kernel back. It lives on.
    Retrieve(usize, Blob),
    Finish(usize),
}

/// What is done, and what has to come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub op: Op,
    pub errno: i32,
    pub counts: Vec<Counts>,
}

type Files = Vec<Vec<Blob>>;

struct Planner {
    random: Random,
    model: Model,
    steps: Vec<Step>,
    incoming: Files,
    outgoing: Files,
    /// Files that were retrieved or refused, and can be preserved.
    loose: Vec<Blob>,
    next_token: u64,
}

/// The steps of the kernel at `hop`.
pub fn plan(seed: u64, hop: usize, last: usize, contract: Contract) -> Vec<Step> {
    let mut model = Model::first(contract);
    let mut files = vec![Vec::new(); SESSIONS];
    for at in 0.. {
        let mut planner = Planner::new(seed, at, model, files);
        planner.arrive();
        if at < last {
            planner.depart();
        }
        if at == hop {
            return planner.steps;
        }
        model = planner.model.next();
        files = planner.outgoing;
    }
    Vec::new()
}

impl Planner {
    fn new(seed: u64, hop: usize, model: Model, incoming: Files) -> Self {
        let mut seeds = Random::new(seed ^ (hop as u64) << 32);
        Self {
            random: Random::new(seeds.next()),
            model,
            steps: Vec::new(),
            incoming,
            outgoing: vec![Vec::new(); SESSIONS],
            loose: Vec::new(),
            next_token: (hop as u64) << 16,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.next() % end
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        match from.len() as u64 {
            0 => None,
            len => Some(from[self.below(len) as usize]),
        }
    }

    /// An FLB that is like this.
    fn flb(&mut self, fits: impl Fn(&Model, usize) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..FLBS.len()).filter(|&f| fits(&self.model, f)).collect();
        self.pick(&all)
    }

    fn session(&mut self, files: &Files) -> Option<usize> {
        let all: Vec<usize> = (0..SESSIONS).filter(|&s| !files[s].is_empty()).collect();
        self.pick(&all)
    }

    fn does(&mut self, op: Op) -> i32 {
        let errno = self.outcome(op);
        let counts = self.model.flbs.iter().map(|flb| flb.counts).collect();
        self.steps.push(Step { op, errno, counts });
        errno
    }

    fn outcome(&mut self, op: Op) -> i32 {
        let model = &mut self.model;
        match op {
            Op::Register(flb) => model.register(flb),
            Op::Unregister(flb) => model.unregister(flb),
            Op::GetIncoming(flb) => model.get_incoming(flb, 0),
            Op::GetFailing(flb, result) => model.get_incoming(flb, result),
            Op::PutIncoming(flb) => model.put_incoming(flb),
            Op::GetOutgoing(flb) => model.get_outgoing(flb),
            Op::PutOutgoing(flb) => model.put_outgoing(flb),
            Op::Preserve(..) => model.preserve(None),
            Op::PreserveFailing(_, _, flb, result) => model.preserve(Some((flb, result))),
            Op::Drop(session) => {
                model.drop_files(self.outgoing[session].len() as u32);
                self.outgoing[session].clear();
                0
            }
            Op::Retrieve(_, blob) => {
                self.loose.push(blob);
                0
            }
            Op::Finish(session) => {
                model.finish_files(self.incoming[session].len() as u32);
                self.incoming[session].clear();
                0
            }
        }
    }

    /// What came is registered, asked for now and then, and its files are finished.
    fn arrive(&mut self) {
        for flb in 0..FLBS.len() {
            let known = &self.model.flbs[flb];
            if known.incoming.is_some() && !known.registered {
                self.does(Op::Register(flb));
            }
        }
        while let Some(session) = self.session(&self.incoming.clone()) {
            self.ask();
            for blob in self.incoming[session].clone() {
                if !self.chance(4) {
                    self.does(Op::Retrieve(session, blob));
                }
            }
            self.ask();
            self.does(Op::Finish(session));
        }
        while let Some(flb) = self.flb(|model, flb| incoming_refs(model, flb) > 0) {
            self.does(Op::PutIncoming(flb));
        }
        self.ask();
    }

    /// Some references to what came.
    fn ask(&mut self) {
        for _ in 0..self.below(4) {
            let flb = self.below(FLBS.len() as u64) as usize;
            let held = incoming_refs(&self.model, flb) > 0;
            let waits =
                matches!(self.model.flbs[flb].incoming, Some(i) if i.state == State::Waiting);
            if !self.model.flbs[flb].registered {
                continue;
            }
            if held && self.chance(2) {
                self.does(Op::PutIncoming(flb));
            } else if waits && self.chance(8) {
                let result = self.pick(&[-libc::EIO, -libc::ENOMEM, 5]).unwrap_or(-1);
                self.does(Op::GetFailing(flb, result));
            } else {
                self.does(Op::GetIncoming(flb));
            }
        }
    }

    /// Things for the next kernel come and go; in the end there is at least one file.
    fn depart(&mut self) {
        for _ in 0..OPERATIONS {
            match self.below(10) {
                0 | 1 => self.register(),
                2 => self.unregister(),
                3 => self.give_up(),
                4 | 5 => self.refer(),
                _ => self.preserve(),
            }
        }
        if self.model.files == 0 {
            let blob = self.blob();
            self.does(Op::Preserve(0, blob));
            self.outgoing[0].push(blob);
        }
        if self.chance(3) {
            self.unregister();
        }
    }

    fn register(&mut self) {
        let idle = self.model.files > 0 || self.model.flbs.iter().all(|f| f.outgoing.is_none());
        let new = self.flb(|model, flb| !model.flbs[flb].registered && !model.flbs[flb].leaving);
        if let Some(flb) = new.filter(|_| idle) {
            self.does(Op::Register(flb));
        }
    }

    fn unregister(&mut self) {
        let refs = |out: super::model::Outgoing| out.refs;
        let there = self.flb(|model, flb| {
            model.flbs[flb].registered && model.flbs[flb].outgoing.map_or(0, refs) == 0
        });
        if let Some(flb) = there {
            self.does(Op::Unregister(flb));
        }
    }

    fn give_up(&mut self) {
        if let Some(session) = self.session(&self.outgoing.clone()) {
            self.does(Op::Drop(session));
        }
    }

    /// A reference to what is to be handed over.
    fn refer(&mut self) {
        if !self.model.contract.put_outgoing {
            return;
        }
        let Some(flb) = self.flb(|model, flb| model.flbs[flb].registered) else {
            return;
        };
        let held = self.model.flbs[flb]
            .outgoing
            .is_some_and(|out| out.refs > 0);
        let put = held && self.chance(2);
        self.does(if put {
            Op::PutOutgoing(flb)
        } else {
            Op::GetOutgoing(flb)
        });
    }

    fn preserve(&mut self) {
        if self.model.flbs.iter().any(|flb| flb.leaving) {
            return;
        }
        let session = self.below(SESSIONS as u64) as usize;
        let blob = self.blob();
        let fresh =
            self.flb(|model, flb| model.flbs[flb].registered && model.flbs[flb].outgoing.is_none());
        let op = match fresh.filter(|_| self.random.next() % 3 > 0) {
            Some(flb) => {
                let result = self.pick(&[-libc::ENOMEM, -libc::EIO, 7]).unwrap_or(-1);
                Op::PreserveFailing(session, blob, flb, result)
            }
            None => Op::Preserve(session, blob),
        };
        if self.does(op) == 0 {
            self.outgoing[session].push(blob);
        } else {
            self.loose.push(blob);
        }
    }

    /// A file that is there, or a new one.
    fn blob(&mut self) -> Blob {
        if !self.loose.is_empty() && !self.chance(3) {
            return self.loose.swap_remove(0);
        }
        self.next_token += 1;
        Blob {
            token: self.next_token,
            size: 1 + self.below(150_000),
            seed: self.random.next(),
        }
    }
}

fn incoming_refs(model: &Model, flb: usize) -> u32 {
    model.flbs[flb].incoming.map_or(0, |incoming| incoming.refs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: Contract = Contract {
        max: 63,
        rust: true,
        put_outgoing: true,
        retrieve_once: true,
        fdt: false,
    };

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        assert_eq!(plan(1, 7, 10, CONTRACT), plan(1, 7, 10, CONTRACT));
        assert_ne!(plan(1, 7, 10, CONTRACT), plan(2, 7, 10, CONTRACT));
    }

    #[test]
    fn what_has_ended_leaves_nothing() {
        let steps = plan(3, 10, 10, CONTRACT);
        let ended = &steps.last().unwrap().counts;
        assert!(ended.iter().all(|counts| counts.preserve == 0));
        assert!(ended.iter().all(|counts| counts.finish <= 1));
    }

    #[test]
    fn every_kind_of_step_occurs() {
        let steps: Vec<Step> = (0..40).flat_map(|hop| plan(4, hop, 40, CONTRACT)).collect();
        let kinds: std::collections::HashSet<_> = steps
            .iter()
            .map(|step| std::mem::discriminant(&step.op))
            .collect();
        assert_eq!(kinds.len(), 12);
        assert!(steps.iter().any(|step| step.errno == libc::EBUSY));
    }
}
