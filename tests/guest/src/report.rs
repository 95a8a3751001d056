// SPDX-License-Identifier: GPL-2.0
//! Result lines on the console, for the host to read.

use crate::sys;
use std::fmt::{Debug, Display};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

static FAILURES: AtomicU32 = AtomicU32::new(0);
static ERROR: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);
static NAME: OnceLock<String> = OnceLock::new();
static PLACE: OnceLock<String> = OnceLock::new();
static CONSOLE: Mutex<()> = Mutex::new(());

/// Sets the name of the run and where it is by now.
pub fn start(name: &str, place: String) {
    let _ = NAME.set(name.to_string());
    let _ = PLACE.set(place);
}

/// Checks that failed so far. A chain goes on only without any.
pub fn failures() -> u32 {
    FAILURES.load(Ordering::SeqCst)
}

/// One line on the console. The terminal is drained, so that what the kernel logs next does not
/// end up in the middle of it.
pub fn line(text: impl Display) {
    let _guard = CONSOLE.lock();
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
    sys::drain_stdout();
}

fn place() -> &'static str {
    PLACE.get().map_or("start", String::as_str)
}

/// Text for a person.
pub fn story(text: impl Display) {
    line(format_args!("FLB-STORY {text}"));
}

/// A check that held.
pub fn pass(what: impl Display) {
    line(format_args!("FLB-CHECK ok {}: {what}", place()));
}

/// A check that did not hold.
pub fn fail(what: impl Display, expected: impl Display, got: impl Display) {
    FAILURES.fetch_add(1, Ordering::SeqCst);
    line(format_args!(
        "FLB-CHECK FAIL {}: {what}: {expected} {got}",
        place()
    ));
}

/// The run could not go on. With nothing failed before, that says nothing about the kernel.
pub fn error(what: impl Display, expected: impl Display, got: impl Display) {
    if failures() == 0 {
        ERROR.store(true, Ordering::SeqCst);
    }
    fail(what, expected, got);
}

/// Compares what is expected with what there is.
pub fn equal<T: PartialEq + Debug>(what: impl Display, expected: T, got: T) -> bool {
    let same = expected == got;
    if same {
        pass(what);
    } else {
        fail(
            what,
            format_args!("expected {expected:?}"),
            format_args!("got {got:?}"),
        );
    }
    same
}

/// A condition.
pub fn holds(what: impl Display, condition: bool) -> bool {
    equal(what, true, condition)
}

/// The errno of a result; 0 stands for success.
pub fn errno<T>(what: impl Display, expected: i32, result: &std::io::Result<T>) -> bool {
    let got = match result {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(-1),
    };
    let same = expected == got;
    if same {
        pass(format_args!("{what}: {}", name_of(expected)));
    } else {
        fail(
            what,
            format_args!("expected {}", name_of(expected)),
            format_args!("got {}", name_of(got)),
        );
    }
    same
}

fn name_of(errno: i32) -> String {
    match errno {
        0 => "success".into(),
        -1 => "no errno".into(),
        _ => format!("errno {errno} ({})", sys::errno_text(errno)),
    }
}

/// Prints the result and ends the machine. Of several callers the first wins.
pub fn end() -> ! {
    if ENDED.swap(true, Ordering::SeqCst) {
        loop {
            std::thread::park();
        }
    }
    let name = NAME.get().map_or("unknown", String::as_str);
    let result = match failures() {
        0 => "pass",
        _ if ERROR.load(Ordering::SeqCst) => "error",
        _ => "fail",
    };
    line(format_args!("FLB-RESULT {result} {name}"));
    sys::end_machine()
}
