// SPDX-License-Identifier: GPL-2.0

//! Any bytes in place of what the kernel before hands over, by `scripts/fuzz.sh`.

use crate::plan::{Plan, Tier};
use crate::process::{output, script};

/// A test for each target; a target that fails says how to replay its input.
pub fn plan(plan: &mut Plan) {
    for target in ["flb_array", "handover", "hugetlb", "name"] {
        plan.test(Tier::All, format!("fuzz/{target}"), move || {
            output(script("fuzz.sh").arg(target)).map(drop)
        });
    }
}
