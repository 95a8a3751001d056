// SPDX-License-Identifier: GPL-2.0
//! The in-kernel test client, driven through debugfs.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};

const DIRECTORY: &str = "/sys/kernel/debug/luo_flb_client";

/// How often the callbacks of one FLB ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub preserve: u32,
    pub unpreserve: u32,
    pub retrieve: u32,
    pub finish: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "preserve={} unpreserve={} retrieve={} finish={}",
            self.preserve, self.unpreserve, self.retrieve, self.finish
        )
    }
}

/// Counts in the order of a live update: preserve, unpreserve, retrieve, finish.
pub const fn counts(preserve: u32, unpreserve: u32, retrieve: u32, finish: u32) -> Counts {
    Counts {
        preserve,
        unpreserve,
        retrieve,
        finish,
    }
}

/// What the client tells about one FLB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flb {
    pub counts: Counts,
    pub bad: u32,
    pub registered: bool,
    pub outgoing: bool,
}

/// All FLBs of the client, by name.
pub fn state() -> io::Result<BTreeMap<String, Flb>> {
    parse(&fs::read_to_string(format!("{DIRECTORY}/state"))?)
        .ok_or_else(|| io::Error::other("the client's state does not parse"))
}

fn parse(text: &str) -> Option<BTreeMap<String, Flb>> {
    let mut flbs = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let mut flb = Flb::default();
        for word in words {
            let (key, value) = word.split_once('=')?;
            let value: u32 = value.parse().ok()?;
            match key {
                "preserve" => flb.counts.preserve = value,
                "unpreserve" => flb.counts.unpreserve = value,
                "retrieve" => flb.counts.retrieve = value,
                "finish" => flb.counts.finish = value,
                "bad" => flb.bad = value,
                "registered" => flb.registered = value != 0,
                "out" => flb.outgoing = value != 0,
                _ => return None,
            }
        }
        flbs.insert(name.to_string(), flb);
    }
    Some(flbs)
}

fn command(text: &str) -> io::Result<()> {
    // One write is one command, so no buffering and no retry.
    let mut control = fs::File::options()
        .write(true)
        .open(format!("{DIRECTORY}/control"))?;
    control.write(text.as_bytes()).map(drop)
}

/// `liveupdate_flb_get_incoming()`
pub fn get_incoming(name: &str) -> io::Result<()> {
    command(&format!("get_incoming {name}"))
}

/// `liveupdate_flb_put_incoming()`
pub fn put_incoming(name: &str) -> io::Result<()> {
    command(&format!("put_incoming {name}"))
}

/// `liveupdate_flb_get_outgoing()`; whether there was an object is in the state.
pub fn get_outgoing(name: &str) -> io::Result<()> {
    command(&format!("get_outgoing {name}"))
}

/// `liveupdate_register_flb()` with the memfd handler; after an unregister with a new object.
pub fn register(name: &str) -> io::Result<()> {
    command(&format!("register {name}"))
}

/// `liveupdate_unregister_flb()`
pub fn unregister(name: &str) -> io::Result<()> {
    command(&format!("unregister {name}"))
}

/// Makes the next `times` calls of a callback return `result`.
pub fn fail(name: &str, callback: &str, result: i32, times: u32) -> io::Result<()> {
    command(&format!("fail {name} {callback} {result} {times}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let state = "a-v1 preserve=1 unpreserve=2 retrieve=3 finish=4 bad=5 registered=1 out=0\n";
        let flb = parse(state).unwrap()["a-v1"];
        assert_eq!(flb.counts, counts(1, 2, 3, 4));
        assert_eq!((flb.bad, flb.registered, flb.outgoing), (5, true, false));
    }

    #[test]
    fn an_odd_line() {
        assert!(parse("a-v1 preserve\n").is_none());
        assert!(parse("a-v1 preserve=x\n").is_none());
    }
}
