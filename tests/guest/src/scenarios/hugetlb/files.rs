// SPDX-License-Identifier: GPL-2.0
//! Files: what survives, what does not, and what is refused.

use super::{only, pools, FOUR, NOTE, TWO};
use crate::hugetlb::{expect, pool, restore, HugeFile, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::run::{finish, Run, Scenario};
use crate::scenarios::{hop, scenario};
use crate::sys::{self, Mapping, Pins};
use crate::{kexec, memory, report, selftest};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const EMPTY: HugeFile = HugeFile {
    token: 3,
    size: MIB2,
    len: 0,
    filled: &[],
};

const SEALS: i32 = libc::F_SEAL_GROW | libc::F_SEAL_SHRINK;

pub(super) fn file_0(_: &mut Run) -> io::Result<Vec<Session>> {
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

pub(super) fn file_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", MIB2, pool(16, 12, 0, 0))?;
    let memory = memory::info("MemTotal:")?;
    let session = luo.retrieve("file")?;
    let mut files = restore(&session, &[FOUR, EMPTY])?;
    report::equal("position", 12345, files[0].stream_position()?);
    report::equal("seals", SEALS, sys::seals(&files[0], 0)?);
    report::equal("mode", 0o100640, files[0].metadata()?.permissions().mode());
    expect("retrieved", MIB2, pool(16, 12, 0, 0))?;
    // Pages were counted at boot; what described them was not.
    let more = memory::info("MemTotal:")?.saturating_sub(memory);
    report::holds("no page is counted twice", more < MIB2.bytes());
    finish("file", session);
    expect("finished", MIB2, pool(16, 12, 0, 0))?;
    let again = luo.create("again")?;
    again.preserve(files.remove(0), FOUR.token)?;
    Ok(vec![again])
}

pub(super) fn file_2(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("again")?;
    let files = restore(&session, &[FOUR])?;
    finish("again", session);
    expect("finished", MIB2, pool(16, 12, 0, 0))?;
    drop(files);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn sessions_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let first = only("first", &[FOUR, TWO])?;
    let given_up = only("given up", &[FOUR, TWO])?;
    expect("preserved", MIB2, pool(16, 4, 0, 0))?;
    drop(given_up);
    expect("given up", MIB2, pool(16, 10, 0, 0))?;
    Ok(vec![first, only("second", &[TWO])?])
}

pub(super) fn sessions_1(_: &mut Run) -> io::Result<Vec<Session>> {
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

pub(super) fn holes_0(_: &mut Run) -> io::Result<Vec<Session>> {
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

pub(super) fn holes_1(_: &mut Run) -> io::Result<Vec<Session>> {
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

pub(super) fn changed(run: &mut Run) -> io::Result<Vec<Session>> {
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
    Ok(Vec::new())
}

/// Of which pages are asked for when it is frozen. What comes of it is noted in the first one.
const FROZEN: HugeFile = HugeFile {
    token: 6,
    size: MIB2,
    len: 4,
    filled: &[0],
};
pub(super) fn frozen_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let file = FROZEN.create()?;
    let session = LiveUpdate::open()?.create("frozen")?;
    let (mapped, is_mapped) = mpsc::channel();
    let same = file.try_clone()?;
    thread::spawn(move || -> io::Result<()> {
        let mut first = FROZEN.map(&same, 0)?;
        let mut hole = FROZEN.map(&same, 2)?;
        mapped.send(()).map_err(io::Error::other)?;
        // When it is frozen, nobody can seal it.
        while sys::seals(&same, 0).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
        // The kernel writes there, so that this is an error and no signal.
        let read = File::open("/dev/zero")?.read(&mut hole.bytes()[..8]);
        let errno = read.err().and_then(|error| error.raw_os_error());
        first.bytes()[NOTE] = errno.unwrap_or(0) as u8;
        Ok(())
    });
    is_mapped.recv().map_err(io::Error::other)?;
    FROZEN.map(&file, 0)?.bytes()[NOTE] = u8::MAX;
    session.preserve(&file, FROZEN.token)?;
    Ok(vec![session])
}

pub(super) fn frozen_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("frozen")?;
    let files = restore(&session, &[FROZEN])?;
    let note = FROZEN.map(&files[0], 0)?.bytes()[NOTE];
    report::equal("what came of it", libc::EFAULT as u8, note);
    finish("frozen", session);
    FROZEN.fill(&files[0], 2)?;
    drop(files);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn pinned_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let file = FOUR.create()?;
    let mut page = FOUR.map(&file, 1)?;
    let pins = Pins::new(&page, NOTE + 4096)?;
    let mut sees = |when: &str, byte: u8| -> io::Result<()> {
        page.bytes()[NOTE] = byte;
        report::equal(
            format_args!("{when}: the device reads"),
            byte,
            pins.read()?[NOTE],
        );
        Ok(())
    };
    let given_up = luo.create("given up")?;
    given_up.preserve(&file, FOUR.token)?;
    sees("preserved", 1)?;
    drop(given_up);
    sees("given up", 2)?;
    let session = luo.create("pinned")?;
    session.preserve(&file, FOUR.token)?;
    sees("preserved again", 3)?;
    let other = luo.create("other")?;
    let grown = TWO.create()?;
    other.preserve(&grown, TWO.token)?;
    grown.set_len(8 << MIB2.0)?;
    cannot_go(run, "has grown, after a pinned one", libc::EBUSY)?;
    drop(other);
    sees("frozen for a moment", 4)?;
    // Until the kexec.
    std::mem::forget(pins);
    Ok(vec![session])
}

pub(super) fn pinned_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("pinned")?;
    let files = restore(&session, &[FOUR])?;
    let mut page = FOUR.map(&files[0], 1)?;
    report::equal("what was written last", 4, page.bytes()[NOTE]);
    let pins = Pins::new(&page, NOTE + 4096)?;
    report::equal("the next device reads", 4, pins.read()?[NOTE]);
    finish("pinned", session);
    drop((files, page));
    expect("pinned alone", MIB2, pool(16, 15, 0, 0))?;
    drop(pins);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

pub(super) fn refused(_: &mut Run) -> io::Result<Vec<Session>> {
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

/// Of nine pages eight are of the files, which have five more reserved.
pub(super) fn unreserved(run: &mut Run) -> io::Result<Vec<Session>> {
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

pub(super) fn charged_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &[FOUR, TWO])?])
}

pub(super) fn charged_1(_: &mut Run) -> io::Result<Vec<Session>> {
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
        let what = format!("{when}: memory.current {memory}");
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

pub(super) fn twenty_0(_: &mut Run) -> io::Result<Vec<Session>> {
    Ok(vec![only("files", &[FOUR, TWO])?])
}

/// Takes the files, and hands them over again.
pub(super) fn twenty_n(_: &mut Run) -> io::Result<Vec<Session>> {
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

pub(super) fn twenty_last(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = LiveUpdate::open()?.retrieve("files")?;
    drop(restore(&session, &[FOUR, TWO])?);
    finish("files", session);
    expect("closed", MIB2, pool(16, 16, 0, 0))?;
    Ok(Vec::new())
}

/// With programs of the kernel tree, which set the pool to what they need and back.
pub const SELFTESTS: Scenario = scenario(
    "hugetlb-selftests",
    "the kernel's own tests pass on one that was live updated",
    &[
        hop("flb.memory=2G hugepages=16", pools::surplus_0),
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
