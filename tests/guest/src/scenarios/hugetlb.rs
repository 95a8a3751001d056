// SPDX-License-Identifier: GPL-2.0
//! Memfds in huge pages, and the pools of the kernels that they come to.

use super::hostile::{poke_behind, Place};
use super::{hop, hops, scenario};
use crate::hugetlb::{expect, expect_node, pool, restore, save, HugeFile, Size, GIB1, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::run::{finish, Run, Scenario};
use crate::sys::{self, Mapping};
use crate::{kexec, memory, report, selftest};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Instant;

const POOL: &str = "hugepages=16";
const NODES: &str = "numa=fake=2 hugepages=0:8,1:8";

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "hugetlb-file",
        "a file keeps its pages, position, seals and mode, and is handed over again",
        &[hop(POOL, file_0), hop(POOL, file_1), hop(POOL, file_2)],
    ),
    scenario(
        "hugetlb-sessions",
        "some files are retrieved, others are not; what is not goes to the pool",
        &[hop(POOL, sessions_0), hop(POOL, sessions_1)],
    ),
    scenario(
        "hugetlb-holes",
        "holes stay holes, and what is reserved stays reserved",
        &[hop(POOL, holes_0), hop(POOL, holes_1)],
    ),
    scenario(
        "hugetlb-changed",
        "a file that has changed is not handed over, nor is anything else",
        &[hop(POOL, changed)],
    ),
    scenario(
        "hugetlb-refused",
        "files that cannot be handed over are refused at once",
        &[hop(POOL, refused)],
    ),
    scenario(
        "hugetlb-surplus",
        "the next kernel is asked for fewer pages than come, and the next for none",
        &[
            hop(POOL, surplus_0),
            hop("hugepages=2", surplus_1),
            hop("hugepages=0", surplus_2),
        ],
    ),
    scenario(
        "hugetlb-nodes",
        "pages of two nodes, of which the next kernel is asked for fewer than come from one",
        &[
            hop(NODES, nodes_0),
            hop("numa=fake=2 hugepages=0:2,1:8", nodes_1),
        ],
    ),
    scenario(
        "hugetlb-nodes-gone",
        "pages of two nodes come to a kernel that knows of one",
        &[
            hop(NODES, nodes_0),
            hop("numa=off hugepages=16", nodes_gone),
        ],
    ),
    scenario(
        "hugetlb-unreserved",
        "what was reserved cannot be in a kernel with fewer pages, but the file comes",
        &[hop(POOL, holes_0), hop("hugepages=9", unreserved)],
    ),
    scenario(
        "hugetlb-optimised",
        "the struct pages of huge pages are given back in both kernels",
        &[
            hop("hugetlb_free_vmemmap=on hugepages=16", file_0),
            hop("hugetlb_free_vmemmap=on hugepages=16", file_1),
            hop("hugetlb_free_vmemmap=off hugepages=16", file_2),
        ],
    ),
    scenario(
        "hugetlb-charged",
        "pages are charged to whom retrieves the file",
        &[hop(POOL, charged_0), hop(POOL, charged_1)],
    ),
    scenario(
        "hugetlb-most",
        "nine tenths of the memory are handed over",
        &[hop(MOST_POOL, most_0), hop("", most_1)],
    ),
    scenario(
        "hugetlb-gigantic",
        "pages of 1 GiB beside some of 2 MiB",
        &[hop(GIGANTIC, gigantic_0), hop("", gigantic_1)],
    ),
    scenario(
        "hugetlb-counts-none",
        "the counts are of memory that no node has: they are refused, and so are the files",
        &[hop(POOL, none), hop(POOL, refused_counts)],
    ),
    scenario(
        "hugetlb-counts-fewer",
        "fewer pages were counted than a file has: it is refused, and nothing is freed",
        &[hop(POOL, fewer), hop(POOL, refused_file)],
    ),
    scenario(
        "hugetlb-counts-more",
        "more pages were counted than come: what is missing leaves the pool at the end",
        &[hop(POOL, more), hop(POOL, some_missing)],
    ),
    scenario(
        "hugetlb-20",
        "twenty kernels hand over the same files",
        &[
            hop(POOL, twenty_0),
            hops(19, POOL, twenty_n),
            hop(POOL, twenty_last),
        ],
    ),
];

