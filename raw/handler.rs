// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_file_handler`: its `flb_list`, and the state that the core links into it,
//! with the FLBs of the handler.

use super::Flb;
use crate::{
    abi::name::{self, Field, Name},
    bindings,
    lock::{Locked, RegisterRead, RegistryGuard},
    refs::{Refs, REFERENCE},
};
use core::{
    cell::UnsafeCell,
    ffi::{c_void, CStr},
    mem::offset_of,
    pin::Pin,
    ptr::{addr_of, addr_of_mut, null_mut},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed},
        Mutex,
    },
    types::Opaque,
};

/// An FLB on which the files of a handler depend.
pub(crate) struct Dependency {
    /// A copy: once an FLB is unpreserved it may be freed before it has left the list.
    pub(crate) name: Name,
    pub(crate) flb: Flb,
    /// It was unregistered while there were files.
    pub(crate) leaving: bool,
}

impl Dependency {
    pub(crate) fn is_named(&self, name: &Name) -> bool {
        name.is_in(self.name.field())
    }
}

/// What the files of a handler depend on.
///
/// # Invariants
///
/// While the mutex of the handler is not held:
///
/// - While there are files the handler holds each of the `flbs` once, and otherwise none.
/// - Unless there are files, none of the `flbs` is leaving.
#[derive(Default)]
pub(crate) struct Links {
    /// In the order of registration.
    pub(crate) flbs: KVVec<Dependency>,
    /// Some of them may be leaving, or the handler was unregistered while there were files.
    pub(crate) leaving: bool,
    /// The handler was unregistered while there were files.
    pub(crate) unregistered: bool,
}

/// What the core knows of a handler.
///
/// # Invariants
///
/// - `node` is the only one in the `flb_list` of the handler, if there is one; but when the
///   orchestrator registers a handler again whose files have kept the state, it makes the list
///   empty, and the state is attached again at the first need.
/// - States are never freed. A state of no handler is used again for any.
#[pin_data]
#[repr(C)]
pub(crate) struct HandlerState {
    #[pin]
    node: Opaque<bindings::list_head>,
    /// How many files of the handler are preserved. A file counts as a reference; the byte for
    /// files is not used. The first and the last change under `mutex`. `shim.c` knows where this
    /// is.
    pub(crate) files: Refs,
    /// The handler, or null. Changes under the registry lock; what is attached to a handler stays
    /// so while `mutex` is held.
    handler: Atomic<*mut c_void>,
    /// A copy of its name, as a handler that breaks the contract may be gone. Changes under the
    /// registry lock.
    name: UnsafeCell<Field>,
    /// Another state. They are all in one list.
    pub(crate) next: Option<&'static HandlerState>,
    /// Held while callbacks run for a file of the handler.
    #[pin]
    mutex: Mutex<()>,
    /// Change with `mutex` and the registry lock held, so that one of the two suffices to read.
    links: UnsafeCell<Links>,
}

// The kernel crate's mutex is C's, with nothing in it.
static_assert!(size_of::<Mutex<()>>() == size_of::<bindings::mutex>());

// SAFETY: The node is written under the registry lock only.
unsafe impl Send for HandlerState {}
// SAFETY: As above; all else is atomic, constant, or protected by a lock.
unsafe impl Sync for HandlerState {}

impl HandlerState {
    /// Allocate the state of no handler, to be the head of a list. It is not freed.
    pub(crate) fn new(next: Option<&'static Self>) -> Result<&'static Self> {
        let state = KBox::pin_init(
            pin_init!(Self {
                node: Opaque::uninit(),
                handler: Atomic::new(null_mut()),
                name: UnsafeCell::new([0; name::LEN]),
                next,
                files: Refs::new(0),
                mutex <- new_mutex!((), "luo_flb_handler"),
                links: UnsafeCell::default(),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: What is leaked does not move.
        Ok(KBox::leak(unsafe { Pin::into_inner_unchecked(state) }))
    }

    /// The links, for a task that has the registry locked.
    pub(crate) fn links<'a, T>(&'static self, _: &'a RegistryGuard<'_, T>) -> &'a Links {
        // SAFETY: Who changes them holds the registry lock as well.
        unsafe { &*self.links.get() }
    }

    /// The name of the handler, if there is one.
    #[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
    pub(crate) fn name<'a, T>(&'static self, _: &'a RegistryGuard<'_, T>) -> Option<&'a Field> {
        // SAFETY: It changes under the registry lock only.
        (!self.is_of(None)).then(|| unsafe { &*self.name.get() })
    }

    /// Whether this is the state of a handler, or of none.
    #[inline]
    pub(crate) fn is_of(&self, handler: Option<Handler>) -> bool {
        let pointer = handler.map_or(null_mut(), |handler| handler.0.cast());
        self.handler.load(Relaxed) == pointer
    }
}

/// The state of a handler is locked.
pub(crate) struct HandlerGuard {
    /// The state that is locked.
    pub(crate) state: &'static HandlerState,
    _lock: Locked,
}

