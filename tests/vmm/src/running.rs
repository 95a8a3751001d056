// SPDX-License-Identifier: GPL-2.0
//! A guest that runs in a thread of its own.

use crate::machine::Machine;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vmm_sys_util::signal::{register_signal_handler, Killable, SIGRTMIN};

/// A guest of which nothing is heard for this long has come to its end.
const SILENCE: Duration = Duration::from_secs(60);
/// When a thread that was asked to pause is asked again.
const AGAIN: Duration = Duration::from_millis(10);

/// A guest that runs until it is paused.
pub struct Running {
    thread: JoinHandle<io::Result<Machine>>,
    pause: Arc<AtomicBool>,
    sent: Receiver<u8>,
    /// What it has sent that was not taken.
    text: String,
}

/// A signal without a handler would end the process; with one it ends a system call.
extern "C" fn nothing(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

impl Running {
    /// Lets a guest run; `line` is what is there of the line that it is in the midst of.
    pub fn start(mut machine: Machine, line: String) -> io::Result<Self> {
        register_signal_handler(SIGRTMIN(), nothing)?;
        let pause = Arc::new(AtomicBool::new(false));
        let (to, sent) = mpsc::channel();
        let asked = pause.clone();
        let thread = thread::Builder::new().spawn(move || {
            while !asked.load(Ordering::SeqCst) {
                machine.run(|byte| _ = to.send(byte))?;
            }
            Ok(machine)
        })?;
        Ok(Self {
            thread,
            pause,
            sent,
            text: line,
        })
    }

    /// Waits for the next line.
    pub fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.to_string(), rest.to_string());
                self.text = rest;
                return Ok(line);
            }
            self.receive()?;
        }
    }

    /// Waits until there is text. Is it the beginning of a line, with no line before?
    pub fn begun(&mut self) -> io::Result<bool> {
        if self.text.is_empty() {
            self.receive()?;
        }
        self.text.extend(self.sent.try_iter().map(char::from));
        Ok(!self.text.contains('\n'))
    }

    fn receive(&mut self) -> io::Result<()> {
        let what = match self.sent.recv_timeout(SILENCE) {
            Ok(byte) => {
                self.text.push(byte.into());
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => "the guest is silent",
            Err(RecvTimeoutError::Disconnected) => "the guest has ended",
        };
        Err(io::Error::other(what))
    }

    /// Pauses it. Returns it, and what it has sent that was not taken.
    pub fn pause(mut self) -> io::Result<(Machine, String)> {
        self.pause.store(true, Ordering::SeqCst);
        self.thread.kill(SIGRTMIN())?;
        loop {
            match self.sent.recv_timeout(AGAIN) {
                Ok(byte) => self.text.push(byte.into()),
                // A signal that comes before KVM is entered is lost.
                Err(RecvTimeoutError::Timeout) => self.thread.kill(SIGRTMIN())?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let machine = self.thread.join();
        let machine =
            machine.map_err(|_| io::Error::other("the guest's thread has panicked"))??;
        Ok((machine, self.text))
    }
}
