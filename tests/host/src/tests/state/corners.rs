// SPDX-License-Identifier: GPL-2.0

//! States that the counting of the kernel excludes, and the ends of what it counts. Nothing must
//! wrap around.

use super::driver::{Callback, Failure, Flb, IncomingDriver, NotGot, OutgoingDriver};
use crate::{
    refs::{Holder, Refs, Released, Taken},
    state::{Counted, Got, Incoming, Outgoing, Put, Saved},
};

type State = Incoming<Flb, (), i32>;

const HOLDERS: [Holder; 2] = [Holder::Files, Holder::User];
/// The most references.
const MOST: u32 = u32::MAX / 2;

/// Preserved for so many; without any it is idle.
fn preserved(handlers: u32, users: u32) -> (Outgoing, Refs) {
    let refs = Refs::new(0);
    refs.publish(handlers > 0, users);
    (Outgoing::new(handlers), refs)
}

fn untouched() -> State {
    State::Untouched { data: 5 }
}

/// An FLB with an object that files hold and so many users, and the state.
fn live(users: u32) -> (Flb, State) {
    let flb = Flb::new('a');
    flb.refs().publish(true, users);
    let state = State::Live {
        flb: flb.clone(),
        pin: (),
    };
    (flb, state)
}

#[test]
fn nothing_is_released_of_an_idle_flb() {
    for holder in HOLDERS {
        let (mut state, refs) = preserved(0, 0);
        assert_eq!(state.release(&refs, holder), Released::Unbalanced);
        assert_eq!((state, refs.is_alive()), (Outgoing::new(0), false));
    }
}

#[test]
fn an_idle_flb_is_not_held() {
    let (mut state, refs) = preserved(0, 0);
    assert!(!state.hold(&refs));
    assert_eq!((state, refs.is_alive()), (Outgoing::new(0), false));
}

#[test]
fn handlers_and_references_are_not_taken_for_each_other() {
    let (mut state, refs) = preserved(2, 0);
    assert_eq!(state.release(&refs, Holder::User), Released::Unbalanced);
    assert!(!refs.put());
    assert_eq!((state.handlers(), refs.users()), (2, 0));
    let (mut state, refs) = preserved(0, 2);
    assert_eq!(state.release(&refs, Holder::Files), Released::Unbalanced);
    assert_eq!((state.handlers(), refs.users()), (0, 2));
}

#[test]
fn handlers_are_not_counted_beyond_the_end() {
    let (mut state, refs) = preserved(u32::MAX - 1, 0);
    for _ in 0..2 {
        assert!(state.hold(&refs));
        assert_eq!(state.handlers(), u32::MAX);
    }
    assert_eq!(state.release(&refs, Holder::Files), Released::Held);
    assert_eq!(state.handlers(), u32::MAX - 1);
}

#[test]
fn handlers_come_and_go_when_no_more_references_fit() {
    let (mut state, refs) = preserved(1, MOST);
    assert_eq!(refs.get(), Taken::Full);
    assert!(state.hold(&refs));
    assert_eq!(state.release(&refs, Holder::Files), Released::Held);
    assert_eq!(state.release(&refs, Holder::Files), Released::Held);
    assert_eq!((state.handlers(), refs.users()), (0, MOST));
    assert_eq!(refs.get(), Taken::Full);
    assert!(state.hold(&refs));
    assert_eq!((state.handlers(), refs.users()), (1, MOST));
    assert_eq!(state.release(&refs, Holder::User), Released::Held);
    assert_eq!(refs.get(), Taken::Counted);
}

#[test]
fn a_state_without_its_holders_ends_nothing() {
    // The handler is counted, the files that it stands for are not among the holders.
    let (mut state, refs) = (Outgoing::new(1), Refs::new(1));
    assert_eq!(state.release(&refs, Holder::Files), Released::Unbalanced);
    assert_eq!(refs.users(), 1);
    let (mut state, refs) = (Outgoing::new(1), Refs::new(0));
    for holder in HOLDERS {
        assert_eq!(state.release(&refs, holder), Released::Unbalanced);
        assert!(!refs.is_alive());
    }
}

