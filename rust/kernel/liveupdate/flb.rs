// SPDX-License-Identifier: GPL-2.0

//! File-Lifecycle-Bound objects: state that several preserved files share.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)

use super::{
    file::{
        self,
        FileHandler, //
    },
    list,
    name_field,
    owner, //
};
use crate::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A File-Lifecycle-Bound object (FLB): how it is saved, restored and released.
///
/// The implementation in C counts files and references together, and the FLBs of a file as they are
/// when it is unpreserved or finished. There an object can end while a guard holds it, unless FLBs
/// are registered before there are files of the handler, and are unregistered when there are none,
/// and the handler has the same FLBs in the next kernel.
///
/// # Context
///
/// [Process context](super#context). While a callback runs a mutex of this FLB and this direction
/// may be held: it must not ask for this FLB in the same direction. `luo_register_rwlock` may be
/// held for reading: nothing may be registered, and no registration be dropped. All FLBs have one
/// lockdep class a direction, so lockdep complains of a callback that asks for another FLB,
/// although that is right if all do it in one order.
#[vtable]
pub trait Flb: Sized + 'static {
    /// Identifies the object and the format of its data to the next kernel: at most 47 bytes, not
    /// empty, unique, and by convention with a version at the end, like `"iommu-core-v1"`.
    const COMPATIBLE: &'static CStr;

    /// What is handed over: for anything larger than 64 bits a [`Handle`](crate::kho::Handle). It
    /// must make something of any bits, as the handover may be damaged: check what you rely on.
    type Data: Copy + From<u64> + Into<u64> + 'static;

    /// The live object from [`preserve`](Self::preserve) to [`unpreserve`](Self::unpreserve). It
    /// owns the memory that is handed over.
    type Outgoing: ForeignOwnable + Send + Sync + 'static;

    /// The live object from [`retrieve`](Self::retrieve) to [`finish`](Self::finish).
    type Incoming: ForeignOwnable + Send + Sync + 'static;

    /// Saves the state. Called before the first file that depends on it is preserved; an error is
    /// that of preserving the file.
    fn preserve() -> Result<(Self::Data, Self::Outgoing)>;

    /// Undoes [`preserve`](Self::preserve); often dropping the object is all. Called after the last
    /// file that depends on it was unpreserved and the last `Outgoing` was dropped; never if the
    /// kexec takes place.
    fn unpreserve(object: Self::Outgoing);

    /// Restores the state. Called when it is first asked for, or when the last file is finished.
    /// The implementation in C only does the former: there, a handler whose files depend on it
    /// should ask for it in `retrieve` and `finish`.
    ///
    /// An error is that of [`Definition::incoming`]; whether there is a second attempt depends on
    /// the kernel, and what was restored by then is not there a second time. So do last what cannot
    /// be done again.
    fn retrieve(data: Self::Data) -> Result<Self::Incoming>;

    /// Releases the state. Called after the last file that depends on it was finished and the last
    /// [`Incoming`] was dropped.
    fn finish(object: Self::Incoming);
}

/// The static through which an [`Flb`] is registered and found.
pub struct Definition<F: Flb> {
    inner: Opaque<bindings::liveupdate_flb>,
    _flb: PhantomData<F>,
}

// SAFETY: The C structure has its own locks, which are taken where this file looks into it; the
// objects that can be reached through it may be shared, and sent to where they are released.
unsafe impl<F: Flb> Sync for Definition<F> {}

/// A function of C that gets the object of one direction.
type Get = unsafe extern "C" fn(*mut bindings::liveupdate_flb, *mut *mut c_void) -> c_int;

