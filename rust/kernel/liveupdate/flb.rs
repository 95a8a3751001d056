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
    Handover,
    Owner, //
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
    prelude::pr_err,
    str::CStr,
    sync::atomic::{
        Atomic,
        Full, //
    },
    types::{
        ForeignOwnable,
        NotThreadSafe,
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
/// [`liveupdate_flb!`]: crate::liveupdate_flb
pub trait Flb: Sized + 'static {
    /// Identifies the object and the format of its data to the next kernel.
    ///
    /// At most 47 bytes, not empty, and unique among FLBs. By convention it ends in a version, like
    /// `"iommu-core-v1"`: a kernel that understands another version only does not find the object.
    const COMPATIBLE: &'static CStr;

    /// The module that this is part of, [`liveupdate_owner!`]. It stays loaded while there is a
    /// live object.
    ///
    /// [`liveupdate_owner!`]: crate::liveupdate_owner
    const OWNER: Owner;

    /// What is handed over: for anything larger than 64 bits a [`Handle`](super::Handle).
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
    incoming: Kept,
    outgoing: Kept,
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
            incoming: Kept::new(),
            outgoing: Kept::new(),
            _flb: PhantomData,
        }
    }

    /// There is a guard less; an object that has ended meanwhile is released after the last.
    fn leave_incoming(&self) {
        if let Some(object) = self.incoming.leave() {
            // SAFETY: It came from `retrieve`, has ended, and nobody uses it.
            F::finish(unsafe { F::Incoming::from_foreign(object.as_ptr()) });
        }
    }

    /// As above.
    fn leave_outgoing(&self) {
        if let Some(object) = self.outgoing.leave() {
            // SAFETY: It came from `preserve`, has ended, and nobody uses it.
            F::unpreserve(unsafe { F::Outgoing::from_foreign(object.as_ptr()) });
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
    /// Register before there are files, and unregister when there are none: the implementation in C
    /// counts the FLBs of a file as they are, not as they were when it was preserved, and may then
    /// end the object too early or never.
    ///
    /// Context: process, may sleep. Takes `luo_register_rwlock` for writing.
    pub fn register<'h, H: FileHandler>(
        &'static self,
        handler: &'h file::Registration<H>,
    ) -> Result<Registration<'h, F, H>> {
        // SAFETY: Both are statics; the handler is registered.
        to_result(unsafe { bindings::liveupdate_register_flb(handler.as_raw(), self.as_raw()) })?;
        // INVARIANT: It was just registered.
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
    /// Context: process, may sleep. Takes the mutex of this FLB for incoming objects.
    pub fn incoming(&'static self) -> Result<Incoming<F>> {
        let mut object = core::ptr::null_mut();
        self.incoming.enter();
        // SAFETY: The FLB is a static. It gets valid callbacks, even if it is not registered.
        to_result(unsafe { bindings::liveupdate_flb_get_incoming(self.as_raw(), &mut object) })
            .and_then(|()| NonNull::new(object).ok_or(ENOENT))
            // INVARIANT: A reference to the object was taken, which is given to the guard. The
            // object came from `retrieve` below, so it is not null, and is kept since before it was
            // asked for.
            .map(|object| Incoming {
                object,
                _flb: PhantomData,
            })
            .inspect_err(|_| self.leave_incoming())
    }

    /// The object that will be handed over to the next kernel.
    ///
    /// It is there for as long as the returned value is, even if all files are unpreserved
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`ENOENT`] if no file that depends on it is preserved; `EOPNOTSUPP` if live update is off.
    /// The implementation in Rust also says `EDEADLK` in a callback, and `EOVERFLOW`.
    ///
    /// Context: process, may sleep. Takes the mutex of this FLB for outgoing objects. Where the
    /// kernel does not count these references (there is no `liveupdate_flb_put_outgoing()`) that
    /// mutex is held as long as the returned value lives. Be brief, do not ask for a second one
    /// meanwhile, and neither preserve nor unpreserve files.
    pub fn outgoing(&'static self) -> Result<Outgoing<F>> {
        let mut object = core::ptr::null_mut();
        self.outgoing.enter();
        // SAFETY: The FLB is a static.
        to_result(unsafe { bindings::liveupdate_flb_get_outgoing(self.as_raw(), &mut object) })
            .and_then(|()| {
                #[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
                let object = self.lock_outgoing();
                NonNull::new(object).ok_or(ENOENT)
            })
            // INVARIANT: A reference to the object was taken, or the lock that `unpreserve` is
            // called with; it is given to the guard. The object came from `preserve` below, so it
            // is not null unless there is none, and is kept since before it was asked for.
            .map(|object| Outgoing {
                object,
                _flb: PhantomData,
                _not_thread_safe: NotThreadSafe,
            })
            .inspect_err(|_| self.leave_outgoing())
    }
}

