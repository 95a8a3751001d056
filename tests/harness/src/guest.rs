// SPDX-License-Identifier: GPL-2.0

//! One run of a guest: boot a chain of kernels by `scripts/boot.sh`, and judge its console.

use crate::kernels::{Arch, Build};
use crate::plan::{cache, run_file};
use crate::{faults, process};
use libtest_mimic::Failed;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{OnceLock, RwLock};

/// What a kernel of another configuration needs: the kinds `rustdebug` and so on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flavor {
    /// After `c`, `rust` in the name of the kind, and what `accel.sh` knows it as.
    pub name: &'static str,
    /// For the command line of the first kernel.
    pub words: &'static [&'static str],
    /// Limit of a run in seconds, if not the usual one.
    pub timeout: Option<u64>,
    /// Whether processors have to run at the same time, with no guest beside it.
    pub alone: bool,
}

pub const PLAIN: Flavor = Flavor {
    name: "",
    words: &[],
    timeout: None,
    alone: false,
};

/// Runs a guest, which excludes all others if it wants the machine for itself.
pub fn share_machine<T>(flavor: Flavor, run: impl FnOnce() -> T) -> T {
    static MACHINE: RwLock<()> = RwLock::new(());
    if flavor.alone {
        let _machine = MACHINE.write();
        run()
    } else {
        let _machine = MACHINE.read();
        run()
    }
}

/// What to boot, and how.
pub struct Guest<'a> {
    pub arch: Arch,
    pub flavor: Flavor,
    pub image: &'a Path,
    pub initrd: &'a Path,
    pub log: PathBuf,
    pub kernels: u64,
}

/// How a run did not pass.
#[derive(Debug)]
pub enum Trouble {
    /// A check of the guest failed, it could go on, and this line says what.
    Failed(String),
    /// Something else went wrong.
    Judged(String),
    /// The guest came to no end by itself.
    NoEnd(String),
}

impl Trouble {
    pub fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Judged(text) | Self::NoEnd(text) => text,
        }
    }
}

/// What comes before the guest.
impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        Self::NoEnd(process::line(failed))
    }
}

impl Guest<'_> {
    /// The boot script, without words for the kernel.
    fn command(&self) -> Command {
        let mut command = process::script("boot.sh");
        let limit = self.flavor.timeout.unwrap_or(60 + 30 * self.kernels);
        command.env("ARCH", self.arch.name());
        command.env("FLB_FLAVOR", self.flavor.name);
        command.env("FLB_TIMEOUT", limit.to_string());
        if self.flavor.alone {
            command.env("FLB_ACCEL", "tcg").env("FLB_SMP", "4");
        }
        command.args([self.image, self.initrd, &self.log]);
        command.args(self.flavor.words);
        command
    }

    /// Boots, and returns the console.
    pub fn boot(&self, words: &[String]) -> Result<String, Trouble> {
        let mut command = self.command();
        command.args(words);
        share_machine(self.flavor, || process::output(&mut command))?;
        Ok(console(&self.log))
    }

    /// Boots and judges.
    pub fn run(&self, words: &[String]) -> Result<(), Trouble> {
        let console = self.boot(words)?;
        let Some(why) = verdict(&console) else {
            return Ok(());
        };
        let why = format!("{why}; see {}", self.log.display());
        match console
            .lines()
            .any(|line| line.starts_with("FLB-RESULT fail"))
        {
            true => Err(Trouble::Failed(why)),
            false => Err(Trouble::Judged(why)),
        }
    }

    /// Did QEMU hang, and neither kernel nor guest say anything? It does in one of some thousand
    /// boots. A guest that hangs says so long before QEMU is ended.
    pub fn stood_still(&self, why: &str) -> bool {
        let log = console(&self.log);
        why.contains("did not end within")
            && !log.contains("FLB-CHECK FAIL")
            && faults::first(&log).is_none()
    }

    /// Boots and judges, and once more where QEMU stood still.
    pub fn run_patiently(&self, words: &[String]) -> Result<(), Trouble> {
        let first = self.run(words);
        match &first {
            Err(Trouble::NoEnd(why)) if self.stood_still(why) => {
                let kept = self.log.with_extension("hung.log");
                let _ = fs::rename(&self.log, &kept);
                let note = format!("QEMU hung, booted once more; see {}\n", kept.display());
                let notes = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(run_file("hung"));
                let _ = notes.map(|mut notes| notes.write_all(note.as_bytes()));
                self.run(words)
            }
            _ => first,
        }
    }
}

/// A log as text. Kernels print bytes of any kind.
pub fn console(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\r', "")
}

/// Why a run did not pass.
fn verdict(log: &str) -> Option<String> {
    if !log.lines().any(|line| line.starts_with("FLB-RESULT pass")) {
        let failed = log.lines().find(|line| line.starts_with("FLB-CHECK FAIL"));
        return Some(failed.map_or_else(
            || {
                format!(
                    "no result, last line: {}",
                    process::last_line(log).unwrap_or_default()
                )
            },
            str::to_string,
        ));
    }
    faults::first(log).map(str::to_string)
}

/// An initramfs with some kernels, by label, and programs, made when it is first needed.
pub struct Initrd {
    name: String,
    arch: Arch,
    kernels: Vec<(String, Build)>,
    /// A directory of programs that go in, too.
    pub programs: Option<PathBuf>,
    made: OnceLock<Result<PathBuf, String>>,
}

impl Initrd {
    /// For the tests whose names begin with this one.
    pub fn new(name: String, arch: Arch, kernels: Vec<(String, Build)>) -> Self {
        Self {
            name,
            arch,
            kernels,
            programs: None,
            made: OnceLock::new(),
        }
    }

    pub fn path(&self) -> Result<&Path, Failed> {
        let made = self.made.get_or_init(|| self.make().map_err(process::line));
        made.as_deref().map_err(Failed::from)
    }

    fn make(&self) -> Result<PathBuf, Failed> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let path = run_file(&format!(
            "tmp/{}-{number}.initrd",
            self.name.replace('/', "-")
        ));
        let mut command = process::script("initrd.sh");
        command.env("ARCH", self.arch.name()).arg(&path);
        for (label, build) in &self.kernels {
            command.arg(format!("{label}={}", build.image().display()));
        }
        if let Some(dir) = &self.programs {
            for program in fs::read_dir(dir)? {
                command.arg(program?.path());
            }
        }
        process::output(&mut command)?;
        Ok(path)
    }
}

/// What the guest's program tells of itself when it is run by hand; nothing if it is not built.
pub fn told(args: &[&str]) -> Vec<String> {
    let mut command = Command::new(cache().join("guest/init"));
    let text = process::output(command.args(args)).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}
