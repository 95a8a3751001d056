// SPDX-License-Identifier: GPL-2.0

//! File-Lifecycle-Bound objects: state that several preserved files share.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)

use super::{
    file::{
        self,
        FileHandler, //
    },
    name_field,
    owner,
    Handover, //
};
use crate::{
    bindings,
    error::{
        code::*,
        from_result,
        to_result,
        Result, //
    },
    ffi::{
        c_int,
        c_void, //
    },
    macros::vtable,
    str::CStr,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// A File-Lifecycle-Bound object (FLB).
///
/// The type says how the object is saved, restored and released; the live objects are of the types
/// [`Self::Outgoing`] and [`Self::Incoming`]. [`liveupdate_flb!`] makes a static of it that can be
/// registered with file handlers, and through which the live objects are found.
///
/// All callbacks run in process context and may sleep. A mutex of this FLB and this direction may
/// be held: they must not ask for this FLB in the same direction. `luo_register_rwlock` may be held
/// for reading: nothing may be registered, and no registration be dropped. All FLBs have one
/// lockdep class a direction, so lockdep complains of a callback that asks for another FLB,
/// although that is right if all do it in one order.
///
/// The implementation in C counts files and references together, and the FLBs of a file as they are
/// when it is unpreserved or finished. There an object can end while a guard holds it, unless FLBs
/// are registered before there are files of the handler, and are unregistered when there are none,
/// and the handler has the same FLBs in the next kernel.
///
/// [`liveupdate_flb!`]: crate::liveupdate_flb
#[vtable]
pub trait Flb: Sized + 'static {
    /// Identifies the object and the format of its data to the next kernel.
    ///
    /// At most 47 bytes, not empty, and unique among FLBs. By convention it ends in a version, like
    /// `"iommu-core-v1"`: a kernel that understands another version only does not find the object.
    const COMPATIBLE: &'static CStr;

    /// What is handed over: for anything larger than 64 bits a [`Handle`](crate::kho::Handle).
    type Data: Handover;

    /// The live object of the kernel that hands over, from [`preserve`](Self::preserve) to
    /// [`unpreserve`](Self::unpreserve). It owns the memory that is handed over.
    type Outgoing: ForeignOwnable + Send + Sync + 'static;

    /// The live object of the kernel that was handed the data, from [`retrieve`](Self::retrieve) to
    /// [`finish`](Self::finish).
    type Incoming: ForeignOwnable + Send + Sync + 'static;

    /// Saves the state. Called before the first file that depends on it is preserved.
    ///
    /// An error is that of preserving the file.
    fn preserve() -> Result<(Self::Data, Self::Outgoing)>;

    /// Undoes [`preserve`](Self::preserve); often dropping the object is all. Called after the last
    /// file that depends on it was unpreserved and the last [`Outgoing`] was dropped; never if the
    /// kexec takes place.
    fn unpreserve(object: Self::Outgoing);

    /// Restores the state. Called when it is first asked for, or when the last file is finished.
    /// The implementation in C only does the former: there, a handler whose files depend on it
    /// should ask for it in `retrieve` and `finish`.
    ///
    /// The data are what the previous kernel says they are: check what you rely on. An error is
    /// that of [`Definition::incoming`]; whether there is a second attempt depends on the kernel,
    /// and what was restored by then is not there a second time. So do last what cannot be done
    /// again.
    fn retrieve(data: Self::Data) -> Result<Self::Incoming>;

    /// Releases the state. Called after the last file that depends on it was finished and the last
    /// [`Incoming`] was dropped.
    fn finish(object: Self::Incoming);
}

/// An [`Flb`] that has its static; implemented by [`liveupdate_flb!`](crate::liveupdate_flb) only.
///
/// # Safety
///
/// [`definition`](Self::definition) always returns the same static, the only one for the type.
pub unsafe trait Defined: Flb {
    /// The static.
    fn definition() -> &'static Definition<Self>;
}

/// The static through which an [`Flb`] is registered and found; made by
/// [`liveupdate_flb!`](crate::liveupdate_flb).
pub struct Definition<F: Flb> {
    inner: Opaque<bindings::liveupdate_flb>,
    _flb: PhantomData<F>,
}

