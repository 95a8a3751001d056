// SPDX-License-Identifier: GPL-2.0

//! Who is registered with whom.
//!
//! A file handler that takes part has a [`Record`], from when its first FLB is registered or its
//! first file preserved. The record's lock is held while callbacks run for one of its files, so its
//! FLBs stay as they are for that long, and nobody else's registration waits. Records are found
//! without a lock: there is a fixed number of them, and one whose handler is gone is used again.
//!
//! An FLB is held by each handler that has preserved files, once, and a handler counts its files. So
//! only the first file of a handler and the last have to do with FLBs; all others cost one atomic
//! instruction, however many FLBs there are.
//!
//! All registrations are in one tree, in the order of names, so that an FLB is found by its name, and
//! everything that is registered under it.
//!
//! The orchestrator says which handler a file belongs to when the file is preserved and
//! unpreserved, but not which file. So that each file releases exactly what it acquired, the FLBs of
//! a handler must not change while it has preserved files:
//!
//! - registering one more is refused with [`EBUSY`];
//! - unregistering one takes effect when the last of these files is released.

#![forbid(unsafe_code)]

use crate::{
    abi::{block::MAX_FILES, name::Name},
    arrivals::{Arrivals, Place},
    handover::Handover,
    lifecycle::{self, Entry},
    lock::{self, ByRegistry, RegisterRead, RegisterWrite, Task},
    raw::{self, Flb, Handler, Ready},
    refs::{Holder, Refs, Released, Taken},
    word::Pointer,
};
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::{self, RBTree, RBTreeNodeReservation},
    sync::{
        lock::{mutex::MutexBackend, Guard},
        Arc, Mutex, SetOnce,
    },
};

/// The most handlers that can take part at a time.
pub(crate) const MOST_HANDLERS: usize = 64;

/// The most files of one handler that can be preserved at a time: with those of all others they are
/// as many as can be handed over.
pub(crate) const MOST_FILES: u32 = MAX_FILES / MOST_HANDLERS as u32;

/// An FLB on which the files of a handler depend.
struct Dependency {
    flb: Ready,
    /// The registration was taken back while there were files.
    leaving: bool,
    /// What was handed over under the name of the FLB, once that was found.
    entry: Option<Arc<Entry>>,
}

/// What the files of a handler depend on.
///
/// # Invariants
///
/// - While there are files the handler holds each of the `flbs` once, and otherwise none.
/// - Unless there are files, none of the `flbs` is leaving, and the handler is not either.
struct Dependencies {
    flbs: Arrivals<Dependency>,
    /// How many of the FLBs are leaving.
    leaving: usize,
    /// The orchestrator has forgotten the handler.
    forgotten: bool,
}

impl Dependencies {
    const fn new() -> Self {
        Self {
            flbs: Arrivals::new(),
            leaving: 0,
            forgotten: false,
        }
    }

    /// Adds an FLB, which none of the files holds as there are none.
    fn add(&mut self, flb: Ready) -> Result<Place> {
        self.flbs.push(Dependency {
            flb,
            leaving: false,
            entry: None,
        })
    }

    /// The FLB at a place stays after all; [`EEXIST`] if it was not to leave.
    fn readmit(&mut self, place: Place) -> Result {
        let dependency = self.flbs.get_mut(place).ok_or(ENOENT)?;
        match core::mem::take(&mut dependency.leaving) {
            true => self.leaving = self.leaving.saturating_sub(1),
            false => return Err(EEXIST),
        }
        Ok(())
    }

    /// The FLB at a place is to leave with the last file; [`ENOENT`] if it was already.
    fn dismiss(&mut self, place: Place) -> Result {
        let dependency = self.flbs.get_mut(place).ok_or(ENOENT)?;
        match core::mem::replace(&mut dependency.leaving, true) {
            true => return Err(ENOENT),
            false => self.leaving = self.leaving.saturating_add(1),
        }
        Ok(())
    }