const FOUR: HugeFile = HugeFile {
    token: 1,
    size: MIB2,
    len: 4,
    filled: &[0, 1, 2, 3],
};
const TWO: HugeFile = HugeFile {
    token: 2,
    size: MIB2,
    len: 2,
    filled: &[0, 1],
};
const EMPTY: HugeFile = HugeFile {
    token: 3,
    size: MIB2,
    len: 0,
    filled: &[],
};

const SEALS: i32 = libc::F_SEAL_GROW | libc::F_SEAL_SHRINK;

/// Each session has one.
fn only(name: &str, files: &[HugeFile]) -> io::Result<Session> {
    let session = LiveUpdate::open()?.create(name)?;
    save(&session, files)?;
    Ok(session)
}

fn file_0(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 16, 0, 0))?;
    let mut file = FOUR.create_empty()?;
    sys::fallocate(&file, 0, 0, FOUR.len << MIB2.0)?;
    sys::seals(&file, SEALS)?;
    file.set_permissions(PermissionsExt::from_mode(0o640))?;
    let session = LiveUpdate::open()?.create("file")?;
    session.preserve(&file, FOUR.token)?;
    session.preserve(EMPTY.create()?, EMPTY.token)?;
    // It can still be written to. What is not in its pages is saved again with the kexec.
    for index in 0..FOUR.len {
        FOUR.fill(&file, index)?;
    }
    file.seek(SeekFrom::Start(12345))?;
    // A private copy is not of the file.
    let mut copy = Mapping::private(&file, 0, 1 << MIB2.0)?;
    copy.bytes().fill(7);
    drop(copy);
    expect("preserved", MIB2, pool(16, 12, 0, 0))?;
    drop(file);
    expect("closed", MIB2, pool(16, 12, 0, 0))?;
    Ok(vec![session])
}

fn file_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", MIB2, pool(16, 12, 0, 0))?;
    let session = luo.retrieve("file")?;
    let mut files = restore(&session, &[FOUR, EMPTY])?;
    report::equal("position", 12345, files[0].stream_position()?);
    report::equal("seals", SEALS, sys::seals(&files[0], 0)?);
    report::equal("mode", 0o100640, files[0].metadata()?.permissions().mode());
    expect("retrieved", MIB2, pool(16, 12, 0, 0))?;
    finish("file", session);
    expect("finished", MIB2, pool(16, 12, 0, 0))?;
    let again = luo.create("again")?;
    again.preserve(files.remove(0), FOUR.token)?;
    Ok(vec![again])
}

