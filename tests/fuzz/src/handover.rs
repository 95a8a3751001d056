// SPDX-License-Identifier: GPL-2.0

//! What `flbdump` is given: any file.

use flbdump::{dump, report::Report, Options};

/// What is printed of an input, unless it is refused.
pub(crate) fn report(input: &[u8]) -> Result<Report, String> {
    dump(input, &input, &Options::default())
}

/// Check that any input is decoded or refused, and that not more is printed than there is in it.
pub fn check(input: &[u8]) {
    if let Ok(report) = report(input) {
        assert!(report.to_string().len() <= (1 << 20) + 16 * input.len());
    }
}
