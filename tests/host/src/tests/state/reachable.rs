// SPDX-License-Identifier: GPL-2.0

//! All states that there are, for small counts.

use super::driver::Flb;
use crate::{
    refs::{Holder, Refs, Released, Taken},
    state::{Counted, Got, Incoming, Outgoing, Put},
};
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

/// A state that can be copied, with the files that are not finished and the references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Untouched(u32),
    Live(u32, u32),
    Finished,
    Failed(u32),
}

/// An entry with two FLBs of its name, the first of which owns the object if it is alive.
struct Entry {
    state: Incoming<Flb, (), ()>,
    files: Refs,
    flb: Flb,
    foreign: Flb,
}

impl Entry {
    fn state(&self) -> State {
        let (files, users) = (self.files.users(), self.flb.refs().users());
        assert!(!self.foreign.refs().is_alive());
        let live = matches!(self.state, Incoming::Live { .. });
        assert_eq!(self.flb.refs().is_alive(), live, "{:?}", self.state);
        match self.state {
            Incoming::Untouched { data: 1 } => State::Untouched(files),
            Incoming::Live { .. } => {
                self.check_files(files > 0);
                State::Live(files, users)
            }
            Incoming::Finished if files == 0 => State::Finished,
            Incoming::Failed(()) => State::Failed(files),
            _ => panic!("{:?} with {files} files", self.state),
        }
    }

    /// Files are among the holders, or not.
    fn check_files(&self, held: bool) {
        let released = self.flb.refs().release(Holder::Files);
        assert_eq!(released != Released::Unbalanced, held);
        match released {
            Released::Held => assert!(self.flb.refs().hold()),
            Released::Last => self.flb.refs().publish(true, 0),
            Released::Unbalanced => {}
        }
    }
}

impl State {
    fn build(self) -> Entry {
        let (flb, foreign) = (Flb::new('a'), Flb::new('b'));
        let (state, files) = match self {
            Self::Untouched(files) => (Incoming::Untouched { data: 1 }, files),
            Self::Live(files, users) => {
                flb.refs().publish(files > 0, users);
                let flb = flb.clone();
                (Incoming::Live { flb, pin: () }, files)
            }
            Self::Finished => (Incoming::Finished, 0),
            Self::Failed(files) => (Incoming::Failed(()), files),
        };
        let files = Refs::new(files);
        Entry {
            state,
            files,
            flb,
            foreign,
        }
    }

    /// The states that may follow when a caller asks, who may not if there are `most`.
    fn get(self, most: u32) -> Vec<Self> {
        let mut entry = self.build();
        if entry.flb.refs().users() == most {
            return vec![];
        }
        match entry.state.get(&entry.flb) {
            Got::Counted => {}
            Got::Retrieve(1) => {
                assert_eq!(entry.state(), self);
                entry.state.retrieved(entry.flb.clone(), ());
                let mut failed = self.build();
                failed.state.failed(());
                return vec![entry.state(), failed.state()];
            }
            got => {
                assert_eq!(entry.state(), self, "{got:?} leaves the state alone");
                return vec![];
            }
        }
        vec![entry.state()]
    }

    /// The states that may follow when a caller puts.
    fn put(self) -> Vec<Self> {
        let entry = self.build();
        let fast = entry.flb.refs().put().then(|| entry.state());
        let mut entry = self.build();
        let put = entry.state.put_user(&entry.flb);
        let slow = self.after(entry, put);
        // The last one is left to the lock, which does all the same.
        assert!(fast.is_none() || fast == slow, "{fast:?}, {slow:?}");
        slow.into_iter().collect()
    }

    /// The states that may follow when a file is finished.
    fn finish_file(self) -> Vec<Self> {
        let entry = self.build();
        if entry.files.put() {
            return vec![entry.state()];
        }
        let mut entry = entry;
        if entry.files.release(Holder::User) != Released::Last {
            return vec![];
        }
        let put = entry.state.put_files();
        if put != Put::Retrieve(1) {
            return self.after(entry, put).into_iter().collect();
        }
        let finished = entry.state();
        entry.state.failed(());
        vec![finished, entry.state()]
    }

    /// The state after somebody has let go.
    fn after(self, entry: Entry, put: Put<Flb, ()>) -> Option<Self> {
        match put {
            Put::Held => {}
            Put::Finish(flb, ()) => {
                assert_eq!((&flb, entry.state()), (&entry.flb, Self::Finished));
            }
            Put::Unbalanced => {
                assert!(matches!(self, Self::Failed(_)) || entry.state() == self);
            }
            Put::Retrieve(_) => panic!("retrieved for nobody"),
        }
        Some(entry.state()).filter(|state| *state != self)
    }

    fn next(self, most: u32) -> Vec<Self> {
        [self.get(most), self.put(), self.finish_file()].concat()
    }

