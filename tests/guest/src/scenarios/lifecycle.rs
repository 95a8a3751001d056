// SPDX-License-Identifier: GPL-2.0
//! Files come and go; FLBs follow the first and the last of them.

use super::{hop, scenario, ALL, GET, HUGETLB, IOMMU, PCI};
use crate::client::{self, counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, finish, restore, same_counts, save, touch, Run, Scenario};
use std::io;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "basic",
        "one session, two files, one kexec",
        &[hop("", basic_0), hop("", basic_1)],
    ),
    scenario(
        "no-get-before-finish",
        "nobody asks for the state before the last file is finished",
        &[hop("", two_sessions), hop("", no_get_1)],
    ),
    scenario(
        "finish-other-order",
        "sessions and files come back in another order than they left",
        &[hop("", other_order_0), hop(GET, other_order_1)],
    ),
    scenario(
        "get-hold",
        "a reference is held while the last file is finished",
        &[hop("", two_sessions), hop(GET, get_hold_1)],
    ),
    scenario(
        "session-dropped",
        "one of two sessions is dropped before the kexec",
        &[hop("", dropped_0), hop(GET, dropped_1)],
    ),
    scenario(
        "all-sessions-dropped",
        "every session is dropped, nothing is handed over",
        &[hop("", all_dropped_0), hop("", all_dropped_1)],
    ),
    scenario(
        "many-sessions",
        "six sessions with four files each, some never retrieved",
        &[hop("", many_0), hop(GET, many_1)],
    ),
    scenario(
        "three-kexecs",
        "the same files through three kexecs",
        &[
            hop("", three_first),
            hop(GET, three_again),
            hop(GET, three_again),
            hop(GET, three_last),
        ],
    ),
    scenario(
        "parallel",
        "threads preserve, drop, get, put and finish at the same time",
        &[hop("", parallel_0), hop("", parallel_1)],
    ),
];

const A: [Blob; 2] = [Blob::new(0xa1, 300_000), Blob::new(0xa2, 4096)];
const B: [Blob; 1] = [Blob::new(0xb1, 65_537)];
const C: [Blob; 2] = [Blob::new(0xc1, 1), Blob::new(0xc2, 1 << 20)];

fn two_sessions(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let sessions = vec![save(&luo, "a", &A)?, save(&luo, "b", &B)?];
    expect("three files preserved", &ALL, counts(1, 0, 0, 0))?;
    Ok(sessions)
}

fn basic_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", &ALL, counts(0, 0, 0, 0))?;
    for flb in ALL {
        report::errno(
            format_args!("get_incoming {flb} without a previous kernel"),
            libc::ENODATA,
            &client::get_incoming(flb),
        );
    }
    let session = luo.create("a")?;
    for blob in A {
        session.preserve(blob.create("a")?, blob.token)?;
        expect(
            format_args!("file {:#x} preserved", blob.token),
            &ALL,
            counts(1, 0, 0, 0),
        )?;
    }
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("both preserved", flb, counts(1, 0, 0, 0), run.logged(flb));
    }
    Ok(vec![session])
}

fn basic_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("at first", &ALL, counts(0, 0, 0, 0))?;
    touch(&ALL);
    expect("after get and put", &ALL, counts(0, 0, 1, 0))?;
    touch(&ALL);
    let session = luo.retrieve("a")?;
    for blob in A {
        restore(&session, &blob)?;
    }
    expect("files retrieved", &ALL, counts(0, 0, 1, 0))?;
    finish("a", session);
    expect("session finished", &ALL, counts(0, 0, 1, 1))?;
    for flb in ALL {
        report::errno(
            format_args!("get_incoming {flb} after finish"),
            libc::ENODATA,
            &client::get_incoming(flb),
        );
    }
    expect("in the end", &ALL, counts(0, 0, 1, 1))?;
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("in the end", flb, counts(0, 0, 1, 1), run.logged(flb));
    }
    let order: Vec<String> = run
        .events
        .iter()
        .filter(|e| e.callback == "finish")
        .map(|e| e.flb.clone())
        .collect();
    let [first, second, third] = Run::tree_flbs();
    report::equal(
        "finish runs in reverse order",
        [HUGETLB, PCI, IOMMU, third, second, first]
            .map(str::to_string)
            .to_vec(),
        order,
    );
    Ok(Vec::new())
}

