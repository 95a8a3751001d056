// SPDX-License-Identifier: GPL-2.0

//! What registering an FLB, preserving a file and finishing one mean for the FLBs of a handler.
//!
//! An FLB is held by each handler that has preserved files, once, and a handler counts its files.
//! So only the first file of a handler and the last have to do with FLBs; all others cost one
//! atomic instruction, however many FLBs there are.
//!
//! The orchestrator says which handler a file belongs to when the file is preserved and
//! unpreserved, but not which file. So that each file releases exactly what it acquired, the FLBs
//! of a handler must not change while it has preserved files:
//!
//! - registering one more is refused with [`EBUSY`];
//! - unregistering one takes effect when the last of these files is released.

#![forbid(unsafe_code)]

use crate::{
    abi::name::Name,
    handlers::{Dependencies, Dependency, Handlers, Record, MOST_FILES},
    handover::Handover,
    lifecycle,
    lock::{self, ByRegistry, Key, Names, RegisterRead, RegisterWrite, Task},
    raw::{self, Flb, Handler, Ready},
    refs::{Holder, Released, Taken},
    registrations::{Registration, Registrations},
};
use kernel::prelude::*;

/// Releases, in reverse, what was preserved for a file that is not: all before the FLB that failed.
#[cold]
#[inline(never)]
fn roll_back(deps: &Dependencies, failed: Ready, task: Task) {
    let held = deps.flbs.iter().rev().map(|held| held.flb);
    held.skip_while(|held| *held != failed)
        .skip(1)
        .for_each(|held| lifecycle::unpreserve(held, task));
}

/// All handlers and FLBs of an instance.
pub(crate) struct Registry {
    handlers: Handlers,
    /// Made for the first registration.
    registrations: ByRegistry<Option<Registrations>, Names>,
}

impl Registry {
    /// A registry with nothing in it.
    pub(crate) const fn new() -> Self {
        Self {
            handlers: Handlers::new(),
            registrations: ByRegistry::new(None),
        }
    }

    fn registrations<'a>(&'a self, names: Key<'a, Names>) -> &'a mut Registrations {
        let registrations = self.registrations.get(names);
        registrations.get_or_insert_with(Registrations::new)
    }

    /// How many FLBs are registered.
    pub(crate) fn flbs(&self, token: &mut lock::Registry<'_>) -> usize {
        self.registrations(token.names()).flbs()
    }

    /// Makes the files of `handler` depend on `flb`. May sleep.
    ///
    /// Errors: [`EINVAL`] if a callback is missing, the handler is not registered, or the name is
    /// empty or not terminated; [`EEXIST`] if it is registered with the handler, or another FLB
    /// bears its name; [`EBUSY`] while files of the handler are preserved; [`ENOSPC`] if there are
    /// too many handlers; [`ENOMEM`]; `EDEADLK` from a callback of the handler; or as for
    /// [`Handover::reserve`] if there is no room for one more FLB.
    pub(crate) fn register(&self, handler: Handler, flb: Flb, handover: &Handover) -> Result {
        self.handlers.check_not_held(handler)?;
        let registered = handler.is_registered(&RegisterRead::lock());
        if raw::warn_on(!registered || !flb.has_all_callbacks()) {
            return Err(EINVAL);
        }
        flb.with_name(|name| self.add_registration(handler, name, flb.ready(), handover))
    }

    /// As [`Registry::register`], for an FLB that can be registered.
    #[inline]
    fn add_registration(
        &self,
        handler: Handler,
        name: &Name,
        flb: Ready,
        handover: &Handover,
    ) -> Result {
        let found = self.handlers.find(handler.id());
        let task = Task::current();
        let (record, mut deps) = self.handlers.lock_or_add(handler, found, task, || Ok(()))?;
        deps.forgotten = false;
        let mut token = lock::Registry::lock();
        let flbs = self.registrations(token.names()).flbs().saturating_add(1);
        let mut room = handover.has_room(&mut token, flbs);
        // INVARIANT: What is added while there are files was there before.
        while !self
            .registrations(token.names())
            .add(*name, flb, record, &mut deps, room)?
        {
            handover.reserve(&mut token, flbs)?;
            room = true;
        }
        Ok(())
    }

    /// Takes back what [`Registry::register`] did, at once or when the last preserved file of the
    /// handler is released. May sleep.
    pub(crate) fn unregister(&self, handler: Handler, flb: Flb) {
        if let Err(error) = self.retire(handler, flb) {
            flb.complain(c"not unregistered", error.to_errno().into());
        }
    }

    /// As [`Registry::unregister`]; [`ENOENT`] if there is nothing to take back.
    fn retire(&self, handler: Handler, flb: Flb) -> Result {
        let (record, mut deps) = self.handlers.lock(handler)?;
        let mut token = lock::Registry::lock();
        let registrations = self.registrations(token.names());
        let busy = record.files.is_alive();
        let place = registrations.find(&flb, handler.id(), !busy)?;
        if busy {
            return deps.dismiss(place);
        }
        deps.flbs.remove(place);
        Ok(())
    }

    /// Takes back all registrations with `handler`, which the orchestrator is about to forget.
    /// May sleep.
    pub(crate) fn unregister_all(&self, handler: Handler, _token: &RegisterWrite) {
        // A handler that never took part has no record. From a callback of the handler, which must
        // not, there is a line in the log, and its FLBs stay listed.
        let Ok((record, mut deps)) = self.handlers.lock(handler) else {
            return;
        };
        deps.dismiss_all();
        if !record.files.is_alive() {
            self.withdraw(record, &deps);
            record.settle(&mut deps);
        }
    }

