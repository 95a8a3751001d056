// SPDX-License-Identifier: GPL-2.0
//! Sessions that processes have open, and the process that does nothing else.

use flb_guest::liveupdate::Session;
use flb_guest::sys;
use std::env;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the descriptors of sessions lead to, in `/proc`.
const LINK: &str = "anon_inode:[luo_session] ";

/// The program's name, and the command of the process that keeps a session.
const KEEPER: [&str; 2] = ["luoctl", "keep"];

/// A session that a process has open.
pub struct Held {
    pub session: String,
    pub process: u32,
    fd: i32,
}

impl Held {
    /// The name of the program.
    pub fn program(&self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.process));
        name.unwrap_or_default().trim_end().to_string()
    }

    /// The session.
    pub fn open(&self) -> io::Result<Session> {
        let process = sys::open_process(self.process)?;
        Ok(Session::from(sys::file_of(process, self.fd)?))
    }

    /// Ends the process, if it keeps the session and does nothing else. Returns whether it does.
    pub fn let_go(&self) -> io::Result<bool> {
        let process = sys::open_process(self.process)?;
        let args = fs::read(format!("/proc/{}/cmdline", self.process))?;
        let words = args.split(|&byte| byte == 0);
        let keeps = words.take(2).eq(KEEPER.map(str::as_bytes));
        if keeps {
            sys::end_process(process)?;
        }
        Ok(keeps)
    }
}

/// All that processes have open, as far as this one may see it.
pub fn all() -> io::Result<Vec<Held>> {
    let mut all = Vec::new();
    for (process, path) in numbers(Path::new("/proc"))? {
        // It may be gone, or be none of ours.
        let Ok(descriptors) = numbers(&path.join("fd")) else {
            continue;
        };
        for (fd, path) in descriptors {
            let link = fs::read_link(path).unwrap_or_default();
            if let Some(session) = link.to_str().and_then(|link| link.strip_prefix(LINK)) {
                all.push(Held {
                    session: session.to_string(),
                    process,
                    fd: fd as i32,
                });
            }
        }
    }
    Ok(all)
}

/// The session of this name, if a process has it open.
pub fn find(session: &str) -> io::Result<Option<Held>> {
    Ok(all()?.into_iter().find(|held| held.session == session))
}

/// Keeps a session open by a process of its own. What is asked for here std can do where there are
/// no sockets.
pub fn keep(name: &str, session: &Session) -> io::Result<()> {
    Command::new(env::current_exe()?)
        .arg0(KEEPER[0])
        .args([KEEPER[1], name])
        .stdin(Stdio::from(session.as_fd().try_clone_to_owned()?))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
}

/// The entries of a directory whose names are numbers, in their order.
fn numbers(directory: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(number) = name.and_then(|name| name.parse().ok()) {
            numbers.push((number, path));
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd;

    #[test]
    fn descriptors_of_this_process() {
        let file = File::open("/dev/null").unwrap();
        let fd = file.as_raw_fd() as u32;
        let found = numbers(Path::new("/proc/self/fd")).unwrap();
        let (_, path) = found.iter().find(|(number, _)| *number == fd).unwrap();
        assert_eq!(fs::read_link(path).unwrap(), Path::new("/dev/null"));
    }
}
