// SPDX-License-Identifier: GPL-2.0

//! Says what is missing before the linker does.

use std::{path::Path, process::Command};

fn main() {
    // For a file that it does not find, the compiler prints the name as it was given.
    let found = Command::new("cc")
        .arg("-print-file-name=libfdt.so")
        .output();
    match found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()) {
        Ok(path) if Path::new(&path).is_absolute() => println!("cargo::rerun-if-changed={path}"),
        Ok(_) => println!("cargo::error=libfdt not found: install the Debian package libfdt-dev"),
        Err(_) => println!("cargo::error=cc not found: install the Debian package gcc"),
    }
}
