// SPDX-License-Identifier: GPL-2.0

//! The two state machines, against models that only count.
//!
//! | module | |
//! | --- | --- |
//! | [`driver`] | does what the machines ask for, as the kernel does, and keeps a record |
//! | [`outgoing`] | sequences of operations, and what has to be true after each |
//! | [`incoming`] | the same for the other direction |
//! | [`reachable`] | all states that there are |
//! | [`corners`] | states that the counting of the kernel excludes |

mod corners;
mod driver;
mod incoming;
mod outgoing;
mod reachable;
