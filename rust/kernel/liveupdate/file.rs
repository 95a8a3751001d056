// SPDX-License-Identifier: GPL-2.0

//! Handlers of files that survive a kexec.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)

use super::{
    flb::{
        self,
        Defined, //
    },
    name_field,
    owner,
    Handover, //
};
use crate::{
    bindings,
    error::{
        from_result,
        to_result,
        Error,
        Result,
        VTABLE_DEFAULT_ERROR, //
    },
    ffi::c_int,
    fs::File,
    macros::vtable,
    prelude::build_error,
    str::CStr,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::forget,
    ops::Deref,
    ptr::NonNull, //
};

/// A file that is open: it was opened with success, and is not released as long as this is
/// borrowed.
///
/// That is more than is known of a [`File`], which a driver may also have in hand while the file is
/// opened or released, and it is what
/// [`misc::Definition::private`](super::misc::Definition::private) needs.
#[repr(transparent)]
pub struct OpenFile(File);

impl OpenFile {
    /// A file that a driver knows to be open, such as one that it has restored by a function of C.
    ///
    /// # Safety
    ///
    /// The file is one that [`File::from_raw_file`] can be called with. It was opened, with
    /// success, and stays referenced for `'a`.
    pub unsafe fn from_raw<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: By the requirements of this function; it is transparent.
        unsafe { &*core::ptr::from_ref(File::from_raw_file(file)).cast() }
    }
}

// SAFETY: A file is always reference-counted.
unsafe impl AlwaysRefCounted for OpenFile {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(file: NonNull<Self>) {
        // SAFETY: By the requirements of this function; it is transparent.
        unsafe { File::dec_ref(file.cast()) };
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

/// What [`FileHandler::preserve`] is called with. Later kernels may add to this and to those below.
#[non_exhaustive]
pub struct Preserve<'a> {
    /// The file.
    pub file: &'a OpenFile,
}

/// What [`FileHandler::unpreserve`] is called with.
#[non_exhaustive]
pub struct Unpreserve<'a, H: FileHandler> {
    /// The file.
    pub file: &'a OpenFile,
    /// What would have been handed over.
    pub data: H::Data,
    /// What belongs to it.
    pub private: H::Private,
}

/// What [`FileHandler::freeze`] and [`FileHandler::unfreeze`] are called with.
#[non_exhaustive]
pub struct Freeze<'a, H: FileHandler> {
    /// The file.
    pub file: &'a OpenFile,
    /// What is to be handed over so far.
    pub data: H::Data,
    /// What belongs to it.
    pub private: <H::Private as ForeignOwnable>::BorrowedMut<'a>,
}

/// What [`FileHandler::retrieve`] is called with.
#[non_exhaustive]
pub struct Retrieve<H: FileHandler> {
    /// What was handed over.
    pub data: H::Data,
}

/// What [`FileHandler::can_finish`] and [`FileHandler::finish`] are called with.
#[non_exhaustive]
pub struct Finish<'a, H: FileHandler> {
    /// What has become of the file.
    pub status: RetrieveStatus<'a>,
    /// What was handed over.
    pub data: H::Data,
}

/// What has become of a file that was handed over.
pub enum RetrieveStatus<'a> {
    /// Nobody has asked for it: what was preserved for it is still there, and is to be released.
    NotRetrieved,
    /// [`FileHandler::retrieve`] has failed, with this error. It is not tried again.
    Failed(Error),
    /// It was restored.
    Retrieved(&'a OpenFile),
}

