// SPDX-License-Identifier: GPL-2.0

//! A handler on the stack, which C would keep a pointer to.

//@ error: E0597

include!("driver.rs");

pub fn mistake() -> Result {
    let files = file::Definition::new(Files);
    //~
    drop(files.register()?);
    Ok(())
}