#[test]
fn a_preserve_that_fails_leaves_nothing() {
    let mut driver = OutgoingDriver::new();
    for error in [-5, -12] {
        assert!(!driver.first_file(Err(error)));
        assert_eq!((driver.get(), driver.put()), (None, false));
        assert!(!driver.release(Holder::Files));
        assert_eq!(driver.record.pins(), 0);
    }
    let saved = Saved { data: 1, obj: 0 };
    assert!(driver.first_file(Ok(saved)));
    assert_eq!((driver.get(), driver.record.pins()), (Some(0), 1));
}

#[test]
fn the_largest_number_of_incoming_references_is_not_passed() {
    let (flb, mut state) = live(MOST - 1);
    assert_eq!(state.get(&flb), Got::Counted);
    for _ in 0..2 {
        assert_eq!(state.get(&flb), Got::Full);
        assert_eq!(flb.refs().users(), MOST);
    }
    assert_eq!(state.put_user(&flb), Put::Held);
    assert_eq!(state.get(&flb), Got::Counted);
    assert_eq!(state.put_files(), Put::Held);
    assert_eq!(state.get(&flb), Got::Full);
}

#[test]
fn as_many_files_as_can_be_handed_over_are_finished() {
    let most = i32::MAX as u32;
    let mut driver = IncomingDriver::new(most, 5, Failure::Retried);
    let flb = Flb::new('a');
    assert!(driver.finish_file(&flb, Ok(9)));
    assert!(driver.finish_last_file(&flb, Ok(9)));
    assert_eq!(driver.files.users(), most - 2);
    assert!(driver.record.callbacks.is_empty());
}

#[test]
fn handed_over_for_no_file_no_file_is_finished() {
    let mut driver = IncomingDriver::new(0, 5, Failure::Retried);
    let flb = Flb::new('a');
    assert!(!driver.finish_file(&flb, Ok(9)));
    assert!(driver.record.callbacks.is_empty());
    assert!(matches!(driver.state, Incoming::Untouched { data: 5 }));
}

#[test]
fn more_files_than_were_handed_over_end_nothing() {
    let mut driver = IncomingDriver::new(2, 5, Failure::Retried);
    let flb = Flb::new('a');
    assert_eq!(driver.get(&flb, Ok(9)), Ok(9));
    assert!(driver.finish_file(&flb, Ok(0)));
    assert!(driver.finish_file(&flb, Ok(0)));
    for _ in 0..3 {
        assert!(!driver.finish_file(&flb, Ok(0)));
    }
    assert_eq!(driver.record.callbacks.len(), 1);
    assert!(driver.put_user(&flb));
    let callbacks = [Callback::Retrieve('a', 5, Ok(9)), Callback::Finish('a', 9)];
    assert_eq!(driver.record.callbacks, callbacks);
    assert!(!driver.put_user(&flb) && !driver.finish_file(&flb, Ok(0)));
}

#[test]
fn nobody_puts_what_was_never_retrieved() {
    let mut state = untouched();
    assert_eq!(state.put_user(&Flb::new('a')), Put::Unbalanced);
    assert_eq!(state, untouched());
}

#[test]
fn nobody_puts_twice() {
    let (flb, mut state) = live(1);
    assert_eq!(state.put_user(&flb), Put::Held);
    assert_eq!(state.put_user(&flb), Put::Unbalanced);
    assert!(!flb.refs().put());
    assert!(flb.refs().is_alive());
    assert!(matches!(state.put_files(), Put::Finish(..)));
    assert_eq!(state.put_files(), Put::Unbalanced);
    assert_eq!(state.put_user(&flb), Put::Unbalanced);
    assert_eq!(state, State::Finished);
}

#[test]
fn files_let_go_once() {
    let (flb, mut state) = live(1);
    assert_eq!(state.put_files(), Put::Held);
    assert_eq!(state.put_files(), Put::Unbalanced);
    assert_eq!(state.put_user(&flb), Put::Finish(flb.clone(), ()));
}

