// SPDX-License-Identifier: GPL-2.0

//! Who is registered with whom.
//!
//! A file handler that takes part has a [`Record`], made when its first FLB is registered or its
//! first file preserved. The record's lock is held while callbacks run for one of its files, so its
//! FLBs stay as they are for that long, and nobody else's registration waits. Records are found
//! without a lock: they form a list that only grows, and one whose handler is gone is used again.
//!
//! The orchestrator says which handler a file belongs to when the file is preserved and
//! unpreserved, but not which file. So that each file releases exactly what it acquired, the FLBs of
//! a handler must not change while it has preserved files:
//!
//! - registering one more is refused with [`EBUSY`];
//! - unregistering one takes effect when the last of these files is released.

#![forbid(unsafe_code)]

use crate::{
    abi::{block, name},
    chain::Chain,
    lifecycle,
    lock::{self, ByRegistry, RegisterRead, RegisterWrite},
    raw::{self, Flb, Handler},
};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        lock::{mutex::MutexBackend, Guard},
        Mutex,
    },
};

/// The most FLBs that can be registered: all must fit into the block for the next kernel.
pub(crate) const CAPACITY: usize = block::capacity(PAGE_SIZE);

/// An FLB in a list.
struct Listed {
    flb: Flb,
    /// How many registrations put it there.
    registrations: u32,
}

/// FLBs in the order of registration.
struct List(KVec<Listed>);

impl List {
    fn iter(&self) -> impl DoubleEndedIterator<Item = &Flb> {
        self.0.iter().map(|listed| &listed.flb)
    }

    fn find(&mut self, flb: Flb) -> Option<&mut Listed> {
        self.0.iter_mut().find(|listed| listed.flb == flb)
    }

    #[inline(never)]
    fn push(&mut self, flb: Flb) -> Result {
        let registrations = 1;
        self.0.push(Listed { flb, registrations }, GFP_KERNEL)?;
        Ok(())
    }

    /// Removes the first FLB that has no registration any more; `false` if there is none.
    #[inline(never)]
    fn sweep(&mut self) -> bool {
        let mut listed = self.0.iter();
        let Some(index) = listed.position(|listed| listed.registrations == 0) else {
            return false;
        };
        self.0.remove(index).is_ok()
    }
}

/// What the files of a handler depend on.
///
/// # Invariants
///
/// - Each of the `files` holds each of the `flbs` once, and no other file of the handler does.
/// - Each of the `flbs` has one registration, or none if it was unregistered while there were files.
/// - Unless there are files, each has one, and the handler is not `leaving`.
struct Dependencies {
    flbs: List,
    /// The preserved files of the handler.
    files: u32,
    /// The orchestrator has forgotten the handler.
    leaving: bool,
}

/// What the core knows of a file handler.
#[pin_data]
struct Record {
    /// [`Handler::id`], or zero if the record is free. Changes from zero under the registry lock,
    /// and to zero under that of `deps`.
    handler: Atomic<usize>,
    #[pin]
    deps: Mutex<Dependencies>,
}

impl Record {
    fn new(handler: Handler) -> impl PinInit<Self> {
        pin_init!(Self {
            handler: Atomic::new(handler.id()),
            deps <- new_mutex!(
                Dependencies {
                    flbs: List(KVec::new()),
                    files: 0,
                    leaving: false,
                },
                "luo_flb_handler"
            ),
        })
    }
}

/// The lock of a record is held.
type Locked<'a> = Guard<'a, Dependencies, MutexBackend>;

/// All handlers and FLBs of an instance.
pub(crate) struct Registry {
    /// Grows under the registry lock.
    records: Chain<Record>,
    /// The FLBs that are registered, each with how many handlers.
    flbs: ByRegistry<List>,
}

impl Registry {
    /// A registry with nothing in it.
    pub(crate) const fn new() -> Self {
        Self {
            records: Chain::new(),
            flbs: ByRegistry::new(List(KVec::new())),
        }
    }