    /// All are to leave, and the handler with them.
    fn dismiss_all(&mut self) {
        for dependency in self.flbs.iter_mut() {
            if !core::mem::replace(&mut dependency.leaving, true) {
                self.leaving = self.leaving.saturating_add(1);
            }
        }
        self.forgotten = true;
    }
}

/// The lock of a record is held.
type Locked<'a> = Guard<'a, Dependencies, MutexBackend>;

/// What the core knows of a file handler. In a cache line of its own, as files of different handlers
/// come and go at the same time.
#[repr(align(64))]
struct Record {
    /// The handler, or null if the record is free. Changes from null under the registry lock, to null
    /// under that of `deps`, and from one handler to another under both.
    handler: Pointer,
    /// The preserved files of the handler. The first and the last change under the lock of `deps`.
    files: Refs,
    /// Made for the first handler of the record.
    deps: SetOnce<Pin<KBox<Mutex<Dependencies>>>>,
}

impl Record {
    const fn new() -> Self {
        Self {
            handler: Pointer::null(),
            files: Refs::new(0),
            deps: SetOnce::new(),
        }
    }

    /// Makes the record that of a handler. Under the registry lock, when it is free, or under both
    /// locks, when its handler has neither FLBs nor files.
    fn claim(&self, handler: Handler) -> Result {
        if self.deps.as_ref().is_none() {
            let deps = new_mutex!(Dependencies::new(), "luo_flb_handler");
            self.deps.populate(KBox::pin_init(deps, GFP_KERNEL)?);
        }
        self.handler.store(handler.as_ptr());
        Ok(())
    }

    /// Whether the record is that of a handler.
    #[inline(always)]
    fn is_of(&self, handler: Handler) -> bool {
        self.id() == handler.id()
    }

    /// [`Handler::id`], or zero.
    #[inline(always)]
    fn id(&self) -> usize {
        self.handler.load() as usize
    }

    /// Locks the record; [`ENOENT`] if it never had a handler, `EDEADLK` from a callback of its handler.
    #[inline]
    fn lock(&self, task: Task) -> Result<Locked<'_>> {
        let deps = self.deps.as_ref().ok_or(ENOENT)?;
        task.lock(deps).inspect_err(complain)
    }

    /// Forgets what is leaving, when there are no files and [`Registry::withdraw`] was called.
    fn settle(&self, deps: &mut Dependencies) {
        // INVARIANT: Nothing is leaving any more.
        if core::mem::take(&mut deps.leaving) > 0 {
            deps.flbs.retain(|dependency| !dependency.leaving);
        }
        if core::mem::take(&mut deps.forgotten) {
            self.handler.store(core::ptr::null_mut());
        }
    }
}

/// Releases what was preserved for a file that is not.
#[cold]
#[inline(never)]
fn roll_back(flb: &Ready, task: Task) {
    lifecycle::unpreserve(flb, task);
}

/// Logs that a handler cannot be locked.
#[cold]
fn complain(error: &Error) {
    raw::report(
        b"handler",
        c"used by a callback of its own",
        error.to_errno().into(),
    );
}

/// A registration of an FLB with a handler.
#[derive(Clone, Copy)]
struct Registration {
    /// [`Handler::id`].
    handler: usize,
    /// Where the FLB is among those of the handler.
    place: Place,
}

/// An FLB that is registered.
struct Registered {
    flb: Ready,
    /// One of its registrations, and with most FLBs the only one.
    first: Registration,
    others: KVec<Registration>,
}

impl Registered {
    /// Where the FLB is among those of a handler, if it is registered with it.
    fn place(&self, handler: usize) -> Option<Place> {
        if self.first.handler == handler {
            return Some(self.first.place);
        }
        let mut others = self.others.iter();
        let found = others.find(|registration| registration.handler == handler)?;
        Some(found.place)
    }

