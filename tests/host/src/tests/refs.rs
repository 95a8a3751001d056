// SPDX-License-Identifier: GPL-2.0

//! Who holds an object, one caller at a time. What several do at a time is in `tests/model`.

use super::{config, sequences};
use crate::refs::{Holder, Refs, Released, Taken};
use proptest::{collection::vec, prelude::*, sample::select};

/// The most references that can be counted.
const MOST: u32 = u32::MAX / 2;
/// The limit of [`Operation::GetBelow`].
const FEW: u32 = 2;

/// Counts with so many users, and files or none.
fn refs(files: bool, users: u32) -> Refs {
    let refs = Refs::new(0);
    refs.publish(files, users);
    refs
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Get,
    GetBelow,
    Put,
    Hold,
    Release(Holder),
    /// A new object, if there is none.
    Publish(bool, u32),
}

const OPERATIONS: [Operation; 8] = [
    Operation::Get,
    Operation::GetBelow,
    Operation::Put,
    Operation::Hold,
    Operation::Release(Holder::Files),
    Operation::Release(Holder::User),
    Operation::Publish(true, 0),
    Operation::Publish(false, 1),
];

/// What an operation has said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Taken(Taken),
    Released(Released),
    Done(bool),
}

impl Operation {
    fn run(self, refs: &Refs) -> Said {
        match self {
            Self::Get => Said::Taken(refs.get()),
            Self::GetBelow => Said::Taken(refs.get_below(FEW)),
            Self::Put => Said::Done(refs.put()),
            Self::Hold => Said::Done(refs.hold()),
            Self::Release(holder) => Said::Released(refs.release(holder)),
            Self::Publish(files, users) => {
                let free = !refs.is_alive();
                if free {
                    refs.publish(files, users);
                }
                Said::Done(free)
            }
        }
    }
}

/// The reference: two variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Model {
    files: bool,
    users: u32,
}

impl Model {
    fn is_alive(self) -> bool {
        self.files || self.users > 0
    }

    fn get(&mut self, most: u32) -> Said {
        Said::Taken(match self.users {
            _ if !self.is_alive() => Taken::Dead,
            users if users >= most => Taken::Full,
            _ => {
                self.users += 1;
                Taken::Counted
            }
        })
    }

    fn put(&mut self) -> Said {
        let remains = self.users > 1 || self.files && self.users > 0;
        self.users -= u32::from(remains);
        Said::Done(remains)
    }

    fn hold(&mut self) -> Said {
        self.files = self.is_alive();
        Said::Done(self.files)
    }

    fn release(&mut self, holder: Holder) -> Said {
        match (holder, *self) {
            (Holder::Files, Self { files: true, .. }) => self.files = false,
            (Holder::User, Self { users: 1.., .. }) => self.users -= 1,
            _ => return Said::Released(Released::Unbalanced),
        }
        Said::Released(match self.is_alive() {
            true => Released::Held,
            false => Released::Last,
        })
    }

    fn publish(&mut self, files: bool, users: u32) -> Said {
        let free = !self.is_alive();
        if free {
            *self = Self { files, users };
        }
        Said::Done(free)
    }

    fn run(&mut self, operation: Operation) -> Said {
        match operation {
            Operation::Get => self.get(MOST),
            Operation::GetBelow => self.get(FEW),
            Operation::Put => self.put(),
            Operation::Hold => self.hold(),
            Operation::Release(holder) => self.release(holder),
            Operation::Publish(files, users) => self.publish(files, users),
        }
    }

    /// Whether these are the counts, which are seen in three ways.
    fn is(self, refs: &Refs) -> bool {
        let alive = (refs.is_alive(), refs.is_published());
        refs.users() == self.users && alive == (self.is_alive(), self.is_alive())
    }
}

