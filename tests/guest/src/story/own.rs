// SPDX-License-Identifier: GPL-2.0
//! The story of a driver from outside of the tree: an open file of its device, by luoctl.

use super::{announce_kexec, headline, hop, step};
use crate::kexec::{self, LUOCTL};
use crate::liveupdate::Session;
use crate::memfd::checksum;
use crate::report::{self, story};
use crate::run::{Run, Scenario};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

pub const DEMO: Scenario = Scenario {
    name: "demo",
    about: "the story of a driver from outside of the tree",
    hops: &[hop(leave), hop(arrive)],
};

const SESSION: &str = "mine";
const TOKEN: &str = "1";
/// Of a file that is not retrieved.
const OTHER: &str = "2";

/// What is written, before the file is preserved and after it.
const TEXTS: [&str; 2] = [
    "written before it was preserved",
    "written after it was preserved",
];

/// What stands in place of what cannot be read.
const FAILS: &str = "fails: ";

/// What the orchestrator says of a `freeze` that fails.
const REFUSED: &str = "Freeze failed";

/// As much as is read of a file that has no end.
const MOST: usize = 1 << 16;

fn leave(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "before the live update");
    let boot_log = run.boot_log.clone();
    log(run, &boot_log);

    let path = format!("/dev/{}", word(run, "flb.device")?);
    step("1", &format!("Open {path}, write, read"));
    let file = File::options().read(true).write(true).open(&path);
    let file = file.map_err(|error| {
        io::Error::other(format!(
            "{path}: {error}; DEVICE= names the driver's device"
        ))
    })?;
    let (first, _) = exchange(run, &file, TEXTS[0]);

    step("2", "Preserve it, and call the live update off");
    luoctl(run, &["create", SESSION], None)?;
    luoctl(run, &["preserve", SESSION, TOKEN, "-"], Some(&file))?;
    luoctl(run, &["cancel", SESSION], None)?;

    step("3", "Preserve it and another one, and write once more");
    luoctl(run, &["create", SESSION], None)?;
    luoctl(run, &["preserve", SESSION, TOKEN, "-"], Some(&file))?;
    // The device may be one that is opened once at a time.
    if let Err(error) = luoctl(run, &["preserve", SESSION, OTHER, &path], None) {
        story(format_args!("    {error}"));
    }
    luoctl(run, &["list"], None)?;
    let (second, text) = exchange(run, &file, TEXTS[1]);
    let carried = (first || second) && !text.starts_with(FAILS);
    run.cmdline.set("flb.read", &sum(&text));
    run.cmdline.set("flb.carried", &carried.to_string());

    announce_kexec(run, "4");
    run.boot = Some(Box::new(boot));
    Ok(Vec::new())
}

/// Boots the next kernel by luoctl. Says so if a driver does not let it.
fn boot(run: &mut Run) -> io::Error {
    story("  # luoctl kexec");
    let error = kexec::boot_by_luoctl();
    story(format_args!("    {error}"));
    let lines = run.kmsg.lines();
    log(run, &lines);
    if lines.iter().any(|line| line.contains(REFUSED)) {
        story("");
        story("  The driver refused to freeze a file: there is no live update.");
    }
    error
}

fn arrive(run: &mut Run) -> io::Result<Vec<Session>> {
    headline(run, "after the live update");
    let boot_log = run.boot_log.clone();
    log(run, &boot_log);

    step("5", "Retrieve the first file, and read");
    let args = ["retrieve", SESSION, TOKEN, "/init", "--read"];
    let text = luoctl(run, &args, None)?;
    report::holds(
        "the file reads as before",
        word(run, "flb.read")? == sum(text.trim_end()),
    );
    luoctl(run, &["list"], None)?;

    step("6", "Finish, without the other one");
    luoctl(run, &["finish", SESSION], None)?;
    let left = luoctl(run, &["list"], None)?;
    report::equal("sessions that are left", "", left.as_str());
    if report::failures() == 0 {
        story("");
        story(match word(run, "flb.carried")?.as_str() {
            "true" => "  The file came back, and reads as before.",
            _ => "  Nothing was compared: no write succeeded, or no read. WRITE= is what to write.",
        });
    }
    Ok(Vec::new())
}

/// The value of a word of the command line.
fn word(run: &Run, key: &str) -> io::Result<String> {
    let value = run.cmdline.get(key).map(str::to_string);
    value.ok_or_else(|| io::Error::other(format!("no {key}= on the command line")))
}

/// Shows what the driver says, and what the orchestrator says of it.
fn log(run: &Run, lines: &[String]) {
    let prefix = format!("{}: ", run.cmdline.get("flb.driver").unwrap_or_default());
    let shown = |line: &&String| line.starts_with(&prefix) || line.contains(REFUSED);
    for line in lines.iter().filter(shown) {
        story(format_args!("        log: {line}"));
    }
}

/// Writes to a file, a text or what the user wants, and reads it; neither has to work. Returns
/// whether it was written to, and what was read.
fn exchange(run: &mut Run, mut file: &File, text: &str) -> (bool, String) {
    let wanted = run.cmdline.get("flb.write").and_then(from_hex);
    let bytes = wanted.unwrap_or_else(|| text.into());
    let text = String::from_utf8_lossy(&bytes);
    let written = file.write_all(&bytes);
    match &written {
        Ok(()) => story(format_args!("    write {text:?}")),
        Err(error) => story(format_args!("    write {text:?}: {error}")),
    }
    let text = read(file);
    story(format_args!("    read {text}"));
    let lines = run.kmsg.lines();
    log(run, &lines);
    (written.is_ok(), text)
}

/// What hexadecimal digits stand for.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect()
}

fn sum(text: &str) -> String {
    format!("{:016x}", checksum(text.as_bytes()))
}

/// Runs luoctl, and shows what it and the driver say. Returns what it printed.
fn luoctl(run: &mut Run, args: &[&str], stdin: Option<&File>) -> io::Result<String> {
    let mut command = Command::new(LUOCTL);
    if let Some(file) = stdin {
        command.stdin(Stdio::from(file.try_clone()?));
    }
    story(format_args!("  # luoctl {}", args.join(" ")));
    let output = command.args(args).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines()
        .for_each(|line| story(format_args!("    {line}")));
    let lines = run.kmsg.lines();
    log(run, &lines);
    if !output.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim_end(),
        ));
    }
    report::pass(format_args!("luoctl {}", args[0]));
    Ok(said)
}

/// What a file has, or why it cannot be read, in one line.
pub fn read(file: impl AsFd) -> String {
    fn bytes(file: &File) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; MOST];
        let mut size = 0;
        while size < MOST {
            match file.read_at(&mut bytes[size..], size as u64)? {
                0 => break,
                more => size += more,
            }
        }
        bytes.truncate(size);
        Ok(bytes)
    }
    let file = file.as_fd().try_clone_to_owned().map(File::from);
    match file.and_then(|file| bytes(&file)) {
        Ok(bytes) => format!("{:?}", String::from_utf8_lossy(&bytes)),
        Err(error) => format!("{FAILS}{error}"),
    }
}