/// A kind of files that survive a kexec.
///
/// All callbacks run in process context and may sleep. Those that end something may run for a task
/// that is exiting, or in a kworker: there are no files of `current`. A file is handed over by the
/// first handler that can.
#[vtable]
pub trait FileHandler: Sized + 'static {
    /// Identifies the kind of files and the format of their data to the next kernel.
    ///
    /// At most 47 bytes, not empty, and unique among handlers. By convention it ends in a version,
    /// like `"memfd-v1"`.
    const COMPATIBLE: &'static CStr;

    /// What is handed over: for anything larger than 64 bits a [`Handle`](crate::kho::Handle).
    type Data: Handover;

    /// What belongs to a preserved file in this kernel only. It owns the memory that is handed
    /// over.
    type Private: ForeignOwnable + Send + Sync + 'static;

    /// Whether this is a file of this kind.
    ///
    /// Called with `luo_register_rwlock` held for reading: nothing may be registered.
    fn can_preserve(file: &OpenFile) -> bool;

    /// Saves a file. All [`Flb`](super::Flb)s of the handler are preserved at this time, and their
    /// [`outgoing`](flb::Definition::outgoing) objects can be used.
    ///
    /// The file may be used until the kexec: what can change must be saved or refused by then, see
    /// [`freeze`](Self::freeze).
    fn preserve(args: Preserve<'_>) -> Result<(Self::Data, Self::Private)>;

    /// Undoes [`preserve`](Self::preserve); never called if the kexec takes place.
    fn unpreserve(args: Unpreserve<'_, Self>);

    /// Saves what has changed since, and returns what is to be handed over now. Called in the
    /// `reboot()` system call; an error aborts the live update. It may be called again, with what
    /// it has returned.
    fn freeze(_args: Freeze<'_, Self>) -> Result<Self::Data> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes [`freeze`](Self::freeze), which has succeeded, as the live update was aborted.
    fn unfreeze(_args: Freeze<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Identifies what a file is of, where several files can be of one thing: while one of them is
    /// preserved or retrieved, another is refused with `EBUSY`. By default each file is its own.
    ///
    /// It is the same for all files of the thing, as long as they are open, and that of nothing
    /// else, of no other handler either. The address of an object that the files keep alive is such
    /// a number.
    #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
    fn id(_file: &OpenFile) -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Restores a file: a new one, with what was saved.
    ///
    /// Called at most once for a file, if it succeeds or not. The data are what the previous kernel
    /// says they are: check what you rely on. [`misc`](super::misc) makes files of
    /// misc devices.
    fn retrieve(args: Retrieve<Self>) -> Result<ARef<OpenFile>>;

    /// Whether [`finish`](Self::finish) can be called. If not, `EBUSY` is returned to user space,
    /// which has to do something about the files of this session first.
    fn can_finish(_args: Finish<'_, Self>) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Ends the live update of a file, and releases what it had in memory if the file was not
    /// retrieved.
    fn finish(args: Finish<'_, Self>);
}

/// The static through which a [`FileHandler`] is registered.
#[repr(transparent)]
pub struct Definition<H: FileHandler> {
    inner: Opaque<bindings::liveupdate_file_handler>,
    _handler: PhantomData<H>,
}

// SAFETY: The C structure is protected by `luo_register_rwlock`.
unsafe impl<H: FileHandler> Sync for Definition<H> {}

impl<H: FileHandler> Definition<H> {
    /// For a static.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            inner: Opaque::new(bindings::liveupdate_file_handler {
                ops: &Callbacks::<H>::OPS,
                compatible: name_field(H::COMPATIBLE),
                ..pin_init::zeroed()
            }),
            _handler: PhantomData,
        }
    }

    /// The C structure, for those who implement FLBs.
    pub fn as_raw(&self) -> *mut bindings::liveupdate_file_handler {
        self.inner.get()
    }

    /// Offers files of this kind to be preserved, until the returned value is dropped.
    ///
    /// Files that are preserved then are unpreserved or finished all the same. The owner of the
    /// handler stays loaded as long as there are such files. If the returned value is forgotten the
    /// handler stays registered, and its module must not be unloaded.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a handler of this name, maybe this one; `EOPNOTSUPP` if live update is
    /// off.
    ///
    /// # Context
    ///
    /// Process, may sleep. Takes `luo_register_rwlock` for writing.
    pub fn register(&'static self) -> Result<Registration<H>> {
        // SAFETY: It is a static. A second registration is refused before anything is written.
        to_result(unsafe { bindings::liveupdate_register_file_handler(self.as_raw()) })?;
        // INVARIANT: It was just registered.
        Ok(Registration(self))
    }
}

/// The registration of a [`FileHandler`], which is in force until this is dropped.
///
/// # Invariants
///
/// The handler is registered, by this alone.
#[must_use = "the handler is unregistered when this is dropped"]
pub struct Registration<H: FileHandler>(&'static Definition<H>);

impl<H: FileHandler> Registration<H> {
    /// Makes the files depend on an FLB, for as long as the handler is registered.
    ///
    /// # Errors
    ///
    /// Those of [`flb::Definition::register`]; the handler is unregistered then.
    pub fn with<F: Defined>(self, flb: &'static flb::Definition<F>) -> Result<Self> {
        // The orchestrator unregisters the FLBs of a handler with the handler.
        forget(flb.register(&self)?);
        Ok(self)
    }

    /// Does as [`with`](Self::with), with an FLB of C.
    ///
    /// # Errors
    ///
    /// Those of [`flb::Definition::register`]; the handler is unregistered then.
    ///
    /// # Context
    ///
    /// Process, may sleep. Takes `luo_register_rwlock` for writing.
    ///
    /// # Safety
    ///
    /// The FLB is one that `liveupdate_register_flb()` can be called with, and is not freed before
    /// the handler is unregistered and no file of it is preserved.
    pub unsafe fn with_raw(self, flb: *mut bindings::liveupdate_flb) -> Result<Self> {
        // SAFETY: The handler is registered; by the requirements of this function.
        to_result(unsafe { bindings::liveupdate_register_flb(self.as_raw(), flb) })?;
        Ok(self)
    }

    pub(super) fn as_raw(&self) -> *mut bindings::liveupdate_file_handler {
        self.0.as_raw()
    }
}

impl<H: FileHandler> Drop for Registration<H> {
    fn drop(&mut self) {
        // SAFETY: By the invariant. Files that are preserved find the handler and its callbacks in
        // statics, which stay as long as the owner is loaded.
        unsafe { bindings::liveupdate_unregister_file_handler(self.as_raw()) };
    }
}

/// The callbacks of a [`FileHandler`], for C.
struct Callbacks<H: FileHandler>(PhantomData<H>);

impl<H: FileHandler> Callbacks<H> {
    const OPS: bindings::liveupdate_file_ops = bindings::liveupdate_file_ops {
        can_preserve: Some(Self::can_preserve),
        preserve: Some(Self::preserve),
        unpreserve: Some(Self::unpreserve),
        freeze: if H::HAS_FREEZE {
            Some(Self::freeze)
        } else {
            None
        },
        unfreeze: if H::HAS_UNFREEZE {
            Some(Self::unfreeze)
        } else {
            None
        },
        retrieve: Some(Self::retrieve),
        can_finish: if H::HAS_CAN_FINISH {
            Some(Self::can_finish)
        } else {
            None
        },
        finish: Some(Self::finish),
        #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
        get_id: if H::HAS_ID { Some(Self::id) } else { None },
        owner: owner!(H),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` is a file in use, which was found by its descriptor.
    unsafe extern "C" fn can_preserve(
        _handler: *mut bindings::liveupdate_file_handler,
        file: *mut bindings::file,
    ) -> bool {
        // SAFETY: By the requirements of this function. The orchestrator has a reference of its
        // own, by `fget()` in an `ioctl()` on another file: this thread does not use the position,
        // and others that do have locked it, as the file is shared.
        H::can_preserve(unsafe { OpenFile::from_raw(file) })
    }

    /// # Safety
    ///
    /// `args` is valid and nobody else's for the call; its file is in use and was found by its
    /// descriptor.
    unsafe extern "C" fn preserve(args: *mut bindings::liveupdate_file_op_args) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements of this function.
            let file = unsafe { Self::file(args) };
            let (data, private) = H::preserve(Preserve { file })?;
            // SAFETY: As above.
            unsafe {
                (*args).serialized_data = data.into_bits();
                (*args).private_data = private.into_foreign();
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `args` is valid, and holds a preserved file and what `preserve` and `freeze` have left,
    /// which nobody uses any more.
    unsafe extern "C" fn unpreserve(args: *mut bindings::liveupdate_file_op_args) {
        // SAFETY: By the requirements of this function.
        H::unpreserve(unsafe {
            Unpreserve {
                file: Self::file(args),
                data: Self::data(args),
                private: H::Private::from_foreign((*args).private_data),
            }
        });
    }

    /// # Safety
    ///
    /// `args` is valid, and holds a preserved file and what `preserve` has left, which nobody else
    /// uses during the call.
    unsafe extern "C" fn freeze(args: *mut bindings::liveupdate_file_op_args) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements of this function.
            let data = H::freeze(unsafe { Self::frozen(args) })?;
            // SAFETY: As above.
            unsafe { (*args).serialized_data = data.into_bits() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `args` is valid, and holds a preserved file and what `preserve` and `freeze` have left,
    /// which nobody else uses during the call.
    unsafe extern "C" fn unfreeze(args: *mut bindings::liveupdate_file_op_args) {
        // SAFETY: By the requirements of this function.
        H::unfreeze(unsafe { Self::frozen(args) });
    }

    /// # Safety
    ///
    /// `args` is valid and nobody else's for the call.
    unsafe extern "C" fn retrieve(args: *mut bindings::liveupdate_file_op_args) -> c_int {
        from_result(|| {
            // SAFETY: By the requirements of this function.
            let data = unsafe { Self::data(args) };
            let file = H::retrieve(Retrieve { data })?;
            // SAFETY: As above. The orchestrator gets our reference to the file.
            unsafe { (*args).file = ARef::into_raw(file).cast().as_ptr() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for [`Self::finished`].
    unsafe extern "C" fn can_finish(args: *mut bindings::liveupdate_file_op_args) -> bool {
        // SAFETY: By the requirements of this function.
        H::can_finish(unsafe { Self::finished(args) })
    }

    /// # Safety
    ///
    /// As for [`Self::finished`].
    unsafe extern "C" fn finish(args: *mut bindings::liveupdate_file_op_args) {
        // SAFETY: By the requirements of this function.
        H::finish(unsafe { Self::finished(args) })
    }

    /// # Safety
    ///
    /// `file` is a file in use, which was found by its descriptor, or came from `retrieve`.
    #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
    unsafe extern "C" fn id(file: *mut bindings::file) -> usize {
        // SAFETY: By the requirements of this function; see `can_preserve`.
        H::id(unsafe { OpenFile::from_raw(file) })
    }

    /// # Safety
    ///
    /// `args` is valid.
    unsafe fn data(args: *const bindings::liveupdate_file_op_args) -> H::Data {
        // SAFETY: By the requirements of this function.
        H::Data::from_bits(unsafe { (*args).serialized_data })
    }

    /// # Safety
    ///
    /// `args` is valid, and its file stays in use for `'a`.
    unsafe fn file<'a>(args: *const bindings::liveupdate_file_op_args) -> &'a OpenFile {
        // SAFETY: By the requirements of this function. The orchestrator has a reference of its
        // own, by `fget()` in an `ioctl()` on another file, or from `retrieve`: this thread does
        // not use the position, and others that do have locked it, as the file is shared.
        unsafe { OpenFile::from_raw((*args).file) }
    }

    /// # Safety
    ///
    /// `args` is valid, and holds a preserved file and what `preserve` has left, which nobody else
    /// uses for `'a`.
    unsafe fn frozen<'a>(args: *const bindings::liveupdate_file_op_args) -> Freeze<'a, H> {
        // SAFETY: By the requirements of this function.
        unsafe {
            Freeze {
                file: Self::file(args),
                data: Self::data(args),
                private: H::Private::borrow_mut((*args).private_data),
            }
        }
    }

    /// # Safety
    ///
    /// `args` is valid; if its status is that of success its file is the one that `retrieve` has
    /// left, and it stays in use for `'a`.
    unsafe fn finished<'a>(args: *const bindings::liveupdate_file_op_args) -> Finish<'a, H> {
        // SAFETY: By the requirements of this function.
        let status = match unsafe { (*args).retrieve_status } {
            0 => RetrieveStatus::NotRetrieved,
            // SAFETY: As above.
            1.. => RetrieveStatus::Retrieved(unsafe { Self::file(args) }),
            errno => RetrieveStatus::Failed(Error::from_errno(errno)),
        };
        Finish {
            status,
            // SAFETY: As above.
            data: unsafe { Self::data(args) },
        }
    }
}
