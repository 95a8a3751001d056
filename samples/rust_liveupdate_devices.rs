// SPDX-License-Identifier: GPL-2.0

//! Rust sample of state that goes through a live update with files of somebody else.
//!
//! A few devices are in use for as long as the machine is, whichever kernel runs. The next kernel
//! gets a list of them, if memfds are preserved, with how many kernels each has seen. Each device
//! looks itself up in this list when it is set up, long before there are file handlers. One that is
//! plugged in while memfds are preserved is added to the list that goes to the next kernel. The PCI
//! core, as posted, does so with the devices that files of VFIO need.
//!
//! It has no file handler: who has one calls [`rust_liveupdate_devices_register_flb`], as
//! `mm/memfd_luo.c` does.
//!
//! ```sh
//! # Boot with rust_liveupdate_devices.devices=3. Without it there are none, and nothing to follow.
//! cd /sys/kernel/debug/rust_liveupdate_devices
//! cat devices                     # number, kernels
//! echo >devices                   # plugs one in
//! ```

use core::{
    borrow::Borrow,
    mem::forget, //
};
use kernel::{
    bindings,
    debugfs,
    error::from_result,
    faux,
    ffi::c_int,
    fmt,
    kho::{
        Handle,
        KhoBox,
        Restored, //
    },
    liveupdate::{
        self,
        flb,
        Flb, //
    },
    new_mutex,
    prelude::*,
    preserved_data,
    str::{
        CStr,
        CString, //
    },
    sync::{
        Mutex,
        SetOnce, //
    },
    uaccess::UserSliceReader, //
};

module! {
    type: DevicesModule,
    name: "rust_liveupdate_devices",
    authors: ["The FLB in Rust developers"],
    description: "Rust sample of a list of devices that follows files",
    license: "GPL",
    params: {
        devices: u32 {
            default: 0,
            description: "How many devices there are at boot",
        },
    },
}

#[pin_data]
struct DevicesModule {
    #[pin]
    _file: debugfs::File<()>,
    _dir: debugfs::Dir,
}

impl kernel::InPlaceModule for DevicesModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let dir = debugfs::Dir::new(c"rust_liveupdate_devices");

        try_pin_init!(Self {
            _: {
                DEVICES.populate(KBox::pin_init(new_mutex!(KVec::new()), GFP_KERNEL)?);
                // Some kernels have a reference to the value.
                for _ in 0..*Borrow::<u32>::borrow(&module_parameters::devices.value()) {
                    Device::plug_in()?;
                }
            },
            _file <- dir.read_write_callback_file(
                c"devices",
                (),
                &|(), f: &mut fmt::Formatter<'_>| Device::show(f),
                &|(), _: &mut UserSliceReader| Device::plug_in(),
            ),
            _dir: dir,
        })
    }
}

// The devices.

struct Device {
    /// How many have seen it, this one included.
    kernels: u32,
    _device: faux::Registration,
}

/// By their numbers. None is unplugged. The callbacks of an FLB find them here.
static DEVICES: SetOnce<Pin<KBox<Mutex<KVec<Device>>>>> = SetOnce::new();

impl Device {
    fn all() -> Result<&'static Mutex<KVec<Self>>> {
        DEVICES.as_ref().map(|all| &**all).ok_or(ENODEV)
    }

    /// Sets up one more device.
    fn plug_in() -> Result {
        let mut all = Self::all()?.lock();
        let number = all.len() as u32;
        let name = CString::try_from_fmt(fmt!("rust-liveupdate-{number}"))?;
        let device = faux::Registration::new(&name, None)?;
        let before = match LIST.incoming() {
            Ok(list) => list.get().kernels(number),
            // There is no list, or none any more.
            Err(_) => 0,
        };
        pr_info!("device {number} was there under {before} kernels\n");
        let new = Self {
            kernels: before.saturating_add(1),
            _device: device,
        };
        all.push(new, GFP_KERNEL)?;
        // `preserve` takes this lock with that of the FLB.
        drop(all);

        // Without a file that is preserved there is nothing to add to.
        if let Ok(Err(error)) = LIST.with_outgoing(|list| list.lock().follow()) {
            pr_err!("device {number} is not handed over: {error:?}\n");
        }
        Ok(())
    }

    fn show(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Self::all().map_err(|_| fmt::Error)?.lock();
        for (number, device) in all.iter().enumerate() {
            writeln!(f, "{number} {}", device.kernels)?;
        }
        Ok(())
    }
}

// What the next kernel gets.

/// How many devices are in a block: few, so that more blocks are soon needed.
const ROOM: usize = 4;

preserved_data! {
    #[derive(Clone, Copy)]
    struct Entry: version 1 {
        /// Of the device.
        number: u32,
        kernels: u32,
    }

    /// A part of the list.
    struct Block: version 1 {
        next: Handle<Block>,
        /// How many entries are used.
        used: u64,
        entries: [Entry; ROOM],
    }
}