    /// Makes the files of `handler` depend on `flb`. May sleep.
    ///
    /// Errors: [`EINVAL`] if a callback is missing, the handler is not registered, or the name is
    /// empty or not terminated; [`EEXIST`] if it is registered with the handler, or another FLB
    /// bears its name; [`EBUSY`] while files of the handler are preserved; [`ENOSPC`] if there are
    /// [`CAPACITY`] others; [`ENOMEM`]; `EDEADLK` from a callback of the handler.
    pub(crate) fn register(&self, handler: Handler, flb: Flb) -> Result {
        self.check_not_held(handler)?;
        let registered = handler.is_registered(&RegisterRead::lock());
        if raw::warn_on(!registered || !flb.has_all_callbacks()) {
            return Err(EINVAL);
        }
        let name = flb.name()?;

        let mut deps = self.lock_or_add(handler)?;
        deps.leaving = false;
        if let Some(listed) = deps.flbs.find(flb) {
            // A removal that has not taken effect is called off.
            return match core::mem::replace(&mut listed.registrations, 1) {
                0 => Ok(()),
                _ => Err(EEXIST),
            };
        }
        if deps.files > 0 {
            return Err(EBUSY);
        }
        // INVARIANT: There are no files, so none is without it; if it cannot be kept it goes again.
        deps.flbs.push(flb)?;
        self.add(flb, name).inspect_err(|_| {
            deps.flbs.0.pop();
        })
    }

    /// Takes back what [`Registry::register`] did for `flb`, or, if there is none, for all FLBs of
    /// `handler`, at once or when the last preserved file of the handler is released. May sleep.
    #[inline(never)]
    fn retire(&self, handler: Handler, flb: Option<Flb>) -> Result {
        let mut deps = self.lock(handler)?;
        let mut found = flb.is_none();
        // INVARIANT: Without files, what has no registration now is gone when this is settled.
        for listed in deps.flbs.0.iter_mut() {
            if flb.is_none_or(|flb| flb == listed.flb) {
                found |= listed.registrations > 0;
                listed.registrations = 0;
            }
        }
        deps.leaving |= flb.is_none();
        self.withdraw(&deps);
        self.settle(handler, &mut deps);
        found.then_some(()).ok_or(ENOENT)
    }

    /// Takes back what [`Registry::register`] did, at once or when the last preserved file of the
    /// handler is released. May sleep.
    pub(crate) fn unregister(&self, handler: Handler, flb: Flb) {
        if let Err(error) = self.retire(handler, Some(flb)) {
            flb.complain(c"not unregistered", error.to_errno().into());
        }
    }

    /// Takes back all registrations with `handler`, which the orchestrator is about to forget.
    /// May sleep.
    pub(crate) fn unregister_all(&self, handler: Handler, _token: &RegisterWrite) {
        // A handler that never took part has no record. From a callback of the handler, which must
        // not, there is a line in the log, and its FLBs stay listed.
        let _ = self.retire(handler, None);
    }

    /// One more file of `handler` is preserved: acquires its FLBs. May sleep.
    ///
    /// Errors: [`ENOMEM`]; [`EOVERFLOW`]; [`ENOENT`] if the handler is unregistered at the same time;
    /// or as for [`lifecycle::preserve`]. The file then holds no FLB.
    pub(crate) fn preserve_file(&self, handler: Handler) -> Result {
        let mut deps = self.lock_or_add(handler)?;
        let files = deps.files.checked_add(1).ok_or(EOVERFLOW)?;
        for (done, flb) in deps.flbs.iter().enumerate() {
            if let Err(error) = lifecycle::preserve(flb) {
                let held = deps.flbs.0.get(..done).unwrap_or_default();
                held.iter()
                    .rev()
                    .for_each(|held| lifecycle::unpreserve(&held.flb));
                return Err(error);
            }
        }
        // INVARIANT: The file holds each FLB.
        deps.files = files;
        Ok(())
    }

    /// One file fewer of `handler` is preserved: releases its FLBs, in reverse. May sleep.
    pub(crate) fn unpreserve_file(&self, handler: Handler) {
        let Ok(mut deps) = self.lock(handler) else {
            return;
        };
        if let Some(files) = deps.files.checked_sub(1) {
            deps.files = files;
            // What is leaving may go away with its `unpreserve`, so others must not find it.
            self.withdraw(&deps);
            deps.flbs.iter().rev().for_each(lifecycle::unpreserve);
            // INVARIANT: The file holds no FLB.
            self.settle(handler, &mut deps);
        }
    }

