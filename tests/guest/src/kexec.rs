// SPDX-License-Identifier: GPL-2.0
//! Into the next kernel, with an initial root made from the running one.

use crate::cmdline::Cmdline;
use crate::cpio::Archive;
use crate::sys;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;

const INITRD: &str = "/next-initrd";
/// The program for a live update by hand.
pub const LUOCTL: &str = "/bin/luoctl";
const CPUS: &str = "/sys/devices/system/cpu";

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
    match leave_one_cpu() {
        Ok(()) => sys::reboot_kexec(),
        Err(error) => error,
    }
}

/// Does the same, by luoctl.
pub fn boot_by_luoctl() -> io::Error {
    let run = || Command::new(LUOCTL).arg("kexec").output();
    match leave_one_cpu().and_then(|()| run()) {
        Ok(output) => io::Error::other(String::from_utf8_lossy(&output.stderr).trim_end()),
        Err(error) => error,
    }
}

/// Takes all CPUs offline but the first. A kexec of x86 waits until each of the others has said
/// that it stops, which is some instructions before it does. An emulated one may be held there
/// until its code is no more, and takes the guest with it.
pub fn leave_one_cpu() -> io::Result<()> {
    for entry in fs::read_dir(CPUS)? {
        let online = entry?.path().join("online");
        // The first has no such file where it cannot go.
        if online.is_file() && online != Path::new(CPUS).join("cpu0/online") {
            fs::write(&online, "0")?;
        }
    }
    Ok(())
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
    for directory in ["bin", "modules", "selftests"] {
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
