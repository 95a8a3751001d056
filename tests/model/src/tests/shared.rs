// SPDX-License-Identifier: GPL-2.0

//! What tasks share, as the kernel lays it out.

use crate::{refs::Refs, word::Count};
use loom::{cell::UnsafeCell, model::Builder, thread};
use std::{
    rc::Rc,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex, PoisonError,
    },
};

/// Which object it is: no two are the same.
pub(super) type Object = u32;

/// The word of a [`Refs`], and as in the kernel the [`Refs`] is a view of it.
pub(super) struct Word(Count);

impl Word {
    /// Make a word that counts nobody, before there are tasks that share it.
    pub(super) fn new() -> Self {
        Self(Count::new(0).begin())
    }

    pub(super) fn refs(&self) -> &Refs {
        // SAFETY: A `Refs` is transparent: it has the layout of its only field.
        unsafe { &*(&raw const self.0).cast() }
    }
}

/// Where an object is. That loom finds no race here is the proof that whoever uses the object
/// comes after its beginning and before its end.
pub(super) struct Place(UnsafeCell<Option<Object>>);

impl Place {
    pub(super) fn new(object: Option<Object>) -> Self {
        Self(UnsafeCell::new(object))
    }

    /// Return the object, for those who hold it.
    pub(super) fn object(&self) -> Object {
        // SAFETY: loom ends the run if there may be a writer.
        let object = self.0.with(|object| unsafe { *object });
        object.expect("used before the beginning or after the end")
    }

    /// Put an object in its place, or nothing; return what was there.
    pub(super) fn replace(&self, object: Option<Object>) -> Option<Object> {
        // SAFETY: As above, if there may be a reader or another writer.
        self.0
            .with_mut(|place| std::mem::replace(unsafe { &mut *place }, object))
    }
}

/// A task. loom runs all on one thread.
pub(super) type Task = Box<dyn FnOnce()>;

/// Make a task that works on what it shares with others.
pub(super) fn task<T: 'static>(shared: &Rc<T>, f: impl FnOnce(&T) + 'static) -> Task {
    let shared = shared.clone();
    Box::new(move || f(&shared))
}

/// Run three tasks at the same time, until all have ended.
pub(super) fn run([one, two, three]: [Task; 3]) {
    let others = [one, two].map(thread::spawn);
    three();
    for task in others {
        task.join().unwrap();
    }
}

/// How often tasks are interrupted at most.
///
/// Without a bound loom's reduction leaves out orders of execution where tasks wait for a lock;
/// with one it does not.
const INTERRUPTIONS: usize = 4;

/// Run a scenario in all interleavings.
pub(super) fn check(scenario: impl Fn() + Sync + Send + 'static) {
    bounded(INTERRUPTIONS, scenario);
}

/// Do as [`check`], where tasks are interrupted so many times at most. `LOOM_MAX_PREEMPTIONS`
/// chooses another number.
pub(super) fn bounded(interruptions: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(interruptions));
    // Each run maps a stack for each task and unmaps it, for which threads wait for each other: one
    // scenario at a time is faster than two.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        scenario();
    });
    println!("{} interleavings", runs.load(Ordering::Relaxed));
}
