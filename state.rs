// SPDX-License-Identifier: GPL-2.0

//! What has become of an entry that the previous kernel handed over: one word.
//!
//! ```text
//!   NotRetrieved ──claim──▶ Retrieving ──retrieved──▶ Retrieved ──finished──▶ Finished
//!        ▲                      │
//!        └──────────────────────┴── failed ──▶ Failed(errno)
//! ```
//!
//! The lower half of the word counts the files that depend on the entry and are not finished, the
//! upper half is the status. So what the array says, a number of files below 2^31, is a word that
//! means so many files, and `NotRetrieved`.
//!
//! - The task that claims the entry, and no other one, runs `retrieve`. While it does, the last
//!   file may be finished; then it finds no file left when it is done.
//! - The last file finds the entry retrieved, and then files hold the object; or has it retrieved
//!   first, like any other caller.
//!
//! This module depends on `core` alone, so the same file is compiled into the host tests.

#![forbid(unsafe_code)]

/// What has become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// `retrieve` has not succeeded yet.
    NotRetrieved,
    /// A task runs `retrieve`.
    Retrieving,
    /// There is an object, until `finish` has run.
    Retrieved,
    /// `finish` has run.
    Finished,
    /// There is no object, and `retrieve` will not be called again.
    Failed(i32),
}

impl Status {
    fn decode(word: u64) -> Self {
        match (word >> 32) as u32 {
            0 => Self::NotRetrieved,
            1 => Self::Retrieving,
            2 => Self::Retrieved,
            3 => Self::Finished,
            errno => Self::Failed(errno as i32),
        }
    }

    fn encode(self) -> u64 {
        let status = match self {
            Self::NotRetrieved => 0,
            Self::Retrieving => 1,
            Self::Retrieved => 2,
            Self::Finished => 3,
            Self::Failed(errno) => errno as u32,
        };
        u64::from(status) << 32
    }
}

/// What follows when a file is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileFinished {
    /// Other files are not finished, or there is nothing to finish with them.
    Held,
    /// It is the last, and the entry is not retrieved. It is not finished yet: try to retrieve.
    Last,
    /// It was the last, and the entry has failed with it.
    Failed,
    /// It was the last, and there is an object, which files hold no more.
    Release,
}

/// Of a word, the files.
const FILES: u64 = u32::MAX as u64;

/// The word of an entry.
#[repr(transparent)]
pub(crate) struct EntryState(u64);

impl EntryState {
    fn files(&self) -> u64 {
        self.0 & FILES
    }

    pub(crate) fn status(&self) -> Status {
        Status::decode(self.0)
    }

    fn set(&mut self, status: Status) {
        self.0 = self.files() | status.encode();
    }

    /// Claim the entry in order to run `retrieve`; otherwise what has become of it.
    pub(crate) fn claim(&mut self) -> Result<(), Status> {
        match self.status() {
            Status::NotRetrieved => {
                self.set(Status::Retrieving);
                Ok(())
            }
            status => Err(status),
        }
    }

    /// `retrieve` has succeeded for the task that claimed the entry. Whether files hold the object.
    pub(crate) fn retrieved(&mut self) -> bool {
        self.set(Status::Retrieved);
        self.files() != 0
    }

    /// `retrieve` has failed for the task that claimed the entry. It may be called again if
    /// `again`, and there are files left; whether it may. Without files there is no later caller
    /// that would finish what it made.
    pub(crate) fn failed(&mut self, errno: i32, again: bool) -> bool {
        let again = again && self.files() != 0;
        self.set(match again {
            true => Status::NotRetrieved,
            false => Status::Failed(errno),
        });
        again
    }

    /// `finish` has run for the object.
    pub(crate) fn finished(&mut self) {
        self.set(Status::Finished);
    }

    /// A file is finished. If it is the last, and the entry not retrieved, only with the `errno` of
    /// an attempt to retrieve.
    pub(crate) fn finish_file(&mut self, errno: Option<i32>) -> FileFinished {
        let (files, status) = (self.files(), self.status());
        match (files, status, errno) {
            (0, ..) => return FileFinished::Held,
            (1, Status::NotRetrieved, None) => return FileFinished::Last,
            (1, Status::NotRetrieved, Some(errno)) => {
                self.0 = Status::Failed(errno).encode();
                return FileFinished::Failed;
            }
            _ => self.0 = self.0.wrapping_sub(1),
        }
        match (files, status) {
            (1, Status::Retrieved) => FileFinished::Release,
            _ => FileFinished::Held,
        }
    }
}
