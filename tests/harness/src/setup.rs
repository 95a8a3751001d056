// SPDX-License-Identifier: GPL-2.0

//! What the scripts say to someone whose machine or words are not as needed, and what is left of a
//! run that was interrupted. Stand-ins take the place of the machine's tools.

use crate::plan::{run_file, Outcome, Plan, Tier};
use crate::process::{kill, script, text};
use libtest_mimic::{Completion, Failed};
use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, process, thread};

/// An apt that knows a mirror and one kernel, as a shell script. What it cannot do comes before.
const APT: &str = r#"case "$*" in
*indextargets*) echo "http://mirror.invalid/ bookworm" ;;
*madison*) echo " linux-source-7.3 | 7.3.4-1 | http://mirror.invalid trixie/main amd64 Packages" ;;
esac"#;
const NO_NETWORK: &str = r#"case "$*" in
*update*|*install*|*download*) echo "E: Failed to fetch InRelease: no route"; exit 100 ;;
esac"#;

/// A machine of stand-ins, with an empty cache.
struct Machine {
    dir: PathBuf,
    path: OsString,
}

impl Machine {
    /// With the tools of the real one, apart from this one.
    fn without(tool: &str) -> Result<Self, Failed> {
        let mut machine = Self::new()?;
        let bin = machine.dir.join("bin");
        for place in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
            for entry in fs::read_dir(place).into_iter().flatten().flatten() {
                if entry.file_name() != tool {
                    // Of two with a name the first counts.
                    let _ = symlink(entry.path(), bin.join(entry.file_name()));
                }
            }
        }
        machine.path = bin.into();
        Ok(machine)
    }

    fn new() -> Result<Self, Failed> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("luo-flb-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let dir = run_file(&format!("tmp/{name}"));
        fs::create_dir_all(dir.join("bin"))?;
        fs::create_dir_all(dir.join("cache/luo-flb/lock"))?;
        let mut path = dir.join("bin").into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let machine = Self { dir, path };
        machine.stand_in("apt-cache", APT)?;
        machine.stand_in("apt-get", APT)?;
        machine.stand_in("id", "echo 0")?;
        Ok(machine)
    }

    fn stand_in(&self, name: &str, text: &str) -> Result<(), Failed> {
        let path = self.dir.join("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/bash\n{text}\n"))?;
        Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
    }

    fn no_network(&self) -> Result<(), Failed> {
        self.stand_in("apt-get", &format!("{NO_NETWORK}\n{APT}"))
    }

    fn cache(&self) -> PathBuf {
        self.dir.join("cache/luo-flb")
    }

    /// A version in the cache, looked for long ago.
    fn has_tree(&self) -> Result<(), Failed> {
        let tree = self.cache().join("tree/7.3");
        fs::create_dir_all(&tree)?;
        fs::write(tree.join(".flb-version"), "7.3.1\n")?;
        let mut touch = Command::new("touch");
        touch
            .args(["-d", "2 hours ago"])
            .arg(tree.join(".flb-version"));
        touch.status()?;
        Ok(())
    }

    fn on(&self, mut command: Command) -> Command {
        for name in [
            "SERIES",
            "KDIR",
            "ARCH",
            "FLB",
            "NEXT",
            "VM",
            "SAMPLE",
            "DEVICE",
            "FLB_RUN",
            "FLB_LOCKS",
        ] {
            command.env_remove(name);
        }
        command.env("PATH", &self.path);
        command.env("XDG_CACHE_HOME", self.dir.join("cache"));
        command
    }

    fn run(&self, name: &str, words: &[&str]) -> Result<Output, Failed> {
        let mut command = self.on(script(name));
        Ok(command.args(words).output()?)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Its last line is this error or note, and the only one.
fn says(done: &Output, code: i32, line: &str) -> Result<(), Failed> {
    let text = text(done);
    let marked = |line: &&str| line.starts_with("luo-flb: ");
    let lines: Vec<&str> = text.lines().filter(marked).collect();
    match lines.as_slice() {
        _ if done.status.code() != Some(code) => Err(format!("{}: {text}", done.status).into()),
        [only] if only.contains(line) => Ok(()),
        _ => Err(format!("instead of '{line}': {text}").into()),
    }
}

fn no_apt() -> Result<(), Failed> {
    let machine = Machine::without("bc")?;
    fs::remove_file(machine.dir.join("bin/apt-get"))?;
    let done = machine.run("setup.sh", &["--packages"])?;
    says(
        &done,
        1,
        "error: missing: bc; install what these Debian packages hold",
    )
}

fn no_sudo() -> Result<(), Failed> {
    let machine = Machine::without("bc")?;
    machine.stand_in("id", "echo 1000")?;
    machine.stand_in("sudo", "exit 1")?;
    let done = machine.run("setup.sh", &["--packages"])?;
    says(
        &done,
        1,
        "error: missing packages; as root: apt-get install bc",
    )
}

fn no_network() -> Result<(), Failed> {
    let machine = Machine::without("bc")?;
    machine.no_network()?;
    let done = machine.run("setup.sh", &["--packages"])?;
    says(&done, 1, "no route; is there a network?")
}

fn not_debian() -> Result<(), Failed> {
    let machine = Machine::without("bc")?;
    let done = machine.run("setup.sh", &["--packages"])?;
    says(
        &done,
        1,
        "error: still missing after apt-get install: bc; use Debian 12 or 13",
    )
}

fn old_rustc() -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.stand_in("rustc", "echo rustc 1.63.0")?;
    let done = machine.run("setup.sh", &["--packages"])?;
    says(
        &done,
        1,
        "error: rustc 1.63.0 is too old, 1.85.0 needed; use rustup",
    )
}

