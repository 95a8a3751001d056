// SPDX-License-Identifier: GPL-2.0

//! Who holds an object, one caller at a time. What several do at a time is in `tests/model`.

use super::{config, sequences};
use crate::{
    abi::flb_array::MAX_FILES,
    refs::{Holder, Refs, Released, Taken, MAX_HANDLERS, MAX_REFERENCES},
};
use proptest::{collection::vec, prelude::*, sample::select};

#[derive(Clone, Copy, Debug)]
enum Operation {
    TryGet,
    PutNotLast,
    Hold,
    Release(Holder),
    /// Publish an object, if there is none.
    Publish(bool, u32),
}

const OPERATIONS: [Operation; 8] = [
    Operation::TryGet,
    Operation::PutNotLast,
    Operation::Hold,
    Operation::Release(Holder::Files),
    Operation::Release(Holder::Reference),
    Operation::Publish(true, 0),
    Operation::Publish(false, 1),
    Operation::Publish(true, 1),
];

/// What an operation has returned.
#[derive(Debug, PartialEq, Eq)]
enum Returned {
    Taken(Taken),
    Released(Released),
    Done(bool),
}

impl Operation {
    fn run(self, refs: &Refs) -> Returned {
        match self {
            Self::TryGet => Returned::Taken(refs.try_get()),
            Self::PutNotLast => Returned::Done(refs.put_not_last()),
            Self::Hold => Returned::Taken(refs.hold()),
            Self::Release(holder) => Returned::Released(refs.release(holder)),
            Self::Publish(handler, references) => {
                let free = !refs.is_held();
                if free {
                    refs.publish(handler, references);
                }
                Returned::Done(free)
            }
        }
    }
}

/// The reference: two variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Model {
    handlers: u32,
    references: u32,
}

impl Model {
    fn is_held(self) -> bool {
        self.handlers > 0 || self.references > 0
    }

    /// Count one holder more of those of which there are `count`.
    fn take(held: bool, count: &mut u32, most: u32) -> Returned {
        Returned::Taken(match *count {
            _ if !held => Taken::Zero,
            count if count == most => Taken::Saturated,
            _ => {
                *count += 1;
                Taken::Counted
            }
        })
    }

    fn put_not_last(&mut self) -> Returned {
        let remains = self.references > 1 || self.handlers > 0 && self.references > 0;
        self.references -= u32::from(remains);
        Returned::Done(remains)
    }

    fn release(&mut self, holder: Holder) -> Returned {
        let count = match holder {
            Holder::Files => &mut self.handlers,
            Holder::Reference => &mut self.references,
        };
        Returned::Released(match count.checked_sub(1) {
            None => Released::Underflow,
            Some(less) => {
                *count = less;
                match self.is_held() {
                    true => Released::Held,
                    false => Released::Last,
                }
            }
        })
    }

    fn publish(&mut self, handler: bool, references: u32) -> Returned {
        let free = !self.is_held();
        if free {
            let handlers = handler.into();
            *self = Self {
                handlers,
                references,
            };
        }
        Returned::Done(free)
    }

    fn run(&mut self, operation: Operation) -> Returned {
        let held = self.is_held();
        match operation {
            Operation::TryGet => Self::take(held, &mut self.references, MAX_REFERENCES),
            Operation::Hold => Self::take(held, &mut self.handlers, MAX_HANDLERS),
            Operation::PutNotLast => self.put_not_last(),
            Operation::Release(holder) => self.release(holder),
            Operation::Publish(handler, references) => self.publish(handler, references),
        }
    }

    /// Count these holders.
    fn build(self) -> Refs {
        let refs = Refs::new(self.references);
        for handler in 0..self.handlers {
            if handler == 0 {
                refs.publish(true, self.references);
            } else {
                assert_eq!(refs.hold(), Taken::Counted);
            }
        }
        refs
    }

    /// Check the counts.
    fn check(self, refs: &Refs) {
        let counts = (refs.handlers(), refs.references(), refs.is_held());
        assert_eq!(counts, (self.handlers, self.references, self.is_held()));
    }
}

fn check(mut model: Model, operations: &[Operation]) {
    let refs = model.build();
    model.check(&refs);
    for (step, operation) in operations.iter().enumerate() {
        let expected = model.run(*operation);
        let returned = operation.run(&refs);
        assert_eq!(returned, expected, "step {step} of {operations:?}");
        model.check(&refs);
    }
}

proptest! {
    #![proptest_config(config::cases(2000))]

    #[test]
    fn matches_the_model_from_any_counts(
        handlers in prop_oneof![0..4u32, MAX_HANDLERS - 3..=MAX_HANDLERS, 0..=MAX_HANDLERS],
        references in prop_oneof![
            0..4u32,
            MAX_REFERENCES - 3..=MAX_REFERENCES,
            0..=MAX_REFERENCES,
        ],
        operations in vec(select(&OPERATIONS), 0..50),
    ) {
        check(Model { handlers, references }, &operations);
    }
}

#[test]
fn matches_the_model_in_all_short_sequences() {
    sequences(&OPERATIONS, 6, |operations| {
        check(Model::default(), operations)
    });
}

#[test]
fn stops_at_the_most_holders() {
    let refs = Refs::new(MAX_REFERENCES);
    assert_eq!(refs.try_get(), Taken::Saturated);
    for _ in 0..MAX_HANDLERS {
        assert_eq!(refs.hold(), Taken::Counted);
    }
    assert_eq!(refs.hold(), Taken::Saturated);
    assert_eq!(refs.try_get(), Taken::Saturated);
    assert_eq!((refs.handlers(), refs.references()), (127, 0xff_ffff));
    // Neither takes the place of the other.
    assert_eq!(refs.release(Holder::Files), Released::Held);
    assert_eq!(refs.try_get(), Taken::Saturated);
    assert!(refs.put_not_last());
    assert_eq!(
        (refs.hold(), refs.hold()),
        (Taken::Counted, Taken::Saturated)
    );
}

#[test]
fn counts_no_more_files_than_can_be_handed_over() {
    // A handler counts its files as references.
    let files = u64::from(MAX_HANDLERS) * u64::from(MAX_REFERENCES);
    assert!(files <= MAX_FILES.into());
}
