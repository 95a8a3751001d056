// SPDX-License-Identifier: GPL-2.0
//! The program that the guest runs, and the same work done here.

use crate::memory::{CODE, IDT, PORT, STACK, WORK};
use std::arch::global_asm;

/// Of the timer's interrupt.
const VECTOR: u8 = 0x20;
/// Words that change with each line.
const CHANGES: u32 = 4096;
/// Knuth's, for a generator of 64 bits.
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const INCREMENT: u64 = 1_442_695_040_888_963_407;

global_asm!(
    include_str!("program.s"),
    CHANGES = const CHANGES,
    CODE = const CODE,
    IDT = const IDT,
    INCREMENT = const INCREMENT,
    MULTIPLIER = const MULTIPLIER,
    PORT = const PORT,
    STACK = const STACK,
    VECTOR = const VECTOR,
    WORK = const WORK,
);

extern "C" {
    static vm_program: u8;
    static vm_program_end: u8;
}

/// The program's code. It runs wherever it is put.
pub fn code() -> &'static [u8] {
    let (start, end) = (&raw const vm_program, &raw const vm_program_end);
    // SAFETY: program.s has both, in this order, in one section that nothing writes to.
    unsafe { std::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// What a guest with this much memory computes.
pub struct Work {
    words: Vec<u64>,
    random: u64,
}

impl Work {
    /// As it is before the first line; `memory` is all that the guest has, in bytes.
    pub fn new(memory: u64) -> Self {
        let mut work = Self {
            words: vec![0; ((memory - WORK) / 8) as usize],
            random: 0,
        };
        for at in 0..work.words.len() {
            work.words[at] = work.next();
        }
        work
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT);
        self.random
    }

    /// Changes what a line changes.
    pub fn change(&mut self) {
        let words = self.words.len() as u128;
        for _ in 0..CHANGES {
            let random = self.next();
            let at = (u128::from(random) * words) >> 64;
            let word = &mut self.words[at as usize];
            *word = word.wrapping_add(random);
        }
    }

    /// The sum that is then on the line.
    pub fn sum(&self) -> u64 {
        let mut sums = [0u64; 4];
        for pair in self.words.chunks_exact(2) {
            for (lane, word) in pair.iter().enumerate() {
                sums[lane] = sums[lane].wrapping_add(*word);
                sums[lane + 2] = sums[lane + 2].wrapping_add(sums[lane]);
            }
        }
        sums.into_iter()
            .fold(0, |sum, one| sum.rotate_left(8) ^ one)
    }
}

/// A line of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub tick: u64,
    pub sum: u64,
    /// When the sum was there, in microseconds since the guest began.
    pub at: u64,
    /// The longest time in which it has not run since the line before, in microseconds.
    pub still: u64,
}

impl Line {
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("tick ")?.strip_suffix(" us")?;
        let (tick, rest) = rest.split_once(" sum ")?;
        let (sum, rest) = rest.split_once(" at ")?;
        let (at, still) = rest.split_once(" us, stood still ")?;
        Some(Self {
            tick: tick.parse().ok()?,
            sum: u64::from_str_radix(sum, 16).ok()?,
            at: at.parse().ok()?,
            still: still.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let line = Line::parse("tick 7 sum 00000000000000ff at 1200 us, stood still 34 us");
        let expected = Line {
            tick: 7,
            sum: 255,
            at: 1200,
            still: 34,
        };
        assert_eq!(line, Some(expected));
        assert_eq!(Line::parse("tick 7"), None);
    }

    #[test]
    fn a_word_that_differs_shows() {
        let mut work = Work::new(WORK + 4096);
        let first = work.sum();
        work.change();
        assert_ne!(work.sum(), first);
        let before = work.sum();
        work.words.swap(0, 2);
        assert_ne!(work.sum(), before);
        work.words.swap(0, 2);
        work.words[511] ^= 1;
        assert_ne!(work.sum(), before);
    }
}