/// Keeps an object as long as there are guards, whatever the orchestrator counts.
///
/// Not every implementation counts references apart from files, and one that takes a reference for
/// a file ends an object that is in use. So guards are counted here too, from before they ask for
/// the object until they no longer use it; an object that ends meanwhile is left to the last of
/// them.
///
/// All is fully ordered: the last guard sees what others have done to the object, and no guard that
/// may have found it is missed.
struct Kept {
    guards: Atomic<usize>,
    /// The object that has ended while there were guards, or zero.
    ended: Atomic<usize>,
}

impl Kept {
    const fn new() -> Self {
        Self {
            guards: Atomic::new(0),
            ended: Atomic::new(0),
        }
    }

    /// There is a guard more. What it will find has not ended yet.
    fn enter(&self) {
        self.guards.fetch_add(1, Full);
    }

    /// There is a guard less; returns what has ended meanwhile if nobody can be using it.
    fn leave(&self) -> Option<NonNull<c_void>> {
        if self.guards.fetch_sub(1, Full) != 1 {
            return None;
        }
        let ended = NonNull::new(self.ended.xchg(0, Full) as *mut c_void)?;
        // It may have ended just now, and a guard that came since may have found it before. Guards
        // that come from now on have not.
        if self.guards.fetch_add(0, Full) == 0 {
            return Some(ended);
        }
        self.end(ended.as_ptr())
    }

    /// The orchestrator has ended an object; returns it if nobody can be using it.
    fn end(&self, object: *mut c_void) -> Option<NonNull<c_void>> {
        self.enter();
        if self.ended.xchg(object as usize, Full) != 0 {
            // Somebody has been there since before the present object was made.
            pr_err!("liveupdate: an object in use has ended, and is lost\n");
        }
        self.leave()
    }
}

/// Stands for a reference where the kernel has none: the lock that `unpreserve` is called with.
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
impl<F: Defined> Definition<F> {
    /// Takes the lock if there is an object, and returns the object or null.
    fn lock_outgoing(&self) -> *mut c_void {
        let state = self.outgoing_state();
        // SAFETY: `liveupdate_flb_get_outgoing` has initialised the lock, which protects the
        // object.
        let object = unsafe {
            bindings::mutex_lock(&raw mut (*state).lock);
            (*state).obj
        };
        if object.is_null() {
            self.unlock_outgoing();
        }
        object
    }

    fn unlock_outgoing(&self) {
        // SAFETY: The caller holds the lock.
        unsafe { bindings::mutex_unlock(&raw mut (*self.outgoing_state()).lock) };
    }

    fn outgoing_state(&self) -> *mut bindings::luo_flb_private_state {
        // SAFETY: The FLB is a static.
        unsafe { &raw mut (*self.as_raw()).private.outgoing }
    }
}

/// The registration of an [`Flb`] with a file handler, which is in force until this is dropped.
///
/// # Invariants
///
/// The FLB is registered with the handler, which is registered too.
#[must_use = "the FLB is unregistered when this is dropped"]
pub struct Registration<'h, F: Defined, H: FileHandler> {
    handler: &'h file::Registration<H>,
    _flb: PhantomData<&'static Definition<F>>,
}

impl<F: Defined, H: FileHandler> Drop for Registration<'_, F, H> {
    fn drop(&mut self) {
        // SAFETY: By the invariant; both are statics.
        unsafe {
            bindings::liveupdate_unregister_flb(self.handler.as_raw(), F::definition().as_raw())
        };
    }
}

