// SPDX-License-Identifier: GPL-2.0

//! Many threads at a time, and FLBs that notice what must not happen to them.
//!
//! The callbacks here take no lock, lest they order what the core has to. Whoever is in the middle
//! of something lets others run, so that one CPU is enough for threads to get in each other's way.

use super::{Bench, FakeFlb};
use crate::{
    bindings,
    raw::Direction::{self, Incoming, Outgoing},
};
use core::{ffi::c_int, ptr::addr_of};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

/// The life of an FLB in one direction. All zero is the beginning.
pub(super) struct Life {
    /// Of the object, which is this number while it lives, and odd.
    age: Atomic<i32>,
    /// Who uses the object at the moment.
    users: Atomic<i32>,
    /// How often an object was to begin.
    attempts: Atomic<i32>,
    /// Of so many attempts one fails, if this is not zero.
    failing: Atomic<i32>,
    /// No object may begin or end any more.
    closed: Atomic<i32>,
    /// How often something happened that must not.
    wrong: Atomic<i32>,
}

/// What has become of an FLB in one direction.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Lived {
    /// How many objects began.
    pub(in super::super) begun: i32,
    /// How many ended.
    pub(in super::super) ended: i32,
    /// How often something happened that must not.
    pub(in super::super) wrong: i32,
}

impl Life {
    fn expect(&self, right: bool) {
        if !right {
            self.wrong.fetch_add(1, Relaxed);
        }
    }

    /// `preserve` or `retrieve`: the object, or an errno.
    fn begin(&self) -> Result<usize> {
        let attempt = self.attempts.fetch_add(1, Relaxed);
        let age = self.age.load(Relaxed);
        self.expect(age % 2 == 0 && self.closed.load(Relaxed) == 0);
        let_others_run();
        let failing = self.failing.load(Relaxed);
        if failing != 0 && attempt % failing == 0 {
            return Err(EIO);
        }
        self.expect(self.age.fetch_add(1, Relaxed) == age);
        Ok(age as usize + 1)
    }

    /// `unpreserve` or `finish`.
    fn end(&self, obj: usize) {
        let is_idle = || self.users.load(Relaxed) == 0;
        self.expect(is_idle() && self.closed.load(Relaxed) == 0);
        let_others_run();
        self.expect(self.age.fetch_add(1, Relaxed) as usize == obj && is_idle());
    }

    /// Somebody who holds the object looks at it.
    fn look(&self, obj: usize) {
        self.users.fetch_add(1, Relaxed);
        self.expect(self.age.load(Relaxed) as usize == obj);
        let_others_run();
        self.expect(self.age.load(Relaxed) as usize == obj);
        self.users.fetch_sub(1, Relaxed);
    }
}

impl Bench {
    /// A core that is on, with this many handlers and FLBs, for [`Bench::race`].
    pub(in super::super) fn racing(handlers: usize, flbs: usize) -> Result<Arc<Self>> {
        let bench = Self::new(handlers, flbs)?;
        for flb in 0..flbs {
            bench.edit_ops(flb, |ops| {
                ops.preserve = Some(preserve);
                ops.unpreserve = Some(unpreserve);
                ops.retrieve = Some(retrieve);
                ops.finish = Some(finish);
            });
        }
        Ok(bench)
    }

    fn life(&self, flb: usize, direction: Direction) -> &Life {
        // SAFETY: The FLB lives as long as the bench; this is written by atomic instructions only.
        unsafe { &*addr_of!((*self.fake(flb)).lives[direction as usize]) }
    }

    /// One of so many attempts of an FLB to begin fails, the first among them.
    pub(in super::super) fn set_failing(&self, flb: usize, attempts: i32) {
        for direction in [Outgoing, Incoming] {
            self.life(flb, direction).failing.store(attempts, Relaxed);
        }
    }

    /// From now on an FLB must not be preserved or unpreserved.
    pub(in super::super) fn close(&self, flb: usize) {
        self.life(flb, Outgoing).closed.store(1, Relaxed);
    }

    /// How often the callback was run that makes the incoming object.
    pub(in super::super) fn retrieves(&self, flb: usize) -> i32 {
        self.life(flb, Incoming).attempts.load(Relaxed)
    }

    /// Gets, uses and puts the outgoing object; whether there was one.
    pub(in super::super) fn use_outgoing(&self, flb: usize) -> Result {
        let obj = self.get_outgoing(flb)?;
        self.life(flb, Outgoing).look(obj);
        self.put_outgoing(flb);
        Ok(())
    }

