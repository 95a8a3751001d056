// SPDX-License-Identifier: GPL-2.0
//! FLBs that one kernel knows and the other does not, and ones that come and go at run time.

use super::{hop, scenario, ALL, GET, HUGETLB, IOMMU, PCI};
use crate::client::{self, counts};
use crate::liveupdate::{LiveUpdate, Session, DEVICE};
use crate::memfd::Blob;
use crate::report;
use crate::run::{expect, save, take_back, touch, Run, Scenario};
use std::io;
use std::path::Path;

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "unknown-to-next",
        "the next kernel does not know one of the FLBs",
        &[
            hop("", preserve),
            hop(
                "flb_client.get=1 flb_client.names=demo-iommu-v1,demo-hugetlb-v1",
                unknown_1,
            ),
        ],
    ),
    scenario(
        "new-in-next",
        "the next kernel knows an FLB that the previous one did not",
        &[
            hop("", preserve),
            hop(
                "flb_client.get=1 \
                 flb_client.names=demo-new-v1,demo-iommu-v1,demo-pci-v1,demo-hugetlb-v1",
                new_1,
            ),
        ],
    ),
    scenario(
        "late-in-next",
        "the next kernel registers an FLB when its files are there already",
        &[
            hop("", preserve),
            hop(
                "flb_client.get=1 flb_client.names=demo-iommu-v1,demo-hugetlb-v1",
                late_1,
            ),
        ],
    ),
    scenario(
        "liveupdate-off",
        "without live update every call is refused or does nothing",
        &[hop("", off_0), hop("liveupdate=off", off_1)],
    ),
    scenario(
        "register-while-preserved",
        "an FLB cannot join while a file of its handler is preserved",
        &[
            hop("", register_0),
            hop(
                "flb_client.get=1 \
                 flb_client.names=demo-iommu-v1,demo-pci-v1,demo-hugetlb-v1,demo-late-v1",
                register_1,
            ),
        ],
    ),
    scenario(
        "unregister-while-preserved",
        "an FLB that leaves while a file is preserved is neither leaked nor lost",
        &[hop("", unregister_0), hop(GET, unregister_1)],
    ),
    scenario(
        "second-object",
        "a second object with the name of a finished one gets no data",
        &[hop("", preserve), hop(GET, second_1)],
    ),
    scenario(
        "register-errors",
        "registered twice, and a name that leaves no room for its NUL",
        &[hop("", errors)],
    ),
];

const NEW: &str = "demo-new-v1";
const LATE: &str = "demo-late-v1";
const FILES: [Blob; 2] = [Blob::new(1, 50_000), Blob::new(2, 4096)];
const ONE: [Blob; 1] = [Blob::new(3, 12_345)];

fn preserve(_: &mut Run) -> io::Result<Vec<Session>> {
    let session = save(&LiveUpdate::open()?, "files", &FILES)?;
    expect("preserved", &ALL, counts(1, 0, 0, 0))?;
    Ok(vec![session])
}

