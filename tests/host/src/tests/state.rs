// SPDX-License-Identifier: GPL-2.0

//! What becomes of an entry.

use super::config;
use crate::state::{EntryState, FileFinished, FINISHED, NOT_RETRIEVED, RETRIEVED, RETRIEVING};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::BTreeSet;

/// The most files that can be handed over.
const MOST: u32 = i32::MAX as u32;
const ERRNO: i32 = -5;
/// What the attempt to retrieve for the last file has returned.
const LAST_ERRNO: i32 = -6;

/// The word of an entry, in place.
struct Word(u64);

impl Word {
    fn state(&mut self) -> &mut EntryState {
        // SAFETY: An `EntryState` has the layout of a word of two halves.
        unsafe { &mut *(&raw mut self.0).cast() }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Claim,
    Retrieved,
    Failed(i32, bool),
    Finished,
    DropFile(Option<i32>),
}

const OPERATIONS: [Operation; 8] = [
    Operation::Claim,
    Operation::Retrieved,
    Operation::Failed(ERRNO, false),
    Operation::Failed(ERRNO, true),
    Operation::Failed(-4095, true),
    Operation::Finished,
    Operation::DropFile(None),
    Operation::DropFile(Some(LAST_ERRNO)),
];

const STATUSES: [i32; 8] = [
    NOT_RETRIEVED,
    RETRIEVING,
    RETRIEVED,
    FINISHED,
    -1,
    ERRNO,
    LAST_ERRNO,
    -4095,
];

/// What an operation has returned.
#[derive(Debug, PartialEq, Eq)]
enum Returned {
    Claim(Result<(), i32>),
    Done(bool),
    Nothing,
    File(FileFinished),
}

impl Operation {
    fn run(self, state: &mut EntryState) -> Returned {
        match self {
            Self::Claim => Returned::Claim(state.claim()),
            Self::Retrieved => Returned::Done(state.retrieved()),
            Self::Failed(errno, again) => Returned::Done(state.failed(errno, again)),
            Self::Finished => {
                state.finished();
                Returned::Nothing
            }
            Self::DropFile(errno) => Returned::File(state.drop_file(errno)),
        }
    }
}

/// The reference: two variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Model {
    files: u32,
    status: i32,
}

impl Model {
    /// Return the word that means this.
    fn word(self) -> u64 {
        u64::from(self.files) | u64::from(self.status as u32) << 32
    }

    /// Return what a word means.
    fn of(word: u64) -> Self {
        let files = word as u32;
        let mut known = STATUSES.into_iter().map(|status| Self { files, status });
        known.find(|model| model.word() == word).expect("a status")
    }

    /// Whether the kernel may do this now: a task that has claimed the entry retrieves, and what
    /// was retrieved is finished when no file holds it.
    fn allows(self, operation: Operation) -> bool {
        match operation {
            Operation::Claim | Operation::DropFile(_) => true,
            Operation::Retrieved | Operation::Failed(..) => self.status == RETRIEVING,
            Operation::Finished => self.files == 0 && self.status == RETRIEVED,
        }
    }

    fn claim(&mut self) -> Result<(), i32> {
        match self.status {
            NOT_RETRIEVED => {
                self.status = RETRIEVING;
                Ok(())
            }
            other => Err(other),
        }
    }

    fn drop_file(&mut self, errno: Option<i32>) -> FileFinished {
        match (self.files, self.status, errno) {
            (0, ..) => return FileFinished::Held,
            (1, NOT_RETRIEVED, None) => return FileFinished::Last,
            _ => self.files -= 1,
        }
        if let (0, NOT_RETRIEVED, Some(errno)) = (self.files, self.status, errno) {
            self.status = errno;
            return FileFinished::Failed;
        }
        if self.files == 0 && self.status == RETRIEVED {
            return FileFinished::Release;
        }
        FileFinished::Held
    }

    fn run(&mut self, operation: Operation) -> Returned {
        match operation {
            Operation::Claim => Returned::Claim(self.claim()),
            Operation::Retrieved => {
                self.status = RETRIEVED;
                Returned::Done(self.files > 0)
            }
            Operation::Failed(errno, again) => {
                let again = again && self.files > 0;
                self.status = if again { NOT_RETRIEVED } else { errno };
                Returned::Done(again)
            }
            Operation::Finished => {
                self.status = FINISHED;
                Returned::Nothing
            }
            Operation::DropFile(errno) => Returned::File(self.drop_file(errno)),
        }
    }
}

fn check(mut model: Model, operations: &[Operation]) {
    let mut word = Word(model.word());
    for operation in operations {
        if !model.allows(*operation) {
            continue;
        }
        let before = model;
        let expected = model.run(*operation);
        let returned = operation.run(word.state());
        assert_eq!(returned, expected, "{operation:?} of {before:?}");
        let now = word.0;
        assert_eq!(
            now,
            model.word(),
            "{now:#x} after {operation:?} of {before:?}"
        );
    }
}

#[test]
fn matches_the_model_in_each_transition() {
    for files in (0..=4).chain(MOST - 2..=MOST) {
        for status in STATUSES {
            for operation in OPERATIONS {
                check(Model { files, status }, &[operation]);
            }
        }
    }
}