fn no_get_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let b = luo.retrieve("b")?;
    restore(&b, &B[0])?;
    finish("b", b);
    expect("one of two sessions finished", &ALL, counts(0, 0, 0, 0))?;
    let a = luo.retrieve("a")?;
    for blob in A {
        restore(&a, &blob)?;
    }
    finish("a", a);
    expect("both finished", &ALL, counts(0, 0, 1, 1))?;
    for flb in ALL {
        report::errno(
            format_args!("get_incoming {flb} after finish"),
            libc::ENODATA,
            &client::get_incoming(flb),
        );
    }
    Ok(Vec::new())
}

fn other_order_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    Ok(vec![
        save(&luo, "a", &A)?,
        save(&luo, "b", &B)?,
        save(&luo, "c", &C)?,
    ])
}

fn other_order_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let (b, c, a) = (luo.retrieve("b")?, luo.retrieve("c")?, luo.retrieve("a")?);
    for blob in C.iter().rev() {
        restore(&c, blob)?;
    }
    restore(&a, &A[1])?;
    restore(&b, &B[0])?;
    finish("c", c);
    expect("one of three finished", &ALL, counts(0, 0, 1, 0))?;
    restore(&a, &A[0])?;
    finish("a", a);
    expect("two of three finished", &ALL, counts(0, 0, 1, 0))?;
    finish("b", b);
    expect("all finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn get_hold_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno("get_incoming to hold", 0, &client::get_incoming(IOMMU));
    for name in ["a", "b"] {
        finish(name, luo.retrieve(name)?);
    }
    expect("held, all files finished", &[IOMMU], counts(0, 0, 1, 0))?;
    expect(
        "not held, all files finished",
        &[PCI, HUGETLB],
        counts(0, 0, 1, 1),
    )?;
    touch(&[IOMMU]);
    expect("still held", &[IOMMU], counts(0, 0, 1, 0))?;
    report::errno("put_incoming at last", 0, &client::put_incoming(IOMMU));
    expect("put", &ALL, counts(0, 0, 1, 1))?;
    report::errno(
        "get_incoming after finish",
        libc::ENODATA,
        &client::get_incoming(IOMMU),
    );
    Ok(Vec::new())
}

fn dropped_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let a = save(&luo, "a", &A)?;
    let b = save(&luo, "b", &B)?;
    drop(a);
    expect("one of two dropped", &ALL, counts(1, 0, 0, 0))?;
    Ok(vec![b])
}

fn dropped_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno(
        "retrieve the dropped session",
        libc::ENOENT,
        &luo.retrieve("a"),
    );
    let b = luo.retrieve("b")?;
    restore(&b, &B[0])?;
    expect("before finish", &ALL, counts(0, 0, 1, 0))?;
    finish("b", b);
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn all_dropped_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let a = save(&luo, "a", &A)?;
    let b = save(&luo, "b", &B)?;
    drop(b);
    expect("one of two dropped", &ALL, counts(1, 0, 0, 0))?;
    drop(a);
    expect("both dropped", &ALL, counts(1, 1, 0, 0))?;
    drop(save(&luo, "a", &A)?);
    expect("a second round", &ALL, counts(2, 2, 0, 0))?;
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("a second round", flb, counts(2, 2, 0, 0), run.logged(flb));
    }
    Ok(Vec::new())
}

fn all_dropped_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno(
        "retrieve a dropped session",
        libc::ENOENT,
        &luo.retrieve("a"),
    );
    for flb in ALL {
        report::errno(
            format_args!("get_incoming {flb}"),
            run.nothing_left(),
            &client::get_incoming(flb),
        );
    }
    expect("nothing came", &ALL, counts(0, 0, 0, 0))?;
    for flb in Run::tree_flbs() {
        same_counts("nothing came", flb, counts(0, 0, 0, 0), run.logged(flb));
    }
    Ok(Vec::new())
}

const SESSIONS: u64 = 6;
const FILES: u64 = 4;

fn many_blob(session: u64, file: u64) -> Blob {
    Blob::new(session << 8 | file, 1000 + 5000 * session + 333 * file)
}

fn many_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let mut sessions = Vec::new();
    for session in 0..SESSIONS {
        let blobs: Vec<Blob> = (0..FILES).map(|file| many_blob(session, file)).collect();
        sessions.push(save(&luo, &format!("many-{session}"), &blobs)?);
    }
    sessions.push(luo.create("empty")?);
    expect("all preserved", &ALL, counts(1, 0, 0, 0))?;
    drop(sessions.remove(2));
    expect("one session dropped", &ALL, counts(1, 0, 0, 0))?;
    Ok(sessions)
}

