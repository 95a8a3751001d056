// SPDX-License-Identifier: GPL-2.0
//! A live update by hand: sessions, the files in them, and the kexec.

mod args;
mod held;

use args::{Command, Kernel};
use flb_guest::liveupdate::{LiveUpdate, Session};
use flb_guest::sys;
use held::Held;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{self, ExitCode};

/// What went wrong, in one line, with what to do about it.
type Done = Result<(), String>;

fn main() -> ExitCode {
    let args: Result<Vec<String>, _> = std::env::args_os()
        .skip(1)
        .map(std::ffi::OsString::into_string)
        .collect();
    let done = match args {
        Ok(args) => {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            args::parse(&args).and_then(run)
        }
        Err(arg) => Err(format!("{arg:?} is not UTF-8")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("luoctl: {line}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Done {
    match command {
        Command::Help => print(args::help().as_bytes()),
        Command::Create { session } => create(session),
        Command::Preserve {
            session,
            token,
            file,
        } => preserve(session, token, file),
        Command::List => list(),
        Command::Kexec { load } => kexec(load),
        Command::Retrieve {
            session,
            token,
            program,
        } => retrieve(session, token, program),
        Command::Finish { session } => finish(session),
        Command::Cancel { session } => cancel(session),
        Command::Keep => {
            // Lest it keeps a file system busy.
            let _ = std::env::set_current_dir("/");
            loop {
                std::thread::park();
            }
        }
    }
}

/// The line for an error: what to do is that of its errno.
fn line(what: &str, error: &io::Error, remedies: &[(i32, &str)]) -> String {
    let errno = error.raw_os_error();
    match remedies.iter().find(|(of, _)| Some(*of) == errno) {
        Some((_, remedy)) => format!("{what}: {error}; {remedy}"),
        None => format!("{what}: {error}"),
    }
}

fn print(text: &[u8]) -> Done {
    let written = io::stdout().write_all(text);
    written.map_err(|error| line("standard output", &error, &[]))
}

fn orchestrator() -> Result<LiveUpdate, String> {
    LiveUpdate::open().map_err(|error| {
        line(
            "/dev/liveupdate",
            &error,
            &[
                (
                    libc::ENOENT,
                    "boot a kernel with CONFIG_LIVEUPDATE by kho=on liveupdate=on",
                ),
                (libc::EACCES, "be root"),
                (libc::EBUSY, "end the process that has it open"),
            ],
        )
    })
}

/// The session of this name, and who has it open.
fn find(name: &str) -> Result<Option<(Session, Held)>, String> {
    let open = |held: Held| Ok((held.open()?, held));
    let found = held::find(name).and_then(|held| held.map(open).transpose());
    found.map_err(|error| line(name, &error, &[(libc::EPERM, "be root")]))
}

fn keep(name: &str, session: &Session) -> Done {
    held::keep(name, session).map_err(|error| line("no process to keep the session", &error, &[]))
}

fn create(name: &str) -> Done {
    let session = orchestrator()?.create(name).map_err(|error| {
        line(
            &format!("session {name}"),
            &error,
            &[
                (
                    libc::EEXIST,
                    "take another name, or this one: luoctl list has its process",
                ),
                (libc::EINVAL, "give it a name"),
                (libc::ENAMETOOLONG, "its name has 63 bytes at most"),
            ],
        )
    })?;
    keep(name, &session)
}

fn preserve(name: &str, token: u64, path: &str) -> Done {
    let (session, _) = find(name)?.ok_or_else(|| not_open(name, "create"))?;
    let (what, done) = match path {
        "-" => ("standard input", session.preserve(io::stdin(), token)),
        _ => (path, session.preserve(open(path)?, token)),
    };
    done.map_err(|error| {
        line(
            what,
            &error,
            &[
                (
                    libc::ENOENT,
                    "no file handler knows such files: is the driver there, and registered?",
                ),
                (libc::EEXIST, "the session has this token: take another"),
                (libc::EBUSY, "it is preserved already"),
                (
                    libc::EINVAL,
                    "files are added to sessions for the next kernel, not from the previous one",
                ),
            ],
        )
    })
}

/// To read and write, or what is permitted of it.
fn open(path: &str) -> Result<File, String> {
    let (mut read, mut write, mut both) = (File::options(), File::options(), File::options());
    both.read(true).write(true);
    both.open(path)
        .or_else(|_| write.write(true).open(path))
        .or_else(|_| read.read(true).open(path))
        .map_err(|error| line(path, &error, &[]))
}

fn list() -> Done {
    let all = held::all().map_err(|error| line("/proc", &error, &[(libc::ENOENT, "mount it")]))?;
    all.iter().try_for_each(|held| {
        let (session, process, program) = (&held.session, held.process, held.program());
        print(format!("{session:<24} {process:>7} {program}\n").as_bytes())
    })
}

fn kexec(load: Option<Kernel>) -> Done {
    if let Some(load) = load {
        let file = |path: &str| File::open(path).map_err(|error| line(path, &error, &[]));
        let words = match load.words {
            [] => fs::read_to_string("/proc/cmdline")
                .map_err(|error| line("/proc/cmdline", &error, &[(libc::ENOENT, "mount /proc")]))?,
            words => words.join(" "),
        };
        sys::kexec_file_load(&file(load.kernel)?, &file(load.initrd)?, words.trim())
            .map_err(|error| line(load.kernel, &error, &[(libc::EPERM, "be root")]))?;
    }
    let error = sys::reboot_kexec();
    let loaded = fs::read_to_string("/sys/kernel/kexec_loaded");
    let remedy = match (error.raw_os_error(), loaded.as_deref().map(str::trim)) {
        (Some(libc::EPERM), _) => "be root",
        (_, Ok("0")) => "load a kernel, by luoctl kexec KERNEL INITRD or kexec -s -l",
        _ => "a driver may refuse it: dmesg",
    };
    Err(format!("kexec: {error}; {remedy}"))
}

/// A session of the previous kernel, which is kept open when it is first asked for.
fn arrived(name: &str) -> Result<Session, String> {
    if let Some((session, _)) = find(name)? {
        return Ok(session);
    }
    let session = orchestrator()?.retrieve(name).map_err(|error| {
        line(
            &format!("session {name}"),
            &error,
            &[
                (
                    libc::ENOENT,
                    "the previous kernel has left none of this name",
                ),
                (libc::EINVAL, "it is retrieved, and finished"),
                (libc::EIO, "what came was refused: dmesg says why"),
            ],
        )
    })?;
    keep(name, &session)?;
    Ok(session)
}

fn retrieve(name: &str, token: u64, program: &[&str]) -> Done {
    let mut file = arrived(name)?.retrieve(token).map_err(|error| {
        line(
            &format!("file {token:#x}"),
            &error,
            &[
                (libc::ENOENT, "the session has no such token"),
                (
                    libc::EINVAL,
                    "if the session is for the next kernel, first luoctl kexec",
                ),
            ],
        )
    })?;
    let [program, arguments @ ..] = program else {
        let shown = io::copy(&mut file, &mut io::stdout());
        return shown.map(drop).map_err(|error| {
            line(
                "cannot show the file",
                &error,
                &[(libc::EINVAL, "name a program that uses it")],
            )
        });
    };
    let mut command = process::Command::new(program);
    let error = command.args(arguments).stdin(file).exec();
    Err(line(program, &error, &[]))
}

fn not_open(name: &str, command: &str) -> String {
    format!("no process has session {name} open; luoctl {command} opens it")
}

fn finish(name: &str) -> Done {
    let (session, held) = find(name)?.ok_or_else(|| not_open(name, "retrieve"))?;
    session.finish().map_err(|error| {
        line(
            &format!("session {name}"),
            &error,
            &[
                (
                    libc::EINVAL,
                    "it is for the next kernel; luoctl cancel gives it up",
                ),
                (
                    libc::EBUSY,
                    "a driver wants something done about a file first: dmesg",
                ),
            ],
        )
    })?;
    let_go(&held).map(drop)
}

fn let_go(held: &Held) -> Result<bool, String> {
    held.let_go()
        .map_err(|error| line(&held.session, &error, &[(libc::EPERM, "be root")]))
}

fn cancel(name: &str) -> Done {
    let found = held::find(name).map_err(|error| line("/proc", &error, &[]))?;
    let held = found.ok_or_else(|| not_open(name, "create"))?;
    match let_go(&held)? {
        true => Ok(()),
        false => Err(format!(
            "{} has session {name} open; end that process, {}",
            held.program(),
            held.process
        )),
    }
}
