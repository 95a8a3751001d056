// SPDX-License-Identifier: GPL-2.0

//! Where guests run: under KVM only where that runs the kernel. A stand-in takes QEMU's place.

use crate::plan::{run_file, Plan, Tier};
use crate::process::{kill, output, script, text};
use libtest_mimic::Failed;
use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// What the stand-in does, in the words of a shell.
const WORKS: &str = "kernel; userspace";
const WAITS: &str = "kernel; until [ -e go ]; do sleep 0.1; done; userspace";
const HANGS: &str = "hang";
const HANGS_AND_STAYS: &str = "trap '' TERM; hang";
const HANGS_IN_FIRMWARE: &str = "echo 'Booting from ROM..'; hang";
const HANGS_IN_KERNEL: &str = "kernel; hang";
const HANGS_IN_USERSPACE: &str = "kernel; userspace; hang";
const RESETS: &str = "exit 0";
const FAILS: &str = "echo 'failed to initialize kvm'; exit 1";
const ABORTS: &str = "echo 'assertion failed'; kill -ABRT $$";

/// Each start is a line in `starts`, the accelerator and the process; then it does as the file
/// says that has the accelerator's name.
const STAND_IN: &str = r"#!/bin/bash
kernel() { echo '[    0.000000] Linux version'; }
userspace() { echo 'FLB-RESULT pass'; }
hang() { for _ in {1..600}; do sleep 0.1; done; }
[[ $* =~ -accel\ ([a-z]+) ]]
cd ${0%/*}
echo ${BASH_REMATCH[1]} $$ >>starts
. ./${BASH_REMATCH[1]}
";
/// In place of the kernel's own: the results are the log.
const KUNIT_PY: &str = "import shutil, sys
shutil.copy(sys.argv[-1], sys.argv[2].removeprefix('--json='))
";

const EMULATED: &str = "tcg,thread=single";

/// Name, what guests do under KVM from one boot to the next, and the accelerators of all starts.
/// Emulated guests work.
type Case = (&'static str, &'static [&'static str], &'static str);
#[rustfmt::skip]
const CASES: &[Case] = &[
    ("works", &[WORKS, WORKS], "kvm kvm"),
    ("hangs-at-once", &[HANGS, WORKS], "kvm tcg tcg"),
    ("hangs-and-stays", &[HANGS_AND_STAYS, WORKS], "kvm tcg tcg"),
    ("hangs-in-firmware", &[HANGS_IN_FIRMWARE, WORKS], "kvm tcg tcg"),
    ("hangs-in-kernel", &[HANGS_IN_KERNEL, WORKS], "kvm tcg tcg"),
    ("resets", &[RESETS, WORKS], "kvm tcg tcg"),
    ("fails", &[FAILS, WORKS], "kvm tcg tcg"),
    ("aborts", &[ABORTS, WORKS], "kvm tcg tcg"),
    ("hangs-later", &[WORKS, HANGS_IN_FIRMWARE, WORKS], "kvm kvm tcg tcg"),
    ("aborts-later", &[WORKS, ABORTS, WORKS], "kvm kvm tcg tcg"),
];

/// A machine that has just booted: an empty cache, a device for KVM and the stand-in.
struct Machine(PathBuf);

impl Machine {
    /// Under KVM its guests do the first, emulated the second.
    fn new(name: &str, kvm: &str, emulated: &str) -> Result<Self, Failed> {
        let machine = Self(run_file(&format!(
            "tmp/accel-{}-{name}",
            std::process::id()
        )));
        fs::create_dir_all(machine.path("cache/luo-flb/image"))?;
        fs::create_dir_all(machine.path("cache/luo-flb/tree/t/tools/testing/kunit"))?;
        for file in ["device", "kernel", "cache/luo-flb/image/v", "starts"] {
            machine.write(file, "")?;
        }
        let kunit_py = "cache/luo-flb/tree/t/tools/testing/kunit/kunit.py";
        machine.write(kunit_py, KUNIT_PY)?;
        machine.write("kvm", kvm)?;
        machine.write("tcg", emulated)?;
        machine.write("qemu", STAND_IN)?;
        output(Command::new("chmod").arg("+x").arg(machine.path("qemu")))?;
        Ok(machine)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn write(&self, file: &str, content: &str) -> Result<(), Failed> {
        Ok(fs::write(self.path(file), content)?)
    }

    /// A script on it. For KVM that works, there is time on a busy host.
    fn script(&self, name: &str, seconds: u32) -> Command {
        let mut command = script(name);
        for name in ["ACCEL", "FLAVOR", "ICOUNT", "STORY", "RUN", "SMP", "BOUND"] {
            command.env_remove(format!("FLB_{name}"));
        }
        command
            .env("ARCH", "x86_64")
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("QEMU", self.path("qemu"))
            .env("FLB_KVM", self.path("device"))
            .env("FLB_KVM_SECONDS", seconds.to_string())
            .env("FLB_TIMEOUT", "60")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn boot_to(&self, log: &str, seconds: u32) -> Command {
        let mut boot = self.script("boot.sh", seconds);
        boot.args(["kernel", "kernel", log].map(|file| self.path(file)));
        boot
    }

    fn boot(&self, seconds: u32) -> Command {
        self.boot_to("log", seconds)
    }

    fn kunit(&self, seconds: u32) -> Command {
        let mut kunit = self.script("kunit.sh", seconds);
        kunit.args(["t", "v"]).arg(self.path("json")).arg("*");
        kunit
    }

    /// A command that succeeds, and leaves a guest's log. Returns what a person sees of it.
    fn succeeds(&self, mut command: Command, log: &str) -> Result<String, Failed> {
        let seen = output(&mut command)?;
        let log = fs::read_to_string(self.path(log))?;
        equal("guest in the log", true, log.contains("Linux version"))?;
        Ok(seen)
    }

    /// Each start so far: the accelerator and the process.
    fn starts(&self) -> Result<Vec<(String, String)>, Failed> {
        let text = fs::read_to_string(self.path("starts"))?;
        let split = |line: &str| line.split_once(' ').map(|(a, b)| (a.into(), b.into()));
        Ok(text.lines().filter_map(split).collect())
    }

    /// Compares all starts so far, and what is remembered until the machine boots again, if it is.
    fn expect(&self, starts: &str, verdict: &str) -> Result<(), Failed> {
        let found: Vec<_> = self.starts()?.into_iter().map(|(accel, _)| accel).collect();
        equal("starts", starts, &found.join(" "))?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let file = format!("cache/luo-flb/run/accel-{}", boot.trim());
        let text = fs::read_to_string(self.path(&file)).unwrap_or_default();
        equal("verdict", verdict, text.trim())
    }

    /// Waits for the first start.
    fn started(&self) -> Result<(), Failed> {
        within(20, "a start of QEMU", || {
            self.starts().is_ok_and(|starts| starts.len() == 1)
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn equal<T: PartialEq + Debug>(what: &str, expected: T, got: T) -> Result<(), Failed> {
    if expected == got {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {got:?}").into())
}

fn within(seconds: u64, what: &str, holds: impl Fn() -> bool) -> Result<(), Failed> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > Duration::from_secs(seconds) {
            return Err(format!("{what}: not within {seconds} s").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Nobody notices, but for a note, and no more, where KVM has run a guest before.
fn noted(seen: &str, wanted: bool) -> Result<(), Failed> {
    let is = seen.starts_with("luo-flb: KVM no longer runs guests") && seen.lines().count() == 1;
    equal(&format!("a note in {seen:?}"), wanted, is)?;
    equal("seen", wanted, !seen.is_empty())
}

fn case(&(name, boots, starts): &Case) -> Result<(), Failed> {
    let machine = Machine::new(name, WORKS, WORKS)?;
    let start = Instant::now();
    for (index, kvm) in boots.iter().enumerate() {
        machine.write("kvm", kvm)?;
        let seen = machine.succeeds(machine.boot(if *kvm == WORKS { 30 } else { 1 }), "log")?;
        noted(&seen, index > 0 && *kvm != WORKS)?;
    }
    let quick = start.elapsed() < Duration::from_secs(40);
    equal("an end long before the limit", true, quick)?;
    let works = !starts.contains("tcg");
    machine.expect(starts, if works { "kvm" } else { EMULATED })
}

fn absent() -> Result<(), Failed> {
    let machine = Machine::new("absent", WORKS, WORKS)?;
    fs::remove_file(machine.path("device"))?;
    noted(&machine.succeeds(machine.boot(30), "log")?, false)?;
    machine.expect("tcg", "")
}

/// Who chooses gets that, and nothing is learnt; a benchmark that counts is emulated.
fn chosen() -> Result<(), Failed> {
    let machine = Machine::new("chosen", ABORTS, WORKS)?;
    for (name, value) in [
        ("FLB_ACCEL", "tcg"),
        ("FLB_ICOUNT", "1"),
        ("FLB_ACCEL", "kvm"),
    ] {
        let done = machine.boot(30).env(name, value).output()?;
        equal(value, value != "kvm", done.status.success())?;
    }
    machine.expect("tcg tcg kvm", "")
}

/// What hangs after that is the guest's own fault, and the error says where to read about it.
fn hangs_in_userspace() -> Result<(), Failed> {
    let machine = Machine::new("userspace", HANGS_IN_USERSPACE, WORKS)?;
    let seen = text(&machine.boot(30).env("FLB_TIMEOUT", "4").output()?);
    let wanted = "the guest (kvm) did not end within 4 s, last line: FLB-RESULT pass; ";
    let log = format!("log: {}\n", machine.path("log").display());
    equal(&seen, true, seen.contains(wanted) && seen.ends_with(&log))?;
    machine.expect("kvm", "kvm")
}

/// A kernel that does not run anywhere says nothing about KVM.
fn broken_kernel() -> Result<(), Failed> {
    let machine = Machine::new("broken", HANGS, HANGS_IN_KERNEL)?;
    let done = machine.boot(1).env("FLB_TIMEOUT", "4").output()?;
    equal("success", false, done.status.success())?;
    machine.expect("kvm tcg", "")
}

/// KUnit's kernels have no userspace: they follow what others have found out.
fn kunit() -> Result<(), Failed> {
    let machine = Machine::new("kunit", "kernel", "kernel")?;
    noted(&machine.succeeds(machine.kunit(30), "json")?, false)?;
    machine.expect("tcg", "")?;
    machine.write("kvm", WORKS)?;
    machine.succeeds(machine.boot(30), "log")?;
    machine.write("kvm", "kernel")?;
    noted(&machine.succeeds(machine.kunit(30), "json")?, false)?;
    machine.expect("tcg kvm kvm", "kvm")?;
    machine.write("kvm", HANGS_IN_FIRMWARE)?;
    noted(&machine.succeeds(machine.kunit(1), "json")?, true)?;
    machine.expect("tcg kvm kvm kvm tcg", EMULATED)
}

/// Of two at the same time one tries KVM, and the other does not wait.
fn one_tries() -> Result<(), Failed> {
    let machine = Machine::new("two", WAITS, WORKS)?;
    let mut first = machine.boot(60).spawn()?;
    machine.started()?;
    machine.succeeds(machine.boot_to("second", 60), "second")?;
    machine.expect("kvm tcg", "")?;
    machine.write("go", "")?;
    equal("success", true, first.wait()?.success())?;
    machine.expect("kvm tcg", "kvm")
}

/// A signal ends QEMU too, even one that does not hear, and nothing is learnt.
fn interrupted(name: &str, signal: &str, qemu: &str) -> Result<(), Failed> {
    let machine = Machine::new(name, qemu, qemu)?;
    let command = [Machine::boot, Machine::kunit][usize::from(name == "kunit-ended")];
    let mut child = command(&machine, 60).spawn()?;
    machine.started()?;
    let (accel, process) = machine.starts()?.remove(0);
    kill(signal, child.id())?;
    equal("success", false, child.wait()?.success())?;
    // Of one that nobody has waited for yet the command line is empty.
    let gone = || fs::read(format!("/proc/{process}/cmdline")).map_or(true, |line| line.is_empty());
    // Without a chance to end it, soon after; else when the machine has noticed.
    let soon = ["killed", "kunit-ended"].contains(&name);
    within(if soon { 10 } else { 2 }, "an end of QEMU", gone)?;
    machine.expect(&accel, "")?;
    machine.write("kvm", WORKS)?;
    machine.write("tcg", WORKS)?;
    noted(&machine.succeeds(machine.boot(30), "log")?, false)
}

/// Adds the tests.
pub fn plan(plan: &mut Plan) {
    // Elsewhere guests are emulated without a question.
    if env::consts::ARCH != "x86_64" {
        return;
    }
    for entry in CASES {
        plan.test(Tier::Always, format!("accel/{}", entry.0), || case(entry));
    }
    let mut test = |name: &str, run: fn() -> Result<(), Failed>| {
        plan.test(Tier::Always, format!("accel/{name}"), run);
    };
    test("absent", absent);
    test("chosen", chosen);
    test("hangs-in-userspace", hangs_in_userspace);
    test("broken-kernel", broken_kernel);
    test("kunit", kunit);
    test("one-tries", one_tries);
    test("interrupted", || interrupted("interrupted", "INT", HANGS));
    test("ended", || interrupted("ended", "TERM", HANGS_AND_STAYS));
    test("killed", || interrupted("killed", "KILL", HANGS));
    test("kunit-ended", || interrupted("kunit-ended", "TERM", HANGS));
}