    /// One more file of `handler` is preserved; the first acquires its FLBs, and may sleep. Any
    /// other takes no lock.
    ///
    /// Errors: [`ENOMEM`]; [`ENOSPC`] if there are too many handlers; [`EOVERFLOW`]; [`ENOENT`] if
    /// the handler is unregistered at the same time; as for `check_on`, which is asked before a
    /// handler takes part for the first time; or as for [`lifecycle::preserve`]. Nothing is held
    /// then for the file.
    #[inline(always)]
    pub(crate) fn preserve_file(&self, handler: Handler, check_on: fn() -> Result) -> Result {
        let found = self.handlers.find_in_line(handler.id());
        if let Some(record) = found {
            if record.files.get_below(MOST_FILES) == Taken::Counted {
                // While there are files a record stays with its handler. Before they were counted
                // it may have become that of another one, if the orchestrator forgot this one in
                // the middle of preserving a file of it, which its callers see to that it does not.
                if record.is_of(handler) {
                    return Ok(());
                }
                self.release_file(record);
            }
        }
        self.preserve_first(handler, found, check_on)
    }

    /// As [`Registry::preserve_file`], for a file that seems to be the first, and of which this
    /// record was found, if any.
    #[inline(never)]
    fn preserve_first(
        &self,
        handler: Handler,
        found: Option<&Record>,
        check_on: fn() -> Result,
    ) -> Result {
        let task = Task::current();
        let (record, deps) = self.handlers.lock_or_add(handler, found, task, check_on)?;
        match record.files.get_below(MOST_FILES) {
            Taken::Counted => return Ok(()),
            Taken::Full => return Err(EOVERFLOW),
            Taken::Dead => {}
        }
        for &Dependency { flb, .. } in deps.flbs.iter() {
            if let Err(error) = lifecycle::preserve(flb, task) {
                roll_back(&deps, flb, task);
                return Err(error);
            }
        }
        // INVARIANT: The handler holds each FLB.
        record.files.publish(false, 1);
        Ok(())
    }

    /// One file fewer of `handler` is preserved: the last releases its FLBs, in reverse. May sleep.
    #[inline(always)]
    pub(crate) fn unpreserve_file(&self, handler: Handler) {
        if let Some(record) = self.handlers.find_in_line(handler.id()) {
            self.release_file(record);
        }
    }

    /// One file fewer of a record is preserved.
    #[inline(always)]
    fn release_file(&self, record: &Record) {
        if !record.files.put() {
            self.release_last(record);
        }
    }

    /// The last file of a record is not preserved any more, unless another one is meanwhile.
    #[inline(never)]
    fn release_last(&self, record: &Record) {
        let task = Task::current();
        let Ok(mut deps) = record.lock(task) else {
            return;
        };
        let released = record.files.release(Holder::User);
        if released == Released::Unbalanced {
            raw::report(b"handler", c"file released, but not preserved", 0);
        }
        if released == Released::Last {
            let leaves = deps.leaving > 0 || deps.forgotten;
            if leaves {
                // It may go away with its `unpreserve`, so others must not find it.
                self.withdraw(record, &deps);
            }
            for &Dependency { flb, .. } in deps.flbs.iter().rev() {
                lifecycle::unpreserve(flb, task);
            }
            // INVARIANT: The handler holds no FLB.
            if leaves {
                record.settle(&mut deps);
            }
        }
    }

    /// A file of `handler` that was handed over is finished: its FLBs are, in reverse. Those that
    /// were not handed over are left alone. May sleep.
    pub(crate) fn finish_file(&self, handler: Handler, handover: &Handover) {
        let Ok((_, mut deps)) = self.handlers.lock(handler) else {
            return;
        };
        for Dependency { flb, entry, .. } in deps.flbs.iter_mut().rev() {
            if entry.is_none() {
                let found = flb.with_name(|name| handover.entry(name).cloned());
                *entry = found.ok();
            }
            if let Some(entry) = entry {
                entry.finish_file(flb);
            }
        }
    }

    /// Calls `f` for each FLB, in the order of names, with the number of preserved files that
    /// depend on it.
    pub(crate) fn for_each(&self, names: Key<'_, Names>, mut f: impl FnMut(Ready, Name, u32)) {
        // Of the handler that was looked up last; most FLBs in a row have the same.
        let mut last = (0, 0);
        for (name, registered) in self.registrations(names).iter() {
            let first = registered.first.handler;
            if last.0 != first {
                last = (first, self.files_of(first));
            }
            let files = match registered.others.is_empty() {
                true => last.1,
                false => self.files_with_others(last.1, &registered.others),
            };
            f(registered.flb, *name, files);
        }
    }

    /// How many files of a handler are preserved.
    fn files_of(&self, handler: usize) -> u32 {
        let record = self.handlers.find(handler);
        record.map_or(0, |record| record.files.users())
    }

    /// How many files of several handlers are preserved, that many of which are known.
    #[inline(never)]
    fn files_with_others(&self, known: u32, others: &[Registration]) -> u32 {
        // At most `MAX_FILES` in all, see `MOST_FILES`.
        let files = others.iter().map(|other| self.files_of(other.handler));
        files.fold(known, u32::saturating_add)
    }

    /// Sets how many files of a handler are preserved.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn set_files(&self, handler: Handler, files: u32) {
        if let Some(record) = self.handlers.find(handler.id()) {
            record.files.publish(false, files);
        }
    }

    /// Takes what is leaving off the list of all registrations.
    #[cold]
    #[inline(never)]
    fn withdraw(&self, record: &Record, deps: &Dependencies) {
        let mut token = lock::Registry::lock();
        let registrations = self.registrations(token.names());
        for dependency in deps.flbs.iter().filter(|dependency| dependency.leaving) {
            let _ = registrations.find(&dependency.flb, record.id(), true);
        }
    }
}
