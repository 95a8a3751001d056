// SPDX-License-Identifier: GPL-2.0

//! Rust sample of a misc device whose open files survive a live update.
//!
//! Each open `/dev/rust-liveupdate` is a note: what is written to it is appended, and can be read.
//! Notes that are preserved through `/dev/liveupdate` share a table in which each has an entry: it
//! is saved with the first note, restored when it is first needed, and released with the last note.
//! The texts stay where they are in memory; each entry tells where.
//!
//! ```sh
//! # What a live update agent does, in short
//! exec 3<>/dev/rust-liveupdate
//! echo 'To be remembered' >&3
//! # LIVEUPDATE_IOCTL_CREATE_SESSION, LIVEUPDATE_SESSION_PRESERVE_FD with descriptor 3; kexec;
//! # LIVEUPDATE_IOCTL_RETRIEVE_SESSION, LIVEUPDATE_SESSION_RETRIEVE_FD gives descriptor 3 again
//! cat <&3
//! ```

use kernel::{
    fs::{
        file::flags,
        File,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    kho::{
        Handle,
        KhoBox,
        KhoVmalloc,
        Preserved,
        Restored, //
    },
    liveupdate::{
        self,
        file::{
            self,
            Finish,
            Preserve,
            Retrieve,
            Unpreserve, //
        },
        flb,
        misc,
        FileHandler,
        Flb,
        OpenFile,
        RetrieveStatus, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    new_mutex,
    prelude::*,
    preserved_data,
    sync::{
        aref::ARef,
        Mutex, //
    }, //
};

module! {
    type: NotesModule,
    name: "rust_liveupdate",
    authors: ["The FLB in Rust developers"],
    description: "Rust sample of a live-updatable misc device",
    license: "GPL",
}

/// How much fits into a note, in bytes.
const LONGEST: usize = 1 << 20;

/// How many notes can be preserved.
const MOST: usize = 64;

#[pin_data]
struct NotesModule {
    // None if live update is off; the device works without.
    _files: Option<file::Registration<Notes>>,
    #[pin]
    _device: misc::Registration,
}

impl kernel::InPlaceModule for NotesModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let options = MiscDeviceOptions {
            name: c"rust-liveupdate",
        };

        try_pin_init!(Self {
            _files: if liveupdate::is_enabled() {
                Some(NOTES.register()?.with(&TABLE)?)
            } else {
                None
            },
            _device <- NOTE.register(options),
        })
    }
}

// An open file.

struct Note {
    /// There is room for the longest. What is preserved does not change.
    room: KhoVmalloc<u8>,
    /// How much is written.
    length: usize,
}

#[link_section = ".data..ro_after_init"]
static NOTE: misc::Definition<Note> = misc::Definition::new();

#[vtable]
impl MiscDevice for Note {
    type Ptr = Pin<KBox<Mutex<Self>>>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        let room = KhoVmalloc::zeroed(LONGEST)?;
        KBox::pin_init(new_mutex!(Self { room, length: 0 }), GFP_KERNEL)
    }

    fn read_iter(mut kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let note = kiocb.file();
        let note = note.lock();
        let written = note.room.get(..note.length).ok_or(EIO)?;
        iov.simple_read_from_buffer(kiocb.ki_pos_mut(), written)
    }

    fn write_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let note = kiocb.file();
        let mut note = note.lock();
        if note.room.is_preserved() {
            return Err(EBUSY);
        }
        let end = note.length;
        let free = note.room.get_mut(end..end + iov.len()).ok_or(EFBIG)?;
        let copied = iov.copy_from_iter(free);
        note.length += copied;
        Ok(copied)
    }
}

// What all preserved notes share.

preserved_data! {
    /// Where the text of a note is.
    #[derive(Clone, Copy)]
    struct Entry: version 1 {
        room: Handle<[u8]>,
        /// How much is written.
        length: u64,
        /// How the file was opened.
        flags: u32,
        /// Whether a note has this entry: 0 or 1.
        used: u32,
    }

    struct Table: version 1 {
        entries: [Entry; MOST],
    }
}

static TABLE: flb::Definition<Table> = flb::Definition::new();

#[vtable]
impl Flb for Table {
    const COMPATIBLE: &'static CStr = c"rust-sample-table-v1";

