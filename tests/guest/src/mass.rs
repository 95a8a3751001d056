// SPDX-License-Identifier: GPL-2.0
//! FLBs in any number: a part of the in-kernel test client (`tests/client/flb_mass.c`).

use crate::report;
use std::fmt::{self, Display};
use std::fs;
use std::io::{self, Write};
use std::ops::Range;

const FILE: &str = "/sys/kernel/debug/luo_flb_client/mass";

/// How often a callback ran: of all FLBs, and at most of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    pub all: u32,
    pub most: u32,
}

impl Calls {
    /// So often for each of `flbs`. More calls of one would have to be fewer of another, which
    /// `most` rules out.
    pub fn each(flbs: u32, times: u32) -> Self {
        match flbs {
            0 => Self::default(),
            _ => Self {
                all: flbs * times,
                most: times,
            },
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (all, most) = text.split_once('/')?;
        Some(Self {
            all: all.parse().ok()?,
            most: most.parse().ok()?,
        })
    }
}

impl Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.all, self.most)
    }
}

/// What the client tells about all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub n: u32,
    pub registered: u32,
    pub preserve: Calls,
    pub unpreserve: Calls,
    pub retrieve: Calls,
    pub finish: Calls,
    /// Calls out of turn or with wrong data.
    pub bad: u32,
}

impl State {
    fn parse(text: &str) -> Option<Self> {
        let mut state = Self::default();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != 7 {
            return None;
        }
        for word in words {
            let (key, value) = word.split_once('=')?;
            match key {
                "n" => state.n = value.parse().ok()?,
                "registered" => state.registered = value.parse().ok()?,
                "bad" => state.bad = value.parse().ok()?,
                "preserve" => state.preserve = Calls::parse(value)?,
                "unpreserve" => state.unpreserve = Calls::parse(value)?,
                "retrieve" => state.retrieve = Calls::parse(value)?,
                "finish" => state.finish = Calls::parse(value)?,
                _ => return None,
            }
        }
        Some(state)
    }
}

impl Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "n={} registered={} preserve={} unpreserve={} retrieve={} finish={} bad={}",
            self.n,
            self.registered,
            self.preserve,
            self.unpreserve,
            self.retrieve,
            self.finish,
            self.bad
        )
    }
}

/// What they are by now.
pub fn state() -> io::Result<State> {
    State::parse(&fs::read_to_string(FILE)?)
        .ok_or_else(|| io::Error::other("the state of the client's many FLBs does not parse"))
}

/// Compares their state with what it has to be.
pub fn expect(when: impl Display, expected: State) -> io::Result<()> {
    let got = state()?;
    if expected == got {
        report::pass(format_args!("{when}: {got}"));
    } else {
        report::fail(
            when,
            format_args!("expected {expected}"),
            format_args!("got {got}"),
        );
    }
    Ok(())
}

fn command(text: &str) -> io::Result<()> {
    // One write is one command, so no buffering and no retry.
    let mut file = fs::File::options().write(true).open(FILE)?;
    file.write(text.as_bytes()).map(drop)
}

/// From now on there are `n`. What they save is that of this `generation`, and what they are given
/// back has to be that of the one before.
pub fn create(n: u32, generation: usize) -> io::Result<()> {
    command(&format!("new {n} {generation}"))
}

/// `liveupdate_register_flb()` for each, up to the first that fails.
pub fn register(which: Range<u32>) -> io::Result<()> {
    command(&format!("register {} {}", which.start, which.end))
}

/// `liveupdate_unregister_flb()` for each.
pub fn unregister(which: Range<u32>) -> io::Result<()> {
    command(&format!("unregister {} {}", which.start, which.end))
}

/// `liveupdate_flb_get_incoming()` and `put_incoming()` for each `step`th, up to the first that
/// fails.
pub fn touch(which: Range<u32>, step: u32) -> io::Result<()> {
    command(&format!("touch {} {} {step}", which.start, which.end))
}

/// The next preserve of FLB `index` is refused with `EIO`, and does not count.
pub fn fail(index: u32) -> io::Result<()> {
    command(&format!("fail {index} {}", index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let line = "n=5 registered=4 preserve=6/2 unpreserve=3/1 retrieve=2/1 finish=1/1 bad=7";
        let state = State::parse(&format!("{line}\n")).unwrap();
        assert_eq!((state.n, state.registered, state.bad), (5, 4, 7));
        assert_eq!(state.preserve, Calls { all: 6, most: 2 });
        assert_eq!(state.to_string(), line);
    }

    #[test]
    fn odd_lines() {
        let rest = "registered=0 preserve=0/0 unpreserve=0/0 retrieve=0/0 finish=0/0";
        assert!(State::parse(&format!("n=1 {rest} bad=0")).is_some());
        for word in ["", "n", "bad=x", "preserve=1", "preserve=1/", "more=1"] {
            assert_eq!(State::parse(&format!("n=1 {rest} {word}")), None, "{word}");
        }
    }

    #[test]
    fn so_often_for_each() {
        assert_eq!(Calls::each(5, 2), Calls { all: 10, most: 2 });
        assert_eq!(Calls::each(5, 0), Calls::default());
        assert_eq!(Calls::each(0, 2), Calls::default());
    }
}
