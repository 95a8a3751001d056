// SPDX-License-Identifier: GPL-2.0
//! The story of the sample without files of its own: a list of devices that follows memfds.

use super::{
    announce_kexec, headline, hop, logged, remember, show_incoming, show_outgoing, step, summary,
    tell,
};
use crate::client::counts;
use crate::devices::{self, expect, kernels, LIST};
use crate::kmsg::Event;
use crate::liveupdate::{LiveUpdate, Session};
use crate::memfd::Blob;
use crate::report::story;
use crate::run::{finish, restore, save, Hop, Run, Scenario};
use std::io;

pub const DEMO: Scenario = Scenario {
    name: "demo",
    about: "the story of the devices",
    hops: &[
        // The first kernel is booted with three devices.
        hop(leave),
        Hop {
            params: "rust_liveupdate_devices.devices=6 flb_client.get=1",
            step: arrive,
            times: 1,
        },
    ],
};

const RAM: Blob = Blob::new(0xa1, 1 << 20);

fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "before the live update");
    let luo = LiveUpdate::open()?;

    step("1", "Boot: each device asks for the list; there is none");
    show_devices()?;

    step("2", "Preserve a memfd: the list is saved with it");
    let session = save(&luo, "vm", &[RAM])?;
    tell_list(&run.update());
    story("    (the FLBs of the test clients follow memfds too, and are left out here)");

    step("3", "Plug in two more: the list grows by a block");
    devices::plug_in(2)?;
    show_devices()?;
    expect(run, "preserved", &[1; 5], counts(1, 0, 0, 0))?;

    show_outgoing(run, "4");
    story(format_args!(
        "    (the FLB {LIST} hands over where the first block is)"
    ));

    announce_kexec(run, "5");
    let before = logged(run, &[LIST]);
    remember(run, &before);
    Ok(vec![session])
}

fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "after the live update");
    let luo = LiveUpdate::open()?;

    show_incoming(run, "6");

    step(
        "7",
        "Boot: each device asks for the list, the first restores it; one is new",
    );
    tell_list(&run.events);
    show_devices()?;
    let known = [2, 2, 2, 2, 2, 1];
    expect(run, "at boot", &known, counts(0, 0, 1, 0))?;

    step("8", "Retrieve the memfd, finish: the list is released");
    let session = luo.retrieve("vm")?;
    restore(&session, &RAM)?;
    finish("vm", session);
    tell_list(&run.update());
    expect(run, "finished", &known, counts(0, 0, 1, 1))?;

    step("9", "Callbacks, over both kernels");
    let now = logged(run, &[LIST]);
    summary(run, &now);
    Ok(Vec::new())
}

fn show_devices() -> io::Result<()> {
    for (number, kernels) in kernels()?.into_iter().enumerate() {
        let known = match kernels {
            1 => "new in this kernel".to_string(),
            kernels => format!("seen by {kernels} kernels"),
        };
        story(format_args!("    device {number}  {known}"));
    }
    Ok(())
}

fn tell_list(events: &[Event]) {
    let is_list = |event: &&Event| event.flb == LIST;
    tell(&events.iter().filter(is_list).cloned().collect::<Vec<_>>());
}
