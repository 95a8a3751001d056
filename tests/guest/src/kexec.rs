// SPDX-License-Identifier: GPL-2.0
//! Into the next kernel, with an initial root made from the running one.

use crate::cmdline::Cmdline;
use crate::cpio::Archive;
use crate::sys;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

const INITRD: &str = "/next-initrd";

/// The file of the kernel with this label.
pub fn kernel_path(label: &str) -> String {
    format!("/kernels/{label}")
}

/// Loads the kernel `label`; `later` are the labels of the kernels that are to follow it.
pub fn load(label: &str, later: &[String], cmdline: &Cmdline) -> io::Result<()> {
    write_initrd(later)?;
    let kernel = File::open(kernel_path(label))?;
    let initrd = File::open(INITRD)?;
    sys::kexec_file_load(&kernel, &initrd, &cmdline.text())?;
    fs::remove_file(INITRD)
}

/// Boots the loaded kernel. Returns only on failure.
pub fn boot() -> io::Error {
    sys::reboot_kexec()
}

fn write_initrd(later: &[String]) -> io::Result<()> {
    let mut archive = Archive::new(BufWriter::with_capacity(1 << 20, File::create(INITRD)?));
    archive.program("init", &fs::read("/init")?)?;
    archive.directory("kernels")?;
    let mut added: Vec<&String> = Vec::new();
    for label in later {
        if !added.contains(&label) {
            archive.program(&kernel_path(label)[1..], &fs::read(kernel_path(label))?)?;
            added.push(label);
        }
    }
    for directory in ["modules", "selftests"] {
        let from = Path::new("/").join(directory);
        if from.is_dir() {
            archive.directory(directory)?;
            add_files(&mut archive, &from)?;
        }
    }
    archive.finish().map(drop)
}

fn add_files(archive: &mut Archive<impl Write>, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.to_str()) {
            archive.program(&name[1..], &fs::read(&path)?)?;
        }
    }
    Ok(())
}