    /// Adds a registration with a handler; or calls its removal off, which works when it is `busy` too.
    fn add(&mut self, handler: usize, deps: &mut Dependencies, busy: bool) -> Result {
        if let Some(place) = self.place(handler) {
            return deps.readmit(place);
        }
        if busy {
            return Err(EBUSY);
        }
        self.others.reserve(1, GFP_KERNEL)?;
        let place = deps.add(self.flb)?;
        // There is room.
        Ok(self
            .others
            .push(Registration { handler, place }, GFP_KERNEL)?)
    }

    /// Removes the registration with a handler, unless it is the last, which is left to the caller;
    /// whether it was removed.
    fn remove(&mut self, handler: usize) -> bool {
        if self.first.handler != handler {
            self.others.retain(|other| other.handler != handler);
            return true;
        }
        match self.others.pop() {
            Some(other) => self.first = other,
            None => return false,
        }
        true
    }
}

/// All FLBs that are registered, those that are leaving included, by name.
struct Registrations {
    tree: RBTree<Name, Registered>,
    /// How many there are.
    flbs: usize,
}

impl Registrations {
    fn new() -> Self {
        Self {
            tree: RBTree::new(),
            flbs: 0,
        }
    }

    /// Adds the registration of an FLB with the handler of a record. `false` if there is none yet of the
    /// FLB, and no `room` for it.
    fn add(
        &mut self,
        name: Name,
        flb: Ready,
        record: &Record,
        deps: &mut Dependencies,
        room: bool,
    ) -> Result<bool> {
        let (handler, busy) = (record.id(), record.files.is_alive());
        match self.tree.entry(name) {
            rbtree::Entry::Occupied(mut found) if found.get().flb == flb => {
                found.get_mut().add(handler, deps, busy)?;
            }
            _ if busy => return Err(EBUSY),
            _ if !room => return Ok(false),
            rbtree::Entry::Occupied(_) => return Err(EEXIST),
            rbtree::Entry::Vacant(free) => {
                let node = RBTreeNodeReservation::new(GFP_KERNEL)?;
                let place = deps.add(flb)?;
                let registered = Registered {
                    flb,
                    first: Registration { handler, place },
                    others: KVec::new(),
                };
                free.insert(registered, node);
                self.flbs = self.flbs.saturating_add(1);
            }
        }
        Ok(true)
    }

    /// Where an FLB is among those of a handler; [`ENOENT`] if it is not registered with it. Removes the
    /// registration if it `goes`.
    fn find(&mut self, flb: &Flb, handler: usize, goes: bool) -> Result<Place> {
        let found = flb.with_name(|name| self.tree.find_mut(name).ok_or(ENOENT));
        let mut found = found?;
        let registered = found.get_mut();
        if *registered.flb != *flb {
            return Err(ENOENT);
        }
        let place = registered.place(handler).ok_or(ENOENT)?;
        if goes && !registered.remove(handler) {
            found.remove_node();
            self.flbs = self.flbs.saturating_sub(1);
        }
        Ok(place)
    }
}

/// All handlers and FLBs of an instance.
pub(crate) struct Registry {
    records: [Record; MOST_HANDLERS],
    /// Made for the first registration.
    registrations: ByRegistry<Option<Registrations>>,
}

impl Registry {
    /// A registry with nothing in it.
    pub(crate) const fn new() -> Self {
        Self {
            records: [const { Record::new() }; MOST_HANDLERS],
            registrations: ByRegistry::new(None),
        }
    }