fn file_2(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("again")?;
    let files = restore(&session, &[FOUR])?;
    finish("again", session);
    expect("finished", MIB2, pool(16, 12, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

fn sessions_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let given_up = only("given up", &[FOUR, TWO])?;
    expect("preserved", MIB2, pool(16, 10, 0, 0))?;
    drop(given_up);
    expect("given up", MIB2, pool(16, 16, 0, 0))?;
    Ok(vec![only("first", &[FOUR, TWO])?, only("second", &[TWO])?])
}

fn sessions_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", MIB2, pool(16, 8, 0, 0))?;
    let first = luo.retrieve("first")?;
    let files = restore(&first, &[FOUR])?;
    expect("one of three retrieved", MIB2, pool(16, 8, 0, 0))?;
    finish("first", first);
    expect("the other went to the pool", MIB2, pool(16, 10, 0, 0))?;
    finish("second", luo.retrieve("second")?);
    expect("both finished", MIB2, pool(16, 12, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// Of 1000 pages, more than there are.
const SPARSE: HugeFile = HugeFile {
    token: 4,
    size: MIB2,
    len: 1000,
    filled: &[0, 500, 501, 999],
};

fn holes_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let file = SPARSE.create()?;
    // Three pages are reserved, of which one is there.
    drop(Mapping::new(&file, 499 * MIB2.bytes(), 3 << MIB2.0)?);
    drop(Mapping::new(&file, 600 * MIB2.bytes(), 2 << MIB2.0)?);
    expect("mapped", MIB2, pool(16, 12, 3, 0))?;
    let session = LiveUpdate::open()?.create("holes")?;
    session.preserve(file, SPARSE.token)?;
    let other = HugeFile { token: 5, ..SPARSE }.create()?;
    drop(Mapping::new(&other, 600 * MIB2.bytes(), 2 << MIB2.0)?);
    let lost = LiveUpdate::open()?.create("lost")?;
    lost.preserve(other, 5)?;
    expect("preserved", MIB2, pool(16, 8, 5, 0))?;
    Ok(vec![session, lost])
}

fn holes_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", MIB2, pool(16, 8, 5, 0))?;
    finish("lost", luo.retrieve("lost")?);
    expect("one was not retrieved", MIB2, pool(16, 12, 3, 0))?;
    let session = luo.retrieve("holes")?;
    let files = restore(&session, &[SPARSE])?;
    expect("retrieved", MIB2, pool(16, 12, 3, 0))?;
    finish("holes", session);
    // What is reserved can be had, and no more of it than that.
    SPARSE.fill(&files[0], 600)?;
    expect("one filled in", MIB2, pool(16, 11, 2, 0))?;
    let taken = sys::memfd_create_huge("taken", MIB2.0)?;
    sys::fallocate(&taken, 0, 0, 9 << MIB2.0)?;
    let more = Mapping::new(&taken, 20 * MIB2.bytes(), 1 << MIB2.0);
    report::errno("one more cannot be reserved", libc::ENOMEM, &more.map(drop));
    SPARSE.fill(&files[0], 601)?;
    SPARSE.fill(&files[0], 499)?;
    drop(taken);
    expect("all filled in", MIB2, pool(16, 9, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// Has the kexec tried, which must fail with this.
fn cannot_go(run: &Run, what: &str, errno: i32) -> io::Result<()> {
    let label = run.label().to_string();
    kexec::load(&label, &[], &run.cmdline)?;
    let went: io::Result<()> = Err(kexec::boot());
    report::errno(format_args!("kexec with a file that {what}"), errno, &went);
    Ok(())
}

/// What is done to a file after it was preserved.
type Change = fn(&File) -> io::Result<()>;

fn changed(run: &mut Run) -> io::Result<Vec<Session>> {
    let changes: [(&str, Change); 4] = [
        ("has grown", |file| file.set_len(8 << MIB2.0)),
        ("was filled in", |file| SPARSE.fill(file, 2)),
        ("was punched", |file| {
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            sys::fallocate(file, mode, 0, MIB2.bytes())
        }),
        ("has more reserved", |file| {
            Mapping::new(file, 2 << MIB2.0, 1 << MIB2.0).map(drop)
        }),
    ];
    const PART: HugeFile = HugeFile {
        token: 6,
        size: MIB2,
        len: 4,
        filled: &[0, 3],
    };
    for (what, change) in changes {
        let session = only("others", &[FOUR])?;
        let file = PART.create()?;
        session.preserve(&file, PART.token)?;
        change(&file)?;
        cannot_go(run, what, libc::EBUSY)?;
        let said = "HugeTLB: memfd:huge (inode";
        let told = run.kmsg.lines().iter().any(|line| line.starts_with(said));
        report::holds(format_args!("it is told which file {what}"), told);
        drop(session);
        drop(file);
        expect(what, MIB2, pool(16, 16, 0, 0))?;
    }
    // Data may change.
    let file = FOUR.create()?;
    let session = LiveUpdate::open()?.create("data")?;
    session.preserve(&file, FOUR.token)?;
    FOUR.fill(&file, 1)?;
    Ok(Vec::new())
}

fn refused(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.create("refused")?;

    fs::create_dir_all("/tmp/huge")?;
    sys::mount("hugetlbfs", "/tmp/huge")?;
    let mounted = File::create_new("/tmp/huge/file")?;
    let got = session.preserve(&mounted, 1);
    report::errno("a file of a mount", libc::ENOENT, &got);

    let file = TWO.create()?;
    sys::fallocate(&file, libc::FALLOC_FL_KEEP_SIZE, 0, 3 << MIB2.0)?;
    let got = session.preserve(&file, 2);
    report::errno("pages behind the end", libc::EOPNOTSUPP, &got);

    let file = TWO.create()?;
    session.preserve(&file, 3)?;
    let got = session.preserve(file.try_clone()?, 4);
    report::errno("a file twice", libc::EBUSY, &got);

    let broken = TWO.create()?;
    TWO.map(&broken, 1)?.poison()?;
    let got = session.preserve(&broken, 5);
    report::errno("a broken page", libc::EHWPOISON, &got);
    drop(session);
    Ok(Vec::new())
}

fn surplus_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &[FOUR, TWO])?])
}

fn surplus_1(_: &mut Run) -> io::Result<Vec<Session>> {
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

fn surplus_2(_: &mut Run) -> io::Result<Vec<Session>> {
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

fn nodes_0(run: &mut Run) -> io::Result<Vec<Session>> {
    expect_node("at first", 0, pool(8, 8, 0, 0))?;
    // More than a node has.
    let session = only("files", &[TWELVE])?;
    let left = crate::hugetlb::Pool::of_node(MIB2, 0)?.free;
    run.cmdline.set("flb.left", &left.to_string());
    Ok(vec![session])
}

fn nodes_1(run: &mut Run) -> io::Result<Vec<Session>> {
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

fn nodes_gone(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 4, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &[TWELVE])?);
    finish("files", session);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    expect_node("closed", 0, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// Of nine pages eight are of the files, which have five more reserved.
fn unreserved(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(9, 1, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("holes")?;
    let files = restore(&session, &[SPARSE])?;
    let said = "luo_hugetlb: 2 pages of a file are not reserved any more";
    let told = run.kmsg.lines().iter().any(|line| line == said);
    report::holds(said, told);
    finish("holes", session);
    drop(files);
    finish("lost", LiveUpdate::open()?.retrieve("lost")?);
    expect("closed", MIB2, pool(9, 9, 0, 0))?;
    Ok(Vec::new())
}

const GROUP: &str = "/sys/fs/cgroup/files";

fn charged_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &[FOUR, TWO])?])
}

fn charged_1(_: &mut Run) -> io::Result<Vec<Session>> {
    sys::mount_with("cgroup2", "/sys/fs/cgroup", "memory_hugetlb_accounting")?;
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+hugetlb +memory")?;
    fs::create_dir(GROUP)?;
    fs::write(format!("{GROUP}/cgroup.procs"), "0")?;
    let charged = |when: &str, pages: u64| -> io::Result<()> {
        for file in ["hugetlb.2MB.current", "hugetlb.2MB.rsvd.current"] {
            let text = fs::read_to_string(format!("{GROUP}/{file}"))?;
            let what = format!("{when}: {file}");
            report::equal(what, (pages << MIB2.0).to_string(), text.trim().to_string());
        }
        let memory = fs::read_to_string(format!("{GROUP}/memory.current"))?;
        let memory: u64 = memory.trim().parse().map_err(io::Error::other)?;
        let what = format_args!("{when}: memory.current {memory}");
        report::equal(what, pages, memory >> MIB2.0);
        Ok(())
    };
    let session = LiveUpdate::open()?.retrieve("files")?;
    charged("at first", 0)?;
    let files = restore(&session, &[FOUR])?;
    charged("retrieved", 4)?;
    // Of the other file one page has room.
    fs::write(format!("{GROUP}/hugetlb.2MB.max"), "10M")?;
    let got = session.retrieve(TWO.token).map(drop);
    report::errno("beyond the limit", libc::ENOMEM, &got);
    charged("refused", 4)?;
    expect("refused", MIB2, pool(16, 12, 0, 0))?;
    finish("files", session);
    drop(files);
    charged("closed", 0)?;
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    fs::write("/sys/fs/cgroup/cgroup.procs", "0")?;
    Ok(Vec::new())
}

/// Of 5 GiB. What KHO sets aside has to fit beside it.
const MOST_POOL: &str = "flb.memory=5G hugetlb_free_vmemmap=on kho_scratch=32M,200M,32M \
    hugepages=2310";
const MOST: HugeFile = HugeFile {
    token: 8,
    size: MIB2,
    len: 2310,
    filled: &[],
};

fn most_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let file = MOST.create()?;
    sys::fallocate(&file, 0, 0, MOST.len << MIB2.0)?;
    let session = LiveUpdate::open()?.create("most")?;
    session.preserve(file, MOST.token)?;
    expect("preserved", MIB2, pool(MOST.len, 0, 0, 0))?;
    Ok(vec![session])
}