impl HandlerGuard {
    /// Lock a state; `None` from a callback of its handler. May sleep.
    #[inline(always)]
    pub(crate) fn lock(state: &'static HandlerState) -> Option<Self> {
        // A mutex of the kernel crate without a value is one of C.
        let mutex = addr_of!(state.mutex).cast_mut().cast();
        // SAFETY: The mutex is initialised, and states are not freed.
        let lock = unsafe { Locked::lock(mutex) }?;
        Some(Self { state, _lock: lock })
    }

    /// The links of the handler.
    pub(crate) fn links(&self) -> &Links {
        // SAFETY: Who changes them holds this lock as well.
        unsafe { &*self.state.links.get() }
    }

    /// The links, to be changed.
    pub(crate) fn links_mut<'a, T>(&'a mut self, _: &'a mut RegistryGuard<'_, T>) -> &'a mut Links {
        // SAFETY: Both locks are held, and borrowed exclusively.
        unsafe { &mut *self.state.links.get() }
    }
}

/// A file handler of a client.
///
/// # Invariants
///
/// Points to a `struct liveupdate_file_handler` that is valid for the call into the core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handler(*mut bindings::liveupdate_file_handler);

impl Handler {
    /// Wrap a client's pointer.
    ///
    /// # Safety
    ///
    /// The type invariants must hold.
    pub(crate) unsafe fn from_raw(fh: *mut bindings::liveupdate_file_handler) -> Self {
        // INVARIANT: By the requirements of this function.
        Self(fh)
    }

    /// The pointer.
    pub(super) fn as_ptr(self) -> *mut bindings::liveupdate_file_handler {
        self.0
    }

    /// Log that something is wrong with this handler; `number` tells more.
    #[cold]
    pub(crate) fn log(self, what: &CStr, number: i64) {
        super::log(self.field(), what, number);
    }

    /// The compatible string.
    fn field(&self) -> &Field {
        // SAFETY: By the type invariants the field is there, and it is constant. It is as long.
        unsafe { &*addr_of!((*self.0).compatible).cast() }
    }

    /// Whether the orchestrator knows the handler.
    pub(crate) fn is_registered(self, _token: &RegisterRead) -> bool {
        // SAFETY: By the type invariants the handler is valid; its list node is protected by
        // `luo_register_rwlock`, which is held.
        unsafe { bindings::luo_flb_shim_handler_registered(self.0) }
    }

    fn flb_list(self) -> *mut bindings::list_head {
        // SAFETY: By the type invariants the pointer stays within the handler.
        unsafe { addr_of_mut!((*self.0).flb_list) }
    }

    /// The state of the handler, if it has one.
    pub(crate) fn state(self) -> Option<&'static HandlerState> {
        let list = self.flb_list();
        // SAFETY: By the type invariants the handler is valid. The orchestrator makes the list
        // empty when it registers the handler; otherwise it is changed by the core alone.
        let next = unsafe { Atomic::from_ptr(addr_of_mut!((*list).next).cast::<*mut c_void>()) };
        let next = next.load(Acquire);
        if next.is_null() || next == list.cast() {
            return None;
        }
        // SAFETY: Nothing but states is linked into the list, each by its first field. States are
        // not freed.
        unsafe { next.cast::<HandlerState>().as_ref() }
    }

    /// Lock the state of the handler; `None` if there is none, or from a callback of the handler.
    #[inline(never)]
    pub(crate) fn lock(self) -> Option<HandlerGuard> {
        let state = self.state()?;
        let guard = HandlerGuard::lock(state);
        if guard.is_none() {
            self.log(c"used by a callback of its own", 0);
        }
        // It may have been detached meanwhile.
        guard.filter(|_| state.is_of(Some(self)))
    }

    /// Detach the state of the handler.
    pub(crate) fn detach<T>(self, guard: &mut HandlerGuard, _: &mut RegistryGuard<'_, T>) {
        guard.state.handler.store(null_mut(), Relaxed);
        // SAFETY: The list is valid, and protected by the registry lock, which is held.
        unsafe { bindings::luo_flb_shim_set_list(self.flb_list(), self.flb_list()) };
    }

    /// Attach a state.
    pub(crate) fn attach<T>(self, state: &'static HandlerState, _: &mut RegistryGuard<'_, T>) {
        state.handler.store(self.0.cast(), Relaxed);
        // SAFETY: Who reads it holds the registry lock, which is held.
        unsafe { *state.name.get() = *self.field() };
        // SAFETY: Both are valid, and protected by the registry lock, which is held. The node stays
        // where it is, and is published after what is in the state.
        unsafe { bindings::luo_flb_shim_set_list(self.flb_list(), state.node.get()) };
    }
}

// What `shim.c` knows of a state.
static_assert!(offset_of!(HandlerState, node) == offset_of!(bindings::luo_flb_shim_handler, node));
static_assert!(
    offset_of!(HandlerState, files) == offset_of!(bindings::luo_flb_shim_handler, files)
);
static_assert!(REFERENCE == bindings::LUO_FLB_SHIM_REFERENCE);
static_assert!(bindings::LIVEUPDATE_HNDL_COMPAT_LENGTH as usize >= name::LEN);