impl<F: Flb> Definition<F> {
    /// For a static, the only one of its name: another one cannot be registered as well. The C
    /// implementation calls [`Flb::retrieve`] for each.
    #[expect(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            inner: Opaque::new(bindings::liveupdate_flb {
                ops: &Self::OPS,
                compatible: name_field(F::COMPATIBLE),
                ..pin_init::zeroed()
            }),
            _flb: PhantomData,
        }
    }

    /// The C structure, for those who implement FLBs.
    pub fn as_raw(&self) -> *mut bindings::liveupdate_flb {
        self.inner.get()
    }

    /// Makes the files of a handler depend on this FLB, until the returned value is dropped. Use
    /// [`file::Registration::with`] if that is as long as the handler is registered.
    ///
    /// # Errors
    ///
    /// [`EEXIST`] if that is so already, or if another FLB has this name; [`ENOSPC`] if there are
    /// too many; [`ENOMEM`]; `EOPNOTSUPP` if live update is off. The implementation in Rust says
    /// [`EBUSY`] while files of the handler are preserved, and `EDEADLK` in a callback.
    ///
    /// # Context
    ///
    /// Takes `luo_register_rwlock` for writing.
    pub fn register<H: FileHandler>(
        &'static self,
        handler: &file::Registration<H>,
    ) -> Result<Registration<F>> {
        // SAFETY: The handler is a static, and registered.
        unsafe { self.register_with(handler.as_raw()) }
    }

    /// Does as [`register`](Self::register), with a handler that may be of C.
    ///
    /// # Errors
    ///
    /// Those of [`register`](Self::register).
    ///
    /// # Context
    ///
    /// That of [`register`](Self::register).
    ///
    /// # Safety
    ///
    /// The handler is registered, and is not freed before the returned value is dropped.
    pub unsafe fn register_with(
        &'static self,
        handler: *mut bindings::liveupdate_file_handler,
    ) -> Result<Registration<F>> {
        // SAFETY: The caller has registered the handler; the FLB is a static.
        to_result(unsafe { bindings::liveupdate_register_flb(handler, self.as_raw()) })?;
        // INVARIANT: It was just registered with the handler, which the caller does not free.
        Ok(Registration { handler, flb: self })
    }

    /// The object that the previous kernel handed over. The first one who asks restores it. It
    /// stays as long as the returned value, even if all files are finished meanwhile.
    ///
    /// # Errors
    ///
    /// [`ENOENT`] or `ENODATA` if nothing was handed over by this name, or all is finished; what
    /// [`Flb::retrieve`] has returned; [`ENODEV`] if the owner is going away; `EOPNOTSUPP` if live
    /// update is off. The implementation in Rust also says [`EINVAL`] if what was handed over was
    /// refused, [`EBUSY`] if another FLB of this name has the object, `EDEADLK` in a callback, and
    /// `EOVERFLOW`.
    ///
    /// # Context
    ///
    /// Takes the mutex of this FLB for incoming objects.
    pub fn incoming(&'static self) -> Result<Incoming<F>> {
        self.get(bindings::liveupdate_flb_get_incoming)
    }

    /// The object that will be handed over to the next kernel. It stays as long as the returned
    /// value, even if all files are unpreserved meanwhile. Where the kernel counts no such
    /// references (there is no `liveupdate_flb_put_outgoing()`) use
    /// [`with_outgoing`](Self::with_outgoing).
    ///
    /// # Errors
    ///
    /// [`ENOENT`] if no file that depends on it is preserved; `EOPNOTSUPP` if live update is off.
    /// The implementation in Rust also says `EDEADLK` in a callback, and `EOVERFLOW`.
    ///
    /// # Context
    ///
    /// Takes the mutex of this FLB for outgoing objects.
    #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
    pub fn outgoing(&'static self) -> Result<Outgoing<F>> {
        self.get(bindings::liveupdate_flb_get_outgoing)
    }

    /// Calls `f` with the object that will be handed over to the next kernel, and returns what it
    /// does.
    ///
    /// # Errors
    ///
    /// Those of `outgoing`.
    ///
    /// # Context
    ///
    /// Takes the mutex of this FLB for outgoing objects. Where there is no `outgoing` it is held
    /// while `f` runs, which must be brief, not ask for the object once more, and neither preserve
    /// nor unpreserve files.
    pub fn with_outgoing<R>(
        &'static self,
        f: impl FnOnce(<F::Outgoing as ForeignOwnable>::Borrowed<'_>) -> R,
    ) -> Result<R> {
        #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
        let result = Ok(f(self.outgoing()?.get()));
        #[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
        let result = super::locked::with_outgoing(self, f);
        result
    }

    /// Gets a reference by the function for this direction.
    fn get<O: ForeignOwnable, const OUTGOING: bool>(
        &'static self,
        get: Get,
    ) -> Result<Guard<F, O, OUTGOING>> {
        let mut object = core::ptr::null_mut();
        // SAFETY: The FLB is a static. It has valid callbacks, even if it is not registered.
        to_result(unsafe { get(self.as_raw(), &mut object) })?;
        // INVARIANT: A reference to the object was taken, which came from a callback below.
        Ok(Guard {
            object: NonNull::new(object).ok_or(ENOENT)?,
            flb: self,
            _object: PhantomData,
        })
    }
}

/// The registration of an [`Flb`] with a file handler, which is in force until this is dropped, or
/// the handler is unregistered. Dropped after that of the handler it ends the registration of the
/// two that there is by then, and if there is none the kernel log says so.
///
/// # Invariants
///
/// The FLB was registered with the handler, which has not been freed.
#[must_use = "the FLB is unregistered when this is dropped"]
pub struct Registration<F: Flb> {
    handler: *mut bindings::liveupdate_file_handler,
    flb: &'static Definition<F>,
}

