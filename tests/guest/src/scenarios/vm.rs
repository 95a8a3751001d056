// SPDX-License-Identifier: GPL-2.0
//! Virtual machines, as in the story: the memory of a guest is preserved while it runs, and it goes
//! on under the next kernel.

use super::{hop, scenario};
use crate::run::Scenario;
use crate::story::vm::{arrive, go_on, leave};

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "vm-memfd",
        "a guest whose memory is in a memfd goes on",
        &[hop("flb.icount=1", leave), hop("", arrive)],
    ),
    scenario(
        "vm-huge",
        "a guest whose memory is in huge pages goes on, twice",
        &[
            hop("flb.icount=1 hugepages=40", leave),
            hop("", go_on),
            hop("", arrive),
        ],
    ),
];
