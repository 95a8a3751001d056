// SPDX-License-Identifier: GPL-2.0

//! States that the counting of the kernel excludes. They must not wrap around.

use super::driver::{Callback, Failure, IncomingDriver, NotGot, OutgoingDriver};
use crate::state::{Added, Got, Holder, Incoming, Live, Outgoing, Preserved, Put, Removed, Saved};

type State = Incoming<char, u8, (), i32>;

const HOLDERS: [Holder; 2] = [Holder::File, Holder::User];
/// What the kernel counts at most.
const MOST: u32 = i32::MAX as u32;

/// Preserved for so many; without any it should be idle.
fn preserved(files: u32, users: u32) -> Outgoing<u8, ()> {
    Outgoing::Preserved(Preserved {
        files,
        users,
        saved: Saved { data: 1, obj: 0 },
        pin: (),
    })
}

#[test]
fn preserved_for_nobody_nobody_lets_go() {
    for holder in HOLDERS {
        let expected = Removed::Unbalanced(preserved(0, 0));
        assert_eq!(preserved(0, 0).remove(holder), expected);
    }
}

#[test]
fn the_largest_number_of_files_is_not_passed() {
    let full = |files| preserved(files, 1);
    let expected = Added::Counted(full(MOST));
    assert_eq!(full(MOST - 1).add(Holder::File, MOST), expected);
    for (files, most) in [(MOST, MOST), (MOST + 1, MOST), (u32::MAX, u32::MAX)] {
        let expected = Added::Full(full(files));
        assert_eq!(full(files).add(Holder::File, most), expected);
    }
}

#[test]
fn the_largest_number_of_references_is_not_passed() {
    let full = |users| preserved(1, users);
    let expected = Added::Counted(full(MOST));
    assert_eq!(full(MOST - 1).add(Holder::User, MOST), expected);
    for (users, most) in [(MOST, MOST), (MOST + 1, MOST), (u32::MAX, u32::MAX)] {
        let expected = Added::Full(full(users));
        assert_eq!(full(users).add(Holder::User, most), expected);
    }
}

#[test]
fn files_and_references_do_not_share_a_limit() {
    let state = preserved(MOST, MOST - 1).add(Holder::User, MOST);
    assert_eq!(state, Added::Counted(preserved(MOST, MOST)));
    let state = preserved(MOST - 1, MOST).add(Holder::File, MOST);
    assert_eq!(state, Added::Counted(preserved(MOST, MOST)));
}

#[test]
fn files_and_references_are_not_taken_for_each_other() {
    let state = preserved(2, 0).remove(Holder::User);
    assert_eq!(state, Removed::Unbalanced(preserved(2, 0)));
    let state = preserved(0, 2).remove(Holder::File);
    assert_eq!(state, Removed::Unbalanced(preserved(0, 2)));
}

#[test]
fn a_reference_keeps_what_the_last_file_leaves() {
    let mut driver = OutgoingDriver::new();
    let saved = Saved { data: 1, obj: 0 };
    assert!(!driver.add_user(3));
    assert!(driver.add_file(3, Ok(saved)));
    assert!(driver.add_user(3));
    assert!(driver.remove(Holder::File));
    // The object is there, so there is nothing to preserve again.
    assert!(driver.add_file(3, Err(-5)));
    assert!(driver.remove(Holder::File));
    assert_eq!(driver.record.callbacks, [Callback::Preserve(Ok(saved))]);
    assert!(driver.remove(Holder::User));
    assert_eq!(driver.record.callbacks[1..], [Callback::Unpreserve(saved)]);
    assert!(!driver.add_user(3));
}

#[test]
fn nothing_is_removed_from_an_idle_flb() {
    for holder in HOLDERS {
        let idle = || Outgoing::<u8, ()>::Idle;
        assert_eq!(idle().remove(holder), Removed::Unbalanced(idle()));
        assert_eq!(idle().add(holder, 0), Added::Idle);
    }
}