    /// The state after all that another FLB of the name can do, once one owns the object.
    fn foreign(self) -> Self {
        let mut entry = self.build();
        if !matches!(self, Self::Untouched(_)) {
            let got = entry.state.get(&entry.foreign);
            let foreign = matches!(self, Self::Live(..));
            assert_eq!(got == Got::Foreign, foreign, "{got:?}");
        }
        assert_eq!(entry.state.put_user(&entry.foreign), Put::Unbalanced);
        assert_eq!(entry.foreign.refs().get(), Taken::Dead);
        assert!(!entry.foreign.refs().put());
        entry.state()
    }
}

#[test]
fn incoming_states_are_these_and_no_others() {
    for files in 1..=4 {
        for most in 1..=4 {
            let untouched = (1..=files).map(State::Untouched);
            let all_live = (0..=files)
                .flat_map(|files| (0..=most).map(move |users| State::Live(files, users)));
            // It is alive as long as somebody holds it.
            let live = all_live.filter(|state| *state != State::Live(0, 0));
            let failed = (0..=files).map(State::Failed);
            let ends = failed.chain([State::Finished]);
            let expected: BTreeSet<_> = untouched.chain(live).chain(ends).collect();
            let reached = closure(State::Untouched(files), |state| state.next(most));
            assert_eq!(reached, expected, "{files} files, {most} users at most");
        }
    }
}

#[test]
fn nothing_follows_the_ends() {
    for end in [State::Finished, State::Failed(0)] {
        assert!(end.next(3).is_empty());
    }
    // The files that are left are finished one by one.
    assert_eq!(State::Failed(2).next(3), [State::Failed(1)]);
}

#[test]
fn a_foreign_flb_changes_nothing() {
    for state in closure(State::Untouched(3), |state| state.next(3)) {
        assert_eq!(state.foreign(), state);
    }
}

#[test]
fn every_incoming_state_can_end() {
    for start in closure(State::Untouched(3), |state| state.next(3)) {
        let reached = closure(start, |state| state.next(3));
        let end = match start {
            State::Failed(_) => State::Failed(0),
            _ => State::Finished,
        };
        assert!(reached.contains(&end), "{start:?} is stuck");
    }
}

/// Numbers of handlers and references.
type Holders = (u32, u32);

fn outgoing((handlers, users): Holders) -> (Outgoing, Refs) {
    let refs = Refs::new(0);
    refs.publish(handlers > 0, users);
    (Outgoing::new(handlers), refs)
}

fn holders((state, refs): &(Outgoing, Refs)) -> Holders {
    let holders = (state.handlers(), refs.users());
    assert_eq!(refs.is_alive(), holders != (0, 0));
    holders
}

/// The state that follows when a handler has its first file.
fn first_file(holders_before: Holders) -> Holders {
    let mut next = outgoing(holders_before);
    let held = next.0.hold(&next.1);
    assert_eq!(held, holders_before != (0, 0));
    if !held {
        assert_eq!(holders(&next), holders_before);
        next.0.preserved(&next.1);
    }
    holders(&next)
}

/// The state that follows when somebody gets the object.
fn got(before: Holders) -> Holders {
    let next = outgoing(before);
    let dead = next.1.get() == Taken::Dead;
    assert_eq!(dead, before == (0, 0));
    holders(&next)
}

/// The state that follows when there is one holder fewer.
fn released(before: Holders, holder: Holder) -> Holders {
    let mut next = outgoing(before);
    let released = next.0.release(&next.1, holder);
    let held = match holder {
        Holder::Files => before.0,
        Holder::User => before.1,
    };
    let expected = match (held, before.0 + before.1) {
        (0, _) => Released::Unbalanced,
        (_, 1) => Released::Last,
        _ => Released::Held,
    };
    assert_eq!(released, expected, "{before:?}");
    holders(&next)
}

/// The state that follows when a reference is put without the lock.
fn put(before: Holders) -> Holders {
    let next = outgoing(before);
    if next.1.put() {
        assert_eq!(holders(&next), released(before, Holder::User));
    }
    holders(&next)
}

#[test]
fn outgoing_states_are_these_and_no_others() {
    for most in 1..=5 {
        let reached = closure((0, 0), |state| {
            let next = [
                first_file(state),
                got(state),
                put(state),
                released(state, Holder::Files),
                released(state, Holder::User),
            ];
            let within = |(handlers, users): &Holders| *handlers <= most && *users <= most;
            next.into_iter().filter(within).collect()
        });
        let all = (0..=most).flat_map(|handlers| (0..=most).map(move |users| (handlers, users)));
        assert_eq!(reached, all.collect(), "{most} of a kind at most");
    }
}

#[test]
fn every_outgoing_state_can_end() {
    for handlers in 0..=3 {
        for users in 0..=3 {
            let reached = closure((handlers, users), |state| {
                [Holder::Files, Holder::User]
                    .map(|holder| released(state, holder))
                    .to_vec()
            });
            assert!(
                reached.contains(&(0, 0)),
                "{handlers} handlers, {users} users"
            );
        }
    }
}