impl Block {
    fn push(&mut self, entry: Entry) -> Result {
        *self.entries.get_mut(self.used as usize).ok_or(ENOSPC)? = entry;
        self.used += 1;
        Ok(())
    }
}

static LIST: flb::Definition<List> = flb::Definition::new();

struct List;

#[vtable]
impl Flb for List {
    const COMPATIBLE: &'static CStr = c"rust-sample-devices-v1";

    /// The first block.
    type Data = Handle<Block>;
    type Outgoing = Pin<KBox<Mutex<Outgoing>>>;
    type Incoming = KBox<Incoming>;

    fn preserve() -> Result<(Self::Data, Self::Outgoing)> {
        let mut list = Outgoing {
            blocks: KVec::new(),
        };
        let first = list.grow()?;
        list.follow()?;
        let list = KBox::pin_init(new_mutex!(list), GFP_KERNEL)?;
        pr_info!("list saved\n");
        Ok((first, list))
    }

    fn unpreserve(_list: Self::Outgoing) {
        pr_info!("list no longer saved\n");
    }

    fn retrieve(first: Self::Data) -> Result<Self::Incoming> {
        let mut list = KBox::new(
            Incoming {
                blocks: KVec::new(),
            },
            GFP_KERNEL,
        )?;
        // What was restored is not there for a second attempt, so this is no error: all are new.
        if let Err(error) = list.restore(first) {
            pr_err!("list is refused: {error:?}\n");
            list.blocks.clear();
        }
        pr_info!("list restored with {} devices\n", list.entries().count());
        Ok(list)
    }

    fn finish(_list: Self::Incoming) {
        pr_info!("list released\n");
    }
}

/// The list for the next kernel.
struct Outgoing {
    /// Each leads to the one behind it, and all but the last are full.
    blocks: KVec<KhoBox<Block>>,
}

impl Outgoing {
    /// Adds the devices that are not in it yet, which are the last ones.
    fn follow(&mut self) -> Result {
        let known: u64 = self.blocks.iter().map(|block| block.used).sum();
        let all = Device::all()?.lock();
        for (number, device) in all.iter().enumerate().skip(known as usize) {
            let entry = Entry {
                number: number as u32,
                kernels: device.kernels,
            };
            if self.last()?.push(entry).is_err() {
                self.grow()?;
                self.last()?.push(entry)?;
            }
        }
        Ok(())
    }

    fn last(&mut self) -> Result<&mut Block> {
        self.blocks
            .last_mut()
            .map(|block| &mut **block)
            .ok_or(ENOENT)
    }

    /// Adds a block.
    fn grow(&mut self) -> Result<Handle<Block>> {
        self.blocks.reserve(1, GFP_KERNEL)?;
        let mut block = KhoBox::<Block>::zeroed()?;
        let handle = block.handle();
        if let Ok(last) = self.last() {
            last.next = handle;
        }
        self.blocks.push(block, GFP_KERNEL)?;
        Ok(handle)
    }
}

/// The list of the previous kernel.
struct Incoming {
    blocks: KVec<KhoBox<Block, Restored>>,
}

impl Incoming {
    /// What is in it may be anything.
    fn restore(&mut self, first: Handle<Block>) -> Result {
        let mut taken = KVec::new();
        let mut next = first;
        loop {
            // Nothing can be restored twice, but KHO warns if that is tried.
            if taken.contains(&next.into_bits()) {
                return Err(EINVAL);
            }
            taken.push(next.into_bits(), GFP_KERNEL)?;
            self.blocks.reserve(1, GFP_KERNEL)?;
            let block = next.restore()?;
            if block.used > ROOM as u64 {
                return Err(EINVAL);
            }
            next = block.next;
            self.blocks.push(block, GFP_KERNEL)?;
            if next.into_bits() == Handle::<Block>::NOWHERE.into_bits() {
                return Ok(());
            }
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let used = |block: &KhoBox<Block, Restored>| block.used as usize;
        self.blocks
            .iter()
            .flat_map(move |block| block.entries.iter().take(used(block)))
    }

    /// How many kernels have seen a device.
    fn kernels(&self, number: u32) -> u32 {
        let found = self.entries().find(|entry| entry.number == number);
        found.map_or(0, |entry| entry.kernels)
    }
}

/// Has the list follow the files of a handler of C's, which is registered, until the next kernel.
///
/// # Safety
///
/// The handler is never unregistered. It is registered, unless live update is off.
#[no_mangle]
unsafe extern "C" fn rust_liveupdate_devices_register_flb(
    handler: *mut bindings::liveupdate_file_handler,
) -> c_int {
    from_result(|| {
        if liveupdate::is_enabled() && !Device::all()?.lock().is_empty() {
            // SAFETY: By the requirements of this function.
            forget(unsafe { LIST.register_with(handler) }?);
        }
        Ok(0)
    })
}
