// SPDX-License-Identifier: GPL-2.0

//! Handlers, files and references, as `files.rs`, `outgoing.rs` and `shim.c` have them.

use super::{
    flb::Flb,
    shared::{check, run, task, Object, Word},
};
use crate::refs::{Holder, Released, Taken};
use loom::sync::Mutex;
use std::{cell::RefCell, rc::Rc};

/// How it is done. All but the first are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// As the kernel does it.
    Kernel,
    /// The file is published, and then the FLB is preserved.
    PublishFirst,
    /// The last reference is put without the lock, which is taken for the end of the object only.
    PutWithoutLock,
}

/// A callback that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callback {
    Preserve(Object),
    Unpreserve(Object),
}

/// A handler: what it counts, and the lock of its links.
struct Handler {
    files: Word,
    links: Mutex<()>,
}

/// An FLB and two handlers whose files depend on it.
struct Shared {
    protocol: Protocol,
    flb: Flb,
    handlers: [Handler; 2],
    /// Not known to loom: it notes the order of this run.
    callbacks: RefCell<Vec<Callback>>,
}

impl Shared {
    fn new(protocol: Protocol) -> Rc<Self> {
        let handler = || Handler {
            files: Word::new(),
            links: Mutex::new(()),
        };
        Rc::new(Self {
            protocol,
            flb: Flb::new(),
            handlers: [handler(), handler()],
            callbacks: RefCell::new(Vec::new()),
        })
    }

    /// Do as `outgoing::preserve`.
    fn preserve(&self) {
        let mut guard = self.flb.lock();
        match self.flb.refs().hold() {
            Taken::Counted => {}
            Taken::Saturated => panic!("too many handlers"),
            Taken::Zero => {
                let mut callbacks = self.callbacks.borrow_mut();
                let object = callbacks.len() as Object;
                callbacks.push(Callback::Preserve(object));
                guard.begin(object, || (true, 0));
            }
        }
    }

    /// Do as `LuoFlb::put`.
    fn release(&self, holder: Holder) {
        self.flb
            .lock()
            .release(holder, |object| self.unpreserve(object));
    }

    /// Run the callback `unpreserve`.
    fn unpreserve(&self, object: Object) {
        let mut callbacks = self.callbacks.borrow_mut();
        callbacks.push(Callback::Unpreserve(object));
    }

    /// Do as `liveupdate_flb_get_outgoing()`.
    fn get(&self) -> Option<Object> {
        self.flb.try_get().or_else(|| {
            let _guard = self.flb.lock();
            self.flb.try_get()
        })
    }

    /// Do as `liveupdate_flb_put_outgoing()`.
    fn put(&self) {
        let refs = self.flb.refs();
        if self.protocol == Protocol::PutWithoutLock {
            if refs.release(Holder::Reference) == Released::Last {
                self.flb.lock().end(|object| self.unpreserve(object));
            }
        } else if !refs.put_not_last() {
            self.release(Holder::Reference);
        }
    }

    /// Do as `liveupdate_flb_get_outgoing()` of Linux 7.1, for a task whose file stays preserved.
    fn get_unreferenced(&self) -> Option<Object> {
        if self.flb.refs().is_held() {
            return Some(self.flb.object());
        }
        let _guard = self.flb.lock();
        self.flb.refs().is_held().then(|| self.flb.object())
    }

    /// Do as `luo_flb_file_preserve()`.
    fn preserve_file(&self, handler: usize) {
        let handler = &self.handlers[handler];
        let files = handler.files.refs();
        if files.try_get() == Taken::Counted {
            return;
        }
        let _links = handler.links.lock().unwrap();
        match files.try_get() {
            Taken::Counted => return,
            Taken::Saturated => panic!("too many files"),
            Taken::Zero => {}
        }
        if self.protocol == Protocol::PublishFirst {
            files.publish(false, 1);
            return self.preserve();
        }
        self.preserve();
        files.publish(false, 1);
    }

    /// Do as `luo_flb_file_unpreserve()`.
    fn unpreserve_file(&self, handler: usize) {
        let handler = &self.handlers[handler];
        let files = handler.files.refs();
        if files.put_not_last() {
            return;
        }
        let _links = handler.links.lock().unwrap();
        match files.release(Holder::Reference) {
            Released::Held => {}
            Released::Underflow => panic!("unpreserved, but not preserved"),
            Released::Last => self.release(Holder::Files),
        }
    }

    /// Preserve a file and unpreserve it. It finds the object meanwhile.
    fn file(&self, handler: usize) {
        self.preserve_file(handler);
        self.flb.object();
        self.unpreserve_file(handler);
    }

