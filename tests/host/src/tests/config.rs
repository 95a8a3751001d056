// SPDX-License-Identifier: GPL-2.0

//! How the properties are run: the same cases each time.

use proptest::test_runner::{Config, RngSeed};

/// Runs `cases` cases, from a fixed seed.
///
/// `PROPTEST_RNG_SEED` chooses other cases, `PROPTEST_CASES` another number of them.
pub(super) fn cases(cases: u32) -> Config {
    let default = Config::default();
    let overridden = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if overridden { default.cases } else { cases },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0x1f1b),
            seed => seed,
        },
        failure_persistence: None,
        ..default
    }
}
