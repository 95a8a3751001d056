// SPDX-License-Identifier: GPL-2.0
//! A small virtual machine monitor on KVM, for x86_64.
//!
//! It runs one program, `program.s`, whose work can be checked. A guest can be paused at any
//! instruction and saved; its memory is in a file. From both it goes on, in another process or
//! under another kernel of the same machine.

#![cfg(target_arch = "x86_64")]

mod machine;
mod memory;
mod program;
mod running;
mod state;

pub use machine::{tsc, Machine};
pub use program::{Line, Work};
pub use running::Running;
pub use state::State;
