// SPDX-License-Identifier: GPL-2.0

//! States that the counting of the kernel excludes. They must not wrap around.

use super::driver::{Callback, IncomingDriver};
use crate::state::{Added, Got, Incoming, Live, Outgoing, Put, Removed, Saved};

type State = Incoming<char, u8, (), i32>;

#[test]
fn preserved_for_no_file_is_unpreserved() {
    let saved = Saved { data: 1, obj: 0u8 };
    let state = Outgoing::Preserved {
        files: 0,
        saved,
        pin: (),
    };
    assert_eq!(state.remove_file(), Removed::Last(saved, ()));
}

#[test]
fn the_largest_number_of_files_is_not_passed() {
    let most = i32::MAX as u32;
    let full = |files| Outgoing::Preserved {
        files,
        saved: Saved { data: 1, obj: 0u8 },
        pin: (),
    };
    assert_eq!(full(most - 1).add_file(most), Added::Counted(full(most)));
    for files in [most, most + 1, u32::MAX] {
        assert_eq!(full(files).add_file(most), Added::Full(full(files)));
    }
    assert_eq!(
        full(u32::MAX).add_file(u32::MAX),
        Added::Full(full(u32::MAX))
    );
}

#[test]
fn handed_over_for_no_file_no_file_is_finished() {
    let mut state = State::Untouched { files: 0, data: 5 };
    assert_eq!(state.put_file(), Put::Unbalanced);
    assert_eq!(state, State::Untouched { files: 0, data: 5 });

    let mut driver = IncomingDriver::new(0, 5);
    assert_eq!(driver.get('a', 3, Ok(9)), Ok(9));
    assert!(!driver.put_file('a', Ok(9)));
    assert!(driver.put_user('a'));
    let callbacks = [Callback::Retrieve('a', 5, Ok(9)), Callback::Finish('a', 9)];
    assert_eq!(driver.record.callbacks, callbacks);
}

#[test]
fn a_limit_of_zero_lets_the_first_user_pass() {
    let mut driver = IncomingDriver::new(1, 5);
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
    let mut driver = IncomingDriver::new(1, 5);
    assert_eq!(driver.get('a', 3, Ok(0)), Ok(0));
    assert!(driver.get('b', 3, Ok(1)).is_err());
    assert!(!driver.put_user('b'));
    assert!(driver.put_file('b', Ok(1)));
    assert!(driver.put_user('a'));
    // What `a` has retrieved, `a` finishes.
    let callbacks = [Callback::Retrieve('a', 5, Ok(0)), Callback::Finish('a', 0)];
    assert_eq!(driver.record.callbacks, callbacks);
}
