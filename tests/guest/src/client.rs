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

/// What the kernel's interface is like; it differs between series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// How many FLBs can be registered.
    pub max: u32,
    /// The FLB core is the one in Rust.
    pub rust: bool,
    /// `liveupdate_flb_get_outgoing()` takes a reference, and wants an object.
    pub put_outgoing: bool,
    /// A retrieve that has failed is not tried again.
    pub retrieve_once: bool,
    /// The orchestrator hands over a device tree, not a structure.
    pub fdt: bool,
}

/// What the client tells about one FLB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flb {
    pub counts: Counts,
    pub bad: u32,
    pub registered: bool,
    /// The last get_outgoing found an object.
    pub outgoing: bool,
    /// Outgoing references that the client holds.
    pub held: u32,
}

/// All FLBs of the client, by name.
pub fn state() -> io::Result<BTreeMap<String, Flb>> {
    Ok(read()?.1)
}

/// What this kernel's interface is like.
pub fn contract() -> io::Result<Contract> {
    Ok(read()?.0)
}

fn read() -> io::Result<(Contract, BTreeMap<String, Flb>)> {
    let text = fs::read_to_string(format!("{DIRECTORY}/state"))?;
    let parsed = text
        .split_once('\n')
        .and_then(|(contract, flbs)| Some((parse_contract(contract)?, parse_flbs(flbs)?)));
    parsed.ok_or_else(|| io::Error::other("the client's state does not parse"))
}

fn parse_contract(line: &str) -> Option<Contract> {
    let mut contract = Contract::default();
    for word in line.strip_prefix("contract:")?.split_whitespace() {
        if let Some(max) = word.strip_prefix("max=") {
            contract.max = max.parse().ok()?;
            continue;
        }
        match word {
            "rust" => contract.rust = true,
            "put_outgoing" => contract.put_outgoing = true,
            "retrieve_once" => contract.retrieve_once = true,
            "fdt" => contract.fdt = true,
            _ => return None,
        }
    }
    Some(contract)
}

fn parse_flbs(text: &str) -> Option<BTreeMap<String, Flb>> {
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
                "held" => flb.held = value,
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

/// `liveupdate_flb_put_outgoing()`
pub fn put_outgoing(name: &str) -> io::Result<()> {
    command(&format!("put_outgoing {name}"))
}

/// `liveupdate_flb_get_outgoing()`, with the put after the kexec has begun.
pub fn put_at_reboot(name: &str) -> io::Result<()> {
    command(&format!("put_at_reboot {name}"))
}

/// The object of this FLB is to be null from now on.
pub fn null_object(name: &str) -> io::Result<()> {
    command(&format!("null_object {name}"))
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
        let state =
            "a-v1 preserve=1 unpreserve=2 retrieve=3 finish=4 bad=5 registered=1 out=0 held=6\n";
        let flb = parse_flbs(state).unwrap()["a-v1"];
        assert_eq!(flb.counts, counts(1, 2, 3, 4));
        assert_eq!((flb.bad, flb.registered), (5, true));
        assert_eq!((flb.outgoing, flb.held), (false, 6));
    }

    #[test]
    fn a_contract() {
        let contract = parse_contract("contract: max=63 put_outgoing fdt").unwrap();
        assert!(contract.max == 63 && !contract.rust);
        assert!(contract.put_outgoing && contract.fdt && !contract.retrieve_once);
        assert_eq!(parse_contract("contract:"), Some(Contract::default()));
        assert_eq!(parse_contract("contract: haggling"), None);
        assert_eq!(parse_contract("contract: max=many"), None);
        assert_eq!(parse_contract("a-v1 preserve=1"), None);
    }

    #[test]
    fn an_odd_line() {
        assert!(parse_flbs("a-v1 preserve\n").is_none());
        assert!(parse_flbs("a-v1 preserve=x\n").is_none());
    }
}
