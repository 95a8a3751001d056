// SPDX-License-Identifier: GPL-2.0
//! What the contract says about a kernel's FLBs, after each thing that is done with them.

use crate::client::{Contract, Counts};

/// Every FLB that there can be. The first are registered at boot.
pub const FLBS: [&str; 7] = [
    "demo-iommu-v1",
    "demo-pci-v1",
    "demo-hugetlb-v1",
    "soak-a",
    "soak-b",
    "soak-c",
    "soak-null",
];
const AT_BOOT: usize = 3;
/// The FLB whose object is always null.
pub const NULL: usize = FLBS.len() - 1;

/// An object for the next kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing {
    pub files: u32,
    pub refs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Retrieved,
    Failed(i32),
    Finished,
}

/// An entry from the previous kernel.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub files: u32,
    pub refs: u32,
    pub state: State,
}

#[derive(Clone, Debug, Default)]
pub struct Flb {
    pub registered: bool,
    /// Unregistered, but files still hold it.
    pub leaving: bool,
    pub counts: Counts,
    pub outgoing: Option<Outgoing>,
    pub incoming: Option<Incoming>,
}

/// One kernel.
#[derive(Clone, Debug)]
pub struct Model {
    pub flbs: Vec<Flb>,
    /// Registered FLBs, as they were registered.
    order: Vec<usize>,
    /// How many files are preserved.
    pub files: u32,
    /// How many files of the kernel before this one are not finished.
    left: u32,
    pub contract: Contract,
}

impl Model {
    /// The first kernel of a chain.
    pub fn first(contract: Contract) -> Self {
        let mut model = Self {
            flbs: vec![Flb::default(); FLBS.len()],
            order: Vec::new(),
            files: 0,
            left: 0,
            contract,
        };
        for flb in 0..AT_BOOT {
            model.register(flb);
        }
        model
    }

    /// The kernel after this one.
    pub fn next(&self) -> Self {
        let mut next = Self::first(self.contract);
        next.left = self.files;
        for (flb, new) in self.flbs.iter().zip(&mut next.flbs) {
            let handed = flb.outgoing.filter(|out| out.files > 0);
            new.incoming = handed.map(|out| Incoming {
                files: out.files,
                refs: 0,
                state: State::Waiting,
            });
        }
        next
    }

    pub fn register(&mut self, flb: usize) -> i32 {
        if self.files > 0 {
            return libc::EBUSY;
        }
        self.flbs[flb].registered = true;
        self.order.push(flb);
        0
    }

    /// While files hold it, it is still there, and leaves with the last of them.
    pub fn unregister(&mut self, flb: usize) -> i32 {
        self.flbs[flb].registered = false;
        self.flbs[flb].leaving = self.files > 0;
        if self.files == 0 {
            self.order.retain(|&other| other != flb);
        }
        0
    }

    /// Preserves a file; a callback may be told to return something else than success.
    pub fn preserve(&mut self, fails: Option<(usize, i32)>) -> i32 {
        for at in 0..self.order.len() {
            let flb = self.order[at];
            let entry = &mut self.flbs[flb];
            if entry.outgoing.is_none() {
                entry.counts.preserve += 1;
                if let Some((_, result)) = fails.filter(|&(which, _)| which == flb) {
                    self.release(at);
                    return if result > 0 { libc::EINVAL } else { -result };
                }
            }
            entry.outgoing.get_or_insert_default().files += 1;
        }
        self.files += 1;
        0
    }

    /// Unpreserves that many files.
    pub fn drop_files(&mut self, files: u32) {
        for _ in 0..files {
            self.release(self.order.len());
        }
        self.files -= files;
        if self.files == 0 {
            self.flbs.iter_mut().for_each(|flb| flb.leaving = false);
            let flbs = &self.flbs;
            self.order.retain(|&flb| flbs[flb].registered);
        }
    }

    /// The first FLBs in the order lose a file.
    fn release(&mut self, first: usize) {
        for at in (0..first).rev() {
            let flb = self.order[at];
            if let Some(out) = &mut self.flbs[flb].outgoing {
                out.files -= 1;
            }
            self.unused(flb);
        }
    }

    fn unused(&mut self, flb: usize) {
        let entry = &mut self.flbs[flb];
        if entry.outgoing.is_some_and(|out| out.files + out.refs == 0) {
            entry.outgoing = None;
            entry.counts.unpreserve += 1;
        }
    }

    pub fn get_outgoing(&mut self, flb: usize) -> i32 {
        match &mut self.flbs[flb].outgoing {
            Some(out) => out.refs += 1,
            None => return libc::ENOENT,
        }
        0
    }

