// SPDX-License-Identifier: GPL-2.0

//! Seeds of huge pages.

use super::Seed;

const MARK: &[u8; 8] = b"hugepl01";
const RESERVED: u32 = u32::MAX;
const PAGE: u64 = 1 << 21;

fn input(mark: &[u8; 8], rows: &[(u32, u32, u64)], runs: &[[u64; 3]]) -> Vec<u8> {
    let mut bytes = mark.to_vec();
    bytes.push(rows.len() as u8);
    for (order, node, count) in rows {
        bytes.extend([order.to_le_bytes(), node.to_le_bytes()].concat());
        bytes.extend(count.to_le_bytes());
    }
    for run in runs {
        bytes.extend(run.map(u64::to_le_bytes).concat());
    }
    bytes
}

pub(super) fn seeds() -> Vec<Seed> {
    let rows = [(9, 0, 4), (9, 1, 2), (9, RESERVED, 3), (18, 1, 7)];
    let runs = [[0, 2, PAGE], [2, 3, 0], [900, 4, 9 * PAGE]];
    let with_rows = |rows: &[(u32, u32, u64)]| input(MARK, rows, &[]);
    let with_runs = |runs: &[[u64; 3]]| input(MARK, &rows, runs);
    vec![
        ("right", with_runs(&runs)),
        ("nothing", with_rows(&[])),
        ("other-mark", input(b"hugepl02", &rows, &runs)),
        ("row-twice", with_rows(&[(9, 0, 1), (9, 0, 1)])),
        ("any-node", with_rows(&[(9, 7, 1), (9, u32::MAX - 1, 0)])),
        (
            "more-than-memory",
            with_rows(&[(9, 0, 1 << 31), (9, 1, 513)]),
        ),
        ("all-memory", with_rows(&[(9, 0, 1 << 31), (9, 1, 512)])),
        (
            "more-reserved-than-memory",
            with_rows(&[(9, RESERVED, u64::MAX)]),
        ),
        ("order-too-large", with_rows(&[(64, 1, 1)])),
        ("behind-the-last-row", with_rows(&[(0, 0, 0), (99, 99, 99)])),
        ("more-pages", with_runs(&[[0, 7, PAGE]])),
        ("more-reserved", with_runs(&[[0, 4, 0]])),
        ("overlap", with_runs(&[[0, 2, PAGE], [1, 1, 5 * PAGE]])),
        ("no-pages", with_runs(&[[0, 0, PAGE]])),
        ("half-a-page", with_runs(&[[0, 1, PAGE / 2]])),
        ("end-of-memory", with_runs(&[[0, 2, u64::MAX - PAGE + 1]])),
        (
            "end-of-file",
            with_runs(&[[i64::MAX as u64 >> 21, 1, PAGE]]),
        ),
        (
            "end-of-any-file",
            with_runs(&[[i64::MAX as u64 >> 21, 1, 0]]),
        ),
        ("index-overflow", with_runs(&[[u64::MAX, 2, PAGE]])),
    ]
}
