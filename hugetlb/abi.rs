// SPDX-License-Identifier: GPL-2.0

//! What is handed over of huge pages. It depends on `core` alone, so the same file is compiled into
//! the kernel and into the programs that test and fuzz it. What it reads may be anything.

#![forbid(unsafe_code)]

use crate::preserved_data;

/// In [`Row::node`]: pages that are reserved, on whatever node.
pub(crate) const RESERVED: u32 = u32::MAX;

/// The mark and version of the counts.
const MAGIC: u64 = u64::from_le_bytes(*b"hugepl01");

preserved_data! {
    /// How many pages of one size there are, on one node or reserved.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Row: version 1 {
        /// Of the size. It is zero in rows that are not used, which come last.
        pub(crate) order: u32,
        pub(crate) node: u32,
        pub(crate) count: u64,
    }

    /// All counts, in a page of 4 KiB.
    pub(crate) struct Pools: version 1 {
        magic: u64,
        rows: [Row; Pools::ROWS],
    }

    /// Pages that follow each other in the file, and in memory if they are there.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct Run: version 1 {
        /// Of the first page, counted in huge pages.
        pub(crate) index: u64,
        pub(crate) count: u64,
        /// Of the first page. If it is zero they are reserved, but not there.
        pub(crate) address: u64,
    }
}

impl Row {
    fn is(&self, order: u32, node: u32) -> bool {
        self.order == order && self.node == node
    }
}

impl Pools {
    /// How many rows there are.
    pub(crate) const ROWS: usize = 255;

    /// For tests: anything.
    #[cfg(any(not(CONFIG_LIVEUPDATE_HUGETLB), CONFIG_RUST_LIVEUPDATE_KUNIT_TEST))]
    pub(crate) fn of(magic: u64, rows: &[Row]) -> Self {
        let mut pools = Self::zeroed();
        pools.magic = magic;
        pools.rows[..rows.len()].copy_from_slice(rows);
        pools
    }

    /// No counts: only zeroes.
    pub(crate) const fn zeroed() -> Self {
        let none = Row {
            order: 0,
            node: 0,
            count: 0,
        };
        Self {
            magic: 0,
            rows: [none; Self::ROWS],
        }
    }

    /// Makes zeroes counts.
    pub(crate) fn init(&mut self) {
        self.magic = MAGIC;
    }

    /// Those that are used.
    pub(crate) fn rows(&self) -> &[Row] {
        let used = self.rows.iter().take_while(|row| row.order != 0).count();
        &self.rows[..used]
    }

    /// Whether these are counts that can be, on a machine with so many small pages. The nodes may
    /// be others in this kernel.
    pub(crate) fn are_sound(&self, memory: u64) -> bool {
        let rows = self.rows();
        let mut left = [memory; 2];
        let mut fits = |row: &Row| {
            let left = &mut left[usize::from(row.node == RESERVED)];
            let most = left.checked_shr(row.order).unwrap_or(0);
            if row.count > most {
                return false;
            }
            *left -= row.count << row.order.min(63);
            true
        };
        let is_new = |(at, row): (usize, &Row)| {
            !rows[..at].iter().any(|other| other.is(row.order, row.node))
        };
        self.magic == MAGIC && rows.iter().all(&mut fits) && rows.iter().enumerate().all(is_new)
    }

    /// How many are left, of a size, reserved or there.
    pub(crate) fn left(&self, order: u32, reserved: bool) -> u64 {
        let is_it = |row: &&Row| row.order == order && (row.node == RESERVED) == reserved;
        let counts = self.rows().iter().filter(is_it).map(|row| row.count);
        counts.fold(0, u64::saturating_add)
    }

    /// Adds the pages of a file, all or none: whether there is room for the counts.
    pub(crate) fn add(&mut self, counts: &[Row]) -> bool {
        let used = self.rows();
        let is_new = |count: &&Row| !used.iter().any(|row| row.is(count.order, count.node));
        if used.len() + counts.iter().filter(is_new).count() > Self::ROWS {
            return false;
        }
        counts.iter().all(|count| {
            let is_it = |row: &&mut Row| row.order == 0 || row.is(count.order, count.node);
            self.rows.iter_mut().find(is_it).is_some_and(|row| {
                *row = Row {
                    count: row.count.saturating_add(count.count),
                    ..*count
                };
                true
            })
        })
    }

