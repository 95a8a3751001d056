// SPDX-License-Identifier: GPL-2.0

//! Huge pages: how many rows of counts there are, the rows, and the runs of a file.

use crate::{
    huge::abi::{are_sound, Pools, Row, Run, RESERVED},
    take,
};
use flbdump::report::Part;

/// How many small pages the machine has, and how many huge ones a file.
const MEMORY: u64 = (1 << 40) + (1 << 18);
const LEN: u64 = 1 << 20;

fn row(input: &mut &[u8]) -> Row {
    Row {
        order: u32::from_le_bytes(take(input)),
        node: u32::from_le_bytes(take(input)),
        count: u64::from_le_bytes(take(input)),
    }
}

fn run(input: &mut &[u8]) -> Run {
    Run {
        index: u64::from_le_bytes(take(input)),
        count: u64::from_le_bytes(take(input)),
        address: u64::from_le_bytes(take(input)),
    }
}

/// Return what an input asks: the mark, the rows and the runs.
fn question(mut input: &[u8]) -> (u64, Vec<Row>, Vec<Run>) {
    let input = &mut input;
    let mark = u64::from_le_bytes(take(input));
    let [rows] = take(input);
    let rows = (0..rows).map(|_| row(input)).collect();
    let mut runs = Vec::new();
    while !input.is_empty() {
        runs.push(run(input));
    }
    (mark, rows, runs)
}

/// Return whether the counts are sound, how many pages of order 9 there are and are reserved, and
/// whether the runs are sound.
fn decide(input: &[u8]) -> (bool, u64, u64, bool) {
    let (mark, rows, runs) = question(input);
    let pools = Pools::of(mark, &rows);
    let sound = pools.are_sound(MEMORY);
    let (there, reserved) = (pools.left(9, false), pools.left(9, true));
    let runs = are_sound(&runs, LEN, 4096 << 9, there, reserved);
    (sound, there, reserved, runs)
}

/// Return what `flbdump` says of the counts and of the runs.
pub(crate) fn dump(input: &[u8]) -> [Part; 2] {
    let (mark, rows, runs) = question(input);
    let mut pools = mark.to_ne_bytes().to_vec();
    for row in rows {
        pools.extend([row.order, row.node].map(u32::to_ne_bytes).concat());
        pools.extend(row.count.to_ne_bytes());
    }
    let words = runs
        .iter()
        .flat_map(|run| [run.index, run.count, run.address]);
    let runs: Vec<_> = words.flat_map(u64::to_ne_bytes).collect();
    let (_, there, reserved, _) = decide(input);
    [
        flbdump::huge::pools(&pools, MEMORY),
        flbdump::huge::runs(&runs, LEN, 4096 << 9, there, reserved),
    ]
}

/// Return the same, for the answers to the seeds.
#[cfg(test)]
pub(crate) fn answer(input: &[u8]) -> (bool, u64, u64, bool) {
    decide(input)
}

/// Check that what is found sound is.
pub fn check(input: &[u8]) {
    let (_, rows, runs) = question(input);
    let (sound, there, reserved, runs_are_sound) = decide(input);
    let fine = dump(input).map(|part| part.damage.is_none());
    assert_eq!(fine, [sound, runs_are_sound], "flbdump");
    if sound {
        let used = rows.iter().take_while(|row| row.order != 0);
        let (reserved, there): (Vec<_>, Vec<_>) = used.partition(|row| row.node == RESERVED);
        for rows in [reserved, there] {
            let pages = rows
                .iter()
                .map(|row: &Row| u128::from(row.count) << row.order.min(63));
            assert!(
                pages.sum::<u128>() <= MEMORY.into(),
                "more than there is memory"
            );
        }
    }
    if !runs_are_sound {
        return;
    }
    let sum = |is_there| {
        let of = runs.iter().filter(|run| run.is_there() == is_there);
        of.map(|run| u128::from(run.count)).sum::<u128>()
    };
    assert!(sum(true) <= there.into(), "more than were counted");
    assert!(sum(false) <= reserved.into(), "more than were reserved");
    let mut end = 0;
    for run in &runs {
        assert!(run.count != 0 && run.index >= end, "not in order");
        end = run.index + run.count;
        assert!(end <= i64::MAX as u64 >> 21, "beyond any file");
        assert!(
            run.address.checked_add(run.count << 21).is_some(),
            "beyond memory"
        );
        assert!(run.address % (1 << 21) == 0, "no huge page");
    }
}
