// SPDX-License-Identifier: GPL-2.0

//! The pages of a file.

use crate::{
    abi::{
        self,
        Row,
        Run,
        RESERVED, //
    },
    memfd::Attributes,
    pools::Incoming,
    raw::{
        Arrived,
        LockedFile,
        NewFile,
        Page,
        Size, //
    }, //
};
use kernel::{
    kho::KhoVmalloc,
    liveupdate::file::OpenFile,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    }, //
};

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
        while index < end {
            let Some((from, to)) = file.next_region(index).filter(|(from, _)| *from < end) else {
                break;
            };
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
    /// From here to there, and held back.
    Reserved(u64, u64),
    /// Reserved, but there are not so many pages.
    Unreserved,
}

impl<'a> Coming<'a> {
    /// Of a file of so many bytes; [`EINVAL`] if there cannot be such pages, or more than have been
    /// counted. They are lost then.
    pub(crate) fn new(
        runs: Option<KhoVmalloc<Run>>,
        len: u64,
        size: Size,
        pools: Pin<&'a Mutex<Incoming>>,
    ) -> Result<Self> {
        let (there, reserved) = {
            let pools = pools.lock();
            (pools.left(size, false), pools.left(size, true))
        };
        let all = runs.as_deref().unwrap_or(&[]);
        let len = len.div_ceil(size.bytes());
        if !abi::are_sound(all, len, size.bytes(), there, reserved) {
            pr_err!("the runs of a file are damaged\n");
            return Err(EINVAL);
        }
        Ok(Self {
            runs,
            size,
            pools,
            next: 0,
            done: 0,
        })
    }

    /// Puts all into a new file with these attributes.
    pub(crate) fn into_file(mut self, attributes: &Attributes) -> Result<ARef<OpenFile>> {
        let file = NewFile::new(self.size, attributes)?;
        while let Some(piece) = self.next() {
            match piece? {
                Piece::Page(index, page) => file.add_page(index, page)?,
                Piece::Reserved(from, to) => file.add_region(from, to).inspect_err(|_| {
                    self.release(from, to);
                })?,
                // Better than to lose the file.
                Piece::Unreserved => {}
            }
        }
        Ok(file.into_file())
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
            false => self.reserved(run),
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

    fn reserved(&self, run: Run) -> Result<Piece> {
        let Run { index, count, .. } = run;
        match self.pools.lock().take_reserved(self.size, count) {
            Ok(()) => Ok(Piece::Reserved(index, index + count)),
            Err(ENOMEM) => {
                pr_err!("{count} pages of a file are not reserved any more\n");
                Ok(Piece::Unreserved)
            }
            Err(error) => Err(error),
        }
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
                Ok(Piece::Page(_, page)) => page.free(),
                Ok(Piece::Reserved(from, to)) => self.release(from, to),
                // It was told.
                Ok(Piece::Unreserved) | Err(_) => {}
            }
        }
    }
}
