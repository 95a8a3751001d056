// SPDX-License-Identifier: GPL-2.0
//! System calls that std does not offer. The only module with `unsafe`.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

fn check(ret: i64) -> io::Result<i64> {
    if ret < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}

fn cstring(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Mounts a pseudo filesystem of type `kind` on `target`.
pub fn mount(kind: &str, target: &str) -> io::Result<()> {
    mount_with(kind, target, "")
}

/// Does the same, with options of that filesystem.
pub fn mount_with(kind: &str, target: &str, options: &str) -> io::Result<()> {
    let kind = cstring(kind)?;
    let target = cstring(target)?;
    let options = cstring(options)?;
    // SAFETY: The strings end in a NUL and outlive the call.
    let ret = unsafe {
        libc::mount(
            kind.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            0,
            options.as_ptr().cast(),
        )
    };
    check(ret.into()).map(|_| ())
}

/// An empty memfd.
pub fn memfd_create(name: &str) -> io::Result<File> {
    let name = cstring(name)?;
    // SAFETY: `name` ends in a NUL and outlives the call.
    owned(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }.into()).map(File::from)
}

/// An empty memfd in huge pages of `1 << log` bytes, which can be sealed.
pub fn memfd_create_huge(name: &str, log: u32) -> io::Result<File> {
    let name = cstring(name)?;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB;
    // SAFETY: `name` ends in a NUL and outlives the call.
    let ret = unsafe { libc::memfd_create(name.as_ptr(), flags | log << libc::MFD_HUGE_SHIFT) };
    owned(ret.into()).map(File::from)
}

/// The seals of a memfd; those given are added before.
pub fn seals(file: &File, more: i32) -> io::Result<i32> {
    // SAFETY: No memory is handed over.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, more) }.into())?;
    // SAFETY: No memory is handed over.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) }.into()).map(|ret| ret as i32)
}

/// Allocates, or with a mode punches, a part of a file.
pub fn fallocate(file: &File, mode: i32, at: u64, len: u64) -> io::Result<()> {
    // SAFETY: No memory is handed over.
    let ret = unsafe { libc::fallocate(file.as_raw_fd(), mode, at as i64, len as i64) };
    check(ret.into()).map(|_| ())
}

/// A part of a file in memory, shared with the file.
pub struct Mapping {
    start: *mut libc::c_void,
    len: usize,
}

impl Mapping {
    pub fn new(file: &File, at: u64, len: usize) -> io::Result<Self> {
        Self::with_flags(file, at, len, libc::MAP_SHARED)
    }

    /// Pages are copied when they are written to.
    pub fn private(file: &File, at: u64, len: usize) -> io::Result<Self> {
        Self::with_flags(file, at, len, libc::MAP_PRIVATE)
    }

    fn with_flags(file: &File, at: u64, len: usize, flags: i32) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = file.as_raw_fd();
        // SAFETY: The kernel chooses the address, where nothing is yet.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, at as i64) };
        match start {
            libc::MAP_FAILED => Err(io::Error::last_os_error()),
            start => Ok(Self { start, len }),
        }
    }

    /// The file must be that long. A page that cannot be had ends the process.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: It is mapped, writable, and exclusively borrowed; no other process has the file.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len) }
    }

    /// The number of the first page frame, if there is a page.
    pub fn frame(&self) -> io::Result<u64> {
        let mut entry = [0; 8];
        let at = self.start as u64 / page_size()? * 8;
        File::open("/proc/self/pagemap")?.read_exact_at(&mut entry, at)?;
        Ok(u64::from_ne_bytes(entry) & ((1 << 55) - 1))
    }

    /// Says that the first page is broken.
    pub fn poison(&mut self) -> io::Result<()> {
        let len = page_size()? as usize;
        // SAFETY: It is mapped. Nobody reads it from now on.
        check(unsafe { libc::madvise(self.start, len, libc::MADV_HWPOISON) }.into()).map(|_| ())
    }
}

/// Pages that are pinned as for a device that goes on for long.
pub struct Pins {
    test: File,
    len: usize,
}

/// `struct pin_longterm_test` of `mm/gup_test.h`.
#[repr(C)]
struct PinArg {
    address: u64,
    len: u64,
    flags: u32,
}

impl Pins {
    /// Pins the first pages of a mapping, to be written to.
    pub fn new(mapping: &Mapping, len: usize) -> io::Result<Self> {
        const PIN: u32 = 1 << 30 | (size_of::<PinArg>() as u32) << 16 | (b'g' as u32) << 8 | 7;
        let test = File::open("/sys/kernel/debug/gup_test")?;
        let mut arg = PinArg {
            address: mapping.start as u64,
            len: len as u64,
            flags: 1,
        };
        ioctl(&test, PIN, &mut arg)?;
        Ok(Self { test, len })
    }

    /// What the device would read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        const READ: u32 = 1 << 30 | (size_of::<u64>() as u32) << 16 | (b'g' as u32) << 8 | 9;
        let mut bytes = vec![0; self.len];
        let address = bytes.as_mut_ptr() as u64;
        let fd = self.test.as_raw_fd();
        // SAFETY: The kernel writes to the bytes, as many as were pinned.
        check(unsafe { libc::ioctl(fd, READ as _, &raw const address) }.into())?;
        Ok(bytes)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: It was mapped by this, and nobody has a reference to it any more.
        unsafe { libc::munmap(self.start, self.len) };
    }
}

