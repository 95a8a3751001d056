// SPDX-License-Identifier: GPL-2.0
//! The story of a file in huge pages, and of the pool that they are from.

use super::{human, tell};
use crate::hugetlb::{pool, HugeFile, Pool, MIB2, POOLS};
use crate::liveupdate::{LiveUpdate, Session};
use crate::report::{self, story};
use crate::run::{finish, Run};
use std::io;
use std::path::Path;

const SESSION: &str = "vm-gamma";

const RAM: HugeFile = HugeFile {
    token: 0xc1,
    size: MIB2,
    len: 8,
    filled: &[0, 1, 2, 3, 6],
};

/// How many pages both kernels are asked for, by `demo.sh`.
const ASKED: u64 = 16;
const THERE: u64 = RAM.filled.len() as u64;

/// Whether this kernel hands such files over, which it does if it has huge pages at all.
fn is_possible() -> bool {
    Path::new(POOLS).exists()
}

/// Tells of the pool, which must have so many free pages.
fn tell_pool(when: &str, free: u64) -> io::Result<()> {
    let found = Pool::of(MIB2)?;
    story(format_args!(
        "    pool      {when:<10} nr_hugepages {}, free {}, reserved {}",
        found.total, found.free, found.reserved
    ));
    report::equal(format_args!("pool, {when}"), pool(ASKED, free, 0, 0), found);
    Ok(())
}

fn tell_file(what: &str) {
    let pages = human(THERE * MIB2.bytes());
    story(format_args!(
        "    {:<9} {:>9}  in {THERE} huge pages, {pages}, and holes, {what}",
        "ram",
        human(RAM.len * MIB2.bytes())
    ));
}

/// Preserves it, where that can be done.
pub(super) fn leave(run: &mut Run, luo: &LiveUpdate) -> io::Result<Option<Session>> {
    if !is_possible() {
        return Ok(None);
    }
    story(format_args!("  session {SESSION}, in huge pages"));
    tell_pool("before", ASKED)?;
    let session = luo.create(SESSION)?;
    session.preserve(RAM.create()?, RAM.token)?;
    tell_file("preserved");
    tell(&run.update());
    tell_pool("now", ASKED - THERE)?;
    Ok(Some(session))
}

/// Retrieves and compares it, if it was preserved; whether it is the same, and its size.
pub(super) fn arrive(run: &mut Run, luo: &LiveUpdate) -> io::Result<Option<(bool, u64)>> {
    if !is_possible() {
        return Ok(None);
    }
    story(format_args!("  session {SESSION}, in huge pages"));
    tell_pool("since boot", ASKED - THERE)?;
    let session = luo.retrieve(SESSION)?;
    let file = session.retrieve(RAM.token)?;
    let same = RAM.check(&file)?;
    tell_file(if same {
        "same data, same frames"
    } else {
        "DATA DIFFER"
    });
    finish(SESSION, session);
    story("    finished");
    tell(&run.update());
    drop(file);
    tell_pool("closed", ASKED)?;
    Ok(Some((same, RAM.len * MIB2.bytes())))
}
