// SPDX-License-Identifier: GPL-2.0

//! All state of the core in one place: the kernel's, and one for each test.

#![forbid(unsafe_code)]

use crate::{
    announcement::{Announce, Announced},
    handover::{Handover, MOST_PAGES},
    lifecycle::{self, Entry},
    lock::RegisterWrite,
    raw::{self, errno, Direction, Flb, Handler, Object, EOPNOTSUPP},
    registry::Registry,
};
use kernel::prelude::*;

/// What says whether live update is on.
pub(crate) enum Switch {
    /// The command line.
    Kernel,
    /// A test.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    Fixed(bool),
}

/// Live update is off.
fn off() -> Error {
    errno(EOPNOTSUPP)
}

/// An FLB core: its methods are the entry points, their documentation the contract.
pub(crate) struct Instance {
    switch: Switch,
    registry: Registry,
    handover: Handover,
}

impl Instance {
    /// A core with which nothing is registered and to which nothing was handed over.
    pub(crate) const fn new(switch: Switch) -> Self {
        Self {
            switch,
            registry: Registry::new(),
            handover: Handover::new(MOST_PAGES),
        }
    }

    /// The same, with a block that does not grow beyond so many pages.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) const fn limited(switch: Switch, most_pages: usize) -> Self {
        Self {
            switch,
            registry: Registry::new(),
            handover: Handover::new(most_pages),
        }
    }

    /// What says whether live update is on; `EOPNOTSUPP` if not.
    fn check(&self) -> fn() -> Result {
        match self.switch {
            Switch::Kernel => || raw::liveupdate_enabled().then_some(()).ok_or_else(off),
            #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
            Switch::Fixed(true) => || Ok(()),
            #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
            Switch::Fixed(false) => || Err(off()),
        }
    }

    fn check_on(&self) -> Result {
        (self.check())()
    }

    fn is_on(&self) -> bool {
        self.check_on().is_ok()
    }

    /// Makes the files of `handler` depend on `flb`; see [`Registry::register`].
    ///
    /// Errors: `EOPNOTSUPP` if live update is off; [`EINVAL`] if a pointer is null.
    pub(crate) fn register(&self, handler: Option<Handler>, flb: Option<Flb>) -> Result {
        self.check_on()?;
        let (handler, flb) = handler.zip(flb).ok_or(EINVAL)?;
        self.registry.register(handler, flb, &self.handover)
    }

    /// Takes back what [`Instance::register`] did; see [`Registry::unregister`].
    pub(crate) fn unregister(&self, handler: Option<Handler>, flb: Option<Flb>) {
        if let (true, Some((handler, flb))) = (self.is_on(), handler.zip(flb)) {
            self.registry.unregister(handler, flb);
        }
    }

    /// Takes back all registrations with `handler`; see [`Registry::unregister_all`].
    pub(crate) fn unregister_all(&self, handler: Option<Handler>, token: &mut RegisterWrite) {
        if let (true, Some(handler)) = (self.is_on(), handler) {
            self.registry.unregister_all(handler, token);
        }
    }

    /// A file of `handler` is about to be preserved; see [`Registry::preserve_file`]. Takes no lock
    /// if another one is preserved already.
    ///
    /// Errors: `EOPNOTSUPP` if live update is off; [`EINVAL`] if the pointer is null; [`EBUSY`]
    /// once [`Instance::serialize`] has been called.
    #[inline(always)]
    pub(crate) fn preserve_file(&self, handler: Option<Handler>) -> Result {
        match handler {
            // If live update is off no handler takes part.
            Some(handler) if !self.is_frozen() => {
                self.registry.preserve_file(handler, self.check())
            }
            _ => self.refuse_file(handler),
        }
    }

    /// Why a file cannot be preserved.
    #[cold]
    fn refuse_file(&self, handler: Option<Handler>) -> Result {
        self.check_on()?;
        Err(handler.map_or(EINVAL, |_| EBUSY))
    }

    /// A file of `handler` is not preserved any more; see [`Registry::unpreserve_file`]. Does
    /// nothing once [`Instance::serialize`] has been called: the next kernel gets the file.
    #[inline(always)]
    pub(crate) fn unpreserve_file(&self, handler: Option<Handler>) {
        match handler {
            // If live update is off nothing was preserved.
            Some(handler) if !self.is_frozen() => self.registry.unpreserve_file(handler),
            _ => {}
        }
    }

    /// A file of `handler` that was handed over is finished; see [`Registry::finish_file`]. May
    /// sleep.
    pub(crate) fn finish_file(&self, handler: Option<Handler>) {
        if let (true, Some(handler)) = (self.is_on(), handler) {
            self.registry.finish_file(handler, &self.handover);
        }
    }

    /// The object of a direction, and a reference to it, if it is alive. Takes no lock.
    #[inline(always)]
    pub(crate) fn get_alive(flb: Option<Flb>, direction: Direction) -> Option<Object> {
        lifecycle::get_alive(flb, direction)
    }

    /// The object that the previous kernel handed over, and a reference to it; see [`Entry::get`].
    /// Works before registration and before any initcall. May sleep; [`Instance::get_alive`] does
    /// not.
    ///
    /// Errors: `EOPNOTSUPP` if live update is off; [`EINVAL`] if the pointer is null or leads to a
    /// name that is empty or not terminated; `ENODATA` if nothing was handed over; [`ENOENT`] if
    /// this FLB was not; or why what was handed over is refused, see [`Handover::setup_incoming`].
    pub(crate) fn get_incoming(&self, flb: Option<Flb>) -> Result<Object> {
        self.check_on()?;
        let flb = flb.ok_or(EINVAL)?;
        self.entry(&flb)?.get(&flb)
    }

    /// Gives back a reference of [`Instance::get_incoming`]; see [`Entry::put`]. May sleep, unless
    /// the caller knows that it is not the last.
    #[inline(always)]
    pub(crate) fn put_incoming(&self, flb: Option<Flb>) {
        if let Some(flb) = flb {
            if !lifecycle::put_alive(&flb, Direction::Incoming) {
                self.put_entry(flb);
            }
        }
    }

    #[inline(never)]
    fn put_entry(&self, flb: Flb) {
        match self.entry(&flb) {
            Ok(entry) => entry.put(&flb),
            Err(error) => flb.complain(c"put, but not handed over", error.to_errno().into()),
        }
    }

    /// The object that `preserve` made, and a reference to it; see [`lifecycle::get`]. May sleep;
    /// [`Instance::get_alive`] does not.
    ///
    /// The object is valid until the reference is put, whatever becomes of the files. The next
    /// kernel is not told of the reference.
    ///
    /// Errors: `EOPNOTSUPP` if live update is off; [`EINVAL`] if the pointer is null.
    #[allow(dead_code)] // Some kernels have no entry point for it.
    pub(crate) fn get_outgoing(&self, flb: Option<Flb>) -> Result<Object> {
        self.check_on()?;
        lifecycle::get(&flb.ok_or(EINVAL)?)
    }

    /// Gives back a reference of [`Instance::get_outgoing`]; see [`lifecycle::put`]. May sleep,
    /// unless the caller knows that it is not the last.
    ///
    /// The last does nothing once [`Instance::serialize`] has been called: an FLB that was not
    /// handed over for want of files stays as it is too, as its callback might need what is being
    /// shut down.
    #[allow(dead_code)] // Some kernels have no entry point for it.
    #[inline(always)]
    pub(crate) fn put_outgoing(&self, flb: Option<Flb>) {
        if let Some(flb) = flb {
            if !lifecycle::put_alive(&flb, Direction::Outgoing) {
                self.put_preserved(flb);
            }
        }
    }

    #[inline(never)]
    fn put_preserved(&self, flb: Flb) {
        lifecycle::put(&flb, || self.is_frozen());
    }

    /// The object that `preserve` made, if the FLB is preserved at the moment. Takes no lock.
    #[allow(dead_code)] // Some kernels have no entry point for it.
    #[inline(always)]
    pub(crate) fn peek_alive(flb: Option<Flb>) -> Option<Object> {
        lifecycle::peek_alive(flb)
    }

    /// The object that `preserve` made, `None` if the FLB is not preserved. May sleep;
    /// [`Instance::peek_alive`] does not.
    ///
    /// No reference is taken: the object is valid as long as the caller knows that a file which
    /// depends on the FLB stays preserved.
    ///
    /// Errors: `EOPNOTSUPP` if live update is off; [`EINVAL`] if the pointer is null; `EDEADLK`
    /// from its own callback.
    #[allow(dead_code)] // Some kernels have no entry point for it.
    pub(crate) fn peek_outgoing(&self, flb: Option<Flb>) -> Result<Option<Object>> {
        self.check_on()?;
        lifecycle::peek(&flb.ok_or(EINVAL)?)
    }

    #[inline(always)]
    fn is_frozen(&self) -> bool {
        self.handover.is_frozen()
    }

    /// See [`Handover::setup_outgoing`]; [`EINVAL`] if the pointer is null.
    pub(crate) fn setup_outgoing(&self, state: Option<impl Announce>) -> Result {
        self.handover
            .setup_outgoing(state.ok_or(EINVAL)?, &self.registry)
    }

    /// All of the kernel is set up. See [`Handover::give_back`] and, unless live update is off,
    /// [`Handover::complete_outgoing`]: then there is no state.
    pub(crate) fn complete(&self) {
        self.handover.give_back();
        if self.is_on() {
            if let Err(error) = self.handover.complete_outgoing() {
                let error = error.to_errno().into();
                raw::report(b"outgoing", c"larger block not announced", error);
            }
        }
    }

    /// See [`Handover::setup_incoming`]; [`EINVAL`] if the pointer is null.
    pub(crate) fn setup_incoming(&self, state: Option<impl Announced>) -> Result {
        self.handover.setup_incoming(&state.ok_or(EINVAL)?)
    }

    /// See [`Handover::serialize`].
    pub(crate) fn serialize(&self) {
        self.handover.serialize(&self.registry);
    }

    /// Writes the block as [`Instance::serialize`] would now, and leaves everything open; a copy of
    /// it.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn preview(&self) -> Result<KVVec<u8>> {
        self.handover.preview(&self.registry)
    }

    /// Sets how many files of a handler are preserved.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn set_files(&self, handler: Option<Handler>, files: u32) {
        if let Some(handler) = handler {
            self.registry.set_files(handler, files);
        }
    }

    /// What is handed over, in both directions.
    #[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
    pub(crate) fn handover(&self) -> &Handover {
        &self.handover
    }

    /// The entry that was handed over under the name of `flb`.
    #[inline(never)]
    fn entry(&self, flb: &Flb) -> Result<&Entry> {
        flb.with_name(|name| self.handover.entry(name).map(|entry| &**entry))
    }
}
