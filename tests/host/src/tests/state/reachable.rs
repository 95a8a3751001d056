// SPDX-License-Identifier: GPL-2.0

//! All states that there are, for small counts.

use crate::state::{Added, Got, Holder, Incoming, Live, Outgoing, Preserved, Put, Removed, Saved};
use std::collections::{BTreeSet, VecDeque};

/// Everything that can be reached from `start` by `next`.
fn closure<T: Copy + Ord>(start: T, next: impl Fn(T) -> Vec<T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::from([start]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        for state in next(state) {
            if seen.insert(state) {
                assert!(seen.len() < 1000, "there is no end of states");
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
        let mut failed = self.build();
        failed.failed(());
        state.retrieved(flb, 7, ());
        vec![Self::of(&state), Self::of(&failed)]
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

const SAVED: Saved<u8> = Saved { data: 1, obj: 7 };

/// Numbers of files and references.
type Holders = (u32, u32);

fn outgoing((files, users): Holders) -> Outgoing<u8, ()> {
    if (files, users) == (0, 0) {
        return Outgoing::Idle;
    }
    Outgoing::Preserved(Preserved {
        files,
        users,
        saved: SAVED,
        pin: (),
    })
}

fn holders(state: &Outgoing<u8, ()>) -> Holders {
    match state {
        Outgoing::Idle => (0, 0),
        Outgoing::Preserved(kept) => {
            // The invariant of `Preserved`.
            assert!(kept.files > 0 || kept.users > 0);
            (kept.files, kept.users)
        }
    }
}

/// How many of a kind there are.
fn of_kind((files, users): Holders, holder: Holder) -> u32 {
    match holder {
        Holder::File => files,
        Holder::User => users,
    }
}

/// The state that follows when there is one more holder.
fn added(state: Holders, holder: Holder, most: u32) -> Holders {
    match outgoing(state).add(holder, most) {
        Added::Idle => {
            assert_eq!(state, (0, 0));
            match holder {
                Holder::File => holders(&Outgoing::preserved(SAVED, ())),
                Holder::User => state,
            }
        }
        Added::Counted(next) => holders(&next),
        Added::Full(next) => {
            assert_eq!((of_kind(state, holder), &next), (most, &outgoing(state)));
            state
        }
    }
}

/// The state that follows when there is one holder fewer.
fn removed(state: Holders, holder: Holder) -> Holders {
    match outgoing(state).remove(holder) {
        Removed::Counted(next) => holders(&next),
        Removed::Last(left, ()) => {
            assert_eq!((state.0 + state.1, left), (1, SAVED));
            (0, 0)
        }
        Removed::Unbalanced(next) => {
            assert_eq!((of_kind(state, holder), &next), (0, &outgoing(state)));
            state
        }
    }
}

#[test]
fn outgoing_states_are_these_and_no_others() {
    for most in 1..=5 {
        let reached = closure((0, 0), |state| {
            let by = |holder| [added(state, holder, most), removed(state, holder)];
            [by(Holder::File), by(Holder::User)].concat()
        });
        let all = (0..=most).flat_map(|files| (0..=most).map(move |users| (files, users)));
        assert_eq!(reached, all.collect(), "{most} of a kind at most");
    }
}

#[test]
fn every_outgoing_state_can_end() {
    for files in 0..=3 {
        for users in 0..=3 {
            let reached = closure((files, users), |state| {
                [Holder::File, Holder::User]
                    .map(|holder| removed(state, holder))
                    .to_vec()
            });
            assert!(reached.contains(&(0, 0)), "{files} files, {users} users");
        }
    }
}
