// SPDX-License-Identifier: GPL-2.0
//! Pools: how many pages the next kernel has, of which size and where.

use super::{only, FOUR, TWO};
use crate::hugetlb::{expect, expect_node, pool, restore, HugeFile, Pool, Size, GIB1, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::run::{finish, Run, Scenario};
use crate::scenarios::{hop, scenario};
use crate::{memory, report, sys};
use std::io;
use std::os::unix::fs::MetadataExt;

/// x86_64 emulates them, as it has no ACPI here; on arm64 the device tree has those of the machine.
pub(super) const NODES: &str = "flb.nodes=2 numa=fake=2 hugepages=0:8,1:8";

pub(super) fn surplus_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &[FOUR, TWO])?])
}

pub(super) fn surplus_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", MIB2, pool(6, 0, 0, 4))?;
    let session = luo.retrieve("files")?;
    let files = restore(&session, &[FOUR])?;
    finish("files", session);
    expect("one was not retrieved", MIB2, pool(4, 0, 0, 2))?;
    let again = luo.create("again")?;
    again.preserve(&files[0], FOUR.token)?;
    Ok(vec![again])
}

pub(super) fn surplus_2(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(4, 0, 0, 4))?;
    let session = LiveUpdate::open()?.retrieve("again")?;
    drop(restore(&session, &[FOUR])?);
    finish("again", session);
    expect("closed", MIB2, pool(0, 0, 0, 0))?;
    Ok(Vec::new())
}

/// As many pages as two nodes have between them.
const TWELVE: HugeFile = HugeFile {
    token: 7,
    size: MIB2,
    len: 12,
    filled: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

pub(super) fn nodes_0(run: &mut Run) -> io::Result<Vec<Session>> {
    expect_node("at first", 0, pool(8, 8, 0, 0))?;
    // More than a node has.
    let session = only("files", &[TWELVE])?;
    let left = Pool::of_node(MIB2, 0)?.free;
    run.cmdline.set("flb.left", &left.to_string());
    Ok(vec![session])
}

pub(super) fn nodes_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let left: u64 = run
        .cmdline
        .get("flb.left")
        .unwrap_or("")
        .parse()
        .map_err(io::Error::other)?;
    // From node 0 come 4 to 8 pages, of which 2 were asked for; all 8 of node 1 were.
    let first = 8 - left;
    expect_node("at first", 0, pool(first, 0, 0, first - 2))?;
    expect_node("at first", 1, pool(8, 8 - (12 - first), 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &[TWELVE])?);
    finish("files", session);
    expect_node("closed", 0, pool(2, 2, 0, 0))?;
    expect_node("closed", 1, pool(8, 8, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn nodes_gone(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 4, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &[TWELVE])?);
    finish("files", session);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    expect_node("closed", 0, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// Of 5 GiB. What KHO sets aside has to fit beside it.
pub(super) const MOST: &str = "flb.memory=5G hugetlb_free_vmemmap=on kho_scratch=32M,200M,32M \
    hugepages=2310";
const MOST_FILE: HugeFile = HugeFile {
    token: 8,
    size: MIB2,
    len: 2310,
    filled: &[],
};

pub(super) fn most_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let file = MOST_FILE.create()?;
    sys::fallocate(&file, 0, 0, MOST_FILE.len << MIB2.0)?;
    let session = LiveUpdate::open()?.create("most")?;
    session.preserve(file, MOST_FILE.token)?;
    expect("preserved", MIB2, pool(MOST_FILE.len, 0, 0, 0))?;
    Ok(vec![session])
}

pub(super) fn most_1(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(MOST_FILE.len, 0, 0, 0))?;
    // The pools are part of the memory, or strict overcommit would have none left.
    let [total, limit] = ["MemTotal:", "CommitLimit:"].map(memory::info);
    report::holds("the memory has the pools", total? > MOST_FILE.len << MIB2.0);
    report::holds(
        "what can be committed is what is left",
        limit? < GIB1.bytes(),
    );
    let session = LiveUpdate::open()?.retrieve("most")?;
    let file = session.retrieve(MOST_FILE.token)?;
    let pages = file.metadata()?.blocks() * 512;
    report::equal("pages", MOST_FILE.len, pages / MIB2.bytes());
    finish("most", session);
    drop(file);
    expect("closed", MIB2, pool(MOST_FILE.len, MOST_FILE.len, 0, 0))?;
    Ok(Vec::new())
}

/// The next kernel has the same words: a key can be replaced once only.
pub(super) const GIGANTIC: &str =
    "flb.memory=6G hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=16";
const ONE: HugeFile = HugeFile {
    token: 9,
    size: GIB1,
    len: 2,
    filled: &[1],
};

pub(super) fn gigantic_0(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", GIB1, pool(2, 2, 0, 0))?;
    Ok(vec![only("files", &[ONE, FOUR])?])
}

pub(super) fn gigantic_1(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", GIB1, pool(2, 1, 0, 0))?;
    expect("at first", MIB2, pool(16, 12, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    let files = restore(&session, &[ONE, FOUR])?;
    finish("files", session);
    expect("finished", GIB1, pool(2, 1, 0, 0))?;
    drop(files);
    expect("closed", GIB1, pool(2, 2, 0, 0))?;
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// The sizes that arm64 has beside. The next kernel has the same words.
pub const SIZES: Scenario = scenario(
    "hugetlb-sizes",
    "pages of 64 KiB, 2 MiB and 32 MiB",
    &[hop(ALL_SIZES, sizes_0), hop("", sizes_1)],
);

const ALL_SIZES: &str = "flb.memory=3G hugepagesz=64K hugepages=32 hugepagesz=2M hugepages=16 \
    hugepagesz=32M hugepages=4";

/// A size, how many pages are asked for, and a file of three.
const FILES: [(Size, u64, HugeFile); 3] = [
    (Size(16), 32, three(10, Size(16))),
    (MIB2, 16, three(11, MIB2)),
    (Size(25), 4, three(12, Size(25))),
];

const fn three(token: u64, size: Size) -> HugeFile {
    HugeFile {
        token,
        size,
        len: 5,
        filled: &[0, 1, 4],
    }
}

fn sizes_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &FILES.map(|(_, _, file)| file))?])
}

fn sizes_1(_: &mut Run) -> io::Result<Vec<Session>> {
    for (size, asked, _) in FILES {
        expect("at first", size, pool(asked, asked - 3, 0, 0))?;
    }
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &FILES.map(|(_, _, file)| file))?);
    finish("files", session);
    for (size, asked, _) in FILES {
        expect("closed", size, pool(asked, asked, 0, 0))?;
    }
    Ok(Vec::new())
}