/// A reference to the object that the previous kernel handed over; it is put when this is dropped.
///
/// # Invariants
///
/// `object` is what [`Flb::retrieve`] has returned. This owns a reference to it, and keeps it.
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
        F::definition().leave_incoming();
        // SAFETY: By the invariant there is a reference to this FLB.
        unsafe { bindings::liveupdate_flb_put_incoming(F::definition().as_raw()) };
    }
}

/// A reference to the object that will be handed over; it is put when this is dropped.
///
/// # Invariants
///
/// `object` is what [`Flb::preserve`] has returned. This owns a reference to it, and keeps it.
#[must_use = "the reference is put when this is dropped"]
pub struct Outgoing<F: Defined> {
    object: NonNull<c_void>,
    _flb: PhantomData<F::Outgoing>,
    /// It may be a lock.
    _not_thread_safe: NotThreadSafe,
}

impl<F: Defined> Outgoing<F> {
    /// The object.
    pub fn get(&self) -> <F::Outgoing as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the invariant.
        unsafe { F::Outgoing::borrow(self.object.as_ptr()) }
    }
}

impl<F: Defined> Drop for Outgoing<F> {
    fn drop(&mut self) {
        F::definition().leave_outgoing();
        #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING)]
        // SAFETY: By the invariant there is a reference to this FLB.
        unsafe {
            bindings::liveupdate_flb_put_outgoing(F::definition().as_raw())
        };
        #[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_PUT_OUTGOING))]
        F::definition().unlock_outgoing();
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
        owner: F::OWNER.as_ptr(),
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
    /// `args` is valid, and holds what `preserve` has left, which only guards still use.
    unsafe extern "C" fn unpreserve(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: By the requirements of this function.
        let object = unsafe { (*args).obj };
        if let Some(object) = F::definition().outgoing.end(object) {
            // SAFETY: It came from `preserve`, and nobody uses it.
            F::unpreserve(unsafe { F::Outgoing::from_foreign(object.as_ptr()) });
        }
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
    /// `args` is valid, and holds what `retrieve` has left, which only guards still use.
    unsafe extern "C" fn finish(args: *mut bindings::liveupdate_flb_op_args) {
        // SAFETY: By the requirements of this function.
        let object = unsafe { (*args).obj };
        if let Some(object) = F::definition().incoming.end(object) {
            // SAFETY: It came from `retrieve`, and nobody uses it.
            F::finish(unsafe { F::Incoming::from_foreign(object.as_ptr()) });
        }
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

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
#[crate::macros::kunit_tests(rust_liveupdate_kept)]
mod tests {
    use super::*;

    /// What stands for objects: addresses that nobody looks at.
    const A: *mut c_void = 8 as *mut c_void;
    const B: *mut c_void = 16 as *mut c_void;

    #[test]
    fn ends_at_once_without_guards() {
        let kept = Kept::new();
        assert!(kept.end(A) == NonNull::new(A));
        assert!(kept.end(B) == NonNull::new(B));
        kept.enter();
        assert!(kept.leave().is_none());
    }

    #[test]
    fn ends_with_the_last_guard() {
        let kept = Kept::new();
        kept.enter();
        kept.enter();
        assert!(kept.end(A).is_none());
        assert!(kept.leave().is_none());
        assert!(kept.leave() == NonNull::new(A));
        assert!(kept.end(B) == NonNull::new(B));
    }

    #[test]
    fn object_in_use_is_rather_lost() {
        let kept = Kept::new();
        kept.enter();
        assert!(kept.end(A).is_none());
        // The guard may be of A.
        assert!(kept.end(B).is_none());
        assert!(kept.leave() == NonNull::new(B));
        kept.enter();
        assert!(kept.leave().is_none());
    }

    #[test]
    fn no_object_is_none() {
        let kept = Kept::new();
        assert!(kept.end(core::ptr::null_mut()).is_none());
        kept.enter();
        assert!(kept.end(core::ptr::null_mut()).is_none());
        assert!(kept.leave().is_none());
    }
}
