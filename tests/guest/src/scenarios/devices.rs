// SPDX-License-Identifier: GPL-2.0
//! The sample without files of its own: a list of devices that follows memfds, is asked for by each
//! device at boot, and grows after it was saved.

use super::hostile::{poke_behind, Place};
use super::{hop, scenario, GET};
use crate::client::counts;
use crate::devices::{expect, plug_in, LIST};
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report;
use crate::run::{finish, restore, save, take_back, Run, Scenario};
use std::io;

// How many devices there are at boot. With three the list begins with one block, which has room for
// four.
const THREE: &str = "rust_liveupdate_devices.devices=3";
// The client's FLBs are asked for too.
const TWO: &str = "rust_liveupdate_devices.devices=2 flb_client.get=1";
const TEN: &str = "rust_liveupdate_devices.devices=10 flb_client.get=1";
const TWELVE: &str = "rust_liveupdate_devices.devices=12 flb_client.get=1";

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "devices-follow",
        "devices there at boot and plugged in later are known to the next kernels",
        &[
            hop(THREE, follow_0),
            hop(TEN, follow_1),
            hop(TWELVE, follow_2),
        ],
    ),
    scenario(
        "devices-unpreserve",
        "sessions are dropped, and the next kernel knows no device",
        &[hop(THREE, unpreserve_0), hop("", unpreserve_1)],
    ),
    scenario(
        "devices-not-retrieved",
        "nobody asks for the memfds, and one device is gone; the list is released all the same",
        &[hop(THREE, not_retrieved_0), hop(TWO, not_retrieved_1)],
    ),
    scenario(
        "devices-damaged-count",
        "a block of the list says that it has more entries than there is room for",
        &[hop(THREE, too_many), hop(GET, refused)],
    ),
    scenario(
        "devices-damaged-link",
        "the list leads back to its beginning",
        &[hop(THREE, endless), hop(GET, refused)],
    ),
];

const FIRST: Blob = Blob::new(1, 50_000);
const SECOND: Blob = Blob::new(2, 4097);

fn follow_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect(run, "at first", &[1; 3], counts(0, 0, 0, 0))?;
    let first = save(&luo, "first", &[FIRST])?;
    expect(run, "a memfd preserved", &[1; 3], counts(1, 0, 0, 0))?;
    plug_in(2)?;
    let second = save(&luo, "second", &[SECOND])?;
    plug_in(4)?;
    expect(run, "six more devices", &[1; 9], counts(1, 0, 0, 0))?;
    Ok(vec![first, second])
}

fn follow_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    // All asked for the list, and it was restored once.
    let mut devices = vec![2; 9];
    devices.push(1);
    expect(run, "at first", &devices, counts(0, 0, 1, 0))?;
    let restored = run.events.iter().find(|event| event.flb == LIST);
    report::equal(
        "devices in the list",
        Some("with 9 devices".to_string()),
        restored.map(|event| event.rest.clone()),
    );
    take_back(&luo, "first", &[FIRST])?;
    plug_in(1)?;
    devices.push(1);
    let when = "one of two sessions finished";
    expect(run, when, &devices, counts(0, 0, 1, 0))?;
    take_back(&luo, "second", &[SECOND])?;
    plug_in(1)?;
    devices.push(1);
    expect(run, "both finished", &devices, counts(0, 0, 1, 1))?;
    let again = save(&luo, "again", &[FIRST])?;
    expect(run, "preserved again", &devices, counts(1, 0, 1, 1))?;
    Ok(vec![again])
}

fn follow_2(run: &mut Run) -> io::Result<Vec<Session>> {
    let devices = [[3; 9].as_slice(), &[2; 3]].concat();
    expect(run, "at first", &devices, counts(0, 0, 1, 0))?;
    take_back(&LiveUpdate::open()?, "again", &[FIRST])?;
    expect(run, "finished", &devices, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn unpreserve_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let first = save(&luo, "first", &[FIRST])?;
    let second = save(&luo, "second", &[SECOND])?;
    plug_in(2)?;
    drop(first);
    let when = "one of two sessions dropped";
    expect(run, when, &[1; 5], counts(1, 0, 0, 0))?;
    drop(second);
    plug_in(1)?;
    expect(run, "both dropped", &[1; 6], counts(1, 1, 0, 0))?;
    drop(save(&luo, "again", &[FIRST])?);
    expect(run, "preserved and dropped", &[1; 6], counts(2, 2, 0, 0))?;
    Ok(Vec::new())
}

fn unpreserve_1(run: &mut Run) -> io::Result<Vec<Session>> {
    expect(run, "nothing came", &[1; 3], counts(0, 0, 0, 0))?;
    Ok(Vec::new())
}

fn not_retrieved_0(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let unread = save(&luo, "unread", &[FIRST])?;
    let partly = save(&luo, "partly", &[FIRST, SECOND])?;
    expect(run, "preserved", &[1; 3], counts(1, 0, 0, 0))?;
    Ok(vec![unread, partly])
}

fn not_retrieved_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    finish("unread", luo.retrieve("unread")?);
    expect(run, "one of two finished", &[2; 2], counts(0, 0, 1, 0))?;
    let partly = luo.retrieve("partly")?;
    restore(&partly, &SECOND)?;
    finish("partly", partly);
    expect(run, "both finished", &[2; 2], counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

/// The FLB's place in the block of the orchestrator: behind those of the clients.
const ENTRY: u64 = 6;
/// Where the fields of a block of the list are, behind the header of a `KhoBox`.
const NEXT: u64 = 32;
const USED: u64 = 40;

fn too_many(run: &mut Run) -> io::Result<Vec<Session>> {
    damaged(run, USED, &5_u64.to_ne_bytes())
}

fn endless(run: &mut Run) -> io::Result<Vec<Session>> {
    damaged(run, NEXT, &[])
}

/// Hands over a list in which one field is something else.
fn damaged(run: &mut Run, field: u64, bytes: &[u8]) -> io::Result<Vec<Session>> {
    let session = save(&LiveUpdate::open()?, "files", &[FIRST, SECOND])?;
    let data = Place::find(run.contract.fdt)?.data(ENTRY);
    poke_behind(data, &[field], bytes)?;
    Ok(vec![session])
}

/// The devices are there as if nothing had come, and so are the files.
fn refused(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let said = "rust_liveupdate_devices: list is refused: ";
    report::holds("the list is refused", run.booted_with(said).is_some());
    expect(run, "at first", &[1; 3], counts(0, 0, 1, 0))?;
    take_back(&luo, "files", &[FIRST, SECOND])?;
    expect(run, "finished", &[1; 3], counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}