#[test]
fn what_is_dead_is_not_got_though_the_state_says_live() {
    let flb = Flb::new('a');
    let mut state = State::Live {
        flb: flb.clone(),
        pin: (),
    };
    assert_eq!(state.get(&flb), Got::Finished);
    assert_eq!(state.put_user(&flb), Put::Unbalanced);
    assert_eq!(state.put_files(), Put::Unbalanced);
}

#[test]
fn a_failure_is_remembered() {
    let (flb, mut state) = (Flb::new('a'), untouched());
    state.failed(-5);
    assert_eq!(state.get(&flb), Got::Failed(-5));
    assert_eq!(state.put_files(), Put::Unbalanced);
    assert_eq!(state.put_user(&flb), Put::Unbalanced);
    assert_eq!(state, State::Failed(-5));
    assert!(!flb.refs().is_alive());
}

#[test]
fn a_foreign_flb_gets_nothing_but_may_own_the_last_file() {
    let (a, b) = (Flb::new('a'), Flb::new('b'));
    let mut driver = IncomingDriver::new(1, 5, Failure::Retried);
    assert_eq!(driver.get(&a, Ok(0)), Ok(0));
    assert_eq!(driver.get(&b, Ok(1)), Err(NotGot::Foreign));
    assert!(!driver.put_user(&b));
    assert!(driver.finish_file(&b, Ok(1)));
    assert!(driver.put_user(&a));
    // What `a` has retrieved, `a` finishes.
    let callbacks = [Callback::Retrieve('a', 5, Ok(0)), Callback::Finish('a', 0)];
    assert_eq!(driver.record.callbacks, callbacks);
    assert_eq!(driver.get(&b, Ok(1)), Err(NotGot::Finished));
}

#[test]
fn whoever_finishes_the_last_file_retrieves_what_nobody_asked_for() {
    let (a, b) = (Flb::new('a'), Flb::new('b'));
    let mut driver = IncomingDriver::new(2, 5, Failure::Kept);
    assert!(driver.finish_file(&a, Ok(0)));
    assert!(driver.finish_file(&b, Ok(7)));
    let callbacks = [Callback::Retrieve('b', 5, Ok(7)), Callback::Finish('b', 7)];
    assert_eq!(driver.record.callbacks, callbacks);
    assert!(!a.refs().is_alive() && !b.refs().is_alive());
}

#[test]
fn a_failure_for_the_last_file_is_final() {
    for failure in [Failure::Retried, Failure::Kept] {
        let flb = Flb::new('a');
        let mut driver = IncomingDriver::new(1, 5, failure);
        assert!(driver.finish_file(&flb, Err(-12)));
        assert_eq!(driver.get(&flb, Ok(9)), Err(NotGot::Failed(-12)));
        assert_eq!(driver.record.pins(), 0);
        let callbacks = [Callback::Retrieve('a', 5, Err(-12))];
        assert_eq!(driver.record.callbacks, callbacks);
    }
}

#[test]
fn a_failure_is_retried_or_kept() {
    let (a, b) = (Flb::new('a'), Flb::new('b'));
    let mut driver = IncomingDriver::new(1, 5, Failure::Retried);
    assert_eq!(driver.get(&a, Err(-5)), Err(NotGot::Retrieve(-5)));
    assert_eq!(driver.get(&b, Ok(9)), Ok(9));

    let (a, b) = (Flb::new('a'), Flb::new('b'));
    let mut driver = IncomingDriver::new(1, 5, Failure::Kept);
    assert_eq!(driver.get(&a, Err(-5)), Err(NotGot::Retrieve(-5)));
    // Whoever asks.
    for flb in [&a, &b] {
        assert_eq!(driver.get(flb, Ok(9)), Err(NotGot::Failed(-5)));
        assert!(!driver.put_user(flb));
    }
    assert!(!driver.finish_file(&a, Ok(9)));
    let callbacks = [Callback::Retrieve('a', 5, Err(-5))];
    assert_eq!(driver.record.callbacks, callbacks);
}
