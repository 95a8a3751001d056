// SPDX-License-Identifier: GPL-2.0

//! File-Lifecycle-Bound (FLB) objects of the Live Update Orchestrator (LUO).
//!
//! LUO carries open files across a kexec. An FLB is global kernel state that several such files
//! share: the tables of an IOMMU, the list of PCI devices, the pools of HugeTLB. It is saved
//! once, when the first file that depends on it is preserved, and restored and released once,
//! when the last one is finished.
//!
//! ```text
//!      this kernel                                      the next kernel
//!
//!      first file preserved                             get_incoming, or last file finished
//!        └─▶ preserve() ──▶ data, obj                      └─▶ retrieve(data) ──▶ obj
//!                            │                                                    │
//!      last file unpreserved │                          last file finished,       │
//!      and reference put     │                          last reference put        │
//!        └─▶ unpreserve(data, obj)                         │                      │
//!                            │                             └─▶ finish(obj) ◀──────┘
//!      reboot                │                                     ▲
//!        └─▶ serialize ──────┴─▶ { name, data, files } ──kexec─────┘
//! ```
//!
//! This crate implements what `include/linux/liveupdate.h` declares for FLBs, and what the rest of
//! the orchestrator expects of them (`luo_internal.h`), in place of `luo_flb.c`.
//!
//! A data path is one walk down and one walk back:
//!
//! ```text
//! luo_file.c ─▶ ffi ─▶ instance ─▶ registry ─▶ lifecycle ─▶ state, callback    files
//! luo_core.c ─▶ ffi ─▶ instance ─▶ handover ─▶ announcement, abi ─▶ KHO        boot, reboot
//! ```
//!
//! | module | owns |
//! | --- | --- |
//! | `ffi` | the C entry points |
//! | `instance` | all state of the core in one place: the kernel's, or a test's |
//! | `raw` | the fields of C structures, C callbacks, libfdt and KHO |
//! | `word` | words that several tasks use at a time |
//! | `refs` | who holds an object, without a lock |
//! | `lock` | the locks, and the evidence that one is held |
//! | `registry` | what a file means for the FLBs of its handler |
//! | `handlers` | the handlers, and how many files they have |
//! | `registrations` | which FLBs are registered with which handlers |
//! | `arrivals` | a list in the order of arrival |
//! | `lifecycle` | lock, transition, callback, commit |
//! | `state` | the two state machines |
//! | `handover` | the block for the next kernel, the table from the previous one |
//! | `announcement` | how the next kernel finds the block, in each of the formats |
//! | `abi` | the formats |
//!
//! # Locks
//!
//! From the outermost to the innermost:
//!
//! ```text
//! luo_register_rwlock      who is a file handler. Held for writing by callers, read for a look
//!   Record::deps           the FLBs of one handler and its preserved files. Held across callbacks
//!     registry lock        names and number of all FLBs. Never held across callbacks
//!     outgoing.lock        of one FLB. Held across preserve and unpreserve
//!     Entry::state         of one incoming FLB. Held across retrieve and finish
//! ```
//!
//! `serialize` takes `outgoing.lock` of FLBs without files inside the registry lock; nothing takes
//! them the other way round. See `Documentation/locking.rst`.

mod abi;
mod announcement;
mod arrivals;
mod ffi;
mod handlers;
mod handover;
mod instance;
mod lifecycle;
mod lock;
mod raw;
mod refs;
mod registrations;
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

/// Stands before each line that the core logs.
const __LOG_PREFIX: &[u8] = b"luo_flb\0";
