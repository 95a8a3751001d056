// SPDX-License-Identifier: GPL-2.0

//! An FLB and its outgoing object, as `lifecycle.rs` has it.

use super::shared::{Object, Pin, Place, Word};
use crate::{
    refs::{Holder, Refs, Released, Taken},
    state::Outgoing,
    word::{Count, Order},
};
use loom::sync::{Mutex, MutexGuard};
use std::{cell::RefCell, rc::Rc};

/// How it is done. All but one of these are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// As the kernel does it.
    Kernel,
    /// A reference is taken even where nobody holds the object.
    GetAtZero,
    /// The last reference is put without the lock, which is taken for the end of the object only.
    PutLastWithoutLock,
    /// The object ends when the lock has been dropped.
    EndWithoutLock,
    /// The object is published, and then put in its place.
    PublishFirst,
    /// The first file holds the object without the lock.
    HoldWithoutLock,
    /// Whether the outgoing direction is frozen is looked up before the lock is taken.
    FrozenBeforeLock,
}

/// What has happened, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Preserve(Object),
    Unpreserve(Object),
    /// `serialize` has written this handle, or nothing.
    Serialize(Option<Object>),
}

/// What the outgoing lock protects.
struct Locked {
    state: Outgoing,
    kept: Option<Pin>,
}

/// An FLB.
pub(super) struct Flb {
    protocol: Protocol,
    word: Word,
    place: Place,
    /// Where the handle is, which has the object's number.
    handle: Place,
    locked: Mutex<Locked>,
    pin: Pin,
    /// Not known to loom: it notes the order of this run.
    events: RefCell<Vec<Event>>,
}

impl Flb {
    /// An FLB, before there are tasks that use it.
    pub(super) fn new(protocol: Protocol) -> Rc<Self> {
        let (state, kept) = (Outgoing::new(0), None);
        Rc::new(Self {
            protocol,
            word: Word::new(0),
            place: Place::new(),
            handle: Place::new(),
            locked: Mutex::new(Locked { state, kept }),
            pin: Pin::new(),
            events: RefCell::new(Vec::new()),
        })
    }

    fn refs(&self) -> &Refs {
        self.word.refs()
    }

