// SPDX-License-Identifier: GPL-2.0
//! Outgoing objects: references to them, which count for themselves and are not handed over, and
//! objects that are null. Linux 7.1 takes no references; there the files alone decide.

use super::{hop, scenario, ALL, GET, HUGETLB, IOMMU, PCI};
use crate::client::{self, counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, save, take_back, touch, Run, Scenario};
use std::fmt::Display;
use std::io;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "get-outgoing",
        "the outgoing object is there as long as a file is preserved",
        &[hop("", get_outgoing)],
    ),
    scenario(
        "outgoing-references",
        "references keep the object, but are not handed over as files",
        &[hop("", references_0), hop(GET, one_file_1)],
    ),
    scenario(
        "references-only",
        "an FLB that only references hold is not handed over",
        &[hop("", references_only_0), hop("", nothing_came_1)],
    ),
    scenario(
        "put-after-serialize",
        "references that are put when the state is serialized do not change what is handed over",
        &[
            hop("", put_later_0),
            hop("", put_later_1),
            hop(GET, one_file_1),
        ],
    ),
    scenario(
        "null-object",
        "an object that is null is an object",
        &[hop("", null_0), hop("", null_1)],
    ),
];

const FILES: [Blob; 2] = [Blob::new(1, 30_000), Blob::new(2, 4096)];
const ONE: [Blob; 1] = [Blob::new(3, 54_321)];

/// Takes a reference, where there are any; whether there is an object is `expected`.
fn get(run: &Run, when: impl Display, flb: &str, expected: bool) -> io::Result<()> {
    let errno = if expected || !run.contract.put_outgoing {
        0
    } else {
        libc::ENOENT
    };
    report::errno(
        format_args!("{when}: get_outgoing {flb}"),
        errno,
        &client::get_outgoing(flb),
    );
    let there = client::state()?
        .get(flb)
        .is_some_and(|state| state.outgoing);
    report::equal(format_args!("{when}: {flb} has an object"), expected, there);
    Ok(())
}

/// Gives references back, where there are any.
fn put(run: &Run, flb: &str, times: u32) -> io::Result<()> {
    if run.contract.put_outgoing {
        for _ in 0..times {
            report::errno(
                format_args!("put_outgoing {flb}"),
                0,
                &client::put_outgoing(flb),
            );
        }
    }
    let held = client::state()?.get(flb).map(|state| state.held);
    report::equal(format_args!("references to {flb}"), Some(0), held);
    Ok(())
}

fn get_outgoing(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let there = |when: &str, expected: bool| -> io::Result<()> {
        for flb in ALL {
            get(run, when, flb, expected)?;
            put(run, flb, expected.into())?;
        }
        Ok(())
    };
    there("at first", false)?;
    let a = save(&luo, "a", &FILES)?;
    let b = save(&luo, "b", &ONE)?;
    there("preserved", true)?;
    drop(a);
    there("one of two dropped", true)?;
    drop(b);
    there("dropped", false)?;
    expect("in the end", &ALL, counts(1, 1, 0, 0))?;
    Ok(Vec::new())
}

fn references_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let dropped = save(&luo, "dropped", &FILES)?;
    get(run, "preserved", IOMMU, true)?;
    get(run, "preserved", IOMMU, true)?;
    drop(dropped);
    expect("dropped", &[PCI, HUGETLB], counts(1, 1, 0, 0))?;
    if run.contract.put_outgoing {
        expect("dropped, but held", &[IOMMU], counts(1, 0, 0, 0))?;
        get(run, "held", IOMMU, true)?;
        drop(save(&luo, "again", &ONE)?);
        expect("a file came and went", &[IOMMU], counts(1, 0, 0, 0))?;
        report::errno("put the third", 0, &client::put_outgoing(IOMMU));
        report::errno("put the second", 0, &client::put_outgoing(IOMMU));
        expect("one is held", &[IOMMU], counts(1, 0, 0, 0))?;
        put(run, IOMMU, 1)?;
    }
    expect("none is held", &[IOMMU], counts(1, 1, 0, 0))?;

    let session = save(&luo, "one", &ONE)?;
    expect("preserved again", &[IOMMU], counts(2, 1, 0, 0))?;
    get(run, "to be kept", IOMMU, true)?;
    get(run, "to be kept", IOMMU, true)?;
    get(run, "to be kept", PCI, true)?;
    Ok(vec![session])
}

fn one_file_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("what came is intact", &ALL, counts(0, 0, 1, 0))?;
    take_back(&luo, "one", &ONE)?;
    expect("the only file is finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn references_only_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let session = save(&luo, "dropped", &ONE)?;
    for flb in ALL {
        get(run, "preserved", flb, true)?;
    }
    drop(session);
    let unpreserved = u32::from(!run.contract.put_outgoing);
    expect("no file is left", &ALL, counts(1, unpreserved, 0, 0))?;
    Ok(Vec::new())
}

fn nothing_came_1(run: &mut Run) -> io::Result<Vec<Session>> {
    for flb in ALL {
        report::errno(
            format_args!("get_incoming {flb}"),
            run.nothing_left(),
            &client::get_incoming(flb),
        );
    }
    expect("nothing came", &ALL, counts(0, 0, 0, 0))?;
    Ok(Vec::new())
}

/// The client puts these when the kexec has begun. What is unpreserved then must not be handed
/// over.
fn put_at_reboot() {
    for flb in ALL {
        report::errno(
            format_args!("a reference to {flb} until the reboot"),
            0,
            &client::put_at_reboot(flb),
        );
    }
}

fn put_later_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let session = save(&luo, "dropped", &ONE)?;
    put_at_reboot();
    drop(session);
    let unpreserved = u32::from(!run.contract.put_outgoing);
    expect("no file is left", &ALL, counts(1, unpreserved, 0, 0))?;
    Ok(Vec::new())
}

fn put_later_1(run: &mut Run) -> io::Result<Vec<Session>> {
    nothing_came_1(run)?;
    let session = save(&LiveUpdate::open()?, "one", &ONE)?;
    put_at_reboot();
    expect("preserved", &ALL, counts(1, 0, 0, 0))?;
    Ok(vec![session])
}

fn null_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    client::null_object(PCI)?;
    let dropped = save(&luo, "dropped", &FILES)?;
    expect("two files preserved", &ALL, counts(1, 0, 0, 0))?;
    report::errno("get_outgoing", 0, &client::get_outgoing(PCI));
    put(run, PCI, 1)?;
    expect("put", &ALL, counts(1, 0, 0, 0))?;
    drop(dropped);
    expect("dropped", &ALL, counts(1, 1, 0, 0))?;
    let session = save(&luo, "one", &ONE)?;
    expect("preserved again", &ALL, counts(2, 1, 0, 0))?;
    Ok(vec![session])
}

fn null_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    client::null_object(PCI)?;
    touch(&ALL);
    touch(&[PCI]);
    expect("retrieved once", &ALL, counts(0, 0, 1, 0))?;
    take_back(&luo, "one", &ONE)?;
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    report::errno(
        "get_incoming after finish",
        libc::ENODATA,
        &client::get_incoming(PCI),
    );
    Ok(Vec::new())
}
