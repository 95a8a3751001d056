// SPDX-License-Identifier: GPL-2.0

//! What can be judged from the text, and from how the kernel's build compiles it.

use crate::guide;
use crate::kernels::{trees, Arch, Build, Tree};
use crate::plan::{cache, run_file, top, Outcome, Plan, Tier};
use crate::process;
use libtest_mimic::{Completion, Failed, Trial};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::slice;

/// Text of the core and the shim, to that of luo_flb.o of the same build, in per
/// mille: what is reached, and 3 %.
const SIZE_LIMIT: u64 = 2640;
/// Bytes of data that is written, of the same objects.
const DATA_LIMIT: u64 = 500;

/// Where unsafe code may be, beside tests.
const UNSAFE_OK: &[&str] = &[
    "ffi.rs",
    "raw.rs",
    "raw/",
    "lock.rs",
    "hugetlb/raw.rs",
    "hugetlb/tests.rs",
    "tests/",
    "rust/kernel/kho.rs",
    "rust/kernel/kho/",
    "rust/kernel/liveupdate.rs",
    "rust/kernel/liveupdate/",
    "samples/rust_liveupdate_devices.rs",
];

/// Where the kernel crate is ours.
const API: &[&str] = &["rust/kernel/kho", "rust/kernel/liveupdate"];

/// The files of the project that match, committed or about to be.
fn sources(patterns: &[&str]) -> Result<Vec<String>, Failed> {
    let mut git = Command::new("git");
    git.current_dir(top())
        .args(["ls-files", "-co", "--exclude-standard", "--"]);
    let listed = process::output(git.args(patterns))?;
    let there = |name: &&str| top().join(name).is_file();
    Ok(listed.lines().filter(there).map(str::to_string).collect())
}

/// Fails with the first line that a tool printed.
fn silent(name: &str, said: &str) -> Result<(), Failed> {
    let log = run_file(&format!("lint/{name}.log"));
    fs::write(&log, said)?;
    match said.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => Err(format!("{line}; see {}", log.display()).into()),
        None => Ok(()),
    }
}

/// What a tool says of files; nothing if all is well.
fn said(command: &mut Command) -> Result<String, Failed> {
    let done = command.current_dir(top()).output()?;
    Ok(process::text(&done))
}

fn rustfmt(tree: &Tree) -> Outcome {
    if process::output(Command::new("rustfmt").arg("--version")).is_err() {
        return Ok(Completion::ignored_with("this toolchain has no rustfmt"));
    }
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--check", "--edition", "2021", "--config-path"]);
    rustfmt.arg(tree.dir().join(".rustfmt.toml"));
    rustfmt.arg(guide::write_driver("lint")?);
    silent("rustfmt", &said(rustfmt.args(sources(&["*.rs"])?))?)?;
    Ok(Completion::Completed)
}

/// rustfmt leaves comments and what it cannot break as they are.
fn width() -> Result<(), Failed> {
    for file in sources(&["*.rs"])? {
        let text = fs::read_to_string(top().join(&file))?;
        let long = text.lines().position(|line| line.chars().count() > 100);
        if let Some(at) = long {
            return Err(format!("{file}:{}: more than 100 columns", at + 1).into());
        }
    }
    Ok(())
}

/// checkpatch needs no tree, and takes one file at a time.
fn checkpatch(tree: &Tree) -> Result<(), Failed> {
    let mut all = String::new();
    let patterns = [
        "*.c",
        "*.h",
        "*.sh",
        "*Kconfig",
        "*Kbuild",
        "*Makefile",
        ".ci/run",
    ];
    for file in sources(&patterns)? {
        let mut perl = Command::new("perl");
        perl.arg(tree.dir().join("scripts/checkpatch.pl"));
        perl.args([
            "--strict",
            "--no-tree",
            "--terse",
            "--no-summary",
            "--show-types",
            "-f",
        ]);
        // The macros of trace events have a layout of their own.
        if file == "trace.h" {
            perl.arg("--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE,SPACING");
        }
        all += &said(perl.arg(file))?;
    }
    silent("checkpatch", &all)
}

fn shellcheck() -> Result<(), Failed> {
    let mut shellcheck = Command::new("shellcheck");
    shellcheck.args(["-x", "-f", "gcc"]);
    silent(
        "shellcheck",
        &said(shellcheck.args(sources(&["*.sh", ".ci/run"])?))?,
    )
}

/// Lists, locks and texts for people carry no tag; all other files do.
fn spdx() -> Result<(), Failed> {
    let patterns = [
        "*.rs",
        "*.c",
        "*.h",
        "*.sh",
        "*.awk",
        "*.toml",
        "*.config",
        "*.rst",
        "*.txt",
        "*.py",
        "Kbuild",
        "Kconfig",
        "Makefile",
        ".ci/run",
        ".gitignore",
    ];
    for file in sources(&patterns)? {
        let text = fs::read_to_string(top().join(&file))?;
        let tagged = |line: &str| line.contains("SPDX-License-Identifier: GPL-2.0");
        if !text.lines().take(3).any(tagged) {
            return Err(format!("{file}: no licence tag in its first lines").into());
        }
    }
    Ok(())
}

