// SPDX-License-Identifier: GPL-2.0
//! The kexec scenarios. Each says which callbacks have to run how often, and when.

mod capacity;
mod chain;
mod devices;
mod early;
mod failures;
mod hostile;
mod hugetlb;
mod lifecycle;
mod matrix;
mod module;
mod observed;
mod outgoing;
mod registration;
mod sample;
mod soak;
#[cfg(target_arch = "x86_64")]
mod vm;

use crate::run::{Hop, Scenario, Step};

pub use hostile::list as list_hostile;
pub use hugetlb::SCENARIOS as HUGETLB_SCENARIOS;
#[cfg(target_arch = "x86_64")]
pub use vm::SCENARIOS as VM_SCENARIOS;

/// The program of the guest is for x86_64.
#[cfg(not(target_arch = "x86_64"))]
pub const VM_SCENARIOS: &[Scenario] = &[];

pub(crate) const IOMMU: &str = "demo-iommu-v1";
pub(crate) const PCI: &str = "demo-pci-v1";
pub(crate) const HUGETLB: &str = "demo-hugetlb-v1";

/// The FLBs that the client knows unless told otherwise, in the order of registration.
pub(crate) const ALL: [&str; 3] = [IOMMU, PCI, HUGETLB];

/// Every FLB is looked at once during boot: what upstream's clients do, and what hides D1.
const GET: &str = "flb_client.get=1";

const fn hop(params: &'static str, step: Step) -> Hop {
    hops(1, params, step)
}

/// Several kernels in a row that do the same.
const fn hops(times: usize, params: &'static str, step: Step) -> Hop {
    Hop {
        params,
        step,
        times,
    }
}

const fn scenario(name: &'static str, about: &'static str, hops: &'static [Hop]) -> Scenario {
    Scenario { name, about, hops }
}

/// The scenarios for every chain of kernels that understand each other.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    lifecycle::SCENARIOS
        .iter()
        .chain(registration::SCENARIOS)
        .chain(outgoing::SCENARIOS)
        .chain(failures::SCENARIOS)
        .chain(sample::SCENARIOS)
        .chain(devices::SCENARIOS)
        .chain(capacity::SCENARIOS)
        .chain(early::SCENARIOS)
        .chain(observed::SCENARIOS)
        .chain([&matrix::MATRIX])
}

/// Those that want a chain of their own: of kernels with different formats, a long one, one of
/// which can register more FLBs, or with the core in Rust, which has what modules need.
pub const SPECIAL: &[Scenario] = &[
    matrix::REFUSED,
    chain::TWENTY,
    capacity::MOST,
    hugetlb::COST,
    hugetlb::SIZES,
    hugetlb::SELFTESTS,
    hostile::HOSTILE,
    module::PRESERVED,
    module::HANDED_OVER,
    module::ABSENT,
    observed::TRACED,
    soak::SOAK,
];

/// The scenario with this name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    all()
        .chain(SPECIAL)
        .chain(HUGETLB_SCENARIOS)
        .chain(VM_SCENARIOS)
        .find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all()
            .chain(SPECIAL)
            .chain(HUGETLB_SCENARIOS)
            .chain(VM_SCENARIOS)
            .map(|scenario| scenario.name)
            .collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