/// An ioctl whose argument is a structure in memory. The result may be positive.
pub fn ioctl<T>(fd: impl AsFd, request: u32, argument: &mut T) -> io::Result<i32> {
    let raw = fd.as_fd().as_raw_fd();
    // SAFETY: Callers pass the `repr(C)` structure that belongs to `request`; it is exclusively
    // borrowed for the call, and the kernel writes no more than the size in its first field.
    let ret = unsafe { libc::ioctl(raw, request as _, std::ptr::from_mut(argument)) };
    check(ret.into()).map(|ret| ret as i32)
}

/// Takes over a file descriptor that the kernel has just made.
pub fn adopt_fd(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: Callers pass a descriptor that the kernel installed for them in this very call.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes over the file descriptor that a system call has just returned.
fn owned(ret: i64) -> io::Result<OwnedFd> {
    adopt_fd(check(ret)? as i32)
}

/// A process, which is this one even if its number is given to another later.
pub fn open_process(id: u32) -> io::Result<OwnedFd> {
    // SAFETY: No memory is handed over.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0) })
}

/// The open file that a process has as its descriptor `fd`.
pub fn file_of(process: impl AsFd, fd: i32) -> io::Result<OwnedFd> {
    let process = process.as_fd().as_raw_fd();
    // SAFETY: No memory is handed over.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, fd, 0) })
}

/// Ends a process, and waits until it has.
pub fn end_process(process: impl AsFd) -> io::Result<()> {
    let fd = process.as_fd().as_raw_fd();
    let (signal, no_info) = (libc::SIGTERM, std::ptr::null::<libc::siginfo_t>());
    // SAFETY: There is no information to read.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) })?;
    let mut ended = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: The structure is the only one, and exclusively borrowed for the call.
    check(unsafe { libc::poll(&mut ended, 1, -1) }.into()).map(|_| ())
}

/// The size of a page, in bytes.
pub fn page_size() -> io::Result<u64> {
    // SAFETY: No memory is handed over.
    let size = check(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })?;
    u64::try_from(size).map_err(io::Error::other)
}

/// Has the kernel's messages below this level shown on the console.
pub fn show_messages(level: i32) -> io::Result<()> {
    const CONSOLE_LEVEL: i32 = 8;
    // SAFETY: No memory is handed over.
    let ret = unsafe { libc::klogctl(CONSOLE_LEVEL, std::ptr::null_mut(), level) };
    check(ret.into()).map(|_| ())
}

/// Loads a kernel module.
pub fn load_module(file: &File) -> io::Result<()> {
    // SAFETY: The descriptor is open, and the parameters are terminated.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            file.as_raw_fd(),
            c"".as_ptr(),
            0usize,
        )
    };
    check(ret).map(|_| ())
}

/// Unloads a kernel module, unless it is in use.
pub fn unload_module(name: &str) -> io::Result<()> {
    let name = cstring(name)?;
    // SAFETY: The name is terminated.
    let ret = unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) };
    check(ret).map(|_| ())
}

/// Loads a kernel for the next `reboot_kexec()`.
pub fn kexec_file_load(kernel: &File, initrd: &File, cmdline: &str) -> io::Result<()> {
    let cmdline = cstring(cmdline)?;
    // SAFETY: Both descriptors are open, and the length covers the NUL of `cmdline`.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initrd.as_raw_fd(),
            cmdline.as_bytes_with_nul().len(),
            cmdline.as_ptr(),
            0usize,
        )
    };
    check(ret).map(|_| ())
}

/// Boots the loaded kernel. Returns only on failure.
pub fn reboot_kexec() -> io::Error {
    reboot(libc::LINUX_REBOOT_CMD_KEXEC)
}

/// Ends the machine. With `-no-reboot` QEMU exits on a restart, and so it does on a panic with
/// `panic=-1`; switching off needs ACPI, which these kernels lose with the first kexec.
pub fn end_machine() -> ! {
    reboot(libc::LINUX_REBOOT_CMD_RESTART);
    loop {
        std::thread::park();
    }
}

fn reboot(command: i32) -> io::Error {
    // SAFETY: reboot() touches no memory of this process.
    unsafe {
        libc::sync();
        libc::reboot(command);
    }
    io::Error::last_os_error()
}

/// Makes `path` standard input, output and error.
pub fn use_as_stdio(path: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    for fd in 0..=2 {
        // SAFETY: dup2() closes `fd` at most, which nothing in this process owns as an object.
        check(unsafe { libc::dup2(file.as_raw_fd(), fd) }.into())?;
    }
    Ok(())
}

/// Waits until the terminal on standard output has sent everything.
pub fn drain_stdout() {
    // SAFETY: tcdrain() takes a plain number; an error (not a terminal) does no harm.
    unsafe { libc::tcdrain(libc::STDOUT_FILENO) };
}

/// How long this kernel has kept time.
pub fn since_boot() -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: The structure is exclusively borrowed for the call.
    check(unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) }.into())?;
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// The text of an errno, for messages.
pub fn errno_text(errno: i32) -> String {
    // SAFETY: strerror() returns a string that stays valid until this thread calls it again.
    let text = unsafe { CStr::from_ptr(libc::strerror(errno)) };
    text.to_string_lossy().into_owned()
}

/// The release and machine fields of uname().
pub fn uname() -> (String, String) {
    // SAFETY: utsname consists of byte arrays, for which zero is a valid value.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `name` is exclusively borrowed and of the right type.
    if unsafe { libc::uname(&mut name) } != 0 {
        return ("unknown".into(), "unknown".into());
    }
    (field(&name.release), field(&name.machine))
}

fn field(bytes: &[libc::c_char]) -> String {
    bytes
        .iter()
        .take_while(|&&c| c != 0)
        .map(|&c| c as u8 as char)
        .collect()
}

/// Whether this process is the init of its machine.
pub fn is_init() -> bool {
    std::process::id() == 1
}
