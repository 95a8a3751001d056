// SPDX-License-Identifier: GPL-2.0
//! `/dev/liveupdate`: sessions, and the files in them.

use crate::sys;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The device node of the orchestrator.
pub const DEVICE: &str = "/dev/liveupdate";

const NAME_LENGTH: usize = 64;

/// `_IO()` numbers: the type in the second byte, the command in the first.
const fn command(number: u32) -> u32 {
    0xba << 8 | number
}

const CREATE_SESSION: u32 = command(0x00);
const RETRIEVE_SESSION: u32 = command(0x01);
const PRESERVE_FD: u32 = command(0x40);
const RETRIEVE_FD: u32 = command(0x41);
const FINISH: u32 = command(0x42);

#[repr(C)]
struct SessionArg {
    size: u32,
    fd: i32,
    name: [u8; NAME_LENGTH],
}

#[repr(C, align(8))]
struct FdArg {
    size: u32,
    fd: i32,
    token: u64,
}

#[repr(C)]
struct FinishArg {
    size: u32,
    reserved: u32,
}

/// A result above 0 is none that these ioctls may have.
fn strict(ret: i32) -> io::Result<()> {
    match ret {
        0 => Ok(()),
        _ => Err(io::Error::other(format!("the ioctl returned {ret}"))),
    }
}

/// The orchestrator's device, which one process at a time may hold open.
pub struct LiveUpdate(File);

impl LiveUpdate {
    /// Opens the device.
    pub fn open() -> io::Result<Self> {
        Ok(Self(File::options().read(true).write(true).open(DEVICE)?))
    }

    /// A new session for the next kernel. Dropping it gives up its files.
    pub fn create(&self, name: &str) -> io::Result<Session> {
        self.session(CREATE_SESSION, name)
    }

    /// A session from the previous kernel. Dropping it finishes it.
    pub fn retrieve(&self, name: &str) -> io::Result<Session> {
        self.session(RETRIEVE_SESSION, name)
    }

    fn session(&self, request: u32, name: &str) -> io::Result<Session> {
        let mut arg = SessionArg {
            size: size_of::<SessionArg>() as u32,
            fd: -1,
            name: [0; NAME_LENGTH],
        };
        arg.name
            .get_mut(..name.len())
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENAMETOOLONG))?
            .copy_from_slice(name.as_bytes());
        strict(sys::ioctl(&self.0, request, &mut arg)?)?;
        Ok(Session(sys::adopt_fd(arg.fd)?))
    }
}

/// An open session.
pub struct Session(OwnedFd);

/// Any descriptor of the session, such as one of another process.
impl From<OwnedFd> for Session {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Session {
    /// Adds `file` to what the next kernel gets.
    pub fn preserve(&self, file: impl AsFd, token: u64) -> io::Result<()> {
        let fd = file.as_fd().as_raw_fd();
        let mut arg = FdArg {
            size: size_of::<FdArg>() as u32,
            fd,
            token,
        };
        strict(sys::ioctl(&self.0, PRESERVE_FD, &mut arg)?)
    }

    /// Gets a file back.
    pub fn retrieve(&self, token: u64) -> io::Result<File> {
        let mut arg = FdArg {
            size: size_of::<FdArg>() as u32,
            fd: -1,
            token,
        };
        strict(sys::ioctl(&self.0, RETRIEVE_FD, &mut arg)?)?;
        Ok(File::from(sys::adopt_fd(arg.fd)?))
    }

    /// Ends the session in the new kernel.
    pub fn finish(&self) -> io::Result<()> {
        let mut arg = FinishArg {
            size: size_of::<FinishArg>() as u32,
            reserved: 0,
        };
        strict(sys::ioctl(&self.0, FINISH, &mut arg)?)
    }
}
