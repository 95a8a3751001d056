// SPDX-License-Identifier: GPL-2.0

//! Handlers of files that survive a kexec.
//!
//! C header: [`include/linux/liveupdate.h`](srctree/include/linux/liveupdate.h)

use super::{
    flb::{
        self,
        Flb, //
    },
    list,
    name_field,
    owner, //
};
use crate::{
    bindings,
    error::{
        from_result,
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    fs::File,
    prelude::*,
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
    ops::Deref,
    ptr::NonNull, //
};

/// A file that was opened with success, and is not released as long as this is borrowed. A [`File`]
/// may also be in a driver's hand while it is opened or released.
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
        // SAFETY: The file stays for `'a`. This is transparent, as `File` is.
        unsafe { &*file.cast() }
    }
}

// SAFETY: A file is always reference-counted.
unsafe impl AlwaysRefCounted for OpenFile {
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    unsafe fn dec_ref(file: NonNull<Self>) {
        // SAFETY: The caller gives up a reference to the file; it is transparent.
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

/// A kind of files that survive a kexec. A file is handed over by the first handler that can.
///
/// The value is the handler's own, which is in its [`Definition`] and shared by all callbacks.
///
/// # Errors
///
/// What a callback returns goes to user space.
///
/// # Context
///
/// [Process context](super#context). Those that end something may run for a task that is exiting,
/// or in a kworker: there are no files of `current`.
#[vtable]
pub trait FileHandler: Sized + Sync + 'static {
    /// Identifies the kind of files and the format of their data to the next kernel: at most 47
    /// bytes, not empty, unique, and by convention with a version at the end, like `"memfd-v1"`.
    const COMPATIBLE: &'static CStr;

    /// What is handed over: for anything larger than 64 bits a [`Handle`](crate::kho::Handle). It
    /// must make something of any bits, as the handover may be damaged: check what you rely on.
    type Data: Copy + From<u64> + Into<u64> + 'static;

    /// What belongs to a preserved file in this kernel only. It owns the memory that is handed
    /// over.
    type Private: ForeignOwnable + Send + Sync + 'static;

    /// Whether this is a file of this kind.
    ///
    /// Called with `luo_register_rwlock` held for reading: nothing may be registered.
    fn can_preserve(&self, file: &OpenFile) -> bool;

    /// Saves a file, when all [`Flb`]s of the handler are preserved.
    ///
    /// The file may be used until the kexec: what can change must be saved or refused by then, see
    /// [`freeze`](Self::freeze).
    fn preserve(&self, args: Preserve<'_>) -> Result<(Self::Data, Self::Private)>;

    /// Undoes [`preserve`](Self::preserve); never called if the kexec takes place.
    fn unpreserve(&self, args: Unpreserve<'_, Self>);

    /// Saves what has changed since, and returns what is to be handed over now. Called in the
    /// `reboot()` system call; an error aborts the live update. It may be called again, with what
    /// it has returned. As in [`preserve`](Self::preserve), memory can be preserved, and objects of
    /// [`Flb`]s be asked for.
    fn freeze(&self, _args: Freeze<'_, Self>) -> Result<Self::Data> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Undoes [`freeze`](Self::freeze), which has succeeded, as the live update was aborted.
    fn unfreeze(&self, _args: Freeze<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Identifies what a file is of, where several files can be of one thing: while one of them is
    /// preserved or retrieved, another is refused with `EBUSY`. By default each file is its own.
    ///
    /// It is the same for all files of the thing, as long as they are open, and of nothing else, of
    /// no other handler either, such as the address of an object that the files keep alive.
    #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
    fn id(_file: &OpenFile) -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Restores a file: a new one, with what was saved.
    ///
    /// Called at most once for a file, if it succeeds or not.
    fn retrieve(&self, args: Retrieve<Self>) -> Result<ARef<OpenFile>>;

    /// Whether [`finish`](Self::finish) can be called. If not, `EBUSY` is returned to user space,
    /// which has to do something about the files of this session first.
    fn can_finish(&self, _args: Finish<'_, Self>) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Ends the live update of a file, and releases what it had in memory if the file was not
    /// retrieved.
    fn finish(&self, args: Finish<'_, Self>);
}

/// The static through which a [`FileHandler`] is registered.
pub struct Definition<H: FileHandler> {
    inner: Opaque<bindings::liveupdate_file_handler>,
    /// What its callbacks are called with.
    pub handler: H,
}

// SAFETY: The C structure is protected by `luo_register_rwlock`, the handler is `Sync`.
unsafe impl<H: FileHandler> Sync for Definition<H> {}

impl<H: FileHandler> Definition<H> {
    /// For a static.
    pub const fn new(handler: H) -> Self {
        Self {
            inner: Opaque::new(bindings::liveupdate_file_handler {
                ops: &Self::OPS,
                compatible: name_field(H::COMPATIBLE),
                ..pin_init::zeroed()
            }),
            handler,
        }
    }

    /// The C structure, for those who implement FLBs.
    pub fn as_raw(&self) -> *mut bindings::liveupdate_file_handler {
        self.inner.get()
    }

    /// Offers files of this kind to be preserved, until the returned value is dropped. If it is
    /// forgotten, the module must not be unloaded.
    ///
    /// Files that are preserved then are unpreserved or finished all the same. The owner of the
    /// handler stays loaded as long as there are such files.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is a handler of this name, maybe this one; `EOPNOTSUPP` if live update is
    /// off.
    ///
    /// # Context
    ///
    /// Takes `luo_register_rwlock` for writing.
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
    ///
    /// # Context
    ///
    /// That of [`flb::Definition::register`].
    pub fn with<F: Flb>(self, flb: &'static flb::Definition<F>) -> Result<Self> {
        // SAFETY: The FLB is a static.
        unsafe { self.with_raw(flb.as_raw()) }
    }

    /// Does as [`with`](Self::with), with an FLB of C.
    ///
    /// # Errors
    ///
    /// Those of [`with`](Self::with).
    ///
    /// # Context
    ///
    /// That of [`with`](Self::with).
    ///
    /// # Safety
    ///
    /// The FLB is one that `liveupdate_register_flb()` can be called with, and is not freed before
    /// the handler is unregistered and no file of it is preserved.
    pub unsafe fn with_raw(self, flb: *mut bindings::liveupdate_flb) -> Result<Self> {
        // The orchestrator unregisters the FLBs of a handler with the handler.
        // SAFETY: The handler is registered; the caller has an FLB that can be, and stays.
        to_result(unsafe { bindings::liveupdate_register_flb(self.as_raw(), flb) })?;
        Ok(self)
    }

    pub(super) fn as_raw(&self) -> *mut bindings::liveupdate_file_handler {
        self.0.as_raw()
    }
}

impl<H: FileHandler> Drop for Registration<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is registered. Files that are preserved find the
        // handler and its callbacks in statics, which stay as long as the owner is loaded.
        unsafe { bindings::liveupdate_unregister_file_handler(self.as_raw()) };
    }
}

/// What most callbacks are called with.
type Args = bindings::liveupdate_file_op_args;

/// The callbacks of a [`FileHandler`], for C.
///
/// # Safety
///
/// They are called as the orchestrator does:
///
/// - The handler is that of a [`Definition<H>`], in a static.
/// - `args` is valid and nobody else's for the call.
/// - A file that is given was opened with success and is in use. If the status is that of success
///   there is one. The orchestrator has a reference of its own, by `fget()` in an `ioctl()` on
///   another file, or from `retrieve`: this thread does not use the position. Others may, of a
///   character device without its lock, and nothing here looks at it.
/// - The private data are what `preserve` has left, and nobody else uses them. After `unpreserve`
///   nobody does.
#[expect(clippy::missing_safety_doc, reason = "one section for all, above")]
impl<H: FileHandler> Definition<H> {
    const OPS: bindings::liveupdate_file_ops = bindings::liveupdate_file_ops {
        can_preserve: Some(Self::can_preserve),
        preserve: Some(Self::preserve),
        unpreserve: Some(Self::unpreserve),
        freeze: if_has(H::HAS_FREEZE, Self::freeze),
        unfreeze: if_has(H::HAS_UNFREEZE, Self::unfreeze),
        retrieve: Some(Self::retrieve),
        can_finish: if_has(H::HAS_CAN_FINISH, Self::can_finish),
        finish: Some(Self::finish),
        #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
        get_id: if_has(H::HAS_ID, Self::id),
        owner: owner!(H),
    };

    unsafe extern "C" fn can_preserve(
        handler: *mut bindings::liveupdate_file_handler,
        file: *mut bindings::file,
    ) -> bool {
        // SAFETY: The handler is that of a `Definition<H>`, in a static.
        let handler = unsafe { Self::handler(handler) };
        // SAFETY: The file is open, and in use.
        handler.can_preserve(unsafe { OpenFile::from_raw(file) })
    }

    unsafe extern "C" fn preserve(args: *mut Args) -> c_int {
        list!("file_handler", H::COMPATIBLE);
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        from_result(|| {
            // SAFETY: The file is open, and in use.
            let file = unsafe { OpenFile::from_raw(args.file) };
            let (data, private) = handler.preserve(Preserve { file })?;
            args.serialized_data = data.into();
            args.private_data = private.into_foreign();
            Ok(0)
        })
    }

    unsafe extern "C" fn unpreserve(args: *mut Args) {
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        handler.unpreserve(Unpreserve {
            // SAFETY: The file is open, and in use.
            file: unsafe { OpenFile::from_raw(args.file) },
            data: H::Data::from(args.serialized_data),
            // SAFETY: The private data are what `preserve` has left, and nobody uses them any more.
            private: unsafe { H::Private::from_foreign(args.private_data) },
        });
    }

    unsafe extern "C" fn freeze(args: *mut Args) -> c_int {
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        from_result(|| {
            // SAFETY: They hold a preserved file.
            let data = handler.freeze(unsafe { Self::frozen(args) })?;
            args.serialized_data = data.into();
            Ok(0)
        })
    }

    unsafe extern "C" fn unfreeze(args: *mut Args) {
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        // SAFETY: They hold a preserved file.
        handler.unfreeze(unsafe { Self::frozen(args) });
    }

    unsafe extern "C" fn retrieve(args: *mut Args) -> c_int {
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        from_result(|| {
            let data = H::Data::from(args.serialized_data);
            // The orchestrator gets our reference to the file.
            let file = ARef::into_raw(handler.retrieve(Retrieve { data })?);
            args.file = file.cast().as_ptr();
            Ok(0)
        })
    }

    unsafe extern "C" fn can_finish(args: *mut Args) -> bool {
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        // SAFETY: They are those of a file that came from the previous kernel.
        handler.can_finish(unsafe { Self::finished(args) })
    }

    unsafe extern "C" fn finish(args: *mut Args) {
        // SAFETY: The arguments are valid and nobody else's.
        let (handler, args) = unsafe { Self::args(args) };
        // SAFETY: They are those of a file that came from the previous kernel.
        handler.finish(unsafe { Self::finished(args) })
    }

    #[cfg(CONFIG_LIVEUPDATE_HAS_GET_ID)]
    unsafe extern "C" fn id(file: *mut bindings::file) -> usize {
        // SAFETY: The file is open, and in use.
        H::id(unsafe { OpenFile::from_raw(file) })
    }

    /// # Safety
    ///
    /// The handler is that of a [`Definition<H>`], in a static.
    unsafe fn handler(handler: *mut bindings::liveupdate_file_handler) -> &'static H {
        let inner = Opaque::cast_from(handler).cast_mut();
        // SAFETY: The caller says that it is part of a `Definition<H>`.
        let definition = unsafe { crate::container_of!(inner, Definition<H>, inner) };
        // SAFETY: It is in a static, and shared.
        unsafe { &(*definition).handler }
    }

    /// # Safety
    ///
    /// The arguments are valid and nobody else's for `'a`, with the handler of a [`Definition<H>`].
    unsafe fn args<'a>(args: *mut Args) -> (&'static H, &'a mut Args) {
        // SAFETY: The caller says that they are.
        let args = unsafe { &mut *args };
        // SAFETY: The handler is that of a `Definition<H>`, in a static.
        (unsafe { Self::handler(args.handler) }, args)
    }

    /// # Safety
    ///
    /// The arguments are those of a preserved file.
    unsafe fn frozen(args: &mut Args) -> Freeze<'_, H> {
        Freeze {
            // SAFETY: The file is open, and in use.
            file: unsafe { OpenFile::from_raw(args.file) },
            data: H::Data::from(args.serialized_data),
            // SAFETY: The private data are what `preserve` has left, and nobody else uses them.
            private: unsafe { H::Private::borrow_mut(args.private_data) },
        }
    }

    /// # Safety
    ///
    /// The arguments are those of a file that came from the previous kernel.
    unsafe fn finished(args: &mut Args) -> Finish<'_, H> {
        Finish {
            status: match args.retrieve_status {
                0 => RetrieveStatus::NotRetrieved,
                // SAFETY: As it was retrieved there is a file, which is open, and in use.
                1.. => RetrieveStatus::Retrieved(unsafe { OpenFile::from_raw(args.file) }),
                errno => RetrieveStatus::Failed(Error::from_errno(errno)),
            },
            data: H::Data::from(args.serialized_data),
        }
    }
}

/// A callback, if there is one.
const fn if_has<T: Copy>(has: bool, callback: T) -> Option<T> {
    match has {
        true => Some(callback),
        false => None,
    }
}