fn unknown_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::holds(
        "this kernel does not know it",
        !client::state()?.contains_key(PCI),
    );
    take_back(&luo, "files", &FILES)?;
    expect("finished", &[IOMMU, HUGETLB], counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn late_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno(
        "register before any file is finished",
        0,
        &client::register(PCI),
    );
    touch(&[PCI]);
    expect("retrieved", &ALL, counts(0, 0, 1, 0))?;
    take_back(&luo, "files", &FILES)?;
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn new_1(run: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    report::errno(
        "get_incoming of the new one",
        libc::ENOENT,
        &client::get_incoming(NEW),
    );
    take_back(&luo, "files", &FILES)?;
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    expect("finished", &[NEW], counts(0, 0, 0, 0))?;
    report::errno(
        "get_incoming after finish",
        run.nothing_left(),
        &client::get_incoming(NEW),
    );
    let session = save(&luo, "again", &ONE)?;
    expect("preserved again", &ALL, counts(1, 0, 1, 1))?;
    expect("preserved", &[NEW], counts(1, 0, 0, 0))?;
    drop(session);
    expect("dropped", &ALL, counts(1, 1, 1, 1))?;
    expect("dropped", &[NEW], counts(1, 1, 0, 0))?;
    Ok(Vec::new())
}

fn off_0(run: &mut Run) -> io::Result<Vec<Session>> {
    report::holds("live update is on in this kernel", run.enabled());
    Ok(Vec::new())
}

fn off_1(run: &mut Run) -> io::Result<Vec<Session>> {
    report::holds("there is no device", !Path::new(DEVICE).exists());
    for flb in ALL {
        report::errno("get_incoming", libc::EOPNOTSUPP, &client::get_incoming(flb));
        report::errno("get_outgoing", libc::EOPNOTSUPP, &client::get_outgoing(flb));
        report::errno("register", libc::EOPNOTSUPP, &client::register(flb));
        report::errno("unregister", 0, &client::unregister(flb));
        report::errno("put_incoming", 0, &client::put_incoming(flb));
        if run.contract.put_outgoing {
            report::errno("put_outgoing", 0, &client::put_outgoing(flb));
        }
    }
    expect("in the end", &ALL, counts(0, 0, 0, 0))?;
    for (flb, state) in client::state()? {
        report::holds(format_args!("{flb} is not registered"), !state.registered);
    }
    Ok(Vec::new())
}

fn register_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let first = save(&luo, "first", &FILES)?;
    report::errno(
        "register while preserved",
        libc::EBUSY,
        &client::register(LATE),
    );
    let second = save(&luo, "second", &ONE)?;
    expect("refused", &[LATE], counts(0, 0, 0, 0))?;
    drop(second);
    drop(first);
    expect("dropped", &ALL, counts(1, 1, 0, 0))?;
    expect("dropped", &[LATE], counts(0, 0, 0, 0))?;
    report::errno("register after that", 0, &client::register(LATE));
    let session = save(&luo, "files", &FILES)?;
    expect("preserved", &ALL, counts(2, 1, 0, 0))?;
    expect("preserved", &[LATE], counts(1, 0, 0, 0))?;
    Ok(vec![session])
}

fn register_1(_: &mut Run) -> io::Result<Vec<Session>> {
    take_back(&LiveUpdate::open()?, "files", &FILES)?;
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    expect("finished", &[LATE], counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn unregister_0(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let dropped = save(&luo, "dropped", &FILES)?;
    report::errno("unregister while preserved", 0, &client::unregister(PCI));
    expect("unregistered", &ALL, counts(1, 0, 0, 0))?;
    drop(dropped);
    expect("dropped", &ALL, counts(1, 1, 0, 0))?;

    report::errno("register again", 0, &client::register(PCI));
    let session = save(&luo, "files", &FILES)?;
    expect("preserved again", &ALL, counts(2, 1, 0, 0))?;
    report::errno("unregister again", 0, &client::unregister(PCI));
    expect("unregistered again", &ALL, counts(2, 1, 0, 0))?;
    Ok(vec![session])
}

fn unregister_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    expect("it was handed over", &ALL, counts(0, 0, 1, 0))?;
    take_back(&luo, "files", &FILES)?;
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    Ok(Vec::new())
}

fn second_1(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    touch(&[PCI]);
    take_back(&luo, "files", &FILES)?;
    expect("finished", &ALL, counts(0, 0, 1, 1))?;
    report::errno("unregister the first object", 0, &client::unregister(PCI));
    report::errno("register a second one", 0, &client::register(PCI));
    report::errno(
        "get_incoming of it",
        libc::ENODATA,
        &client::get_incoming(PCI),
    );
    expect("no second retrieve", &ALL, counts(0, 0, 1, 1))?;
    drop(save(&luo, "again", &ONE)?);
    expect("it can be preserved", &ALL, counts(1, 1, 1, 1))?;
    Ok(Vec::new())
}

fn errors(_: &mut Run) -> io::Result<Vec<Session>> {
    let luo = LiveUpdate::open()?;
    let longest = "x".repeat(47);
    let too_long = "x".repeat(48);
    report::errno("register twice", libc::EEXIST, &client::register(PCI));
    report::errno("a name of 47 characters", 0, &client::register(&longest));
    report::errno(
        "a name of 48 characters",
        libc::EINVAL,
        &client::register(&too_long),
    );
    drop(save(&luo, "files", &FILES)?);
    expect("dropped", &ALL, counts(1, 1, 0, 0))?;
    expect("dropped", &[&longest], counts(1, 1, 0, 0))?;
    report::errno("unregister", 0, &client::unregister(&longest));
    drop(save(&luo, "files", &FILES)?);
    expect("dropped again", &[&longest], counts(1, 1, 0, 0))?;
    expect("dropped again", &ALL, counts(2, 2, 0, 0))?;
    Ok(Vec::new())
}