fn fetch_no_network() -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.no_network()?;
    let done = machine.run("fetch.sh", &["7.3"])?;
    says(
        &done,
        77,
        "skipped: Linux 7.3: no package index (is there a network?)",
    )
}

fn fetch_unknown() -> Result<(), Failed> {
    let done = Machine::new()?.run("fetch.sh", &["9.9"])?;
    says(
        &done,
        77,
        "skipped: Linux 9.9: no package of it in the index",
    )
}

/// It is used, which is said; for an hour nobody asks again.
fn fetch_cached() -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.no_network()?;
    machine.has_tree()?;
    let done = machine.run("fetch.sh", &["7.3"])?;
    says(
        &done,
        0,
        "Linux 7.3.1 as it is in the cache: no package index",
    )?;
    let again = text(&machine.run("fetch.sh", &["7.3"])?);
    let tree = format!("{} 7.3.1\n", machine.cache().join("tree/7.3").display());
    if again == tree {
        Ok(())
    } else {
        Err(again.into())
    }
}

/// The file system that holds the cache has no room for what is downloaded.
fn full_disk(df: &str, line: &str) -> Outcome {
    let machine = Machine::new()?;
    machine.stand_in("df", &format!("{df}\nPATH=/bin:/usr/bin exec df \"$@\""))?;
    machine.stand_in(
        "apt-get",
        &format!("{APT}\ncase \"$*\" in *download*) dd if=/dev/zero of=deb bs=1M count=9 ;; esac"),
    )?;
    let mut command = machine.on(Command::new("unshare"));
    command
        .args(["-m", "sh", "-c"])
        .arg(r#"mount -t tmpfs -o size=4m none "$XDG_CACHE_HOME" || exit 99; exec "$@""#);
    let fetch = script("fetch.sh");
    let done = command
        .arg("sh")
        .arg(fetch.get_program())
        .arg("7.3")
        .output()?;
    if matches!(done.status.code(), Some(99)) || text(&done).contains("unshare failed") {
        return Ok(Completion::ignored_with("only root may mount"));
    }
    says(&done, 1, line)?;
    Ok(Completion::Completed)
}

/// Words for a demo that make no sense.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "SERIES",
        "seven",
        "'seven' is no kernel series; give one like 7.1",
    ),
    ("KDIR", "/nonexistent", "/nonexistent is no directory"),
    ("KDIR", "/etc", "/etc is no kernel tree with FLB and Rust"),
    (
        "ARCH",
        "mips",
        "ARCH=mips is not known; one of: x86_64 arm64",
    ),
    ("FLB", "go", "FLB=go is neither rust nor c"),
    ("NEXT", "go", "NEXT=go is neither rust nor c"),
    ("VM", "maybe", "VM=maybe is neither yes nor no"),
    (
        "SAMPLE",
        "songs",
        "SAMPLE=songs is no sample; leave it out or use SAMPLE=notes, SAMPLE=devices, \
         or a file of yours, like mine.rs",
    ),
    (
        "SAMPLE",
        "nowhere.rs",
        "there is no driver nowhere.rs; give the path of its file",
    ),
];

fn wrong(name: &str, value: &str, line: &str) -> Result<(), Failed> {
    let machine = Machine::new()?;
    let mut demo = machine.on(script("demo.sh"));
    says(&demo.env(name, value).output()?, 1, line)
}