    /// The same, if it takes no lock.
    pub(in super::super) fn use_alive(&self, flb: usize) {
        if let Some(obj) = self.try_get(flb, Outgoing) {
            self.life(flb, Outgoing).look(obj);
            self.put_outgoing(flb);
        }
    }

    /// Gets, uses and puts the incoming object; whether there was one.
    pub(in super::super) fn use_incoming(&self, flb: usize) -> Result {
        let obj = self.get(flb)?;
        self.life(flb, Incoming).look(obj);
        self.put(flb);
        Ok(())
    }

    /// Uses the outgoing object, which the caller knows to be there.
    pub(in super::super) fn use_preserved(&self, flb: usize) {
        match self.peek(flb) {
            Ok(Some(obj)) => self.life(flb, Outgoing).look(obj),
            _ => self.note_number(1),
        }
    }

    fn lived(&self, flb: usize, direction: Direction) -> Lived {
        let life = self.life(flb, direction);
        let age = life.age.load(Relaxed);
        Lived {
            begun: (age + 1) / 2,
            ended: age / 2,
            wrong: life.wrong.load(Relaxed),
        }
    }

    /// What has become of an FLB that was preserved.
    pub(in super::super) fn lived_outgoing(&self, flb: usize) -> Lived {
        self.lived(flb, Outgoing)
    }

    /// What has become of an FLB that was handed over.
    pub(in super::super) fn lived_incoming(&self, flb: usize) -> Lived {
        self.lived(flb, Incoming)
    }

    /// Runs something in so many threads at the same time, each with its number; whether all came
    /// to an end. Once for a bench.
    pub(in super::super) fn race(
        self: &Arc<Self>,
        threads: usize,
        run: impl Fn(&Self, usize) + Copy + Send + 'static,
    ) -> Result<bool> {
        for number in 0..threads {
            self.spawn(move |bench| {
                bench.entered.raise();
                bench.release.wait_awake(1);
                run(bench, number);
            })?;
        }
        let have_entered = self.entered.wait_awake(threads as i32);
        self.release.raise();
        Ok(self.done.wait_awake(threads as i32) && have_entered)
    }
}

/// Lets another thread run, if there is one.
pub(in super::super) fn let_others_run() {
    // SAFETY: Tests run in threads, and hold no lock but those that can be held while sleeping.
    unsafe { bindings::yield_() };
}

/// The life of the FLB for which a callback is called.
///
/// # Safety
///
/// `argp` leads to arguments that the core made for a fake FLB.
unsafe fn life<'a>(argp: *mut bindings::liveupdate_flb_op_args, direction: Direction) -> &'a Life {
    // SAFETY: By the requirements; this is written by atomic instructions only.
    unsafe {
        let fake: *const FakeFlb = (*argp).flb.cast();
        &*addr_of!((*fake).lives[direction as usize])
    }
}

/// Runs a callback that makes an object.
///
/// # Safety
///
/// As for [`life`].
unsafe fn begin(argp: *mut bindings::liveupdate_flb_op_args, direction: Direction) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe {
        match life(argp, direction).begin() {
            Ok(obj) => {
                (*argp).obj = obj as *mut _;
                (*argp).data = obj as u64;
                0
            }
            Err(error) => error.to_errno(),
        }
    }
}

/// # Safety
///
/// As for [`life`].
unsafe extern "C" fn preserve(argp: *mut bindings::liveupdate_flb_op_args) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe { begin(argp, Outgoing) }
}

/// # Safety
///
/// As for [`life`].
unsafe extern "C" fn retrieve(argp: *mut bindings::liveupdate_flb_op_args) -> c_int {
    // SAFETY: By the requirements of this function.
    unsafe { begin(argp, Incoming) }
}

/// # Safety
///
/// As for [`life`].
unsafe extern "C" fn unpreserve(argp: *mut bindings::liveupdate_flb_op_args) {
    // SAFETY: By the requirements of this function.
    unsafe { life(argp, Outgoing).end((*argp).obj as usize) }
}

/// # Safety
///
/// As for [`life`].
unsafe extern "C" fn finish(argp: *mut bindings::liveupdate_flb_op_args) {
    // SAFETY: By the requirements of this function.
    unsafe { life(argp, Incoming).end((*argp).obj as usize) }
}