// SAFETY: An FLB may be unregistered by any thread.
unsafe impl<F: Flb> Send for Registration<F> {}
// SAFETY: Nothing can be done with a shared registration.
unsafe impl<F: Flb> Sync for Registration<F> {}

impl<F: Flb> Drop for Registration<F> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the handler is there; the FLB is a static.
        unsafe { bindings::liveupdate_unregister_flb(self.handler, self.flb.as_raw()) };
    }
}

/// A reference to the object that the previous kernel handed over; it is put when this is dropped.
pub type Incoming<F> = Guard<F, <F as Flb>::Incoming, false>;

/// A reference to the object that will be handed over; it is put when this is dropped.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
pub type Outgoing<F> = Guard<F, <F as Flb>::Outgoing, true>;

/// A reference to a live object of an FLB: [`Incoming`], or `Outgoing`.
///
/// # Invariants
///
/// `object` is what [`Flb::preserve`] or [`Flb::retrieve`] has returned, as the direction is. This
/// owns a reference to it.
#[must_use = "the reference is put when this is dropped"]
pub struct Guard<F: Flb, O: ForeignOwnable, const OUTGOING: bool> {
    object: NonNull<c_void>,
    flb: &'static Definition<F>,
    _object: PhantomData<O>,
}

// SAFETY: The reference may be put by any thread; the object is `Send`.
unsafe impl<F: Flb, O: ForeignOwnable + Send, const OUT: bool> Send for Guard<F, O, OUT> {}
// SAFETY: The object is `Sync`.
unsafe impl<F: Flb, O: ForeignOwnable + Sync, const OUT: bool> Sync for Guard<F, O, OUT> {}

impl<F: Flb, O: ForeignOwnable, const OUTGOING: bool> Guard<F, O, OUTGOING> {
    /// The object.
    pub fn get(&self) -> O::Borrowed<'_> {
        // SAFETY: By the type invariants it came from `into_foreign`, and stays while this does;
        // over the C implementation if FLBs do not come and go while there are files, see `Flb`.
        unsafe { O::borrow(self.object.as_ptr()) }
    }
}

impl<F: Flb, O: ForeignOwnable, const OUTGOING: bool> Drop for Guard<F, O, OUTGOING> {
    fn drop(&mut self) {
        #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
        if OUTGOING {
            // SAFETY: By the type invariants there is a reference to the outgoing object.
            return unsafe { bindings::liveupdate_flb_put_outgoing(self.flb.as_raw()) };
        }
        // SAFETY: By the type invariants there is a reference to the incoming object.
        unsafe { bindings::liveupdate_flb_put_incoming(self.flb.as_raw()) };
    }
}

/// The callbacks of an [`Flb`], for C.
///
/// # Safety
///
/// They are called as the orchestrator does: `args` is valid and nobody else's for the call. The
/// object of `unpreserve` is what `preserve` has left, that of `finish` what `retrieve` has left,
/// and nobody uses it any more.
#[expect(clippy::missing_safety_doc, reason = "one section for all, above")]
impl<F: Flb> Definition<F> {
    const OPS: bindings::liveupdate_flb_ops = bindings::liveupdate_flb_ops {
        preserve: Some(Self::preserve),
        unpreserve: Some(Self::unpreserve),
        retrieve: Some(Self::retrieve),
        finish: Some(Self::finish),
        owner: owner!(F),
    };

    unsafe extern "C" fn preserve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        list!("flb", F::COMPATIBLE);
        // SAFETY: The arguments are valid and nobody else's.
        let args = unsafe { &mut *args };
        from_result(|| {
            let (data, object) = F::preserve()?;
            args.data = data.into();
            args.obj = object.into_foreign();
            Ok(0)
        })
    }

    unsafe extern "C" fn unpreserve(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: The arguments are valid.
        let object = unsafe { (*args).obj };
        // SAFETY: The object is what `preserve` has left, and nobody uses it any more.
        F::unpreserve(unsafe { F::Outgoing::from_foreign(object) });
    }

    unsafe extern "C" fn retrieve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        // SAFETY: The arguments are valid and nobody else's.
        let args = unsafe { &mut *args };
        from_result(|| {
            args.obj = F::retrieve(F::Data::from(args.data))?.into_foreign();
            Ok(0)
        })
    }

    unsafe extern "C" fn finish(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: The arguments are valid.
        let object = unsafe { (*args).obj };
        // SAFETY: The object is what `retrieve` has left, and nobody uses it any more.
        F::finish(unsafe { F::Incoming::from_foreign(object) });
    }
}
