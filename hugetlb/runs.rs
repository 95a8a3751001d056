// SPDX-License-Identifier: GPL-2.0

//! The pages of a file.

use crate::{
    pools::{
        Incoming,
        Row,
        RESERVED, //
    },
    raw::{
        Arrived,
        HugeFile,
        LockedFile,
        Page,
        Size, //
    }, //
};
use kernel::{
    kho::KhoVmalloc,
    prelude::*,
    preserved_data,
    sync::Mutex, //
};

preserved_data! {
    /// Pages that follow each other in the file, and in memory if they are there.
    #[derive(Clone, Copy, PartialEq)]
    pub(crate) struct Run: version 1 {
        /// Of the first page, counted in huge pages.
        pub(crate) index: u64,
        pub(crate) count: u64,
        /// Of the first page. If it is zero they are reserved, but not there.
        pub(crate) address: u64,
    }
}

impl Run {
    fn is_there(&self) -> bool {
        self.address != 0
    }

    fn end(&self) -> Option<u64> {
        self.index.checked_add(self.count)
    }

    /// Whether the other follows it, in the file and in memory.
    fn leads_to(&self, other: &Run, bytes: u64) -> bool {
        let address = match self.is_there() {
            true => self.address + self.count * bytes,
            false => 0,
        };
        self.end() == Some(other.index) && address == other.address
    }
}

/// What of a file is there.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) runs: KVVec<Run>,
    /// In their order.
    pub(crate) pages: KVVec<Page>,
    /// For the pools.
    pub(crate) counts: KVec<Row>,
}

impl Found {
    /// Looks through a file. Nothing is allocated in it.
    pub(crate) fn of(file: &LockedFile<'_>, size: Size) -> Result<Self> {
        let mut found = Self::default();
        let mut index = 0;
        while let Some((at, page)) = file.next_page(index)? {
            found.reserved(file, size, index, at)?;
            let address = page.address();
            found.push(
                size,
                page.node(),
                Run {
                    index: at,
                    count: 1,
                    address,
                },
            )?;
            found.pages.push(page, GFP_KERNEL)?;
            index = at + 1;
        }
        found.reserved(file, size, index, u64::MAX)?;
        Ok(found)
    }

    /// Adds what is reserved where there are no pages.
    fn reserved(&mut self, file: &LockedFile<'_>, size: Size, from: u64, end: u64) -> Result {
        let mut index = from;
        while let Some((from, to)) = file.next_region(index).filter(|(from, _)| *from < end) {
            index = to.min(end);
            let count = index - from;
            self.push(
                size,
                RESERVED,
                Run {
                    index: from,
                    count,
                    address: 0,
                },
            )?;
        }
        Ok(())
    }

    fn push(&mut self, size: Size, node: u32, run: Run) -> Result {
        let order = size.order();
        match self.counts.iter_mut().find(|row| row.node == node) {
            Some(row) => row.count += run.count,
            None => self.counts.push(
                Row {
                    order,
                    node,
                    count: run.count,
                },
                GFP_KERNEL,
            )?,
        }
        match self.runs.last_mut() {
            Some(last) if last.leads_to(&run, size.bytes()) => last.count += run.count,
            _ => self.runs.push(run, GFP_KERNEL)?,
        }
        Ok(())
    }
}

/// What has come of a file, and was not put anywhere yet. Dropped, the rest goes to the pool.
pub(crate) struct Coming<'a> {
    runs: Option<KhoVmalloc<Run>>,
    size: Size,
    pools: Pin<&'a Mutex<Incoming>>,
    /// Which run is next, and how many of its pages are done.
    next: usize,
    done: u64,
}

/// What comes of a run.
enum Piece {
    Page(u64, Arrived),
    Reserved(u64, u64),
}

impl<'a> Coming<'a> {
    /// [`EINVAL`] if there cannot be such pages, or more than have been counted. They are lost then.
    pub(crate) fn new(
        runs: Option<KhoVmalloc<Run>>,
        size: Size,
        pools: Pin<&'a Mutex<Incoming>>,
    ) -> Result<Self> {
        let most = {
            let pools = pools.lock();
            [false, true].map(|reserved| pools.left(size, reserved))
        };
        check(runs.as_deref().unwrap_or(&[]), size.bytes(), most)?;
        Ok(Self {
            runs,
            size,
            pools,
            next: 0,
            done: 0,
        })
    }

    /// Puts all into a new file.
    pub(crate) fn put_into(mut self, file: &HugeFile<'_>) -> Result {
        while let Some(piece) = self.next() {
            match piece? {
                Piece::Page(index, page) => file.add_page(index, page)?,
                Piece::Reserved(from, to) => file.add_region(from, to).inspect_err(|_| {
                    self.release(from, to);
                })?,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Result<Piece>> {
        let run = *self.runs.as_deref()?.get(self.next)?;
        let index = run.index + self.done;
        self.done += if run.is_there() { 1 } else { run.count };
        let address = run.address + (index - run.index) * self.size.bytes();
        if self.done == run.count {
            (self.next, self.done) = (self.next + 1, 0);
        }
        Some(match run.is_there() {
            true => self.page(address).map(|page| Piece::Page(index, page)),
            false => self
                .reserved(run)
                .map(|()| Piece::Reserved(index, index + run.count)),
        })
    }

    fn page(&self, address: u64) -> Result<Arrived> {
        let page = Arrived::restore(address, self.size).inspect_err(|_| {
            pr_err!("no page of this size was handed over at {address:#x}\n");
        })?;
        // One that was not counted may be somebody else's, so it is lost then.
        self.pools
            .lock()
            .take(self.size, page.node())
            .inspect_err(|_| {
                pr_err!("the page at {address:#x} was not counted\n");
            })?;
        Ok(page)
    }

    fn reserved(&self, run: Run) -> Result {
        self.pools.lock().take_reserved(self.size, run.count)
    }

    fn release(&self, from: u64, to: u64) {
        // Less is always possible.
        let _ = self.size.hold(-((to - from) as isize));
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        while let Some(piece) = self.next() {
            match piece {
                Ok(Piece::Page(_, page)) => page.free(self.size),
                Ok(Piece::Reserved(from, to)) => self.release(from, to),
                // It was told.
                Err(_) => {}
            }
        }
    }
}

/// [`EINVAL`] unless these are runs in the order of the file, of at most so many pages, and so many
/// that are reserved.
fn check(runs: &[Run], bytes: u64, most: [u64; 2]) -> Result {
    let limit = i64::MAX as u64 / bytes;
    let (mut end, mut left) = (0, most);
    for run in runs {
        let left = &mut left[usize::from(!run.is_there())];
        *left = left.checked_sub(run.count).ok_or(EINVAL)?;
        let memory = run
            .count
            .checked_mul(bytes)
            .and_then(|size| run.address.checked_add(size));
        let run_end = run.end().filter(|&end| end <= limit).ok_or(EINVAL)?;
        if run.count == 0 || run.index < end || run.address % bytes != 0 || memory.is_none() {
            return Err(EINVAL);
        }
        end = run_end;
    }
    Ok(())
}

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
#[kunit_tests(rust_liveupdate_hugetlb_runs)]
mod tests {
    use super::*;

    const BYTES: u64 = 1 << 21;

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
            &[run(end - 1, 1, BYTES)],
        ];
        for runs in sound {
            assert_eq!(check(runs, BYTES, [4, 5]), Ok(()));
        }
        let damaged: [&[Run]; 10] = [
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
            &[run(end, 1, BYTES)],
        ];
        for runs in damaged {
            assert_eq!(check(runs, BYTES, [4, 5]), Err(EINVAL));
        }
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
