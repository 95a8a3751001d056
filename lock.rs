// SPDX-License-Identifier: GPL-2.0

//! The locks, and the evidence that one is held.
//!
//! `luo_register_rwlock` and the registry lock are C statics, so they work before any initcall.
//! Whoever holds one has a token; a [`ByRegistry`] yields its content for a key of its part, which
//! the token lends. All instances of the core share the registry lock; what it protects is per
//! instance.

use crate::{
    abi::name::Name,
    bindings,
    raw::{errno, Direction, Object, Pin, Ready, EDEADLK},
    refs::{Holder, Refs, Released},
    state::{Outgoing, Saved},
};
use core::{cell::UnsafeCell, marker::PhantomData, ptr::addr_of_mut};
use kernel::{
    new_mutex,
    prelude::*,
    sync::lock::{mutex::MutexBackend, Guard},
    sync::Mutex,
    types::NotThreadSafe,
};

/// The task that runs.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    current: *mut bindings::task_struct,
}

impl Task {
    /// This task.
    #[inline]
    pub(crate) fn current() -> Self {
        // SAFETY: There always is one.
        let current = unsafe { bindings::get_current() };
        Self { current }
    }

    /// Locks `mutex`; `EDEADLK` if this task holds it already.
    ///
    /// A callback that calls back into the core for its own FLB would wait for itself. May sleep.
    #[inline]
    pub(crate) fn lock<T>(self, mutex: &Mutex<T>) -> Result<Guard<'_, T, MutexBackend>> {
        self.check_not_held(mutex)?;
        Ok(mutex.lock())
    }

    /// `EDEADLK` if this task holds `mutex`.
    #[inline]
    pub(crate) fn check_not_held<T>(self, mutex: &Mutex<T>) -> Result {
        let raw: *const Mutex<T> = mutex;
        // SAFETY: A `Mutex` starts with its `struct mutex` (`Lock` is `repr(C)`), which is
        // initialised and valid as long as `mutex` is.
        unsafe { self.check(raw.cast_mut().cast()) }
    }

    /// `EDEADLK` if this task holds a C mutex.
    ///
    /// # Safety
    ///
    /// `mutex` is initialised and valid.
    #[inline]
    unsafe fn check(self, mutex: *mut bindings::mutex) -> Result {
        // SAFETY: By the requirements of this function.
        match unsafe { bindings::luo_flb_shim_owner(mutex) } == self.current as usize {
            true => Err(errno(EDEADLK)),
            false => Ok(()),
        }
    }
}

/// A mutex of what was handed over under a name. lockdep knows it by the name, so that callbacks
/// may take those of other FLBs.
pub(crate) fn new_incoming<T>(value: T, name: Name) -> impl PinInit<Mutex<T>> {
    new_mutex!(value, "luo_flb_entry").pin_chain(move |mutex| {
        if cfg!(CONFIG_LOCKDEP) {
            let raw: *const Mutex<T> = &*mutex;
            let name = name.to_field();
            // SAFETY: A `Mutex` starts with its `struct mutex` (`Lock` is `repr(C)`), which has
            // just been initialised. Nobody holds it, as it is borrowed exclusively; the name is
            // terminated.
            unsafe {
                bindings::luo_flb_shim_set_class(raw.cast_mut().cast(), name.as_ptr().cast(), true);
            }
        }
        Ok(())
    })
}

/// `luo_register_rwlock` is held for reading.
pub(crate) struct RegisterRead {
    _not_send: NotThreadSafe,
}

impl RegisterRead {
    /// Takes the lock. May sleep.
    pub(crate) fn lock() -> Self {
        // SAFETY: The rwsem is a static that is initialised at compile time.
        unsafe { bindings::down_read(addr_of_mut!(bindings::luo_register_rwlock)) };
        Self {
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for RegisterRead {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The token was made by the task that took the lock, and did not leave it.
        unsafe { bindings::up_read(addr_of_mut!(bindings::luo_register_rwlock)) };
    }
}

/// `luo_register_rwlock` is held for writing, by somebody up the call chain.
pub(crate) struct RegisterWrite {
    _not_send: NotThreadSafe,
}

impl RegisterWrite {
    /// The token of a lock that the caller took. Checked where lockdep is on.
    ///
    /// # Safety
    ///
    /// The caller holds `luo_register_rwlock` for writing while the token exists, and there is no
    /// other token of this lock.
    pub(crate) unsafe fn assume_held() -> Self {
        // SAFETY: The function only asserts.
        unsafe { bindings::luo_flb_shim_assert_register_write() };
        Self {
            _not_send: NotThreadSafe,
        }
    }
}

/// The registry lock is held. The innermost lock but those of single FLBs.
pub(crate) struct Registry<'a> {
    _guard: Guard<'a, (), MutexBackend>,
}

impl Registry<'_> {
    /// Takes the lock. May sleep.
    pub(crate) fn lock() -> Self {
        // SAFETY: The mutex is a static that is initialised at compile time.
        let mutex = unsafe { Mutex::from_raw(addr_of_mut!(bindings::luo_flb_shim_registry_lock)) };
        Self {
            _guard: mutex.lock(),
        }
    }