/// The second run waits, says so, and goes on.
fn two_at_a_time() -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.has_tree()?;
    fs::create_dir_all(machine.cache().join("lock"))?;
    let mut other = machine.on(Command::new("flock"));
    other
        .arg(machine.cache().join("lock/tree-7.3"))
        .args(["sleep", "15"]);
    let mut other = other.spawn()?;
    thread::sleep(Duration::from_millis(500));
    machine.no_network()?;
    fs::File::open(machine.cache().join("tree/7.3/.flb-version"))?
        .set_modified(SystemTime::now())?;
    let done = machine.run("fetch.sh", &["7.3"])?;
    other.wait()?;
    says(
        &done,
        0,
        "waiting for another run that holds the tree-7.3 lock",
    )
}

/// Whatever waits for what never comes: apt for the network, or cargo for a lock.
const STUCK: &str = r#"echo $$ >>"${0%/*}/../stuck"; exec sleep 600"#;

/// A process is no more, or only its parent has not asked for it.
fn gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// Waits until that is so, or for as long as a busy machine needs.
fn soon(what: &str, is: impl Fn() -> bool) -> Result<(), Failed> {
    let start = Instant::now();
    while !is() {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("{what}: not within a minute").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Ends a demo while `tool` is at work. Nothing runs on, no lock is held, no tree is half there.
fn interrupted(machine: &Machine, tool: &str) -> Result<(), Failed> {
    machine.stand_in(
        tool,
        &format!("{APT}\n[[ $* == *madison* || $* == *indextargets* ]] || {{ {STUCK}; }}"),
    )?;
    let mut demo = machine.on(script("demo.sh"));
    let mut demo = demo.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stuck = machine.dir.join("stuck");
    let waiting = soon(&format!("{tool} at work"), || stuck.exists());
    kill("TERM", demo.id())?;
    soon("the end of the demo", || gone(&demo.id().to_string()))?;
    let done = demo.wait()?;
    waiting?;
    let left: Vec<String> = fs::read_to_string(&stuck)?
        .lines()
        .filter(|pid| !gone(pid))
        .map(str::to_string)
        .collect();
    if done.code() != Some(130) || !left.is_empty() {
        return Err(format!("{done}, still there: {left:?}").into());
    }
    for lock in fs::read_dir(machine.cache().join("lock"))?.flatten() {
        let free = Command::new("flock")
            .arg("-n")
            .arg(lock.path())
            .arg("true")
            .status()?;
        if !free.success() {
            return Err(format!("{} is held", lock.path().display()).into());
        }
    }
    Ok(())
}

fn interrupted_download() -> Result<(), Failed> {
    let machine = Machine::new()?;
    interrupted(&machine, "apt-get")?;
    if machine.cache().join("tree/7.3").exists() {
        return Err("there is a tree".into());
    }
    Ok(())
}

fn interrupted_compiler() -> Result<(), Failed> {
    let machine = Machine::new()?;
    machine.has_tree()?;
    let library = machine.dir.join("lib/rustlib/src/rust/library/core/src");
    fs::create_dir_all(&library)?;
    fs::write(library.join("lib.rs"), "")?;
    machine.stand_in("bindgen", "echo bindgen 0.72.1")?;
    let sysroot = machine.dir.display();
    machine.stand_in(
        "rustc",
        &format!("case $* in *sysroot*) echo {sysroot} ;; *) echo rustc 1.85.0 ;; esac"),
    )?;
    interrupted(&machine, "cargo")
}

pub fn plan(plan: &mut Plan) {
    let mut test = |name: &str, run: fn() -> Result<(), Failed>| {
        plan.test(Tier::Always, format!("setup/{name}"), run);
    };
    test("no-apt", no_apt);
    test("no-sudo", no_sudo);
    test("no-network", no_network);
    test("not-debian", not_debian);
    test("old-rustc", old_rustc);
    test("fetch-no-network", fetch_no_network);
    test("fetch-unknown", fetch_unknown);
    test("fetch-cached", fetch_cached);
    test("two-at-a-time", two_at_a_time);
    test("interrupted-download", interrupted_download);
    test("interrupted-compiler", interrupted_compiler);
    for (name, value, line) in WRONG {
        let title = format!("setup/wrong-{name}-{}", value.trim_start_matches('/'));
        plan.test(Tier::Always, title, move || wrong(name, value, line));
    }
    plan.skippable(Tier::Always, "setup/small-disk", || {
        full_disk("", "3000 MB needed")
    });
    // It fills up after the first look.
    plan.skippable(Tier::Always, "setup/full-disk", || {
        full_disk(
            "mkdir ${0%/*}/asked 2>/dev/null && echo 9999M && exit",
            "100 MB needed",
        )
    });
}