    pub fn put_outgoing(&mut self, flb: usize) -> i32 {
        if let Some(out) = &mut self.flbs[flb].outgoing {
            out.refs -= 1;
        }
        self.unused(flb);
        0
    }

    /// Asks for what came; the callback may be told to return something else than success.
    pub fn get_incoming(&mut self, flb: usize, result: i32) -> i32 {
        // The FLBs of others come and are finished with the files.
        let finished = |flb: &Flb| flb.incoming.is_none_or(|i| i.state == State::Finished);
        if self.left == 0 && self.flbs.iter().all(finished) {
            return libc::ENODATA;
        }
        let once = self.contract.retrieve_once;
        let entry = &mut self.flbs[flb];
        let Some(incoming) = &mut entry.incoming else {
            return libc::ENOENT;
        };
        match incoming.state {
            State::Finished => return libc::ENODATA,
            State::Failed(errno) => return errno,
            State::Retrieved => {}
            State::Waiting => {
                entry.counts.retrieve += 1;
                let errno = if result > 0 { libc::EINVAL } else { -result };
                if errno != 0 {
                    if once {
                        incoming.state = State::Failed(errno);
                    }
                    return errno;
                }
                incoming.state = State::Retrieved;
            }
        }
        incoming.refs += 1;
        0
    }

    pub fn put_incoming(&mut self, flb: usize) -> i32 {
        if let Some(incoming) = &mut self.flbs[flb].incoming {
            incoming.refs -= 1;
        }
        self.done(flb);
        0
    }

    /// Finishes that many files of the previous kernel.
    pub fn finish_files(&mut self, files: u32) {
        self.left -= files;
        for flb in 0..FLBS.len() {
            if let Some(incoming) = &mut self.flbs[flb].incoming {
                incoming.files -= files;
            }
            self.done(flb);
        }
    }

    /// Without files and references it is finished. For that it has to be there.
    fn done(&mut self, flb: usize) {
        let entry = &mut self.flbs[flb];
        let Some(incoming) = &mut entry.incoming else {
            return;
        };
        if incoming.files + incoming.refs > 0 {
            return;
        }
        match incoming.state {
            State::Waiting => {
                entry.counts.retrieve += 1;
                entry.counts.finish += 1;
                incoming.state = State::Finished;
            }
            State::Retrieved => {
                entry.counts.finish += 1;
                incoming.state = State::Finished;
            }
            State::Failed(_) | State::Finished => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::counts;

    fn model() -> Model {
        Model::first(Contract {
            put_outgoing: true,
            retrieve_once: true,
            ..Contract::default()
        })
    }

    #[test]
    fn a_failure_is_rolled_back() {
        let mut model = model();
        assert_eq!(model.preserve(Some((1, -libc::EIO))), libc::EIO);
        let got: Vec<Counts> = model.flbs[..3].iter().map(|flb| flb.counts).collect();
        let expected = [counts(1, 1, 0, 0), counts(1, 0, 0, 0), counts(0, 0, 0, 0)];
        assert_eq!(got, expected);
        assert_eq!(model.preserve(Some((1, 7))), libc::EINVAL);
        assert_eq!(model.files, 0);
    }

    #[test]
    fn a_reference_outlives_the_files() {
        let mut model = model();
        assert_eq!(model.get_outgoing(0), libc::ENOENT);
        model.preserve(None);
        assert_eq!(model.get_outgoing(0), 0);
        model.drop_files(1);
        assert_eq!(model.flbs[0].counts, counts(1, 0, 0, 0));
        model.put_outgoing(0);
        assert_eq!(model.flbs[0].counts, counts(1, 1, 0, 0));
    }

    #[test]
    fn unregistered_while_preserved_is_handed_over() {
        let mut model = model();
        model.preserve(None);
        model.unregister(2);
        assert_eq!(model.register(3), libc::EBUSY);
        let mut next = model.next();
        assert!(next.flbs[2].incoming.is_some());
        assert_eq!(next.get_incoming(3, 0), libc::ENOENT);
        next.finish_files(1);
        assert_eq!(next.flbs[2].counts, counts(0, 0, 1, 1));
        assert_eq!(next.get_incoming(2, 0), libc::ENODATA);
        assert_eq!(next.get_incoming(3, 0), libc::ENODATA);
    }

    #[test]
    fn a_failed_retrieve_stays() {
        let mut model = model();
        model.preserve(None);
        let mut next = model.next();
        assert_eq!(next.get_incoming(0, -libc::EIO), libc::EIO);
        assert_eq!(next.get_incoming(0, 0), libc::EIO);
        next.finish_files(1);
        assert_eq!(next.flbs[0].counts, counts(0, 0, 1, 0));
    }
}
