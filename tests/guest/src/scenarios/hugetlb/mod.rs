// SPDX-License-Identifier: GPL-2.0
//! Memfds in huge pages, and the pools of the kernels that they come to.

mod cost;
mod damaged;
mod files;
mod pools;

use super::{hop, hops, scenario};
use crate::hugetlb::{save, HugeFile, MIB2};
use crate::liveupdate::{LiveUpdate, Session};
use crate::run::Scenario;
use std::io;

pub use self::{cost::COST, files::SELFTESTS, pools::SIZES};

const POOL: &str = "hugepages=16";
/// So many milliseconds pass between the freeze and the kexec.
const LATE: &str = "hugepages=16 flb_client.linger=200";

pub const SCENARIOS: &[Scenario] = &[
    scenario(
        "hugetlb-file",
        "a file keeps its pages, position, seals and mode, and is handed over again",
        &[
            hop(POOL, files::file_0),
            hop(POOL, files::file_1),
            hop(POOL, files::file_2),
        ],
    ),
    scenario(
        "hugetlb-sessions",
        "some files are retrieved, others are not; what is not goes to the pool",
        &[hop(POOL, files::sessions_0), hop(POOL, files::sessions_1)],
    ),
    scenario(
        "hugetlb-holes",
        "holes stay holes, and what is reserved stays reserved",
        &[hop(POOL, files::holes_0), hop(POOL, files::holes_1)],
    ),
    scenario(
        "hugetlb-changed",
        "a file that has changed is not handed over, nor is anything else",
        &[hop(POOL, files::changed)],
    ),
    scenario(
        "hugetlb-frozen",
        "no page comes into a hole when the machine goes down: that fails",
        &[hop(LATE, files::frozen_0), hop(POOL, files::frozen_1)],
    ),
    scenario(
        "hugetlb-pinned",
        "a device goes on with pages that it has pinned, up to the kexec",
        &[hop(POOL, files::pinned_0), hop(POOL, files::pinned_1)],
    ),
    scenario(
        "hugetlb-refused",
        "files that cannot be handed over are refused at once",
        &[hop(POOL, files::refused)],
    ),
    scenario(
        "hugetlb-surplus",
        "the next kernel is asked for fewer pages than come, and the next for none",
        &[
            hop(POOL, pools::surplus_0),
            hop("hugepages=2", pools::surplus_1),
            hop("hugepages=0", pools::surplus_2),
        ],
    ),
    scenario(
        "hugetlb-nodes",
        "pages of two nodes, of which the next kernel is asked for fewer than come from one",
        &[
            hop(pools::NODES, pools::nodes_0),
            hop("numa=fake=2 hugepages=0:2,1:8", pools::nodes_1),
        ],
    ),
    scenario(
        "hugetlb-nodes-gone",
        "pages of two nodes come to a kernel that knows of one",
        &[
            hop(pools::NODES, pools::nodes_0),
            hop("numa=off hugepages=16", pools::nodes_gone),
        ],
    ),
    scenario(
        "hugetlb-unreserved",
        "what was reserved cannot be in a kernel with fewer pages, but the file comes",
        &[
            hop(POOL, files::holes_0),
            hop("hugepages=9", files::unreserved),
        ],
    ),
    scenario(
        "hugetlb-optimised",
        "the struct pages of huge pages are given back in both kernels",
        &[
            hop("hugetlb_free_vmemmap=on hugepages=16", files::file_0),
            hop("hugetlb_free_vmemmap=on hugepages=16", files::file_1),
            hop("hugetlb_free_vmemmap=off hugepages=16", files::file_2),
        ],
    ),
    scenario(
        "hugetlb-charged",
        "pages are charged to whom retrieves the file",
        &[hop(POOL, files::charged_0), hop(POOL, files::charged_1)],
    ),
    scenario(
        "hugetlb-most",
        "nine tenths of the memory are handed over",
        &[hop(pools::MOST, pools::most_0), hop("", pools::most_1)],
    ),
    scenario(
        "hugetlb-gigantic",
        "pages of 1 GiB beside some of 2 MiB",
        &[
            hop(pools::GIGANTIC, pools::gigantic_0),
            hop("", pools::gigantic_1),
        ],
    ),
    scenario(
        "hugetlb-counts-none",
        "the counts are of memory that no node has: they are refused, and so are the files",
        &[hop(POOL, damaged::none), hop(POOL, damaged::refused_counts)],
    ),
    scenario(
        "hugetlb-counts-fewer",
        "fewer pages were counted than a file has: it is refused, and nothing is freed",
        &[hop(POOL, damaged::fewer), hop(POOL, damaged::refused_file)],
    ),
    scenario(
        "hugetlb-counts-more",
        "more pages were counted than come: what is missing leaves the pool at the end",
        &[hop(POOL, damaged::more), hop(POOL, damaged::some_missing)],
    ),
    scenario(
        "hugetlb-counts-node",
        "the counts are of a node that there is not: the pages come all the same",
        &[hop(POOL, damaged::other_node), hop(POOL, damaged::all_come)],
    ),
    scenario(
        "hugetlb-counts-size",
        "the counts are of a size that there is not: the file is refused",
        &[
            hop(POOL, damaged::other_size),
            hop(POOL, damaged::refused_size),
        ],
    ),
    scenario(
        "hugetlb-counts-elsewhere",
        "the orchestrator has other counts than those of boot: the files are refused",
        &[
            hop(POOL, damaged::elsewhere),
            hop(POOL, damaged::refused_place),
        ],
    ),
    scenario(
        "hugetlb-damaged",
        "files that are damaged are refused, and what they have is in the pool or kept",
        &[
            hop(damaged::MANY, damaged::files),
            hop(damaged::MANY, damaged::refused_files),
        ],
    ),
    scenario(
        "hugetlb-stolen",
        "files do not get pages of others, nor such as were not handed over",
        &[hop(POOL, damaged::stolen), hop(POOL, damaged::not_stolen)],
    ),
    scenario(
        "hugetlb-20",
        "twenty kernels hand over the same files",
        &[
            hop(POOL, files::twenty_0),
            hops(19, POOL, files::twenty_n),
            hop(POOL, files::twenty_last),
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

/// Where nothing else is in a page of theirs.
const NOTE: usize = 1 << 20;

/// Each session has one.
fn only(name: &str, files: &[HugeFile]) -> io::Result<Session> {
    let session = LiveUpdate::open()?.create(name)?;
    save(&session, files)?;
    Ok(session)
}
