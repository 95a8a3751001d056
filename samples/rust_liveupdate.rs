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
    fs::{file::flags, File, Kiocb},
    iov::{IovIterDest, IovIterSource},
    kho::{Handle, KhoBox, KhoVmalloc, Preserved, Restored, State},
    liveupdate::{
        self,
        file::{self, Finish, Preserve, Retrieve, Unpreserve},
        flb, misc, FileHandler, Flb, OpenFile, RetrieveStatus,
    },
    miscdevice::{MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    new_mutex,
    prelude::*,
    preserved_data,
    sync::{aref::ARef, Mutex},
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
    _device: misc::Registration<Note>,
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

#[pin_data]
struct Note {
    #[pin]
    text: Mutex<Text>,
}

struct Text {
    /// There is room for the longest. What is preserved does not change.
    room: KhoVmalloc<u8>,
    /// How much is written.
    length: usize,
}

impl Note {
    fn new(text: Text) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(pin_init!(Self { text <- new_mutex!(text) }), GFP_KERNEL)
    }
}

#[link_section = ".data..ro_after_init"]
static NOTE: misc::Definition<Note> = misc::Definition::new();

#[vtable]
impl MiscDevice for Note {
    type Ptr = Pin<KBox<Self>>;

    fn open(_file: &File, _device: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        let room = KhoVmalloc::zeroed(LONGEST)?;
        Self::new(Text { room, length: 0 })
    }

    fn read_iter(mut kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let note = kiocb.file();
        let text = note.text.lock();
        let written = text.room.get(..text.length).ok_or(EIO)?;
        iov.simple_read_from_buffer(kiocb.ki_pos_mut(), written)
    }

    fn write_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let note = kiocb.file();
        let mut text = note.text.lock();
        if text.room.is_preserved() {
            return Err(EBUSY);
        }
        let length = text.length;
        let end = length + iov.len();
        let free = text.room.get_mut(length..end).ok_or(EFBIG)?;
        let copied = iov.copy_from_iter(free);
        text.length += copied;
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
        let shared = Shared::new(|| Ok(table))?;
        pr_info!("table saved\n");
        Ok((handle, shared))
    }

    fn unpreserve(_table: Self::Outgoing) {
        pr_info!("table no longer saved\n");
    }

    fn retrieve(handle: Self::Data) -> Result<Self::Incoming> {
        let shared = Shared::new(|| handle.restore())?;
        let notes = shared.table.lock().notes();
        pr_info!("table restored with {notes} notes\n");
        Ok(shared)
    }

    fn finish(shared: Self::Incoming) {
        // Nobody has taken these.
        for entry in shared.table.lock().entries {
            entry.release();
        }
        pr_info!("table released\n");
    }
}

/// The table, for all who use it.
#[pin_data]
struct Shared<S: State> {
    #[pin]
    table: Mutex<KhoBox<Table, S>>,
}

impl<S: State> Shared<S> {
    /// Asks for the table when nothing else can fail: it is not restored a second time.
    fn new(table: impl FnOnce() -> Result<KhoBox<Table, S>>) -> Result<Pin<KBox<Self>>> {
        KBox::try_pin_init(
            try_pin_init!(Self {
                table <- new_mutex!(table()?),
            }),
            GFP_KERNEL,
        )
    }
}

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

    /// The text that the previous kernel has left.
    fn restore(self) -> Result<Text> {
        let room = self.room.restore()?;
        let length = usize::try_from(self.length)?;
        if room.len() != LONGEST || length > LONGEST || self.flags & !Self::FLAGS != 0 {
            return Err(EINVAL);
        }
        Ok(Text { room, length })
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
        let mut text = note.text.lock();
        let entry = Entry {
            room: text.room.preserve()?,
            length: text.length as u64,
            flags: args.file.flags() & Entry::FLAGS,
            used: 1,
        };
        let slot = TABLE
            .with_outgoing(|shared| shared.table.lock().add(entry))
            .and_then(|slot| slot)
            .inspect_err(|_| text.room.unpreserve())?;
        Ok((slot, ()))
    }

    fn unpreserve(&self, args: Unpreserve<'_, Self>) {
        let slot = args.data;
        if let Some(note) = NOTE.private(args.file) {
            note.text.lock().room.unpreserve();
        }
        let removed = TABLE.with_outgoing(|shared| shared.table.lock().take(slot));
        if !matches!(removed, Ok(Ok(_))) {
            pr_err!("note {slot} is not in the table\n");
        }
    }

    fn retrieve(&self, args: Retrieve<Self>) -> Result<ARef<OpenFile>> {
        let entry = TABLE.incoming()?.get().table.lock().take(args.data)?;
        let note = Note::new(entry.restore()?)?;
        NOTE.restored_file(c"rust-liveupdate", note, entry.flags)
    }

    fn finish(&self, args: Finish<'_, Self>) {
        if let RetrieveStatus::Retrieved(_) = args.status {
            return;
        }
        // Not there any more, if it could not be retrieved.
        let entry = TABLE
            .incoming()
            .and_then(|shared| shared.get().table.lock().take(args.data));
        if let Ok(entry) = entry {
            entry.release();
        }
    }
}
