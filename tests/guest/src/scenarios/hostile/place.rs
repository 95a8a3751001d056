// SPDX-License-Identifier: GPL-2.0
//! Where what is handed over is in memory, and how to damage it.

use crate::{fdt, luo_ser};
use std::fs;
use std::io;

const STATE: &str = "/sys/kernel/debug/kho/out/sub_fdts/LUO";
const POKE: &str = "/sys/kernel/debug/luo_flb_client/poke";

// Where entries are in the block, and data in an entry.
pub const ENTRIES: u64 = 16;
pub const ENTRY: u64 = 64;
pub const DATA: u64 = 48;

/// The physical address of the block, and of the orchestrator's state, with its content.
pub struct Place {
    pub block: u64,
    pub state: u64,
    pub content: Vec<u8>,
}

impl Place {
    /// Finds out; the state is a tree or a structure.
    pub fn find(is_tree: bool) -> io::Result<Self> {
        let damaged = || io::Error::other("what is handed over cannot be read");
        let content = fs::read(STATE)?;
        let lines = match is_tree {
            true => fdt::lines(&content),
            false => luo_ser::lines(&content),
        };
        let block = if is_tree { "luo-flb-header" } else { "flbs_pa" };
        let block = value(&lines.ok_or_else(damaged)?, block).ok_or_else(damaged)?;
        let state = value(&[fs::read_to_string(POKE)?], "state").ok_or_else(damaged)?;
        Ok(Self {
            block,
            state,
            content,
        })
    }

    /// The physical address of the data of an entry in the block.
    pub fn data(&self, entry: u64) -> u64 {
        self.block + ENTRIES + entry * ENTRY + DATA
    }

    /// The physical address of some bytes of the state.
    pub fn of(&self, bytes: &[u8]) -> Option<u64> {
        let mut windows = self.content.windows(bytes.len());
        let at = windows.position(|window| window == bytes)?;
        Some(self.state + at as u64)
    }
}

/// The number of the first line that names it.
fn value(lines: &[String], name: &str) -> Option<u64> {
    let line = lines.iter().map(|line| line.trim()).find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    let digits = line.split_once("0x")?.1;
    u64::from_str_radix(digits.trim_end_matches([';', '>']), 16).ok()
}

/// Has the kernel store bytes at a physical address when it reboots.
pub fn poke(address: u64, bytes: &[u8]) -> io::Result<()> {
    poke_behind(address, 0, bytes)
}

/// The same in the memory of which the physical address stands at `address`, so many bytes behind
/// its beginning. Without bytes, that address itself is stored.
pub fn poke_behind(address: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let [address, offset] = [address, offset].map(u64::to_ne_bytes);
    fs::write(POKE, [&address, &offset, bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_both_forms() {
        let lines: Vec<String> = ["    flbs_pa        = 0x6789a000;", "  data = <0x12>;"]
            .iter()
            .map(|line| line.to_string())
            .collect();
        assert_eq!(value(&lines, "flbs_pa"), Some(0x6789_a000));
        assert_eq!(value(&lines, "data"), Some(0x12));
        assert_eq!(value(&lines, "flbs"), None);
    }
}