    /// The key to who is registered.
    #[inline]
    pub(crate) fn names(&mut self) -> Key<'_, Names> {
        self.keys().0
    }

    /// The key to the block for the next kernel.
    #[inline]
    pub(crate) fn block(&mut self) -> Key<'_, Block> {
        self.keys().1
    }

    /// Both keys.
    #[inline]
    pub(crate) fn keys(&mut self) -> (Key<'_, Names>, Key<'_, Block>) {
        // INVARIANT: The guard is borrowed exclusively, so there is no other key of either part.
        (Key(PhantomData), Key(PhantomData))
    }
}

/// Part of what the registry lock protects: who is registered.
pub(crate) enum Names {}

/// Part of what the registry lock protects: the block for the next kernel.
pub(crate) enum Block {}

/// The registry lock is held, and a part of what it protects is nobody else's.
///
/// # Invariants
///
/// The lock is held during `'a`, and there is no other key of the part meanwhile.
pub(crate) struct Key<'a, Part>(PhantomData<(&'a mut Part, NotThreadSafe)>);

/// A value in a part of what the registry lock protects.
///
/// # Invariants
///
/// A reference to the value exists only in place of a [`Key`] of the part.
pub(crate) struct ByRegistry<T, Part> {
    value: UnsafeCell<T>,
    _part: PhantomData<Part>,
}

// SAFETY: The mutex serialises all accesses.
unsafe impl<T: Send, Part> Sync for ByRegistry<T, Part> {}

impl<T, Part> ByRegistry<T, Part> {
    /// Protects a value.
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            _part: PhantomData,
        }
    }

    /// Reads or writes the value.
    #[inline]
    pub(crate) fn get<'a>(&'a self, _key: Key<'a, Part>) -> &'a mut T {
        // SAFETY: By the invariant of `Key` the lock is held during `'a`, and nobody else has a key
        // of the part, so nobody has another reference.
        unsafe { &mut *self.value.get() }
    }
}

/// The outgoing lock of an FLB is held.
///
/// # Invariants
///
/// This task has locked the mutex of `flb`, whose outgoing state is this guard's.
pub(crate) struct OutgoingGuard {
    flb: Ready,
    _not_send: NotThreadSafe,
}

impl Drop for OutgoingGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the invariant.
        unsafe { bindings::mutex_unlock(self.flb.outgoing_mutex()) };
    }
}

impl OutgoingGuard {
    /// Takes the lock; `EDEADLK` if this task holds it already. May sleep.
    #[inline]
    pub(crate) fn lock(flb: Ready, task: Task) -> Result<Self> {
        let mutex = flb.outgoing_mutex();
        // SAFETY: The mutex is initialised, and valid as long as the FLB is.
        unsafe {
            task.check(mutex)?;
            bindings::mutex_lock(mutex);
        }
        // INVARIANT: The mutex has just been locked.
        Ok(Self {
            flb,
            _not_send: NotThreadSafe,
        })
    }

    /// A handler has its first file; whether the FLB was preserved, see [`Outgoing::hold`].
    pub(crate) fn hold(&mut self) -> bool {
        self.change(Outgoing::hold)
    }

    /// `preserve` has run for the first file of a handler, see [`Outgoing::preserved`].
    pub(crate) fn preserved(&mut self, saved: Saved<Object>, pin: Pin) {
        // SAFETY: The lock is held. As `hold` has said, nothing is preserved.
        unsafe { self.flb.keep(saved, pin) };
        self.change(Outgoing::preserved);
    }

    /// One holder fewer, see [`Outgoing::release`].
    pub(crate) fn release(&mut self, holder: Holder) -> Left {
        match self.change(|state, refs| state.release(refs, holder)) {
            Released::Held => Left::Held,
            Released::Unbalanced => Left::Unbalanced,
            Released::Last => {
                // SAFETY: The lock is held. The count was not zero and is now, so by the invariant
                // of `Flb` there is something to take.
                let (saved, pin) = unsafe { self.flb.take() };
                Left::Ended(saved, pin)
            }
        }
    }

    /// Whether the FLB is preserved.
    pub(crate) fn is_alive(&self) -> bool {
        self.flb.refs(Direction::Outgoing).is_alive()
    }

    /// Does a transition.
    #[inline]
    fn change<T>(&mut self, transition: impl FnOnce(&mut Outgoing, &Refs) -> T) -> T {
        // SAFETY: The field is valid by the invariant of `Flb`, with the layout that is asserted in
        // `raw/flb.rs`. The lock is held, so nobody else uses it, and the guard is borrowed
        // exclusively.
        let state = unsafe { &mut *self.flb.outgoing() };
        transition(state, self.flb.refs(Direction::Outgoing))
    }
}

/// What has become of an FLB when a holder has let go.
pub(crate) enum Left {
    /// Others hold it.
    Held,
    /// It was the last: `unpreserve` has to run, with the owner pinned.
    Ended(Saved<Object>, Pin),
    /// It did not hold anything.
    Unbalanced,
}
