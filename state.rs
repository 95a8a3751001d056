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
//! means so many files, and `NotRetrieved`; and a transition sees both at once:
//!
//! - The task that claims the entry, and no other one, runs `retrieve`. While it does, the last
//!   file may be finished; then it finds no file left when it is done.
//! - The last file finds the entry retrieved, and then the object is held for it; or claims it,
//!   under the lock of the FLB, so that who gets the object meanwhile waits until it is there.
//!
//! This module depends on [`word`](crate::word) alone, so the same file is compiled into the host
//! tests and the model.

#![forbid(unsafe_code)]

use crate::word::Number;

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
}

/// What follows when a file is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileFinished {
    /// Other files are not finished, or there is nothing to finish with them.
    Held,
    /// It is the last, and the entry is not retrieved. It is not finished yet: lock the FLB, and
    /// finish it with `claim`.
    Last,
    /// It was the last, and the entry is claimed: run `retrieve` and `finish`.
    Claimed,
    /// It was the last, and there is an object, which files hold no more.
    Release,
}

/// The files in a word.
const FILES: u64 = u32::MAX as u64;
/// From a status to the one that follows it.
const NEXT: u64 = 1 << 32;

/// The word of an entry.
#[repr(transparent)]
pub(crate) struct EntryState(Number);

impl EntryState {
    /// Claim the entry in order to run `retrieve`; otherwise what has become of it.
    pub(crate) fn claim(&self) -> Result<(), Status> {
        loop {
            let word = self.0.load();
            match (word & FILES, Status::decode(word)) {
                // Is about to be failed.
                (0, Status::NotRetrieved) => return Err(Status::Retrieving),
                (_, Status::NotRetrieved) => {}
                (_, status) => return Err(status),
            }
            // Fails only if the transition of another task succeeds.
            if self.0.cmpxchg(word, word + NEXT) {
                return Ok(());
            }
        }
    }

    /// `retrieve` has succeeded for the task that claimed the entry. Whether files hold the object.
    pub(crate) fn retrieved(&self) -> bool {
        self.0.fetch_add(NEXT) & FILES != 0
    }

    /// `retrieve` has failed for the task that claimed the entry. It may be called again if
    /// `again`, and there are files left; whether it may. Without files there is no later caller
    /// that would finish what it made.
    pub(crate) fn failed(&self, errno: i32, again: bool) -> bool {
        if again && self.0.fetch_add(NEXT.wrapping_neg()) & FILES != 0 {
            return true;
        }
        // Without files no task claims it.
        let before = if again { 0 } else { NEXT };
        let failed = u64::from(errno as u32) << 32;
        self.0.fetch_add(failed.wrapping_sub(before));
        false
    }

    /// `finish` has run for the object.
    pub(crate) fn finished(&self) {
        self.0.fetch_add(NEXT);
    }

    /// A file is finished. If it is the last, and the entry not retrieved, only with `claim`.
    pub(crate) fn finish_file(&self, claim: bool) -> FileFinished {
        loop {
            let word = self.0.load();
            let (new, finished) = match (word & FILES, Status::decode(word)) {
                (0, _) => return FileFinished::Held,
                (1, Status::NotRetrieved) if !claim => return FileFinished::Last,
                (1, Status::NotRetrieved) => (word - 1 + NEXT, FileFinished::Claimed),
                (1, Status::Retrieved) => (word - 1, FileFinished::Release),
                _ => (word - 1, FileFinished::Held),
            };
            // As above.
            if self.0.cmpxchg(word, new) {
                return finished;
            }
        }
    }
}
