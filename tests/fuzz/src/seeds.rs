// SPDX-License-Identifier: GPL-2.0

//! Inputs to start with: what is right, and one for each thing that can be wrong. Their names say
//! what they are; they are the same each time.

mod block;
mod fdt;
mod numbers;
#[cfg(test)]
mod tests;

/// A name, and an input.
pub type Seed = (&'static str, Vec<u8>);

/// The seeds of a target.
pub fn of(target: &str) -> Option<Vec<Seed>> {
    match target {
        "block" => Some(block::seeds()),
        "fdt" => Some(fdt::seeds()),
        "luo_v5" => Some(numbers::luo_v5()),
        "name" => Some(numbers::name()),
        _ => None,
    }
}
