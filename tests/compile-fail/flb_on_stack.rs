// SPDX-License-Identifier: GPL-2.0

//! An FLB on the stack, which C would keep a pointer to.

//@ error: E0597

include!("driver.rs");

pub fn mistake() -> Result {
    let files = FILES.register()?;
    let table = flb::Definition::<Table>::new();
    //~
    drop(table.register(&files)?);
    Ok(())
}
