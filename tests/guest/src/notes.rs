// SPDX-License-Identifier: GPL-2.0
//! Notes: open files of the sample driver's device, and what the sample says in the kernel log.

use crate::client::Counts;
use crate::memfd::Blob;
use crate::run::{same_counts, Run};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// The device; each time it is opened there is a new note.
pub const DEVICE: &str = "/dev/rust-liveupdate";

/// The FLB that all preserved notes share.
pub const TABLE: &str = "rust-sample-table-v1";

/// How much fits into a note.
pub const LONGEST: u64 = 1 << 20;

/// How many notes can be preserved.
pub const MOST: u64 = 64;

/// Neither a page nor a power of two, so that writes begin and end anywhere.
const PIECE: usize = 50_021;

/// A new note, which is empty.
pub fn open() -> io::Result<File> {
    File::options().read(true).write(true).open(DEVICE)
}

/// A new note that cannot be written to.
pub fn open_to_read() -> io::Result<File> {
    File::open(DEVICE)
}

/// A new note with the content of a blob.
pub fn create(blob: &Blob) -> io::Result<File> {
    let note = open()?;
    append(&note, &blob.content())?;
    Ok(note)
}

/// Writes at the end, where all that is written to a note goes.
pub fn append(mut note: &File, text: &[u8]) -> io::Result<()> {
    text.chunks(PIECE)
        .try_for_each(|piece| note.write_all(piece))
}

/// The whole text, wherever the file's position is.
pub fn read(note: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        match note.read_at(&mut piece, text.len() as u64)? {
            0 => return Ok(text),
            size => text.extend_from_slice(&piece[..size]),
        }
    }
}

/// Compares the counts of the table with what they have to be.
pub fn expect_table(run: &mut Run, when: impl Display, expected: Counts) {
    run.update();
    same_counts(when, TABLE, expected, run.logged(TABLE));
}

/// The callback of the table that a line of the log tells of, and what else it says.
pub fn callback(line: &str) -> Option<(&'static str, &str)> {
    let said = line.strip_prefix("rust_liveupdate: table ")?;
    match said {
        "saved" => Some(("preserve", "")),
        "no longer saved" => Some(("unpreserve", "")),
        "released" => Some(("finish", "")),
        _ => Some(("retrieve", said.strip_prefix("restored ")?)),
    }
}

/// Whether the sample complains about a note.
pub fn is_complaint(line: &str) -> bool {
    line.starts_with("rust_liveupdate: note ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    #[test]
    fn what_is_appended_is_read() {
        let blob = Blob::new(3, 2 * PIECE as u64 + 11);
        // Written from its start on, a memfd does as a note.
        let note = sys::memfd_create("note").unwrap();
        assert!(read(&note).unwrap().is_empty());
        append(&note, &blob.content()).unwrap();
        assert_eq!(read(&note).unwrap(), blob.content());
        append(&note, b"more").unwrap();
        assert!(read(&note).unwrap().ends_with(b"more"));
    }

    #[test]
    fn lines_of_the_table() {
        let said = |what: &str| callback(&format!("rust_liveupdate: {what}")).map(|(op, _)| op);
        assert_eq!(said("table saved"), Some("preserve"));
        assert_eq!(said("table no longer saved"), Some("unpreserve"));
        assert_eq!(said("table restored with 12 notes"), Some("retrieve"));
        assert_eq!(said("table released"), Some("finish"));
        assert_eq!(said("note 3 is lost"), None);
        assert!(is_complaint("rust_liveupdate: note 3 is lost"));
        assert!(!is_complaint("rust_liveupdate: table saved"));
    }
}
