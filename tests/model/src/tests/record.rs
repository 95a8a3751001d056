// SPDX-License-Identifier: GPL-2.0

//! The files of a handler, as `registry.rs` counts them.

use super::{flb::Flb, shared::Word};
use crate::refs::{Holder, Released, Taken};
use loom::sync::Mutex;
use std::rc::Rc;

/// More files than any scenario has.
const MOST_FILES: u32 = 100;

/// What the core knows of a handler.
pub(super) struct Record {
    files: Word,
    deps: Mutex<Vec<Rc<Flb>>>,
}

impl Record {
    /// The record of a handler whose files depend on these FLBs.
    pub(super) fn new(flbs: &[&Rc<Flb>]) -> Self {
        let flbs = flbs.iter().map(|flb| Rc::clone(flb)).collect();
        Self {
            files: Word::new(0),
            deps: Mutex::new(flbs),
        }
    }

    /// `Registry::preserve_file`: counted without the lock, else the first under it.
    pub(super) fn preserve_file(&self) {
        let files = self.files.refs();
        if files.get_below(MOST_FILES) == Taken::Counted {
            return;
        }
        let deps = self.deps.lock().unwrap();
        match files.get_below(MOST_FILES) {
            Taken::Counted => return,
            Taken::Full => panic!("too many files"),
            Taken::Dead => {}
        }
        for flb in deps.iter() {
            flb.preserve();
        }
        files.publish(false, 1);
    }

    /// `Registry::release_file`.
    pub(super) fn unpreserve_file(&self) {
        if !self.files.refs().put() {
            let deps = self.deps.lock().unwrap();
            match self.files.refs().release(Holder::User) {
                Released::Last => deps.iter().rev().for_each(|flb| flb.unpreserve()),
                Released::Held => {}
                Released::Unbalanced => panic!("unpreserved, but not preserved"),
            }
        }
    }

    /// No file is preserved.
    pub(super) fn ended(&self) {
        assert_eq!(self.files.raw().load(), 0, "files");
    }
}
