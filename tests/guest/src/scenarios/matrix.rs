// SPDX-License-Identifier: GPL-2.0
//! Several sessions, files and FLBs from one kernel to another: series and cores may differ, and
//! when the handover formats do, it is refused.

use super::{hop, scenario, ALL, GET};
use crate::client::{self, counts};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, finish, restore, same_counts, save, Run, Scenario};
use std::io;

pub const MATRIX: Scenario = scenario(
    "matrix",
    "four sessions, ten files and six FLBs, finished in another order",
    &[
        hop("", leave),
        hop(
            "flb_client.get=1 flb_client.names=demo-hugetlb-v1,matrix-a,\
             matrix-a-name-of-47-characters-which-is-longest,demo-pci-v1,matrix-b,demo-iommu-v1",
            arrive,
        ),
    ],
);

pub const REFUSED: Scenario = scenario(
    "matrix-refused",
    "a handover of another format is refused, and a new live update can begin",
    &[hop("", leave), hop(GET, refused)],
);

/// FLBs beside those that every kernel knows; the last name leaves just room for its NUL.
const MORE: [&str; 3] = [
    "matrix-a",
    "matrix-b",
    "matrix-a-name-of-47-characters-which-is-longest",
];

/// Sizes around pages and in between, in sessions of different length.
const SESSIONS: [(&str, &[Blob]); 4] = [
    (
        "vm-one",
        &[
            Blob::new(0x11, 1),
            Blob::new(0x12, 4095),
            Blob::new(0x13, 4096),
        ],
    ),
    ("vm-two", &[Blob::new(0x21, (3 << 20) + 5)]),
    (
        "vm-three",
        &[
            Blob::new(0x31, 4097),
            Blob::new(0x32, 65_537),
            Blob::new(0x33, 1 << 20),
            Blob::new(0x34, 123_457),
        ],
    ),
    ("vm-four", &[Blob::new(0x41, 8192), Blob::new(0x42, 7)]),
];

fn flbs() -> Vec<&'static str> {
    ALL.into_iter().chain(MORE).collect()
}

fn save_all(luo: &LiveUpdate) -> io::Result<Vec<Session>> {
    SESSIONS
        .iter()
        .map(|(name, blobs)| save(luo, name, blobs))
        .collect()
}

fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    for flb in MORE {
        report::errno(format_args!("register {flb}"), 0, &client::register(flb));
    }
    let sessions = save_all(&luo)?;
    expect("preserved", &flbs(), counts(1, 0, 0, 0))?;
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("preserved", flb, counts(1, 0, 0, 0), run.logged(flb));
    }
    Ok(sessions)
}

fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("asked for at boot", &flbs(), counts(0, 0, 1, 0))?;
    for at in [2, 0, 3, 1] {
        let (name, blobs) = SESSIONS[at];
        expect(format_args!("before {name}"), &flbs(), counts(0, 0, 1, 0))?;
        let session = luo.retrieve(name)?;
        for blob in blobs.iter().rev() {
            restore(&session, blob)?;
        }
        finish(name, session);
    }
    expect("all finished", &flbs(), counts(0, 0, 1, 1))?;
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("all finished", flb, counts(0, 0, 1, 1), run.logged(flb));
    }
    for flb in flbs() {
        report::errno(
            format_args!("nothing is left of {flb}"),
            libc::ENODATA,
            &client::get_incoming(flb),
        );
    }
    drop(save_all(&luo)?);
    expect("a new round", &flbs(), counts(1, 1, 1, 1))?;
    Ok(Vec::new())
}

fn refused(run: &mut Run) -> io::Result<Vec<Session>> {
    for said in ["KHO: setup: handover FDT", "KHO: disabling KHO revival"] {
        match run.booted_with(said) {
            Some(line) => report::pass(format_args!("the log says: {line}")),
            None => report::fail("the log", format_args!("a line \"{said}...\""), "none"),
        }
    }
    let luo = LiveUpdate::open()?;
    for (name, _) in SESSIONS {
        report::errno(
            format_args!("retrieve session {name}"),
            libc::ENOENT,
            &luo.retrieve(name),
        );
    }
    for flb in ALL {
        report::errno(
            format_args!("get_incoming {flb}"),
            libc::ENODATA,
            &client::get_incoming(flb),
        );
    }
    expect("nothing came", &ALL, counts(0, 0, 0, 0))?;
    for flb in Run::tree_flbs() {
        same_counts("nothing came", flb, counts(0, 0, 0, 0), run.logged(flb));
    }
    let sessions = save_all(&luo)?;
    expect("a new live update begins", &ALL, counts(1, 0, 0, 0))?;
    drop(sessions);
    expect("and is called off", &ALL, counts(1, 1, 0, 0))?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kernels_know_the_same() {
        let params = MATRIX.hops[1].params;
        let names = params.split_once("names=").unwrap().1;
        let mut next: Vec<&str> = names.split(',').collect();
        let mut here = flbs();
        next.sort_unstable();
        here.sort_unstable();
        assert_eq!(here, next);
        assert!(here.iter().any(|name| name.len() == 47));
        assert!(here.iter().all(|name| name.len() <= 47));
    }
}