/// Does this line have unsafe code, its comment aside?
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| word == "unsafe")
}

/// An attribute that talks of unsafe code is none.
fn unsafe_places() -> Result<(), Failed> {
    for file in sources(&["*.rs"])? {
        if UNSAFE_OK.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        let text = fs::read_to_string(top().join(&file))?;
        if let Some(at) = text.lines().position(is_unsafe) {
            return Err(format!("{file}:{}: unsafe code", at + 1).into());
        }
    }
    Ok(())
}

/// The clippy that the code is kept clean for; those before it object to other things.
const CLIPPY: u32 = 95;

/// Is there a clippy of this compiler, and is it new enough?
fn has_clippy() -> bool {
    let version = process::output(Command::new("clippy-driver").arg("--version"));
    let version = version.unwrap_or_default();
    // Clippy 0.1.95 is that of Rust 1.95.
    let minor = version
        .split(['.', ' '])
        .nth(3)
        .and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= CLIPPY)
}

/// The host workspace; the core needs the kernel's flags.
fn clippy_host() -> Outcome {
    if !has_clippy() {
        return Ok(Completion::ignored_with("no clippy of Rust 1.95 or later"));
    }
    let mut cargo = Command::new("cargo");
    cargo
        .env("CARGO_TARGET_DIR", cache().join("host"))
        .current_dir(top());
    cargo.args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--quiet",
    ]);
    let text = process::output(cargo.args(["--color", "never", "--", "-D", "warnings"]));
    text.map(|_| Completion::Completed)
}

/// The compiler's command for an object, for another tool in place of rustc, which generates no
/// code, and what kbuild does then.
fn as_tool(build: &Build, object: &str, tool: &str) -> Result<(String, String), Failed> {
    let (dir, name) = object.rsplit_once('/').unwrap_or(("", object));
    let saved = build.dir().join(dir).join(format!(".{name}.cmd"));
    let saved = process::saved_command(&saved)?;
    let (command, then) = saved.split_once(';').unwrap_or((&saved, ""));
    let (before, after) = command
        .split_once(" rustc ")
        .ok_or("no rustc in the command")?;
    let generates =
        |word: &&str| !word.starts_with("--emit") && !word.starts_with("--remap-path-scope");
    let kept: Vec<&str> = after.split_whitespace().filter(generates).collect();
    Ok((
        format!("{before} {tool} {}", kept.join(" ")),
        then.to_string(),
    ))
}

/// Runs such a command. What it says of files of ours is a failure.
fn judge(build: &Build, name: &str, command: &str, ours: &[&str]) -> Result<(), Failed> {
    let tree = cache().join("tree").join(&build.tree);
    let mut shell = Command::new("sh");
    shell
        .current_dir(build.dir())
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CLIPPY_CONF_DIR", &tree);
    let done = shell.args(["-c", command]).output()?;
    let text = process::text(&done);
    let log = run_file(&format!("lint/{}-{name}.log", build.tree));
    fs::write(&log, &text)?;
    let lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| {
        line.trim_start().starts_with("--> ") && ours.iter().any(|ours| line.contains(ours))
    });
    if let Some(at) = place {
        let what = lines[..at].last().unwrap_or(&"");
        return Err(format!("{what} {}; see {}", lines[at].trim(), log.display()).into());
    }
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{}; see {}", process::reason(&text), log.display()).into()),
    }
}

/// An object, and the paths of what is ours in it.
const OBJECTS: &[(&str, &str, &[&str])] = &[
    (
        "core",
        "kernel/liveupdate/flb/luo_flb.o",
        &["kernel/liveupdate/flb"],
    ),
    (
        "hugetlb",
        "kernel/liveupdate/flb/hugetlb/luo_hugetlb.o",
        &["kernel/liveupdate/flb/hugetlb"],
    ),
    ("api", "rust/kernel.o", API),
    (
        "sample",
        "samples/rust/rust_liveupdate.o",
        &["samples/rust/rust_liveupdate"],
    ),
    (
        "devices",
        "samples/rust/rust_liveupdate_devices.o",
        &["samples/rust/rust_liveupdate_devices"],
    ),
];

fn clippy(build: &Build, (name, object, ours): (&str, &str, &[&str])) -> Outcome {
    if !has_clippy() {
        return Ok(Completion::ignored_with("no clippy of Rust 1.95 or later"));
    }
    let out = run_file(&format!("lint/{}-{name}.rmeta", build.tree));
    let (command, _) = as_tool(build, object, "clippy-driver")?;
    let command = format!("{command} --emit=metadata={}", out.display());
    judge(build, &format!("clippy-{name}"), &command, ours)?;
    Ok(Completion::Completed)
}

