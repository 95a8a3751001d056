// SPDX-License-Identifier: GPL-2.0
//! Callbacks that fail, or that return what they must not.

use super::{hop, scenario, ALL, HUGETLB, IOMMU, PCI};
use crate::client::{self, counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, save, take_back, touch, Run, Scenario};
use std::io;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "preserve-fails-in-chain",
        "preserve fails at each position; the ones before are rolled back in reverse",
        &[hop("", chain)],
    ),
    scenario(
        "retrieve-failure-remembered",
        "a retrieve that failed is not tried again (7.1: is tried again, and works)",
        &[
            hop("", preserve),
            hop("flb_client.retrieve_fails=demo-pci-v1:1", remembered_1),
        ],
    ),
    scenario(
        "retry-keeps-count",
        "asking again after a failure does not forget the files finished meanwhile",
        &[
            hop("", preserve),
            hop("flb_client.retrieve_fails=demo-pci-v1:1", retry_1),
        ],
    ),
    scenario(
        "retrieve-fails-at-last-put",
        "the retrieve for the last file fails: an error that stays",
        &[
            hop("", preserve),
            hop("flb_client.retrieve_fails=demo-pci-v1:100", last_put_1),
        ],
    ),
    scenario(
        "positive-return-preserve",
        "a positive result of preserve is an error",
        &[hop("", positive_preserve)],
    ),
    scenario(
        "positive-return-retrieve",
        "a positive result of retrieve is an error",
        &[hop("", preserve), hop("", positive_1)],
    ),
];

const A: [Blob; 2] = [Blob::new(0xa1, 100_000), Blob::new(0xa2, 4096)];
const B: [Blob; 1] = [Blob::new(0xb1, 9999)];

fn preserve(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let sessions = vec![save(&luo, "a", &A)?, save(&luo, "b", &B)?];
    expect("preserved", &ALL, counts(1, 0, 0, 0))?;
    Ok(sessions)
}

fn chain(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let session = luo.create("a")?;
    let file = A[0].create("a")?;
    // The tree's client registers its FLBs before ours, so they come first.
    let order: Vec<&str> = Run::tree_flbs().into_iter().chain(ALL).collect();
    run.update();
    for (at, flb) in ALL.iter().enumerate() {
        client::fail(flb, "preserve", -libc::ENOMEM, 1)?;
        report::errno(
            format_args!("preserve when {flb} fails"),
            libc::ENOMEM,
            &session.preserve(&file, A[0].token),
        );
        let called = &order[..=order.len() - ALL.len() + at];
        let expected: Vec<String> = called
            .iter()
            .map(|flb| format!("preserve {flb}"))
            .chain(
                called
                    .iter()
                    .rev()
                    .skip(1)
                    .map(|flb| format!("unpreserve {flb}")),
            )
            .collect();
        let got: Vec<String> = run.update().iter().map(|event| event.short()).collect();
        report::equal(format_args!("rollback when {flb} fails"), expected, got);
    }
    // Called by the attempts at itself and at those behind it; rolled back by the latter.
    expect("three failures", &[IOMMU], counts(3, 2, 0, 0))?;
    expect("three failures", &[PCI], counts(2, 1, 0, 0))?;
    expect("three failures", &[HUGETLB], counts(1, 0, 0, 0))?;
    report::errno(
        "preserve after that",
        0,
        &session.preserve(&file, A[0].token),
    );
    // With a file preserved no FLB is called for the next, so none can fail.
    client::fail(PCI, "preserve", -libc::ENOMEM, 1)?;
    report::errno(
        "a second file",
        0,
        &session.preserve(A[1].create("a")?, A[1].token),
    );
    expect("preserved", &[IOMMU], counts(4, 2, 0, 0))?;
    drop(session);
    expect("dropped", &[IOMMU], counts(4, 3, 0, 0))?;
    expect("dropped", &[PCI], counts(3, 2, 0, 0))?;
    expect("dropped", &[HUGETLB], counts(2, 1, 0, 0))?;
    Ok(Vec::new())
}

