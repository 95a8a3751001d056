// SPDX-License-Identifier: GPL-2.0

//! `struct liveupdate_file_handler`, as far as FLBs are concerned: its `flb_list`.

use super::Ready;
use crate::{
    abi::name::{self, Name},
    bindings,
    lock::{ByRegistry, Guard, HandlerGuard, RegisterRead},
    refs::{Refs, REFERENCE},
};
use core::{
    cell::UnsafeCell,
    ffi::{c_void, CStr},
    mem::offset_of,
    pin::Pin,
    ptr::{addr_of, addr_of_mut, null_mut, NonNull},
};
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed},
    types::Opaque,
};

/// An FLB on which the files of a handler depend.
pub(crate) struct Dependency {
    /// A copy: once an FLB is unpreserved it may be freed before it has left the list.
    pub(crate) name: Name,
    pub(crate) flb: Ready,
    /// It was unregistered while there were files.
    pub(crate) leaving: bool,
}

/// What the files of a handler depend on.
///
/// # Invariants
///
/// While the mutex of the handler is not held:
///
/// - While there are files the handler holds each of the `flbs` once, and otherwise none.
/// - Unless there are files, none of the `flbs` is leaving.
pub(crate) struct Links {
    /// In the order of registration.
    pub(crate) flbs: KVVec<Dependency>,
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
    /// The preserved files of the handler, as references. The first and the last change under
    /// `mutex`. `shim.c` knows where this is.
    pub(crate) files: Refs,
    /// The handler, or null. Changes under the registry lock; what is attached to a handler stays
    /// so while `mutex` is held.
    handler: Atomic<*mut c_void>,
    /// Another state. They are all in one list.
    pub(crate) next: Option<&'static HandlerState>,
    /// Held while callbacks run for a file of the handler.
    #[pin]
    mutex: Opaque<bindings::mutex>,
    /// Change with `mutex` and the registry lock held, so that one of the two suffices to read.
    links: UnsafeCell<Links>,
}

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
                next,
                files: Refs::new(0),
                // SAFETY: The function initialises a mutex.
                mutex <- Opaque::ffi_init(|mutex| unsafe {
                    bindings::luo_flb_shim_mutex_init(mutex)
                }),
                links: UnsafeCell::new(Links {
                    flbs: KVVec::new(),
                    unregistered: false,
                }),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: What is leaked does not move.
        Ok(KBox::leak(unsafe { Pin::into_inner_unchecked(state) }))
    }

    /// The mutex that protects the links.
    pub(crate) fn mutex(&self) -> *mut bindings::mutex {
        self.mutex.get()
    }

    /// Whether this task has locked the mutex.
    pub(crate) fn is_locked_by_this_task(&self) -> bool {
        // SAFETY: The mutex is initialised, and states are not freed.
        unsafe { bindings::luo_flb_shim_is_owner(self.mutex()) }
    }

    /// The links, for a task that holds one of the locks, or both in order to change them.
    pub(crate) fn links(&self) -> *mut Links {
        self.links.get()
    }

    /// Whether this is the state of a handler, or of none.
    #[inline]
    pub(crate) fn is_of(&self, handler: Option<Handler>) -> bool {
        let pointer = handler.map_or(null_mut(), |handler| handler.0.as_ptr().cast());
        self.handler.load(Relaxed) == pointer
    }
}

/// A file handler of a client.
///
/// # Invariants
///
/// Points to a `struct liveupdate_file_handler` that is valid for the call into the core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handler(NonNull<bindings::liveupdate_file_handler>);

impl Handler {
    /// Wrap a client's pointer; `None` if it is null.
    ///
    /// # Safety
    ///
    /// If it is not null, it must point to a handler that is valid for the call into the core.
    pub(crate) unsafe fn from_raw(fh: *mut bindings::liveupdate_file_handler) -> Option<Self> {
        // INVARIANT: By the requirements of this function.
        NonNull::new(fh).map(Self)
    }

    /// Log that something is wrong with this handler; `number` tells more.
    #[cold]
    pub(crate) fn log(self, what: &CStr, number: i64) {
        // SAFETY: By the type invariants the field is there, and it is constant. It is as long.
        let name = unsafe { &*addr_of!((*self.0.as_ptr()).compatible).cast() };
        super::log(name, what, number);
    }

    /// Whether the orchestrator knows the handler.
    pub(crate) fn is_registered(self, _token: &RegisterRead) -> bool {
        // SAFETY: By the type invariants the handler is valid; its list node is protected by
        // `luo_register_rwlock`, which is held.
        unsafe { bindings::luo_flb_shim_handler_registered(self.0.as_ptr()) }
    }

    fn flb_list(self) -> *mut bindings::list_head {
        // SAFETY: By the type invariants the pointer stays within the handler.
        unsafe { addr_of_mut!((*self.0.as_ptr()).flb_list) }
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

    /// Detach the state of the handler.
    pub(crate) fn detach<T>(self, guard: &mut HandlerGuard, _: &mut Guard<&ByRegistry<T>>) {
        let state = guard.state();
        state.handler.store(null_mut(), Relaxed);
        // SAFETY: The list is valid, and protected by the registry lock, which is held.
        unsafe { bindings::luo_flb_shim_set_list(self.flb_list(), self.flb_list()) };
    }

    /// Attach a state.
    pub(crate) fn attach<T>(self, state: &'static HandlerState, _: &mut Guard<&ByRegistry<T>>) {
        state.handler.store(self.0.as_ptr().cast(), Relaxed);
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