#[test]
fn handed_over_for_no_file_no_file_is_finished() {
    let mut state = State::Untouched { files: 0, data: 5 };
    assert_eq!(state.put_file(), Put::Unbalanced);
    assert_eq!(state, State::Untouched { files: 0, data: 5 });

    let mut driver = IncomingDriver::new(0, 5, Failure::Retried);
    assert_eq!(driver.get('a', 3, Ok(9)), Ok(9));
    assert!(!driver.put_file('a', Ok(9)));
    assert!(driver.put_user('a'));
    let callbacks = [Callback::Retrieve('a', 5, Ok(9)), Callback::Finish('a', 9)];
    assert_eq!(driver.record.callbacks, callbacks);
}

#[test]
fn a_limit_of_zero_lets_the_first_user_pass() {
    let mut driver = IncomingDriver::new(1, 5, Failure::Retried);
    assert_eq!(driver.get('a', 0, Ok(9)), Ok(9));
    assert!(driver.get('a', 0, Ok(9)).is_err());
}

#[test]
fn nobody_puts_what_was_never_retrieved() {
    let mut state = State::Untouched { files: 1, data: 5 };
    assert_eq!(state.put_user(&'a'), Put::Unbalanced);
    assert_eq!(state, State::Untouched { files: 1, data: 5 });
}

#[test]
fn a_failure_is_remembered() {
    let mut state = State::Untouched { files: 1, data: 5 };
    state.failed(-5);
    assert_eq!(state.get(&'a', 3), Got::Failed(-5));
    assert_eq!(state.put_file(), Put::Unbalanced);
    assert_eq!(state.put_user(&'a'), Put::Unbalanced);
    state.retrieved('a', 9, ());
    assert_eq!(state, State::Failed(-5));
}

#[test]
fn an_object_is_retrieved_into_the_untouched_state_alone() {
    let mut state = State::Untouched { files: 2, data: 5 };
    state.retrieved('a', 9, ());
    let live = || {
        State::Live(Live {
            files: 2,
            users: 1,
            flb: 'a',
            obj: 9,
            pin: (),
        })
    };
    assert_eq!(state, live());
    state.retrieved('b', 8, ());
    assert_eq!(state, live());

    let mut state = State::Finished;
    state.retrieved('a', 9, ());
    assert_eq!(state, State::Finished);
}

#[test]
fn a_foreign_flb_gets_nothing_but_may_own_the_last_file() {
    let mut driver = IncomingDriver::new(1, 5, Failure::Retried);
    assert_eq!(driver.get('a', 3, Ok(0)), Ok(0));
    assert!(driver.get('b', 3, Ok(1)).is_err());
    assert!(!driver.put_user('b'));
    assert!(driver.put_file('b', Ok(1)));
    assert!(driver.put_user('a'));
    // What `a` has retrieved, `a` finishes.
    let callbacks = [Callback::Retrieve('a', 5, Ok(0)), Callback::Finish('a', 0)];
    assert_eq!(driver.record.callbacks, callbacks);
}

#[test]
fn a_failure_is_retried_or_kept() {
    let mut driver = IncomingDriver::new(1, 5, Failure::Retried);
    assert_eq!(driver.get('a', 3, Err(-5)), Err(NotGot::Retrieve(-5)));
    assert_eq!(driver.get('a', 3, Ok(9)), Ok(9));

    let mut driver = IncomingDriver::new(1, 5, Failure::Kept);
    assert_eq!(driver.get('a', 3, Err(-5)), Err(NotGot::Retrieve(-5)));
    // Whoever asks.
    for flb in ['a', 'b'] {
        assert_eq!(driver.get(flb, 3, Ok(9)), Err(NotGot::Failed(-5)));
        assert!(!driver.put_user(flb));
    }
    assert!(!driver.put_file('a', Ok(9)));
    let callbacks = [Callback::Retrieve('a', 5, Err(-5))];
    assert_eq!(driver.record.callbacks, callbacks);
}