fn most_1(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(MOST.len, 0, 0, 0))?;
    // The pools are part of the memory, or strict overcommit would have none left.
    let [total, limit] = ["MemTotal:", "CommitLimit:"].map(memory::info);
    report::holds("the memory has the pools", total? > MOST.len << MIB2.0);
    report::holds(
        "what can be committed is what is left",
        limit? < GIB1.bytes(),
    );
    let session = LiveUpdate::open()?.retrieve("most")?;
    let file = session.retrieve(MOST.token)?;
    let pages = file.metadata()?.blocks() * 512;
    report::equal("pages", MOST.len, pages / MIB2.bytes());
    finish("most", session);
    drop(file);
    expect("closed", MIB2, pool(MOST.len, MOST.len, 0, 0))?;
    Ok(Vec::new())
}

/// The next kernel has the same words: a key can be replaced once only.
const GIGANTIC: &str = "flb.memory=6G hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=16";
const ONE: HugeFile = HugeFile {
    token: 9,
    size: GIB1,
    len: 2,
    filled: &[1],
};

fn gigantic_0(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", GIB1, pool(2, 2, 0, 0))?;
    Ok(vec![only("files", &[ONE, FOUR])?])
}

fn gigantic_1(_: &mut Run) -> io::Result<Vec<Session>> {
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

/// The FLB's place in the block of the orchestrator: behind those of the tree's own client, which
/// are registered with each handler.
const ENTRY: u64 = 3;
/// Where the number of pages of the first row is.
const FIRST_COUNT: u64 = 16;

/// Hands over a file with another number of pages in the counts.
fn counted(run: &Run, pages: u64) -> io::Result<Vec<Session>> {
    let session = only("files", &[FOUR])?;
    let data = Place::find(run.contract.fdt)?.data(ENTRY);
    poke_behind(data, FIRST_COUNT, &pages.to_ne_bytes())?;
    Ok(vec![session])
}

fn none(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, 1 << 40)
}