    /// Takes a page off that is on this node, which may have been another one: the node on which it
    /// was counted, if it was.
    pub(crate) fn take_page(&mut self, order: u32, node: u32) -> Option<u32> {
        let rows = self.rows();
        let is_it = |row: &&Row| row.order == order && row.node != RESERVED && row.count != 0;
        let mut there = rows.iter().filter(is_it);
        let here = there.clone().find(|row| row.node == node);
        let node = here.or_else(|| there.next())?.node;
        let count = 1;
        self.take(Row { order, node, count }).then_some(node)
    }

    /// Takes pages off, if there are so many.
    pub(crate) fn take(&mut self, taken: Row) -> bool {
        let is_it = |row: &&mut Row| row.is(taken.order, taken.node);
        let row = self.rows.iter_mut().find(is_it);
        row.is_some_and(|row| match row.count.checked_sub(taken.count) {
            Some(count) => {
                row.count = count;
                true
            }
            None => false,
        })
    }
}

impl Run {
    pub(crate) fn is_there(&self) -> bool {
        self.address != 0
    }

    /// Whether the other follows it, in the file and in memory, with pages of so many bytes.
    pub(crate) fn leads_to(&self, other: &Run, bytes: u64) -> bool {
        let address = match self.is_there() {
            true => self.address + self.count * bytes,
            false => 0,
        };
        self.index + self.count == other.index && address == other.address
    }
}

/// The index of the first hole of a file that has these runs.
pub(crate) fn first_hole(runs: &[Run]) -> u64 {
    let mut end = 0;
    for run in runs.iter().take_while(|run| run.is_there()) {
        if run.index != end {
            break;
        }
        end += run.count;
    }
    end
}

/// Whether these are runs in the order of a file that has so many pages of so many bytes, a power
/// of two; of at most so many pages that are there, and so many that are reserved.
pub(crate) fn are_sound(runs: &[Run], len: u64, bytes: u64, there: u64, reserved: u64) -> bool {
    let mut left = [there, reserved];
    let mut end = 0;
    runs.iter().all(|run| {
        let left = &mut left[usize::from(!run.is_there())];
        let begin = end;
        let (Some(rest), Some(run_end), Some(memory)) = (
            left.checked_sub(run.count),
            run.index.checked_add(run.count),
            run.count.checked_mul(bytes),
        ) else {
            return false;
        };
        (*left, end) = (rest, run_end);
        run.count != 0
            && run.index >= begin
            && run_end <= i64::MAX as u64 / bytes
            && (run_end <= len || !run.is_there())
            && run.address % bytes == 0
            && run.address.checked_add(memory).is_some()
    })
}

#[cfg(any(test, CONFIG_RUST_LIVEUPDATE_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_LIVEUPDATE_KUNIT_TEST,
    kernel::prelude::kunit_tests(rust_liveupdate_hugetlb_abi)
)]
mod tests {
    use super::*;

    /// How many small pages the machine has.
    const MEMORY: u64 = 2048;

    const fn row(order: u32, node: u32, count: u64) -> Row {
        Row { order, node, count }
    }

    fn pools(rows: &[Row]) -> Pools {
        Pools::of(MAGIC, rows)
    }

    #[test]
    fn what_is_added_can_be_taken_once() {
        let mut pools = pools(&[]);
        assert!(pools.add(&[row(9, 0, 3), row(9, RESERVED, 5)]));
        assert!(pools.add(&[row(9, 1, 1), row(9, 0, 2), row(4, 0, 7)]));
        assert_eq!(pools.rows().len(), 4);
        assert_eq!(pools.left(9, false), 6);
        assert_eq!(pools.left(9, true), 5);
        assert!(pools.take(row(9, 0, 5)));
        assert!(!pools.take(row(9, 0, 1)));
        assert!(!pools.take(row(9, 2, 1)));
        assert_eq!(pools.left(9, false), 1);
    }

    #[test]
    fn a_page_that_has_moved_is_taken_elsewhere() {
        let mut pools = pools(&[
            row(9, 0, 1),
            row(9, 1, 1),
            row(9, RESERVED, 1),
            row(4, 2, 9),
        ]);
        assert_eq!(pools.take_page(9, 1), Some(1));
        assert_eq!(pools.take_page(9, 1), Some(0));
        assert_eq!(pools.take_page(9, 0), None);
        assert_eq!(pools.left(9, true), 1);
    }

