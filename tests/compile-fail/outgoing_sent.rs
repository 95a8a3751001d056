// SPDX-License-Identifier: GPL-2.0

//! A guard that another thread would drop: it may be a lock.

//@ error: E0277
//@ error: cannot be sent between threads

include!("driver.rs");

fn send<T: Send>(_: T) {}

pub fn mistake() -> Result {
    //~
    send(TABLE.outgoing()?);
    Ok(())
}
