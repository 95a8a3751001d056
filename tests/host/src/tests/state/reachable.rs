// SPDX-License-Identifier: GPL-2.0

//! All states that there are, for small counts.

use crate::state::{Added, Got, Incoming, Live, Outgoing, Put, Removed, Saved};
use std::collections::{BTreeSet, VecDeque};

/// Everything that can be reached from `start` by `next`.
fn closure<T: Copy + Ord>(start: T, next: impl Fn(T) -> Vec<T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::from([start]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        for state in next(state) {
            if seen.insert(state) {
                queue.push_back(state);
            }
        }
    }
    seen
}

/// A state that can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Untouched(u32),
    Live(u32, u32),
    Finished,
    Failed,
}

const FLB: char = 'a';
const FOREIGN: char = 'b';

impl State {
    fn build(self) -> Incoming<char, u8, (), ()> {
        match self {
            Self::Untouched(files) => Incoming::Untouched { files, data: 1 },
            Self::Live(files, users) => Incoming::Live(live(files, users)),
            Self::Finished => Incoming::Finished,
            Self::Failed => Incoming::Failed(()),
        }
    }

    fn of(state: &Incoming<char, u8, (), ()>) -> Self {
        match state {
            Incoming::Untouched { files, .. } => Self::Untouched(*files),
            Incoming::Live(live) => Self::Live(live.files, live.users),
            Incoming::Finished => Self::Finished,
            Incoming::Failed(()) => Self::Failed,
        }
    }

    /// The states that may follow when a caller asks.
    fn get(self, flb: char, most: u32) -> Vec<Self> {
        let mut state = self.build();
        let got = state.get(&flb, most);
        if let Got::Counted(_) = got {
            return vec![Self::of(&state)];
        }
        assert_eq!(state, self.build(), "{got:?} leaves the state alone");
        let foreign = matches!(self, Self::Live(..)) && flb == FOREIGN;
        assert_eq!(got == Got::Foreign, foreign);
        if got != Got::Retrieve(1) {
            return vec![];
        }
        state.retrieved(flb, 7, ());
        vec![Self::of(&state)]
    }

    /// The states that may follow when a file or a caller lets go.
    fn put(
        self,
        put: impl FnOnce(&mut Incoming<char, u8, (), ()>) -> Put<char, u8, ()>,
    ) -> Vec<Self> {
        let mut state = self.build();
        match put(&mut state) {
            Put::Counted => {}
            Put::Retrieve(data) => {
                assert_eq!((Self::of(&state), data), (Self::Finished, 1));
                state.failed(());
                return vec![Self::Finished, Self::of(&state)];
            }
            Put::Finish(left) => assert_eq!((Self::of(&state), left), (Self::Finished, live(0, 0))),
            Put::Unbalanced => {
                assert_eq!(state, self.build());
                return vec![];
            }
        }
        vec![Self::of(&state)]
    }

    fn next(self, most: u32) -> Vec<Self> {
        [
            self.get(FLB, most),
            self.put(|state| state.put_user(&FLB)),
            self.put(|state| state.put_file()),
        ]
        .concat()
    }

    /// The states that may follow what another FLB of the name does, once one owns the object.
    fn foreign(self, most: u32) -> Vec<Self> {
        let got = match self {
            Self::Untouched(_) => vec![],
            _ => self.get(FOREIGN, most),
        };
        let put = self.put(|state| state.put_user(&FOREIGN));
        [got, put].concat()
    }
}

fn live(files: u32, users: u32) -> Live<char, u8, ()> {
    Live {
        files,
        users,
        flb: FLB,
        obj: 7,
        pin: (),
    }
}

#[test]
fn incoming_states_are_these_and_no_others() {
    for files in 1..=4 {
        for most in 1..=4 {
            let untouched = (1..=files).map(State::Untouched);
            let all_live = (0..=files)
                .flat_map(|files| (0..=most).map(move |users| State::Live(files, users)));
            // The invariant of `Live`.
            let live = all_live.filter(|state| *state != State::Live(0, 0));
            let ends = [State::Finished, State::Failed];
            let expected: BTreeSet<_> = untouched.chain(live).chain(ends).collect();
            let reached = closure(State::Untouched(files), |state| state.next(most));
            assert_eq!(reached, expected, "{files} files, {most} users at most");
        }
    }
}

#[test]
fn nothing_follows_the_ends() {
    for end in [State::Finished, State::Failed] {
        assert!(end.next(3).is_empty());
    }
}

#[test]
fn a_foreign_flb_changes_nothing() {
    for state in closure(State::Untouched(3), |state| state.next(3)) {
        assert!(state.foreign(3).is_empty(), "{state:?}");
    }
}

#[test]
fn every_incoming_state_can_end() {
    for start in closure(State::Untouched(3), |state| state.next(3)) {
        let reached = closure(start, |state| state.next(3));
        assert!(
            reached.contains(&State::Finished) || start == State::Failed,
            "{start:?} is stuck"
        );
    }
}

#[test]
fn outgoing_states_are_these_and_no_others() {
    let saved = Saved { data: 1, obj: 7u8 };
    let build = |files| match files {
        0 => Outgoing::Idle,
        files => Outgoing::Preserved {
            files,
            saved,
            pin: (),
        },
    };
    let files = |state: Outgoing<u8, ()>| match state {
        Outgoing::Idle => 0,
        Outgoing::Preserved { files, .. } => {
            assert!(files > 0);
            files
        }
    };
    for most in 1..=5 {
        let reached = closure(0, |state| {
            let added = match build(state).add_file(most) {
                Added::First => Outgoing::preserved(saved, ()),
                Added::Counted(next) => next,
                Added::Full(next) => {
                    assert_eq!((state, &next), (most, &build(state)));
                    next
                }
            };
            let removed = match build(state).remove_file() {
                Removed::Counted(next) => next,
                Removed::Last(left, ()) => {
                    assert_eq!((state, left), (1, saved));
                    Outgoing::Idle
                }
                Removed::Unbalanced => {
                    assert_eq!(state, 0);
                    Outgoing::Idle
                }
            };
            vec![files(added), files(removed)]
        });
        assert_eq!(reached, (0..=most).collect());
    }
}