fn fewer(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, 3)
}

fn more(run: &mut Run) -> io::Result<Vec<Session>> {
    counted(run, 5)
}

/// Has a file retrieved that cannot be, and the session finished.
fn cannot_come(run: &mut Run, said: &str) -> io::Result<()> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    let got = session.retrieve(FOUR.token).map(drop);
    report::errno("retrieve", libc::EINVAL, &got);
    finish("files", session);
    let said = format!("luo_hugetlb: {said}");
    let told = run.boot_log.clone().into_iter().chain(run.kmsg.lines());
    let mut told = told.filter(|line| line.starts_with(&said));
    report::holds(&said, told.next().is_some());
    Ok(())
}

fn refused_counts(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 16, 0, 0))?;
    cannot_come(run, "the counts of")?;
    expect("finished", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

fn refused_file(run: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 13, 0, 0))?;
    cannot_come(run, "3 pages of order 9 have not come")?;
    expect("finished", MIB2, pool(13, 13, 0, 0))?;
    Ok(Vec::new())
}

fn some_missing(_: &mut Run) -> io::Result<Vec<Session>> {
    expect("at first", MIB2, pool(16, 11, 0, 0))?;
    let session = LiveUpdate::open()?.retrieve("files")?;
    let files = restore(&session, &[FOUR])?;
    finish("files", session);
    expect("finished", MIB2, pool(15, 11, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(15, 15, 0, 0))?;
    Ok(Vec::new())
}

fn twenty_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &[FOUR, TWO])?])
}

