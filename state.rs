// SPDX-License-Identifier: GPL-2.0

//! What has become of an entry that the previous kernel handed over: what its file count is there.
//!
//! ```text
//!   NOT_RETRIEVED --claim--> RETRIEVING --retrieved--> RETRIEVED --finished--> FINISHED
//!        ^                      |
//!        +----------------------+-- failed --> errno
//!   NOT_RETRIEVED --drop_file--> errno     the last file could not retrieve
//! ```
//!
//! The count that the array says, below 2^31 in 64 bits, means so many files, and `NOT_RETRIEVED`.
//!
//! - The task that claims the entry, and no other one, runs `retrieve`. While it does, the last
//!   file may be finished; then it finds no file left when it is done.
//! - The last file finds the entry retrieved, and then files hold the object; or has it retrieved
//!   first, like any other caller.
//!
//! This module depends on `core` alone, so the same file is compiled into the host tests.

#![forbid(unsafe_code)]

/// `retrieve` has not succeeded yet.
pub(crate) const NOT_RETRIEVED: i32 = 0;
/// A task runs `retrieve`.
pub(crate) const RETRIEVING: i32 = 1;
/// There is an object, until `finish` has run.
pub(crate) const RETRIEVED: i32 = 2;
/// `finish` has run.
pub(crate) const FINISHED: i32 = 3;

/// What follows when a file is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileFinished {
    /// Other files are not finished; or a task runs `retrieve`, and will see that no file is left;
    /// or the entry has failed before.
    Held,
    /// It is the last, and the entry is not retrieved. It is not finished yet: try to retrieve.
    Last,
    /// It was the last, and the entry has failed with it.
    Failed,
    /// It was the last, and there is an object, which files hold no more.
    Release,
}

/// What has become of an entry.
#[repr(C)]
pub(crate) struct EntryState {
    /// The lower half of the count: the files that depend on the entry and are not finished.
    files: u32,
    /// One of the above; or a negative errno: `retrieve` has failed, or could not be called for the
    /// last file. It is not called again.
    status: i32,
}

// Live update is for little-endian machines alone.
const _: () = assert!(cfg!(target_endian = "little"));

impl EntryState {
    pub(crate) fn status(&self) -> i32 {
        self.status
    }

    /// How many files are not finished.
    #[allow(dead_code)] // For debugfs and the tests.
    pub(crate) fn files(&self) -> u32 {
        self.files
    }

    /// Claim the entry in order to run `retrieve`; otherwise its status.
    pub(crate) fn claim(&mut self) -> Result<(), i32> {
        if self.status != NOT_RETRIEVED {
            return Err(self.status);
        }
        self.status = RETRIEVING;
        Ok(())
    }

    /// `retrieve` has succeeded for the task that claimed the entry. Whether files hold the object.
    pub(crate) fn retrieved(&mut self) -> bool {
        self.status = RETRIEVED;
        self.files != 0
    }

    /// `retrieve` has failed for the task that claimed the entry. It may be called again if
    /// `again`, and there are files left; whether it may. Without files there is no later caller
    /// that would finish what it made.
    pub(crate) fn failed(&mut self, errno: i32, again: bool) -> bool {
        let again = again && self.files != 0;
        self.status = if again { NOT_RETRIEVED } else { errno };
        again
    }

    /// `finish` has run for the object.
    pub(crate) fn finished(&mut self) {
        self.status = FINISHED;
    }

    /// A file is finished. If it is the last, and the entry not retrieved, only with the `errno` of
    /// an attempt to retrieve.
    pub(crate) fn drop_file(&mut self, errno: Option<i32>) -> FileFinished {
        let finished = match (self.files, self.status, errno) {
            (0, ..) => return FileFinished::Held,
            (1, NOT_RETRIEVED, None) => return FileFinished::Last,
            (1, NOT_RETRIEVED, Some(errno)) => {
                self.status = errno;
                FileFinished::Failed
            }
            (1, RETRIEVED, _) => FileFinished::Release,
            _ => FileFinished::Held,
        };
        self.files -= 1;
        finished
    }
}
