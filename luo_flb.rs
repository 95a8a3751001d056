// SPDX-License-Identifier: GPL-2.0

//! File-Lifecycle-Bound (FLB) objects of the Live Update Orchestrator (LUO).
//!
//! LUO carries open files across a kexec. An FLB is global kernel state that several such files
//! share: the tables of an IOMMU, the list of PCI devices, the pools of HugeTLB. It is saved
//! with the first file that is preserved, restored on first use, and released with the last file
//! that is finished.
//!
//! ```text
//!      this kernel                                      the next kernel
//!
//!      first file preserved                             get_incoming, or last file finished
//!        +-> preserve() --> data, obj                      +-> retrieve(data) --> obj
//!                            |                                                    |
//!      last file unpreserved |                          last file finished,       |
//!      and reference put     |                          last reference put        |
//!        +-> unpreserve(data, obj)                         |                      |
//!                            |                             +-> finish(obj) <------+
//!      reboot                |                                     ^
//!        +-> serialize ------+-> { name, data, files } --kexec-----+
//! ```
//!
//! This crate implements what `include/linux/liveupdate.h` declares for FLBs, and what the rest of
//! the orchestrator expects of them (`luo_internal.h`), in place of `luo_flb.c`.
//!
//! ```text
//! luo_file.c -> shim.c -> ffi -> files ----+-> outgoing -> callback          files, puts
//! clients ----> shim.c -> ffi -------------+-> incoming -> state, callback   gets
//! luo_core.c -----------> ffi -> registry ---> abi -> KHO                    reboot
//! luo_core.c -----------> ffi -> incoming ---> raw -> abi                    boot
//! ```
//!
//! | module | owns |
//! | --- | --- |
//! | `shim.c` | the fast paths of get, put, preserve and unpreserve; C macros for Rust; exports |
//! | `ffi` | the other C entry points, and the slow paths of `shim.c` |
//! | `files` | `LuoFlb`: register, unregister, put; preserve, unpreserve and finish a file |
//! | `registry` | who is registered with which handler, and the array for the next kernel |
//! | `outgoing` | an FLB on its way to the next kernel |
//! | `incoming` | what came from the previous kernel |
//! | `state` | what has become of an entry that came |
//! | `refs` | who holds an object, without a lock |
//! | `lock` | the locks, and the evidence that one is held |
//! | `word` | an atomic word |
//! | `raw` | the fields of C structures, C callbacks and KHO |
//! | `abi` | the formats |
//! | `debugfs` | what the core knows, for a person |
//!
//! # Locks
//!
//! From the outermost to the innermost:
//!
//! ```text
//! luo_register_rwlock      The handler list. Held for writing by the orchestrator when it
//!                          (un)registers handlers, for reading when a state is attached to one.
//!   HandlerState::mutex    The FLBs of a handler and its files. Held across callbacks.
//!     outgoing.lock        Of an FLB. Held across preserve and unpreserve.
//!     incoming.lock        Of an FLB. Held across retrieve and finish.
//!       registry lock      The FLB array, what came, and, with the handler's, registrations.
//!                          Never held across callbacks.
//! ```
//!
//! The core takes one of the two locks of an FLB at a time. A callback may take those of another
//! FLB. `preserve` and `unpreserve` may get and put the incoming object of their own FLB;
//! `retrieve` and `finish` must not get or put the outgoing one.
//!
//! Callbacks must not register or unregister: that may wait for `luo_register_rwlock`, whose holder
//! may wait for them. From a callback of the same handler it is refused.

mod abi;
#[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
mod debugfs;
mod ffi;
mod files;
mod incoming;
mod lock;
mod outgoing;
mod raw;
mod refs;
mod registry;
mod state;
mod word;

/// Bindings to C: those of the kernel crate, and those of the FLB headers.
#[allow(
    clippy::all,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]
mod bindings {
    pub(crate) use kernel::bindings::*;
    use kernel::ffi;

    include!(concat!(
        env!("OBJTREE"),
        "/kernel/liveupdate/flb/bindings_generated.rs"
    ));
}

#[cfg(CONFIG_LIVEUPDATE_FLB_KUNIT_TEST)]
#[path = "tests/kunit/mod.rs"]
mod tests;

/// For the print macros of the kernel crate. The core logs by `shim.c`, with its `pr_fmt`.
const __LOG_PREFIX: &[u8] = b"luo_flb\0";