    /// Use the object, if there is one. It stays the same meanwhile.
    fn user(&self) {
        if let Some(object) = self.get() {
            assert_eq!(self.flb.object(), object, "another object while held");
            self.put();
        }
    }

    /// Check that nobody holds anything, and that each object ended before the next one began;
    /// return how many there were.
    fn ended(&self) -> usize {
        for handler in &self.handlers {
            assert!(!handler.files.refs().is_held(), "files");
        }
        assert!(!self.flb.refs().is_held(), "holders");
        let callbacks = self.callbacks.borrow();
        for pair in callbacks.chunks(2) {
            match pair {
                [Callback::Preserve(object), Callback::Unpreserve(other)] if object == other => {}
                _ => panic!("not in turn: {callbacks:?}"),
            }
        }
        callbacks.len() / 2
    }
}

/// The last file of a handler goes, and two come and go.
pub(super) fn last_file_and_two_files(protocol: Protocol) {
    check(move || {
        let shared = Shared::new(protocol);
        shared.preserve_file(0);
        run([
            task(&shared, |shared| shared.unpreserve_file(0)),
            task(&shared, |shared| shared.file(0)),
            task(&shared, |shared| shared.file(0)),
        ]);
        assert!((1..=3).contains(&shared.ended()));
    });
}

/// The last file of a handler goes, another one comes and goes, and there is a user.
fn last_file_new_file_and_user() {
    check(|| {
        let shared = Shared::new(Protocol::Kernel);
        shared.preserve_file(0);
        run([
            task(&shared, |shared| shared.unpreserve_file(0)),
            task(&shared, |shared| shared.file(0)),
            task(&shared, |shared| shared.user()),
        ]);
        assert!((1..=2).contains(&shared.ended()));
    });
}

/// The last reference is put when a file comes and goes, and there is a user.
pub(super) fn last_put_new_file_and_user(protocol: Protocol) {
    check(move || {
        let shared = Shared::new(protocol);
        shared.preserve_file(0);
        let object = shared.get().unwrap();
        shared.unpreserve_file(0);
        run([
            task(&shared, move |shared| {
                assert_eq!(shared.flb.object(), object);
                shared.put();
            }),
            task(&shared, |shared| shared.file(0)),
            task(&shared, |shared| shared.user()),
        ]);
        assert!((1..=2).contains(&shared.ended()));
    });
}

/// Two handlers have a file each, and there is a user.
fn two_handlers_and_user() {
    check(|| {
        let shared = Shared::new(Protocol::Kernel);
        run([
            task(&shared, |shared| shared.file(0)),
            task(&shared, |shared| shared.file(1)),
            task(&shared, |shared| shared.user()),
        ]);
        assert!((1..=2).contains(&shared.ended()));
    });
}

/// The FLB is written into the array while it is used. The file stays, as the orchestrator says.
fn serialize_and_users() {
    check(|| {
        let shared = Shared::new(Protocol::Kernel);
        shared.preserve_file(0);
        let object = shared.get().unwrap();
        run([
            task(&shared, |shared| shared.put()),
            task(&shared, |shared| shared.user()),
            task(&shared, move |shared| {
                assert_eq!(shared.flb.refs().handlers(), 1);
                assert_eq!(shared.handlers[0].files.refs().references(), 1);
                assert_eq!(shared.flb.object(), object);
            }),
        ]);
        shared.unpreserve_file(0);
        assert_eq!(shared.ended(), 1);
    });
}

/// The object is looked at without a reference, while its file stays, and there is a user.
pub(super) fn get_unreferenced_and_user() {
    check(|| {
        let shared = Shared::new(Protocol::Kernel);
        run([
            task(&shared, |shared| shared.preserve_file(0)),
            task(&shared, |shared| {
                if let Some(object) = shared.get_unreferenced() {
                    assert_eq!(shared.get_unreferenced(), Some(object));
                }
            }),
            task(&shared, |shared| shared.user()),
        ]);
        shared.unpreserve_file(0);
        assert_eq!((shared.get_unreferenced(), shared.ended()), (None, 1));
    });
}

#[test]
fn preserves_in_turn_for_the_files_of_a_handler() {
    last_file_and_two_files(Protocol::Kernel);
}

#[test]
fn preserves_in_turn_for_two_files_and_a_user() {
    last_file_new_file_and_user();
}

#[test]
fn preserves_in_turn_after_the_last_reference() {
    last_put_new_file_and_user(Protocol::Kernel);
}

#[test]
fn preserves_in_turn_for_two_handlers_and_a_user() {
    two_handlers_and_user();
}

#[test]
fn finds_the_object_without_a_reference() {
    get_unreferenced_and_user();
}

#[test]
fn serializes_what_files_hold() {
    serialize_and_users();
}
