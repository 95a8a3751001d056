// SPDX-License-Identifier: GPL-2.0
//! The devices of the sample without files of its own, and what it says in the kernel log.

use crate::client::Counts;
use crate::report;
use crate::run::{same_counts, Run};
use std::fmt::Display;
use std::fs;
use std::io;

/// The FLB that follows memfds.
pub const LIST: &str = "rust-sample-devices-v1";

const FILE: &str = "/sys/kernel/debug/rust_liveupdate_devices/devices";

/// How many kernels have seen each device, by their numbers.
pub fn kernels() -> io::Result<Vec<u32>> {
    let text = fs::read_to_string(FILE)?;
    parse(&text).ok_or_else(|| io::Error::other("the devices do not parse"))
}

fn parse(text: &str) -> Option<Vec<u32>> {
    let line = |(number, line): (usize, &str)| {
        let (first, kernels) = line.split_once(' ')?;
        (first == number.to_string()).then(|| kernels.parse().ok())?
    };
    text.lines().enumerate().map(line).collect()
}

/// Plugs in more devices.
pub fn plug_in(count: usize) -> io::Result<()> {
    (0..count).try_for_each(|_| fs::write(FILE, "\n"))
}

/// Compares the devices, and the counts of the list, with what they have to be.
pub fn expect(
    run: &mut Run,
    when: impl Display,
    devices: &[u32],
    expected: Counts,
) -> io::Result<()> {
    report::equal(
        format_args!("{when}: kernels that have seen each device"),
        format!("{devices:?}"),
        format!("{:?}", kernels()?),
    );
    run.update();
    same_counts(when, LIST, expected, run.logged(LIST));
    Ok(())
}

/// What the sample says in a line of the log.
fn said(line: &str) -> Option<&str> {
    line.strip_prefix("rust_liveupdate_devices: ")
}

/// The callback of the list that a line of the log tells of, and what else it says.
pub fn callback(line: &str) -> Option<(&'static str, &str)> {
    match said(line)?.strip_prefix("list ")? {
        "saved" => Some(("preserve", "")),
        "no longer saved" => Some(("unpreserve", "")),
        "released" => Some(("finish", "")),
        said => Some(("retrieve", said.strip_prefix("restored ")?)),
    }
}

/// Whether the sample complains about a device.
pub fn is_complaint(line: &str) -> bool {
    said(line).is_some_and(|said| said.contains(" is not handed over"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        assert_eq!(parse("0 3\n1 1\n"), Some(vec![3, 1]));
        assert_eq!(parse(""), Some(Vec::new()));
        assert_eq!(parse("1 1\n"), None);
        assert_eq!(parse("0 many\n"), None);
    }

    #[test]
    fn lines_of_the_list() {
        let said = |what: &str| {
            let line = format!("rust_liveupdate_devices: {what}");
            (callback(&line).map(|(op, _)| op), is_complaint(&line))
        };
        assert_eq!(said("list saved"), (Some("preserve"), false));
        assert_eq!(said("list no longer saved"), (Some("unpreserve"), false));
        let restored = said("list restored with 5 devices");
        assert_eq!(restored, (Some("retrieve"), false));
        assert_eq!(said("list released"), (Some("finish"), false));
        assert_eq!(said("list is refused: EINVAL"), (None, false));
        assert_eq!(said("device 1 was there under 2 kernels"), (None, false));
        assert_eq!(said("device 1 is not handed over: ENOMEM"), (None, true));
    }
}