fn api_docs(build: &Build) -> Result<(), Failed> {
    let out = run_file(&format!("lint/{}-docs", build.tree));
    let (command, _) = as_tool(build, "rust/kernel.o", "rustdoc")?;
    let command = format!("{command} --check --output {}", out.display());
    judge(build, "api-docs", &command, API)
}

/// Bytes of code and read-only data, unwind tables included, and of data that is written.
fn sizes(files: &[PathBuf]) -> Result<(u64, u64), Failed> {
    let table = process::output(Command::new("size").arg("--totals").args(files))?;
    let totals = table.lines().last().unwrap_or_default().split_whitespace();
    match totals
        .map_while(|word| word.parse().ok())
        .collect::<Vec<u64>>()[..]
    {
        [text, data, bss, ..] => Ok((text, data + bss)),
        _ => Err("size prints no totals".into()),
    }
}

/// The core as it is without its tests, compiled like the one with them.
fn without_tests(build: &Build) -> Result<PathBuf, Failed> {
    let out = run_file(&format!("lint/{}-luo_flb.o", build.tree));
    let cfg = run_file(&format!("lint/{}-rustc_cfg", build.tree));
    let all = fs::read_to_string(build.dir().join("include/generated/rustc_cfg"))?;
    let kept: Vec<&str> = all
        .lines()
        .filter(|line| !line.contains("LIVEUPDATE_FLB_KUNIT_TEST"))
        .filter(|line| !line.contains("LIVEUPDATE_FLB_DEBUGFS"))
        .collect();
    fs::write(&cfg, kept.join("\n"))?;
    let object = "kernel/liveupdate/flb/luo_flb.o";
    let (command, tables) = as_tool(build, object, "rustc")?;
    let command = command.replace(
        "@./include/generated/rustc_cfg",
        &format!("@{}", cfg.display()),
    );
    let tables = tables.replace(object, &out.display().to_string());
    let command = format!("{command} --emit=obj={} && {tables}", out.display());
    judge(build, "size", &command, &["kernel/liveupdate/flb"])?;
    Ok(out)
}

/// The core in Rust and what belongs to it, to the C object of the same tree and settings.
fn size(rust: &Build, c: &Build) -> Result<(), Failed> {
    let flb = rust.dir().join("kernel/liveupdate/flb");
    let ours = [without_tests(rust)?, flb.join("shim.o")];
    let (text, data) = sizes(&ours)?;
    let (theirs, _) = sizes(&[c.dir().join("kernel/liveupdate/luo_flb.o")])?;
    let ratio = text * 1000 / theirs.max(1);
    let line = format!("text: Rust {text} bytes, C {theirs}, {ratio} per mille; data: {data}");
    fs::write(
        run_file(&format!("lint/{}-size.txt", rust.tree)),
        format!("{line}\n"),
    )?;
    if ratio > SIZE_LIMIT || data > DATA_LIMIT {
        return Err(format!("{line}; the limits are {SIZE_LIMIT} and {DATA_LIMIT}").into());
    }
    Ok(())
}

/// Texts are judged once, by the newest tree's rules.
fn plan_text(plan: &mut Plan, tree: &Tree) {
    let of = |name: &str| format!("lint/{name}");
    let (one, two) = (tree.clone(), tree.clone());
    plan.skippable(Tier::Always, of("rustfmt"), move || rustfmt(&one));
    plan.test(Tier::Always, of("width"), width);
    plan.test(Tier::Always, of("checkpatch"), move || checkpatch(&two));
    plan.test(Tier::Always, of("shellcheck"), shellcheck);
    plan.test(Tier::Always, of("spdx"), spdx);
    plan.test(Tier::Always, of("unsafe"), unsafe_places);
    plan.skippable(Tier::Always, of("clippy-host"), clippy_host);
}

fn plan_tree(plan: &mut Plan, tree: &Tree) {
    let (full, _) = tree.tiers();
    let rust = tree.build(Arch::X86, "rust");
    let c = tree.build(Arch::X86, "c");
    let of = |name: &str| format!("lint/{}/{name}", tree.name);
    for &object in OBJECTS {
        let build = rust.clone();
        let name = of(&format!("clippy-{}", object.0));
        let trial = Trial::ignorable_test(name, move || clippy(&build, object));
        plan.add(full, slice::from_ref(&rust), trial);
    }
    let build = rust.clone();
    let trial = Trial::test(of("api-docs"), move || api_docs(&build));
    plan.add(full, slice::from_ref(&rust), trial);
    let needs = [rust.clone(), c.clone()];
    plan.add(
        full,
        &needs,
        Trial::test(of("size"), move || size(&rust, &c)),
    );
}

pub fn plan(plan: &mut Plan) {
    if let Some(tree) = trees().last() {
        plan_text(plan, tree);
    }
    for tree in trees() {
        plan_tree(plan, tree);
    }
}