// SAFETY: The C structure has its own locks, which are taken where this file looks into it; the
// objects that can be reached through it may be shared, and sent to where they are released.
unsafe impl<F: Flb> Sync for Definition<F> {}

impl<F: Defined> Definition<F> {
    /// For [`liveupdate_flb!`](crate::liveupdate_flb).
    ///
    /// # Safety
    ///
    /// The value is that of a static, the only one for the type.
    #[doc(hidden)]
    pub const unsafe fn new() -> Self {
        Self {
            inner: Opaque::new(bindings::liveupdate_flb {
                ops: &Callbacks::<F>::OPS,
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
}

impl<F: Defined> Definition<F> {
    /// Makes the files of a handler depend on this FLB, until the returned value is dropped.
    ///
    /// Use [`file::Registration::with`] if that is as long as the handler is registered.
    ///
    /// # Errors
    ///
    /// [`EEXIST`] if that is so already, or if another FLB has this name; [`ENOSPC`] if there are
    /// too many; [`ENOMEM`]; `EOPNOTSUPP` if live update is off. The implementation in Rust says
    /// [`EBUSY`] while files of the handler are preserved, and `EDEADLK` in a callback.
    ///
    /// Register before there are files, and unregister when there are none, see [`Flb`].
    ///
    /// # Context
    ///
    /// Process, may sleep. Takes `luo_register_rwlock` for writing.
    pub fn register<H: FileHandler>(
        &'static self,
        handler: &file::Registration<H>,
    ) -> Result<Registration<F>> {
        // SAFETY: Both are statics; the handler is registered.
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
    /// Process, may sleep. Takes `luo_register_rwlock` for writing.
    ///
    /// # Safety
    ///
    /// The handler is registered, and is not freed before the returned value is dropped.
    pub unsafe fn register_with(
        &'static self,
        handler: *mut bindings::liveupdate_file_handler,
    ) -> Result<Registration<F>> {
        // SAFETY: By the requirements of this function; the FLB is a static.
        to_result(unsafe { bindings::liveupdate_register_flb(handler, self.as_raw()) })?;
        Ok(Registration {
            handler,
            _flb: PhantomData,
        })
    }

    /// The object that the previous kernel handed over. The first one who asks restores it.
    ///
    /// It is there for as long as the returned value is, even if all files are finished meanwhile.
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
    /// Process, may sleep. Takes the mutex of this FLB for incoming objects.
    pub fn incoming(&'static self) -> Result<Incoming<F>> {
        let mut object = core::ptr::null_mut();
        // SAFETY: The FLB is a static. It gets valid callbacks, even if it is not registered.
        to_result(unsafe { bindings::liveupdate_flb_get_incoming(self.as_raw(), &mut object) })?;
        // INVARIANT: A reference to the object was taken, which came from `retrieve` below, so it
        // is not null.
        Ok(Incoming {
            object: NonNull::new(object).ok_or(ENOENT)?,
            _flb: PhantomData,
        })
    }

    /// The object that will be handed over to the next kernel.
    ///
    /// It is there for as long as the returned value is, even if all files are unpreserved
    /// meanwhile.
    ///
    /// Where the kernel counts no such references (there is no `liveupdate_flb_put_outgoing()`) use
    /// [`with_outgoing`](Self::with_outgoing).
    ///
    /// # Errors
    ///
    /// [`ENOENT`] if no file that depends on it is preserved; `EOPNOTSUPP` if live update is off.
    /// The implementation in Rust also says `EDEADLK` in a callback, and `EOVERFLOW`.
    ///
    /// # Context
    ///
    /// Process, may sleep. Takes the mutex of this FLB for outgoing objects.
    #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
    pub fn outgoing(&'static self) -> Result<Outgoing<F>> {
        let mut object = core::ptr::null_mut();
        // SAFETY: The FLB is a static.
        to_result(unsafe { bindings::liveupdate_flb_get_outgoing(self.as_raw(), &mut object) })?;
        // INVARIANT: A reference to the object was taken, which came from `preserve` below, so it
        // is not null.
        Ok(Outgoing {
            object: NonNull::new(object).ok_or(ENOENT)?,
            _flb: PhantomData,
        })
    }

    /// Calls `f` with the object that will be handed over to the next kernel, and returns what it
    /// does.
    ///
    /// # Errors
    ///
    /// [`ENOENT`] if no file that depends on it is preserved; `EOPNOTSUPP` if live update is off.
    /// The implementation in Rust also says `EDEADLK` in a callback, and `EOVERFLOW`.
    ///
    /// # Context
    ///
    /// Process, may sleep. Takes the mutex of this FLB for outgoing objects. Where the
    /// kernel counts no references (there is no `liveupdate_flb_put_outgoing()`) it is held while
    /// `f` runs, which must be brief, not ask for the object once more, and neither preserve nor
    /// unpreserve files.
    #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
    pub fn with_outgoing<R>(
        &'static self,
        f: impl FnOnce(<F::Outgoing as ForeignOwnable>::Borrowed<'_>) -> R,
    ) -> Result<R> {
        Ok(f(self.outgoing()?.get()))
    }
}

/// Linux 7.1 counts no references to outgoing objects: in their place is the lock that `unpreserve`
/// is called with.
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
impl<F: Defined> Definition<F> {
    /// Calls `f` with the object that will be handed over to the next kernel, and returns what it
    /// does.
    ///
    /// # Errors
    ///
    /// [`ENOENT`] if no file that depends on it is preserved; `EOPNOTSUPP` if live update is off.
    /// The implementation in Rust also says `EDEADLK` in a callback.
    ///
    /// # Context
    ///
    /// Process, may sleep. Holds the mutex of this FLB for outgoing objects while `f`
    /// runs, which must be brief, not ask for the object once more, and neither preserve nor
    /// unpreserve files.
    pub fn with_outgoing<R>(
        &'static self,
        f: impl FnOnce(<F::Outgoing as ForeignOwnable>::Borrowed<'_>) -> R,
    ) -> Result<R> {
        let mut object = core::ptr::null_mut();
        // SAFETY: The FLB is a static.
        to_result(unsafe { bindings::liveupdate_flb_get_outgoing(self.as_raw(), &mut object) })?;
        // SAFETY: The FLB is a static.
        let state = unsafe { &raw mut (*self.as_raw()).private.outgoing };
        // SAFETY: The call above has initialised the lock.
        unsafe { bindings::mutex_lock(&raw mut (*state).lock) };
        // SAFETY: The lock protects the object.
        let object = NonNull::new(unsafe { (*state).obj });
        // SAFETY: It came from `preserve`, and is there as long as the lock is held.
        let result = object.map(|object| f(unsafe { F::Outgoing::borrow(object.as_ptr()) }));
        // SAFETY: It is held.
        unsafe { bindings::mutex_unlock(&raw mut (*state).lock) };
        result.ok_or(ENOENT)
    }
}

/// The registration of an [`Flb`] with a file handler, which is in force until this is dropped, or
/// the handler is unregistered.
///
/// Drop it before that of the handler. Later it ends the registration of the two that there is by
/// then, and if there is none the kernel log says so.
///
/// # Invariants
///
/// The FLB was registered with the handler, which has not been freed.
#[must_use = "the FLB is unregistered when this is dropped"]
pub struct Registration<F: Defined> {
    handler: *mut bindings::liveupdate_file_handler,
    _flb: PhantomData<&'static Definition<F>>,
}

// SAFETY: An FLB may be unregistered by any thread.
unsafe impl<F: Defined> Send for Registration<F> {}
// SAFETY: Nothing can be done with a shared registration.
unsafe impl<F: Defined> Sync for Registration<F> {}

impl<F: Defined> Drop for Registration<F> {
    fn drop(&mut self) {
        // SAFETY: By the invariant; the FLB is a static.
        unsafe { bindings::liveupdate_unregister_flb(self.handler, F::definition().as_raw()) };
    }
}

/// A reference to the object that the previous kernel handed over; it is put when this is dropped.
///
/// # Invariants
///
/// `object` is what [`Flb::retrieve`] has returned. This owns a reference to it.
#[must_use = "the reference is put when this is dropped"]
pub struct Incoming<F: Defined> {
    object: NonNull<c_void>,
    _flb: PhantomData<F::Incoming>,
}

// SAFETY: The reference may be put by any thread; the object is `Send` and `Sync`.
unsafe impl<F: Defined> Send for Incoming<F> {}
// SAFETY: The object is `Sync`.
unsafe impl<F: Defined> Sync for Incoming<F> {}

impl<F: Defined> Incoming<F> {
    /// The object.
    pub fn get(&self) -> <F::Incoming as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the invariant.
        unsafe { F::Incoming::borrow(self.object.as_ptr()) }
    }
}

impl<F: Defined> Drop for Incoming<F> {
    fn drop(&mut self) {
        // SAFETY: By the invariant there is a reference to this FLB.
        unsafe { bindings::liveupdate_flb_put_incoming(F::definition().as_raw()) };
    }
}

/// A reference to the object that will be handed over; it is put when this is dropped.
///
/// # Invariants
///
/// `object` is what [`Flb::preserve`] has returned. This owns a reference to it.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
#[must_use = "the reference is put when this is dropped"]
pub struct Outgoing<F: Defined> {
    object: NonNull<c_void>,
    _flb: PhantomData<F::Outgoing>,
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
// SAFETY: The reference may be put by any thread; the object is `Send` and `Sync`.
unsafe impl<F: Defined> Send for Outgoing<F> {}
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
// SAFETY: The object is `Sync`.
unsafe impl<F: Defined> Sync for Outgoing<F> {}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
impl<F: Defined> Outgoing<F> {
    /// The object.
    pub fn get(&self) -> <F::Outgoing as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the invariant.
        unsafe { F::Outgoing::borrow(self.object.as_ptr()) }
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
impl<F: Defined> Drop for Outgoing<F> {
    fn drop(&mut self) {
        // SAFETY: By the invariant there is a reference to this FLB.
        unsafe { bindings::liveupdate_flb_put_outgoing(F::definition().as_raw()) };
    }
}

/// The callbacks of an [`Flb`], for C.
struct Callbacks<F: Defined>(PhantomData<F>);

impl<F: Defined> Callbacks<F> {
    const OPS: bindings::liveupdate_flb_ops = bindings::liveupdate_flb_ops {
        preserve: Some(Self::preserve),
        unpreserve: Some(Self::unpreserve),
        retrieve: Some(Self::retrieve),
        finish: Some(Self::finish),
        owner: owner!(F),
    };

    /// # Safety
    ///
    /// `args` is valid and nobody else's for the call.
    unsafe extern "C" fn preserve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        from_result(|| {
            let (data, object) = F::preserve()?;
            // SAFETY: By the requirements of this function.
            unsafe {
                (*args).data = data.into_bits();
                (*args).obj = object.into_foreign();
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `args` is valid, and holds what `preserve` has left, which nobody uses any more.
    unsafe extern "C" fn unpreserve(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: By the requirements of this function.
        F::unpreserve(unsafe { F::Outgoing::from_foreign((*args).obj) });
    }

    /// # Safety
    ///
    /// `args` is valid and nobody else's for the call.
    unsafe extern "C" fn retrieve(args: *mut bindings::liveupdate_flb_op_args) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements of this function.
            let object = F::retrieve(F::Data::from_bits(unsafe { (*args).data }))?;
            // SAFETY: As above.
            unsafe { (*args).obj = object.into_foreign() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `args` is valid, and holds what `retrieve` has left, which nobody uses any more.
    unsafe extern "C" fn finish(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: By the requirements of this function.
        F::finish(unsafe { F::Incoming::from_foreign((*args).obj) });
    }
}

/// Declares the static of an [`Flb`](crate::liveupdate::Flb).
///
/// There is one for a type: another one does not compile. See
/// [`Definition`](crate::liveupdate::flb::Definition) for what can be done with it, and the
/// [module](crate::liveupdate) for an example.
#[macro_export]
macro_rules! liveupdate_flb {
    ($(#[$meta:meta])* $vis:vis static $name:ident: $flb:ty;) => {
        $(#[$meta])*
        $vis static $name: $crate::liveupdate::flb::Definition<$flb> =
            // SAFETY: It is a static; a second one would have the second implementation below.
            unsafe { $crate::liveupdate::flb::Definition::new() };

        // SAFETY: It returns the static above, always.
        unsafe impl $crate::liveupdate::flb::Defined for $flb {
            #[inline]
            fn definition() -> &'static $crate::liveupdate::flb::Definition<Self> {
                &$name
            }
        }
    };
}