proptest! {
    #![proptest_config(config::cases(2000))]

    #[test]
    fn matches_the_model_from_any_word(
        files in prop_oneof![0..4u32, 0..=MOST],
        status in prop_oneof![
            select(&STATUSES),
            -4095..=-1,
        ],
        operations in vec(select(&OPERATIONS), 0..30),
    ) {
        check(Model { files, status }, &operations);
    }
}

/// Return all words that follow one, itself included.
fn reachable(start: Model) -> BTreeSet<u64> {
    let mut seen = BTreeSet::from([start.word()]);
    let mut left = vec![start];
    while let Some(before) = left.pop() {
        let allowed = OPERATIONS
            .into_iter()
            .filter(|operation| before.allows(*operation));
        for operation in allowed {
            let mut word = Word(before.word());
            operation.run(word.state());
            if seen.insert(word.0) {
                assert!(seen.len() < 100, "there is no end of words");
                left.push(Model::of(word.0));
            }
        }
    }
    seen
}

#[test]
fn reaches_these_words_and_no_others() {
    for most in 1..=4 {
        let words = |from, to, status| (from..=to).map(move |files| Model { files, status }.word());
        let expected: BTreeSet<_> = words(1, most, NOT_RETRIEVED)
            .chain(words(0, most, RETRIEVING))
            .chain(words(0, most, RETRIEVED))
            .chain(words(0, 0, FINISHED))
            .chain(words(0, most, ERRNO))
            // May be retrieved again, but not without files.
            .chain(words(0, 0, -4095))
            .chain(words(0, 0, LAST_ERRNO))
            .collect();
        let status = NOT_RETRIEVED;
        let reached = reachable(Model {
            files: most,
            status,
        });
        assert_eq!(reached, expected, "{most} files");
    }
}

#[test]
fn reaches_an_end_from_everywhere() {
    let start = Model::of(3);
    for word in reachable(start) {
        let reached = reachable(Model::of(word)).into_iter().map(Model::of);
        let mut ends = reached
            .filter(|model| reachable(*model).len() == 1)
            .peekable();
        assert!(ends.peek().is_some(), "{word:#x} is stuck");
        for end in ends {
            let ended = end.status == FINISHED || end.status < 0;
            assert!(ended && end.files == 0, "{end:?}");
        }
    }
}

#[test]
fn reads_what_the_array_says_as_not_retrieved() {
    for files in [1, 2, 0x7fff_ffff] {
        let mut word = Word(files);
        assert_eq!(word.state().claim(), Ok(()));
        assert_eq!(word.0, 1 << 32 | files);
        assert_eq!(word.state().claim(), Err(RETRIEVING));
    }
}

#[test]
fn does_not_finish_the_last_file_before_an_attempt_to_retrieve() {
    let mut word = Word(2);
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
    for _ in 0..2 {
        assert_eq!(word.state().drop_file(None), FileFinished::Last);
        assert_eq!(word.0, 1);
    }
    assert_eq!(word.state().claim(), Ok(()));
    assert!(word.state().retrieved());
    assert_eq!(word.state().drop_file(None), FileFinished::Release);
    // One file too many is none.
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
    word.state().finished();
    assert_eq!(word.0, 3 << 32);
    assert_eq!(word.state().claim(), Err(FINISHED));
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
}

#[test]
fn fails_with_the_last_file() {
    let mut word = Word(2);
    assert_eq!(word.state().drop_file(Some(ERRNO)), FileFinished::Held);
    assert_eq!(word.0, 1);
    assert_eq!(word.state().drop_file(Some(ERRNO)), FileFinished::Failed);
    assert_eq!(word.state().claim(), Err(ERRNO));
    assert_eq!(word.0 as u32, 0);
    // What another task has retrieved meanwhile is released.
    let mut word = Word(1);
    assert_eq!(word.state().claim(), Ok(()));
    assert!(word.state().retrieved());
    assert_eq!(word.state().drop_file(Some(ERRNO)), FileFinished::Release);
}

#[test]
fn counts_a_file_that_is_finished_during_retrieve() {
    let mut word = Word(1);
    assert_eq!(word.state().claim(), Ok(()));
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
    // Only the caller's reference holds the object.
    assert!(!word.state().retrieved());
    assert_eq!(word.state().claim(), Err(RETRIEVED));
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
}

#[test]
fn releases_for_the_last_file() {
    let mut word = Word(2);
    assert_eq!(word.state().claim(), Ok(()));
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
    assert!(word.state().retrieved());
    assert_eq!(word.state().drop_file(None), FileFinished::Release);
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
}

#[test]
fn retries_while_there_are_files() {
    let mut word = Word(2);
    for _ in 0..2 {
        assert_eq!(word.state().claim(), Ok(()));
        assert!(word.state().failed(ERRNO, true));
        assert_eq!(word.0, 2);
    }
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
    assert_eq!(word.state().claim(), Ok(()));
    assert_eq!(word.state().drop_file(None), FileFinished::Held);
    assert!(!word.state().failed(ERRNO, true));
    assert_eq!(word.state().claim(), Err(ERRNO));
}

#[test]
fn keeps_the_error_while_files_are_finished() {
    for errno in [-1, -22, -4095] {
        let mut word = Word(2);
        assert_eq!(word.state().claim(), Ok(()));
        assert!(!word.state().failed(errno, false));
        for _ in 0..3 {
            assert_eq!(word.state().claim(), Err(errno));
            assert_eq!(word.state().drop_file(None), FileFinished::Held);
        }
        assert_eq!(word.0 as u32, 0);
    }
}