    /// Calls `f` for each FLB of `handler`, in reverse. May sleep.
    pub(crate) fn for_each_reverse(&self, handler: Handler, f: impl FnMut(&Flb)) {
        if let Ok(deps) = self.lock(handler) {
            deps.flbs.iter().rev().for_each(f);
        }
    }

    /// Calls `f` for each FLB, in the order of registration.
    pub(crate) fn for_each(&self, token: &mut lock::Registry<'_>, f: impl FnMut(&Flb)) {
        self.flbs.get(token).iter().for_each(f);
    }

    /// Finds a record by its `handler` field.
    #[inline(never)]
    fn find(&self, id: usize) -> Option<&Record> {
        let mut records = self.records.iter();
        records.find(|record| record.handler.load(Relaxed) == id)
    }

    /// `EDEADLK` if this task holds the record of a handler, that is, is in a callback for one of
    /// its files. To be asked before `luo_register_rwlock` is taken, inside which others wait for
    /// the record.
    fn check_not_held(&self, handler: Handler) -> Result {
        match self.find(handler.id()) {
            Some(record) => lock::check_not_held(&record.deps),
            None => Ok(()),
        }
    }

    /// Locks the record of a handler; [`ENOENT`] if there is none, `EDEADLK` from a callback of
    /// the handler.
    #[inline(never)]
    fn lock(&self, handler: Handler) -> Result<Locked<'_>> {
        let record = self.find(handler.id()).ok_or(ENOENT)?;
        let deps = lock::mutex(&record.deps).inspect_err(|error| {
            raw::report(
                b"handler",
                c"used by a callback of its own",
                error.to_errno().into(),
            );
        })?;
        // While this waited, the record may have become free.
        if record.handler.load(Relaxed) == handler.id() {
            Ok(deps)
        } else {
            Err(ENOENT)
        }
    }

    /// Locks the record of a handler; one is made if there is none.
    ///
    /// Errors: [`ENOMEM`]; `EDEADLK`; [`ENOENT`] if the handler is unregistered at the same time.
    #[inline(never)]
    fn lock_or_add(&self, handler: Handler) -> Result<Locked<'_>> {
        match self.lock(handler) {
            Err(error) if error == ENOENT => {}
            locked => return locked,
        }
        let token = lock::Registry::lock();
        if self.find(handler.id()).is_none() {
            match self.find(0) {
                Some(free) => free.handler.store(handler.id(), Relaxed),
                None => self.records.push(Record::new(handler))?,
            }
        }
        drop(token);
        self.lock(handler)
    }

    /// Takes what is leaving off the list of all FLBs, unless the handler has preserved files.
    fn withdraw(&self, deps: &Dependencies) {
        let leaving = |listed: &&Listed| listed.registrations == 0 && deps.files == 0;
        for leaving in deps.flbs.0.iter().filter(leaving) {
            let mut token = lock::Registry::lock();
            let all = self.flbs.get(&mut token);
            if let Some(listed) = all.find(leaving.flb) {
                listed.registrations -= 1;
                all.sweep();
            }
        }
    }

    /// Forgets what is leaving, after [`Registry::withdraw`], unless the handler has preserved
    /// files.
    #[inline(never)]
    fn settle(&self, handler: Handler, deps: &mut Dependencies) {
        if deps.files > 0 {
            return;
        }
        // INVARIANT: No FLB without a registration remains.
        while deps.flbs.sweep() {}
        if core::mem::take(&mut deps.leaving) {
            if let Some(record) = self.find(handler.id()) {
                record.handler.store(0, Relaxed);
            }
        }
    }

    /// Counts the registration of an FLB with one more handler.
    fn add(&self, flb: Flb, name: &name::Field) -> Result {
        let mut token = lock::Registry::lock();
        let flbs = self.flbs.get(&mut token);
        if let Some(listed) = flbs.find(flb) {
            listed.registrations += 1;
            return Ok(());
        }
        if flbs.0.len() >= CAPACITY {
            return Err(ENOSPC);
        }
        if flbs
            .iter()
            .any(|other| other.name().is_ok_and(|other| name::same(other, name)))
        {
            return Err(EEXIST);
        }
        flbs.push(flb)
    }
}