/// Takes the files, and hands them over again.
fn twenty_n(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", MIB2, pool(16, 10, 0, 0))?;
    let session = luo.retrieve("files")?;
    let files = restore(&session, &[FOUR, TWO])?;
    finish("files", session);
    let next = luo.create("files")?;
    for (file, of) in files.iter().zip([FOUR, TWO]) {
        next.preserve(file, of.token)?;
    }
    drop(files);
    expect("preserved", MIB2, pool(16, 10, 0, 0))?;
    Ok(vec![next])
}

fn twenty_last(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &[FOUR, TWO])?);
    finish("files", session);
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

/// With programs of the kernel tree, which set the pool to what they need and back.
pub const SELFTESTS: Scenario = scenario(
    "hugetlb-selftests",
    "the kernel's own tests pass on one that was live updated",
    &[
        hop("flb.memory=2G hugepages=16", surplus_0),
        hop("", selftests),
    ],
);

fn selftests(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    let files = restore(&session, &[FOUR])?;
    selftest::execute("hugetlb-madvise", &[])?;
    expect("beside files", MIB2, pool(16, 10, 0, 0))?;
    FOUR.check(&files[0])?;
    finish("files", session);
    drop(files);
    // It wants all pages that there are.
    selftest::execute("hugetlb-mmap", &[])?;
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// What it costs to hand over a file of 1 GiB, in huge pages and in small ones. With a clock that
/// ticks once an instruction this is in instructions.
pub const COST: Scenario = scenario(
    "hugetlb-cost",
    "a file in huge pages costs at most a hundredth of one in small pages",
    &[hop("flb.memory=5G hugepages=514", cost_0), hop("", cost_1)],
);

/// What the files are called, and how much their pages have, as a power of two.
const COSTS: [(&str, u32); 2] = [("memfd", 12), ("huge", MIB2.0)];

/// Tells both, for the benchmark, and compares them.
fn compare(what: &str, unit: &str, [small, huge]: [u64; 2]) {
    report::line(format_args!("FLB-COST {what} {unit} {small} {huge}"));
    let of = format_args!("{what}: {huge} {unit} of {small}");
    report::holds(of, huge.saturating_mul(100) <= small);
}

fn cost_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.create("files")?;
    let (mut instructions, mut bytes) = ([0; 2], [0; 2]);
    for (at, (name, log)) in COSTS.into_iter().enumerate() {
        let file = match name {
            "huge" => sys::memfd_create_huge(name, log)?,
            _ => sys::memfd_create(name)?,
        };
        sys::fallocate(&file, 0, 0, GIB1.bytes())?;
        // What files share, and KHO's own tree, are there by then.
        let other = match name {
            "huge" => TWO.create()?,
            _ => Blob::new(9, 70_000).create(name)?,
        };
        session.preserve(other, 100 + at as u64)?;
        let (free, start) = (memory::free()?, Instant::now());
        session.preserve(file, at as u64)?;
        instructions[at] = start.elapsed().as_nanos() as u64;
        bytes[at] = free.saturating_sub(memory::free()?);
    }
    compare("preserve", "instructions", instructions);
    compare("preserve", "bytes", bytes);
    Ok(vec![session])
}

fn cost_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    let mut instructions = [0; 2];
    for (at, instructions) in instructions.iter_mut().enumerate() {
        let start = Instant::now();
        let file = session.retrieve(at as u64)?;
        *instructions = start.elapsed().as_nanos() as u64;
        report::equal("blocks", GIB1.bytes() / 512, file.metadata()?.blocks());
    }
    compare("retrieve", "instructions", instructions);
    finish("files", session);
    Ok(Vec::new())
}