/// Asks again after a failure: a kernel that remembers it gives the same answer without a call.
fn ask_again(run: &Run, errno: i32) -> io::Result<()> {
    expect("failed", &[PCI], counts(0, 0, 1, 0))?;
    if run.contract.retrieve_once {
        report::errno("get_incoming again", errno, &client::get_incoming(PCI));
        return expect("remembered", &[PCI], counts(0, 0, 1, 0));
    }
    touch(&[PCI]);
    expect("tried again", &[PCI], counts(0, 0, 2, 0))
}

/// The first retrieve fails. The FLB is asked for again, before or after files are finished.
fn fails_once(run: &Run, finish_first: bool) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    touch(&[IOMMU, HUGETLB]);
    report::errno(
        "the first get_incoming",
        libc::EIO,
        &client::get_incoming(PCI),
    );
    if finish_first {
        take_back(&luo, "a", &A)?;
        ask_again(run, libc::EIO)?;
    } else {
        ask_again(run, libc::EIO)?;
        take_back(&luo, "a", &A)?;
    }
    // What the last file of an FLB without an object does has a scenario of its own.
    if !run.contract.retrieve_once {
        take_back(&luo, "b", &B)?;
        expect("finished", &[IOMMU, HUGETLB], counts(0, 0, 1, 1))?;
        expect("finished", &[PCI], counts(0, 0, 2, 1))?;
    }
    Ok(Vec::new())
}

fn remembered_1(run: &mut Run) -> io::Result<Vec<Session>> {
    fails_once(run, false)
}

fn retry_1(run: &mut Run) -> io::Result<Vec<Session>> {
    fails_once(run, true)
}

fn last_put_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    touch(&[IOMMU, HUGETLB]);
    // This makes the C core know the count, so that it gets as far as the last put.
    report::errno("get_incoming", libc::EIO, &client::get_incoming(PCI));
    take_back(&luo, "b", &B)?;
    take_back(&luo, "a", &A)?;
    expect("finished", &[IOMMU, HUGETLB], counts(0, 0, 1, 1))?;
    let tries = if run.contract.retrieve_once { 1 } else { 2 };
    expect(
        "finish has no object to be called with",
        &[PCI],
        counts(0, 0, tries, 0),
    )?;
    let again = client::get_incoming(PCI);
    report::holds("get_incoming fails from then on", again.is_err());
    expect("no retrieve from then on", &[PCI], counts(0, 0, tries, 0))?;
    drop(save(&luo, "again", &B)?);
    expect("the other direction works", &[PCI], counts(1, 1, tries, 0))?;
    Ok(Vec::new())
}

fn positive_preserve(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let session = luo.create("a")?;
    client::fail(PCI, "preserve", 7, 1)?;
    report::errno(
        "preserve when a callback returns 7",
        libc::EINVAL,
        &session.preserve(A[0].create("a")?, A[0].token),
    );
    expect("rolled back", &[IOMMU], counts(1, 1, 0, 0))?;
    expect("failed", &[PCI], counts(1, 0, 0, 0))?;
    expect("not reached", &[HUGETLB], counts(0, 0, 0, 0))?;
    Ok(Vec::new())
}

fn positive_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    touch(&[IOMMU, HUGETLB]);
    client::fail(PCI, "retrieve", 5, 1)?;
    report::errno(
        "get_incoming when a callback returns 5",
        libc::EINVAL,
        &client::get_incoming(PCI),
    );
    ask_again(run, libc::EINVAL)?;
    take_back(&luo, "a", &A)?;
    take_back(&luo, "b", &B)?;
    let (tries, finished) = if run.contract.retrieve_once {
        (1, 0)
    } else {
        (2, 1)
    };
    expect("in the end", &[PCI], counts(0, 0, tries, finished))?;
    Ok(Vec::new())
}