    fn registrations<'a>(&'a self, token: &'a mut lock::Registry<'_>) -> &'a mut Registrations {
        let registrations = self.registrations.get(token);
        registrations.get_or_insert_with(Registrations::new)
    }

    /// How many FLBs are registered.
    pub(crate) fn flbs(&self, token: &mut lock::Registry<'_>) -> usize {
        self.registrations(token).flbs
    }

    /// Makes the files of `handler` depend on `flb`. May sleep.
    ///
    /// Errors: [`EINVAL`] if a callback is missing, the handler is not registered, or the name is
    /// empty or not terminated; [`EEXIST`] if it is registered with the handler, or another FLB
    /// bears its name; [`EBUSY`] while files of the handler are preserved; [`ENOSPC`] if there are
    /// too many handlers; [`ENOMEM`]; `EDEADLK` from a callback of the handler; or as for
    /// [`Handover::reserve`] if there is no room for one more FLB.
    pub(crate) fn register(&self, handler: Handler, flb: Flb, handover: &Handover) -> Result {
        self.check_not_held(handler)?;
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
        let (record, mut deps) = self.lock_or_add(handler, || Ok(()))?;
        deps.forgotten = false;
        let mut token = lock::Registry::lock();
        let flbs = self.registrations(&mut token).flbs.saturating_add(1);
        let mut room = handover.has_room(&mut token, flbs);
        // INVARIANT: What is added while there are files was there before.
        while !self
            .registrations(&mut token)
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
        let (record, mut deps) = self.lock(handler)?;
        let mut token = lock::Registry::lock();
        let registrations = self.registrations(&mut token);
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
        let Ok((record, mut deps)) = self.lock(handler) else {
            return;
        };
        deps.dismiss_all();
        if !record.files.is_alive() {
            self.withdraw(record, &deps);
            record.settle(&mut deps);
        }
    }

    /// One more file of `handler` is preserved; the first acquires its FLBs, and may sleep. Any other
    /// takes no lock.
    ///
    /// Errors: [`ENOMEM`]; [`ENOSPC`] if there are too many handlers; [`EOVERFLOW`]; [`ENOENT`] if the
    /// handler is unregistered at the same time; as for `check_on`, which is asked before a handler
    /// takes part for the first time; or as for [`lifecycle::preserve`]. Nothing is held then for the
    /// file.
    #[inline(always)]
    pub(crate) fn preserve_file(&self, handler: Handler, check_on: fn() -> Result) -> Result {
        if let Some(record) = self.find_in_line(handler.id()) {
            if record.files.get_below(MOST_FILES) == Taken::Counted {
                // While there are files a record stays with its handler. Before they were counted it may
                // have become that of another one, if the orchestrator forgot this one in the middle of
                // preserving a file of it, which its callers see to that it does not.
                if record.is_of(handler) {
                    return Ok(());
                }
                self.release_file(record);
            }
        }
        self.preserve_first(handler, check_on)
    }

    /// As [`Registry::preserve_file`], for a file that seems to be the first.
    #[inline(never)]
    fn preserve_first(&self, handler: Handler, check_on: fn() -> Result) -> Result {
        let (record, deps) = self.lock_or_add(handler, check_on)?;
        match record.files.get_below(MOST_FILES) {
            Taken::Counted => return Ok(()),
            Taken::Full => return Err(EOVERFLOW),
            Taken::Dead => {}
        }
        let task = Task::current();
        for Dependency { flb, .. } in deps.flbs.iter() {
            if let Err(error) = lifecycle::preserve(flb, task) {
                let held = deps.flbs.iter().rev().map(|held| &held.flb);
                held.skip_while(|held| *held != flb)
                    .skip(1)
                    .for_each(|held| roll_back(held, task));
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
        if let Some(record) = self.find_in_line(handler.id()) {
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
            for Dependency { flb, .. } in deps.flbs.iter().rev() {
                lifecycle::unpreserve(flb, task);
            }
            // INVARIANT: The handler holds no FLB.
            if leaves {
                record.settle(&mut deps);
            }
        }
    }

    /// A file of `handler` that was handed over is finished: its FLBs are, in reverse. Those that were
    /// not handed over are left alone. May sleep.
    pub(crate) fn finish_file(&self, handler: Handler, handover: &Handover) {
        let Ok((_, mut deps)) = self.lock(handler) else {
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

    /// Calls `f` for each FLB, in the order of names, with the number of preserved files that depend on
    /// it.
    pub(crate) fn for_each(
        &self,
        token: &mut lock::Registry<'_>,
        mut f: impl FnMut(&Ready, Name, u32),
    ) {
        // Of the handler that was looked up last; most FLBs in a row have the same.
        let mut last = (0, 0);
        let mut files_of = |handler| {
            if last.0 != handler {
                last = (
                    handler,
                    self.find(handler).map_or(0, |record| record.files.users()),
                );
            }
            last.1
        };
        for (name, registered) in self.registrations(token).tree.iter() {
            let mut files = files_of(registered.first.handler);
            for other in &registered.others {
                // At most `MAX_FILES` in all, see `MOST_FILES`.
                files = u32::saturating_add(files, files_of(other.handler));
            }
            f(&registered.flb, *name, files);
        }
    }

    /// Sets how many files of a handler are preserved.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn set_files(&self, handler: Handler, files: u32) {
        if let Some(record) = self.find(handler.id()) {
            record.files.publish(false, files);
        }
    }

    /// The record of the handler with this [`Handler::id`].
    #[inline(never)]
    fn find(&self, handler: usize) -> Option<&Record> {
        self.find_in_line(handler)
    }

    /// As [`Registry::find`], where each of 15 instructions counts.
    #[inline(always)]
    fn find_in_line(&self, handler: usize) -> Option<&Record> {
        self.records.iter().find(|record| record.id() == handler)
    }

    /// `EDEADLK` if this task holds the record of a handler, that is, is in a callback for one of
    /// its files. To be asked before `luo_register_rwlock` is taken, inside which others wait for
    /// the record.
    fn check_not_held(&self, handler: Handler) -> Result {
        match self
            .find(handler.id())
            .and_then(|record| record.deps.as_ref())
        {
            Some(deps) => Task::current().check_not_held(deps),
            None => Ok(()),
        }
    }

    /// Locks the record of a handler; [`ENOENT`] if there is none, `EDEADLK` from a callback of
    /// the handler.
    #[inline(never)]
    fn lock(&self, handler: Handler) -> Result<(&Record, Locked<'_>)> {
        let record = self.find(handler.id()).ok_or(ENOENT)?;
        let deps = record.lock(Task::current())?;
        // While this waited, the record may have become free.
        if record.is_of(handler) {
            Ok((record, deps))
        } else {
            Err(ENOENT)
        }
    }

    /// Locks the record of a handler; a free one is taken if there is none.
    ///
    /// Errors: [`ENOSPC`] if no record is free; [`ENOMEM`]; `EDEADLK`; [`ENOENT`] if the handler is
    /// unregistered at the same time; or as for `check`, which is asked before a record is taken.
    #[inline]
    fn lock_or_add(
        &self,
        handler: Handler,
        check: fn() -> Result,
    ) -> Result<(&Record, Locked<'_>)> {
        match self.lock(handler) {
            Err(error) if error == ENOENT => {}
            locked => return locked,
        }
        check()?;
        self.add(handler)?;
        self.lock(handler)
    }

    /// Takes a record for a handler, unless it has one: a free one, or else that of a handler without
    /// FLBs and files.
    #[cold]
    fn add(&self, handler: Handler) -> Result {
        let _token = lock::Registry::lock();
        if self.find(handler.id()).is_some() {
            return Ok(());
        }
        if let Some(free) = self.records.iter().find(|record| record.id() == 0) {
            return free.claim(handler);
        }
        for record in &self.records {
            // Does not wait: others take these locks the other way round.
            let Some(deps) = record.deps.as_ref().and_then(|deps| deps.try_lock()) else {
                continue;
            };
            if deps.flbs.iter().next().is_none() && !record.files.is_alive() {
                return record.claim(handler);
            }
        }
        Err(ENOSPC)
    }

    /// Takes what is leaving off the list of all registrations.
    fn withdraw(&self, record: &Record, deps: &Dependencies) {
        let mut token = lock::Registry::lock();
        let registrations = self.registrations(&mut token);
        for dependency in deps.flbs.iter().filter(|dependency| dependency.leaving) {
            let _ = registrations.find(&dependency.flb, record.id(), true);
        }
    }
}