    fn lock(&self) -> MutexGuard<'_, Locked> {
        self.locked.lock().unwrap()
    }

    fn happened(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    /// Runs the callback: a new object.
    fn run_preserve(&self) -> Object {
        let events = self.events.borrow().len();
        let object = Object::try_from(events).unwrap();
        self.happened(Event::Preserve(object));
        object
    }

    /// `lifecycle::preserve`.
    pub(super) fn preserve(&self) {
        if self.protocol == Protocol::HoldWithoutLock && self.refs().hold() {
            self.lock().state = Outgoing::new(1);
            return;
        }
        let mut locked = self.lock();
        if !locked.state.hold(self.refs()) {
            let pin = self.pin.clone();
            let object = self.run_preserve();
            assert!(locked.kept.replace(pin).is_none(), "preserved twice");
            if self.protocol == Protocol::PublishFirst {
                locked.state.preserved(self.refs());
                self.keep(object);
                return;
            }
            self.keep(object);
            locked.state.preserved(self.refs());
        }
    }

    /// `Flb::keep`.
    fn keep(&self, object: Object) {
        let before = (
            self.handle.replace(Some(object)),
            self.place.replace(Some(object)),
        );
        assert_eq!(
            before,
            (None, None),
            "an object in the place of another one"
        );
    }

    /// `lifecycle::unpreserve`.
    pub(super) fn unpreserve(&self) {
        self.release(Holder::Files, || false);
    }

    /// `lifecycle::release`.
    fn release(&self, holder: Holder, is_frozen: impl FnOnce() -> bool) {
        let mut locked = self.lock();
        if is_frozen() {
            return;
        }
        match locked.state.release(self.refs(), holder) {
            Released::Held => {}
            Released::Last => self.end(locked),
            Released::Unbalanced => panic!("released, but not held"),
        }
    }

    /// The object ends.
    fn end(&self, mut locked: MutexGuard<'_, Locked>) {
        let pin = locked.kept.take().expect("an end without a beginning");
        if self.protocol == Protocol::EndWithoutLock {
            drop(locked);
            self.run_unpreserve();
            return;
        }
        self.run_unpreserve();
        drop(locked);
        drop(pin);
    }

    /// `Flb::take`, and the callback.
    fn run_unpreserve(&self) {
        let object = self.place.replace(None).expect("an object that ends");
        let handle = self.handle.replace(None);
        assert_eq!(handle, Some(object), "another object than was preserved");
        self.happened(Event::Unpreserve(object));
    }

    /// `lifecycle::get_alive`, without a lock.
    fn get_alive(&self) -> Option<Object> {
        if self.protocol == Protocol::GetAtZero {
            get_at_zero(self.word.raw());
            return Some(self.place.object());
        }
        match self.refs().get() {
            Taken::Counted => Some(self.place.object()),
            Taken::Dead => None,
            Taken::Full => panic!("too many references"),
        }
    }

    /// `Instance::get_outgoing`.
    pub(super) fn get(&self) -> Option<Object> {
        self.get_alive().or_else(|| {
            let _locked = self.lock();
            self.get_alive()
        })
    }

    /// `Instance::put_outgoing`.
    pub(super) fn put(&self) {
        self.put_unless(|| false);
    }

    /// `Instance::put_outgoing`, which does not put the last if `is_frozen`.
    pub(super) fn put_unless(&self, is_frozen: impl FnOnce() -> bool) {
        if self.protocol == Protocol::PutLastWithoutLock {
            if put_to_zero(self.word.raw()) {
                self.end(self.lock());
            }
            return;
        }
        if !self.refs().put() {
            match self.protocol {
                Protocol::FrozenBeforeLock => {
                    let frozen = is_frozen();
                    self.release(Holder::User, || frozen);
                }
                _ => self.release(Holder::User, is_frozen),
            }
        }
    }

    /// `Instance::peek_outgoing`.
    pub(super) fn peek(&self) -> Option<Object> {
        if self.refs().is_published() {
            return Some(self.place.object());
        }
        let _locked = self.lock();
        self.refs().is_alive().then(|| self.place.object())
    }

    /// A user, who finds the object the same as long as it is held.
    pub(super) fn user(&self) -> Option<Object> {
        let object = self.get()?;
        assert_eq!(self.place.object(), object, "another object while held");
        self.put();
        Some(object)
    }

    /// The object, for those who have a file that depends on it.
    pub(super) fn object(&self) -> Object {
        self.place.object()
    }

    /// `Handover::write`, when files depend on the FLB: `lifecycle::handle`, without a lock.
    pub(super) fn serialize(&self) {
        let handle = || self.handle.object();
        let handle = self.refs().is_published().then(handle);
        self.happened(Event::Serialize(handle));
    }

    /// `Handover::write`, when no file does: `lifecycle::wait`.
    pub(super) fn serialize_without_files(&self) {
        drop(self.lock());
        self.happened(Event::Serialize(None));
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// How many objects there were, when nobody holds one any more: each has ended before the next
    /// one began.
    pub(super) fn ended(&self) -> usize {
        let locked = self.lock();
        assert_eq!(self.word.raw().load(), 0, "somebody holds the object");
        assert_eq!(locked.state.handlers(), 0);
        assert!(locked.kept.is_none());
        assert_eq!(self.pin.count(), 0, "pins");
        let mut events = self.events();
        events.retain(|event| !matches!(event, Event::Serialize(_)));
        for round in events.chunks(2) {
            match round {
                [Event::Preserve(object), Event::Unpreserve(other)] if object == other => {}
                _ => panic!("not in turn: {events:?}"),
            }
        }
        events.len() / 2
    }
}

/// A `get` that takes what is dead.
fn get_at_zero(count: &Count) {
    let mut word = count.load();
    while let Err(now) = count.cmpxchg(word, word + 2, Order::Acquire) {
        word = now;
    }
}

/// A `put` that gives the last back too, whether it did.
fn put_to_zero(count: &Count) -> bool {
    let mut word = count.load();
    loop {
        assert!(word >= 2, "put, but not held");
        match count.cmpxchg(word, word - 2, Order::Full) {
            Ok(()) => return word == 2,
            Err(now) => word = now,
        }
    }
}
