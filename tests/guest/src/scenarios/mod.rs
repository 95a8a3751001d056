// SPDX-License-Identifier: GPL-2.0
//! The kexec scenarios. Each says which callbacks have to run how often, and when.

mod failures;
mod lifecycle;
mod registration;

use crate::run::{Hop, Scenario, Step};

pub(crate) const IOMMU: &str = "demo-iommu-v1";
pub(crate) const PCI: &str = "demo-pci-v1";
pub(crate) const HUGETLB: &str = "demo-hugetlb-v1";

/// The FLBs that the client knows unless told otherwise, in the order of registration.
pub(crate) const ALL: [&str; 3] = [IOMMU, PCI, HUGETLB];

/// Every FLB is looked at once during boot: what upstream's clients do, and what hides D1.
const GET: &str = "flb_client.get=1";

const fn hop(params: &'static str, step: Step) -> Hop {
    Hop { params, step }
}

const fn scenario(name: &'static str, about: &'static str, hops: &'static [Hop]) -> Scenario {
    Scenario { name, about, hops }
}

/// All scenarios.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    lifecycle::SCENARIOS
        .iter()
        .chain(registration::SCENARIOS)
        .chain(failures::SCENARIOS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
