// SPDX-License-Identifier: GPL-2.0
//! PID 1 of the QEMU guest: shows a live update, or runs one kexec scenario.
//!
//! The kernel command line says what to do:
//!
//! ```text
//! flb.mode=demo|scenario|selftest|bench   flb.scenario=NAME
//! flb.sample=NAME        tell the story of this sample in place of the one of memfds
//!                        own: of a driver whose name and device are flb.driver= and flb.device=;
//!                        what is written to it is flb.write=, in hexadecimal, if there is one
//! flb.chain=c,rust,...   label of the kernel of each hop; the last one repeats
//! flb.hop=N              which kernel of the chain runs (set by the guest itself)
//! flb.names1=a,b,...     flb_client.names= for hop 1, and so on
//! flb.timeout=SECONDS    limit for each hop
//! flb.damage=NAME        what to do to the handover, in the scenario hostile
//! flb.leaks=1            look for lost memory before each hop ends, by kmemleak
//! ```
//!
//! A label is the core's name, `c` or `rust`, which a series may precede: `7.3-rust`.
//!
//! Results go to the console: `FLB-CHECK ok|FAIL ...`, `FLB-RESULT pass|fail|error NAME`, and
//! `FLB-STORY ...` for a person. Run by hand with `--list` it tells its scenarios: name, number of
//! kernels, words for the command line of the first one (or `-`), and what it is about.
//! `--list-hugetlb` tells those for kernels that can hand over files in huge pages, `--list-vm`
//! those of virtual machines, `--list-special` those that want a chain of their own, and
//! `--list-hostile tree|structure` how a handover of that format can be damaged. `--read` shows
//! what standard input has.

mod bench;
mod client;
mod cmdline;
mod cpio;
mod devices;
mod early;
#[path = "../../../tools/flbdump/src/fdt.rs"]
mod fdt;
mod hugetlb;
mod kexec;
mod kmsg;
mod leaks;
#[path = "../../../tools/flbdump/src/luo_ser.rs"]
mod luo_ser;
mod mass;
mod memfd;
mod memory;
mod notes;
mod observe;
mod report;
mod run;
mod scenarios;
mod selftest;
mod story;
#[cfg(target_arch = "x86_64")]
mod vm;

use cmdline::Cmdline;
use flb_guest::{liveupdate, sys};
use run::{Run, Scenario};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    if !sys::is_init() {
        return by_hand();
    }
    // Init must not die: that would be a kernel panic and hide what went wrong.
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string().replace('\n', " ");
        report::error("the guest program", "no panic", text);
        report::end();
    }));
    if let Err(error) = boot() {
        report::error("the guest program", "no error", error);
    }
    report::end()
}

fn by_hand() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--list") => list(scenarios::all()),
        Some("--list-hugetlb") => list(scenarios::HUGETLB_SCENARIOS.iter()),
        Some("--list-vm") => list(scenarios::VM_SCENARIOS.iter()),
        Some("--list-special") => list(scenarios::SPECIAL.iter()),
        Some("--list-hostile") => {
            let is_tree = std::env::args().nth(2).as_deref() == Some("tree");
            scenarios::list_hostile(is_tree)
                .for_each(|(name, about)| println!("{name:<20} {about}"));
        }
        Some("--read") => println!("{}", story::read(io::stdin())),
        _ => {
            eprintln!("This is the init of a QEMU guest. --list shows its scenarios.");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn list(scenarios: impl Iterator<Item = &'static Scenario>) {
    for scenario in scenarios {
        println!(
            "{:<28} {} {} {}",
            scenario.name,
            scenario.kernels(),
            first_words(scenario),
            scenario.about
        );
    }
}

/// What the first kernel is to be booted with.
fn first_words(scenario: &Scenario) -> String {
    match scenario.hop(0) {
        Some(hop) if !hop.params.is_empty() => hop.params.replace(' ', ";"),
        _ => "-".to_string(),
    }
}

fn boot() -> io::Result<()> {
    for (kind, target) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("debugfs", "/sys/kernel/debug"),
        ("tracefs", "/sys/kernel/tracing"),
    ] {
        // Not every kernel has tracing.
        if std::fs::create_dir_all(target).is_err() {
            continue;
        }
        // The kernel may have mounted it by itself.
        if let Err(error) = sys::mount(kind, target) {
            if error.raw_os_error() != Some(libc::EBUSY) {
                return Err(io::Error::other(format!("mount {target}: {error}")));
            }
        }
    }
    sys::use_as_stdio(Path::new("/dev/console"))?;
    // scripts/boot.sh waits for it.
    report::line("FLB-UP");

    let cmdline = Cmdline::running()?;
    watchdog(
        cmdline
            .get("flb.timeout")
            .and_then(|text| text.parse().ok())
            .unwrap_or(100),
    );

    let mode = cmdline.get("flb.mode").unwrap_or("none").to_string();
    if mode == "bench" {
        return bench::receive(cmdline);
    }
    let name = cmdline.get("flb.scenario").unwrap_or(&mode).to_string();
    let sample = cmdline.get("flb.sample").map(str::to_string);
    let run = Run::start(&name, cmdline)?;
    match mode.as_str() {
        "demo" => match story::find(sample.as_deref()) {
            Some(story) => run.play(story),
            None => Err(io::Error::other("flb.sample= is no sample of the demo")),
        },
        "selftest" => run.play(&selftest::scenario(&name)),
        "scenario" => match scenarios::find(&name) {
            Some(scenario) => run.play(scenario),
            None => Err(io::Error::other(format!("no scenario '{name}'"))),
        },
        _ => Err(io::Error::other(
            "flb.mode= is neither demo nor scenario nor selftest nor bench",
        )),
    }
}

/// A hop that hangs ends with a failed check instead.
fn watchdog(seconds: u64) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        report::error("time", format!("a hop within {seconds} s"), "timeout");
        report::end();
    });
}