fn check(operations: &[Operation]) {
    let (refs, mut model) = (Refs::new(0), Model::default());
    for (step, operation) in operations.iter().enumerate() {
        let expected = model.run(*operation);
        let said = operation.run(&refs);
        assert_eq!(said, expected, "step {step} of {operations:?}");
        assert!(model.is(&refs), "step {step} of {operations:?}: {model:?}");
    }
}

proptest! {
    #![proptest_config(config::cases(1000))]

    #[test]
    fn long_sequences_do_what_the_model_says(operations in vec(select(&OPERATIONS), 0..100)) {
        check(&operations);
    }

    #[test]
    fn any_counts_do_what_the_model_says(
        files in any::<bool>(),
        users in prop_oneof![0..4u32, MOST - 3..=MOST, 0..=MOST],
        operation in select(&OPERATIONS),
    ) {
        let (refs, mut model) = (refs(files, users), Model { files, users });
        prop_assert!(model.is(&refs));
        prop_assert_eq!(operation.run(&refs), model.run(operation));
        prop_assert!(model.is(&refs));
    }
}

#[test]
fn all_short_sequences_do_what_the_model_says() {
    sequences(&OPERATIONS, 6, check);
}

#[test]
fn counts_start_with_users_alone() {
    for users in [0, 1, 2, i32::MAX as u32, MOST] {
        let files = false;
        assert!(Model { files, users }.is(&Refs::new(users)));
        assert_eq!(
            Refs::new(users).release(Holder::Files),
            Released::Unbalanced
        );
    }
}

#[test]
fn what_is_published_without_holders_stays_dead() {
    let refs = refs(false, 0);
    assert!(!refs.is_alive() && !refs.is_published());
    assert_eq!((refs.get(), refs.put()), (Taken::Dead, false));
    assert!(!refs.hold());
}

#[test]
fn the_largest_number_of_references_is_not_passed() {
    for files in [false, true] {
        let refs = refs(files, MOST - 1);
        assert_eq!(refs.get(), Taken::Counted);
        for _ in 0..2 {
            assert_eq!((refs.get(), refs.users()), (Taken::Full, MOST));
            assert_eq!(refs.get_below(u32::MAX), Taken::Full);
        }
        assert!(refs.put());
        assert_eq!(refs.get_below(MOST), Taken::Counted);
        assert_eq!(refs.release(Holder::User), Released::Held);
        // Files do not take the place of a reference, nor the other way round.
        assert!(refs.hold());
        assert_eq!((refs.get(), refs.get()), (Taken::Counted, Taken::Full));
        assert!(refs.hold());
    }
}

#[test]
fn a_smaller_number_of_references_is_not_passed_either() {
    let most = 3;
    for users in [0, 1, 2, 3, 4, MOST] {
        let expected = match users {
            0 => Taken::Dead,
            1 | 2 => Taken::Counted,
            _ => Taken::Full,
        };
        assert_eq!(
            refs(false, users).get_below(most),
            expected,
            "{users} users"
        );
    }
    assert_eq!(refs(false, 1).get_below(0), Taken::Full);
    assert_eq!(refs(false, 0).get_below(0), Taken::Dead);
}

#[test]
fn what_nobody_holds_is_not_given_back() {
    for (files, users) in [(false, 0), (true, 0), (false, 1), (false, MOST)] {
        let refs = refs(files, users);
        if users == 0 {
            assert_eq!(refs.release(Holder::User), Released::Unbalanced);
        }
        if !files {
            assert_eq!(refs.release(Holder::Files), Released::Unbalanced);
        }
        assert!(Model { files, users }.is(&refs), "{files}, {users} users");
    }
}

#[test]
fn the_last_is_not_put_without_the_lock() {
    for (files, users, put) in [
        (false, 0, false),
        (true, 0, false),
        (false, 1, false),
        (true, 1, true),
        (false, 2, true),
        (true, MOST, true),
    ] {
        assert_eq!(refs(files, users).put(), put, "{files}, {users} users");
    }
}