fn many_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    finish("empty", luo.retrieve("empty")?);
    for session in (0..SESSIONS).filter(|&session| session != 2) {
        expect(
            format_args!("before session {session}"),
            &ALL,
            counts(0, 0, 1, 0),
        )?;
        let open = luo.retrieve(&format!("many-{session}"))?;
        // The last file of each session is finished without ever being retrieved.
        for file in 0..FILES - 1 {
            restore(&open, &many_blob(session, file))?;
        }
        finish(format_args!("many-{session}"), open);
    }
    expect("all finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

/// The content changes with every kernel, so that stale data would show.
fn generation(hop: usize) -> [Blob; 3] {
    let seed = |token: u64| token + ((hop as u64) << 32);
    [(1, 700_001), (2, 8192), (3, 5)].map(|(token, size)| Blob {
        token,
        size,
        seed: seed(token),
    })
}

fn three_first(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let session = save(&luo, "generation-0", &generation(0))?;
    expect("preserved", &ALL, counts(1, 0, 0, 0))?;
    Ok(vec![session])
}

fn three_again(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let old = luo.retrieve(&format!("generation-{}", run.hop - 1))?;
    let mut files = Vec::new();
    for blob in generation(run.hop - 1) {
        files.push(restore(&old, &blob)?);
    }
    finish("the old session", old);
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    let new = luo.create(&format!("generation-{}", run.hop))?;
    for (file, blob) in files.iter().zip(generation(run.hop)) {
        blob.write(file)?;
        new.preserve(file, blob.token)?;
    }
    expect("preserved again", &ALL, counts(1, 0, 1, 1))?;
    Ok(vec![new])
}

fn three_last(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let old = luo.retrieve(&format!("generation-{}", run.hop - 1))?;
    for blob in generation(run.hop - 1) {
        restore(&old, &blob)?;
    }
    finish("the old session", old);
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

const THREADS: u64 = 4;
const ROUNDS: u64 = 40;

/// Runs `work` in several threads and counts those that failed.
fn in_threads(work: impl Fn(u64) -> io::Result<()> + Sync) -> usize {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..THREADS)
            .map(|at| scope.spawn(move || work(at)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .filter(|result| {
                let failed = result.is_err();
                if let Err(error) = result {
                    report::fail("a thread", "no error", error);
                }
                failed
            })
            .count()
    })
}

fn parallel_blob(thread: u64) -> Blob {
    Blob::new(0x100 + thread, 20_000 + thread)
}

fn parallel_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let failed = in_threads(|thread| {
        for _ in 0..ROUNDS {
            drop(save(&luo, &format!("round-{thread}"), &B)?);
        }
        Ok(())
    });
    report::equal("threads that failed", 0, failed);
    for (flb, state) in client::state()? {
        let counts = state.counts;
        report::holds(
            format_args!("{flb}: some rounds, each undone ({counts})"),
            counts.preserve > 0 && counts.preserve == counts.unpreserve,
        );
    }
    let before = client::state()?;
    let mut sessions = Vec::new();
    for thread in 0..THREADS {
        sessions.push(save(
            &luo,
            &format!("thread-{thread}"),
            &[parallel_blob(thread)],
        )?);
    }
    for flb in ALL {
        let undone = before.get(flb).map_or(0, |state| state.counts.preserve);
        expect("preserved", &[flb], counts(undone + 1, undone, 0, 0))?;
    }
    Ok(sessions)
}

fn parallel_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let failed = in_threads(|thread| {
        for _ in 0..ROUNDS {
            for flb in ALL {
                client::get_incoming(flb)?;
                client::put_incoming(flb)?;
            }
        }
        let session = luo.retrieve(&format!("thread-{thread}"))?;
        let file = session.retrieve(parallel_blob(thread).token)?;
        let same = Blob::measure(&file)?.1 == parallel_blob(thread).checksum();
        report::holds(format_args!("data of thread {thread}"), same);
        // Some references outlive the last file; the put has to finish then.
        client::get_incoming(IOMMU)?;
        session.finish()?;
        client::put_incoming(IOMMU)
    });
    report::equal("threads that failed", 0, failed);
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}
