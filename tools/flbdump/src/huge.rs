// SPDX-License-Identifier: GPL-2.0
//! What the handler of huge pages hands over, as it judges it itself.

use crate::{
    huge_abi::abi::{are_sound, Pools, Row, Run, RESERVED},
    report::{self, Content, Damage, Hex, Part},
};

/// The FLB whose data is where the counts are, and how they begin.
pub const FLB: &[u8] = b"hugetlb-pools-v1";
pub const MARK: &[u8] = b"hugepl01";
pub const POOLS: &str = "HugeTLB pools";
const RUNS: &str = "HugeTLB runs";
const ROW: usize = size_of::<Row>();
const RUN: usize = size_of::<Run>();

/// Decode counts on a machine with so many small pages.
pub fn pools(bytes: &[u8], memory: u64) -> Part {
    let Some((mark, rows)) = bytes.split_first_chunk() else {
        return Part::damaged(POOLS, Damage::new(bytes.len(), "too short"));
    };
    let mark = u64::from_ne_bytes(*mark);
    let rows = rows.chunks_exact(ROW).take(Pools::ROWS).map(row);
    let rows: Vec<_> = rows.take_while(|row| row.order != 0).collect();
    let at = match (0..=rows.len()).find(|&rows_so_far| {
        let pools = Pools::of(mark, &rows[..rows_so_far]);
        !pools.are_sound(memory)
    }) {
        None => None,
        Some(0) => Some(Damage::new(0, "bad mark")),
        Some(row) => Some(Damage::new(8 + (row - 1) * ROW, "bad counts")),
    };
    let rows = rows.iter().map(|row| report::Row {
        order: row.order,
        node: (row.node != RESERVED).then_some(row.node),
        pages: row.count,
    });
    let rows = rows.collect();
    Part::new(POOLS, at, Content::Pools { rows })
}

/// Decode the runs of a file of so many pages of so many bytes, a power of two, of which so many
/// are there and reserved.
pub fn runs(bytes: &[u8], len: u64, page: u64, there: u64, reserved: u64) -> Part {
    let runs: Vec<_> = bytes.chunks_exact(RUN).map(run).collect();
    let mut at = None;
    if !are_sound(&runs, len, page, there, reserved) {
        // What follows does not make it sound.
        let (mut sound, mut damaged) = (0, runs.len());
        while damaged - sound > 1 {
            let middle = sound + (damaged - sound) / 2;
            match are_sound(&runs[..middle], len, page, there, reserved) {
                true => sound = middle,
                false => damaged = middle,
            }
        }
        at = Some(Damage::new(sound * RUN, "bad run"));
    }
    let runs = runs.iter().map(|run| report::Run {
        index: run.index,
        pages: run.count,
        address: run.is_there().then_some(Hex(run.address)),
    });
    let runs = runs.collect();
    Part::new(RUNS, at, Content::Runs { runs })
}

fn numbers<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_ne_bytes(*bytes.first_chunk().unwrap_or(&[0; 8]));
    }
    numbers
}

fn row(bytes: &[u8]) -> Row {
    let half = |at: usize| u32::from_ne_bytes(*bytes[at..].first_chunk().unwrap_or(&[0; 4]));
    let [_, count] = numbers(bytes);
    Row {
        order: half(0),
        node: half(4),
        count,
    }
}

fn run(bytes: &[u8]) -> Run {
    let [index, count, address] = numbers(bytes);
    Run {
        index,
        count,
        address,
    }
}