    #[test]
    fn counts_of_a_file_are_added_all_or_none() {
        let mut pools = pools(&[]);
        for node in 1..Pools::ROWS as u32 {
            assert!(pools.add(&[row(9, node, 1)]));
        }
        let both = [row(9, 1000, 1), row(9, 1001, 1)];
        assert!(!pools.add(&both));
        assert_eq!(pools.left(9, false), Pools::ROWS as u64 - 1);
        assert!(pools.add(&[row(9, 1, 1), row(9, 1000, 1)]));
        assert!(!pools.add(&both));
        assert_eq!(pools.left(9, false), Pools::ROWS as u64 + 1);
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let sound: [&[Row]; 4] = [
            &[],
            // Whatever the nodes are called here.
            &[row(9, 0, 2), row(9, 77, 2), row(9, RESERVED, 4)],
            &[row(10, 0, 1), row(9, 0, 1), row(9, u32::MAX - 1, 0)],
            &[row(10, 0, 1), row(0, 5, u64::MAX), row(9, 5, 1)],
        ];
        for rows in sound {
            assert!(pools(rows).are_sound(MEMORY));
        }
        let damaged: [&[Row]; 9] = [
            &[row(9, 0, 5)],
            &[row(9, 0, 4), row(10, 0, 1)],
            &[row(9, 0, 1), row(9, 0, 1)],
            &[row(9, RESERVED, 5)],
            &[row(9, RESERVED, 4), row(10, RESERVED, 1)],
            &[row(9, 0, u64::MAX)],
            &[row(63, 0, 2)],
            &[row(64, RESERVED, 1)],
            &[row(u32::MAX, 0, 0), row(u32::MAX, 0, 1)],
        ];
        for rows in damaged {
            assert!(!pools(rows).are_sound(MEMORY));
        }
        let mut other = pools(&[]);
        other.magic += 1;
        assert!(!other.are_sound(MEMORY));
    }

    const BYTES: u64 = 1 << 21;
    const LEN: u64 = 20;

    const fn run(index: u64, count: u64, address: u64) -> Run {
        Run {
            index,
            count,
            address,
        }
    }

    #[test]
    fn runs_that_cannot_be_are_refused() {
        let end = i64::MAX as u64 / BYTES;
        let sound: [&[Run]; 4] = [
            &[],
            &[run(0, 3, BYTES), run(3, 1, 8 * BYTES), run(9, 2, 0)],
            &[run(7, 5, 0), run(12, 4, BYTES)],
            // Reserved behind the end.
            &[run(19, 1, BYTES), run(end - 1, 1, 0)],
        ];
        for runs in sound {
            assert!(are_sound(runs, LEN, BYTES, 4, 5));
        }
        let damaged: [&[Run]; 11] = [
            // More than were counted.
            &[run(0, 5, BYTES)],
            &[run(0, 4, BYTES), run(4, 1, 8 * BYTES)],
            &[run(0, 6, 0)],
            &[run(0, 1, BYTES), run(1, u64::MAX, 0)],
            // Not in the order of the file.
            &[run(3, 1, BYTES), run(2, 1, 2 * BYTES)],
            &[run(0, 2, BYTES), run(1, 1, 0)],
            // Of no pages, and where there are none.
            &[run(0, 0, BYTES)],
            &[run(0, 1, BYTES + 4096)],
            &[run(0, 2, u64::MAX - BYTES + 1)],
            &[run(20, 1, BYTES)],
            &[run(end, 1, 0)],
        ];
        for runs in damaged {
            assert!(!are_sound(runs, LEN, BYTES, 4, 5));
        }
    }

    #[test]
    fn holes_begin_where_no_page_is() {
        assert_eq!(first_hole(&[]), 0);
        assert_eq!(first_hole(&[run(1, 3, BYTES)]), 0);
        assert_eq!(first_hole(&[run(0, 3, 0)]), 0);
        let two = [run(0, 3, BYTES), run(3, 1, 8 * BYTES)];
        assert_eq!(first_hole(&two), 4);
        assert_eq!(first_hole(&[two[0], two[1], run(4, 1, 0)]), 4);
        assert_eq!(first_hole(&[two[0], run(4, 1, BYTES)]), 3);
    }

    #[test]
    fn pages_that_follow_each_other_are_one_run() {
        let two = run(3, 2, BYTES);
        assert!(two.leads_to(&run(5, 1, 3 * BYTES), BYTES));
        assert!(!two.leads_to(&run(6, 1, 3 * BYTES), BYTES));
        assert!(!two.leads_to(&run(5, 1, 4 * BYTES), BYTES));
        assert!(!two.leads_to(&run(5, 1, 0), BYTES));
        assert!(run(3, 2, 0).leads_to(&run(5, 1, 0), BYTES));
        assert!(!run(3, 2, 0).leads_to(&run(5, 1, BYTES), BYTES));
    }
}