    type Data = Handle<Table>;
    type Outgoing = Pin<KBox<Shared<Preserved>>>;
    type Incoming = Pin<KBox<Shared<Restored>>>;

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        let mut table = KhoBox::<Table>::zeroed()?;
        let handle = table.handle();
        let table = KBox::pin_init(new_mutex!(table), GFP_KERNEL)?;
        pr_info!("table saved\n");
        Ok((handle, table))
    }

    fn unpreserve(_table: Self::Outgoing) {
        pr_info!("table no longer saved\n");
    }

    fn retrieve(handle: Self::Data) -> Result<Self::Incoming> {
        let memory = KBox::<Shared<Restored>>::new_uninit(GFP_KERNEL)?;
        // Last, as the table is not restored a second time.
        let table = memory.write_pin_init(new_mutex!(handle.restore()?))?;
        let notes = table.lock().notes();
        pr_info!("table restored with {notes} notes\n");
        Ok(table)
    }

    fn finish(table: Self::Incoming) {
        // Nobody has taken these.
        for entry in table.lock().entries {
            entry.release();
        }
        pr_info!("table released\n");
    }
}

/// The table, for all who use it.
type Shared<S> = Mutex<KhoBox<Table, S>>;

impl Table {
    /// How many notes have an entry.
    fn notes(&self) -> usize {
        self.entries.iter().filter(|entry| entry.used == 1).count()
    }

    /// Gives a note an entry, and returns its number.
    fn add(&mut self, new: Entry) -> Result<u64> {
        let free = |(_, entry): &(usize, &mut Entry)| entry.used == 0;
        let (slot, entry) = self
            .entries
            .iter_mut()
            .enumerate()
            .find(free)
            .ok_or(ENOSPC)?;
        *entry = new;
        Ok(slot as u64)
    }

    /// Takes an entry from the table. Its number may be anything.
    fn take(&mut self, slot: u64) -> Result<Entry> {
        let slot = usize::try_from(slot)?;
        let entry = self
            .entries
            .get_mut(slot)
            .filter(|entry| entry.used == 1)
            .ok_or(EINVAL)?;
        Ok(core::mem::replace(entry, Entry::FREE))
    }
}

impl Entry {
    const FREE: Self = Self {
        room: Handle::NOWHERE,
        length: 0,
        flags: 0,
        used: 0,
    };

    /// How a file was opened, as far as it matters to the next kernel.
    const FLAGS: u32 = flags::O_ACCMODE | flags::O_NONBLOCK;

    /// The note that the previous kernel has left.
    fn restore(self) -> Result<Note> {
        let room = self.room.restore()?;
        let length = usize::try_from(self.length)?;
        if room.len() != LONGEST || length > LONGEST || self.flags & !Self::FLAGS != 0 {
            return Err(EINVAL);
        }
        Ok(Note { room, length })
    }

    /// Gives back the memory that the previous kernel has left for it.
    fn release(self) {
        if self.used == 1 && self.room.release().is_err() {
            pr_err!("note of {} bytes is lost\n", self.length);
        }
    }
}

// How notes are preserved: each by the number of its entry.

struct Notes;

static NOTES: file::Definition<Notes> = file::Definition::new(Notes);

#[vtable]
impl FileHandler for Notes {
    const COMPATIBLE: &'static CStr = c"rust-sample-note-v1";

    type Data = u64;
    /// The note has all that there is.
    type Private = ();

    fn can_preserve(&self, file: &OpenFile) -> bool {
        NOTE.private(file).is_some()
    }

    fn preserve(&self, args: Preserve<'_>) -> Result<(Self::Data, Self::Private)> {
        let note = NOTE.private(args.file).ok_or(EINVAL)?;
        let mut note = note.lock();
        let entry = Entry {
            room: note.room.preserve()?,
            length: note.length as u64,
            flags: args.file.flags() & Entry::FLAGS,
            used: 1,
        };
        let slot = TABLE
            .with_outgoing(|table| table.lock().add(entry))
            .and_then(|slot| slot)
            .inspect_err(|_| note.room.unpreserve())?;
        Ok((slot, ()))
    }

    fn unpreserve(&self, args: Unpreserve<'_, Self>) {
        let slot = args.data;
        if let Some(note) = NOTE.private(args.file) {
            note.lock().room.unpreserve();
        }
        let removed = TABLE.with_outgoing(|table| table.lock().take(slot));
        if !matches!(removed, Ok(Ok(_))) {
            pr_err!("note {slot} is not in the table\n");
        }
    }

    fn retrieve(&self, args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        let entry = TABLE.incoming()?.get().lock().take(args.data)?;
        let note = KBox::pin_init(new_mutex!(entry.restore()?), GFP_KERNEL)?;
        NOTE.restored_file(c"rust-liveupdate", note, entry.flags)
    }

    fn finish(&self, args: Finish<'_, Self>) {
        if let RetrieveStatus::Retrieved(_) = args.status {
            return;
        }
        // Not there any more, if it could not be retrieved.
        let entry = TABLE
            .incoming()
            .and_then(|table| table.get().lock().take(args.data));
        if let Ok(entry) = entry {
            entry.release();
        }
    }
}
