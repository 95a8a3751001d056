// SPDX-License-Identifier: GPL-2.0

//! The guide for drivers, followed: its code is taken from the page, built, and goes through a
//! live update, which has to tell what the page says.

use crate::guest::{share_machine, PLAIN};
use crate::kernels::{place, trees, Arch, Build, Tree};
use crate::kexec::arm_tier;
use crate::plan::{run_file, top, Plan, Tier};
use crate::process;
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The blocks of the page in a language, without their indentation.
fn blocks(language: &str) -> Result<Vec<String>, Failed> {
    let page = fs::read_to_string(top().join("Documentation/rust-driver.rst"))?;
    let block = |part: &str| {
        let inside = |line: &&str| line.is_empty() || line.starts_with("    ");
        let lines = part.lines().take_while(inside);
        let lines: Vec<&str> = lines.map(|line| line.get(4..).unwrap_or("")).collect();
        lines.join("\n").trim_end().to_string()
    };
    let mark = format!(".. code-block:: {language}\n\n");
    Ok(page.split(mark.as_str()).skip(1).map(block).collect())
}

/// Writes the file that the reader has in the end, and returns where.
pub fn write_driver(dir: &str) -> Result<PathBuf, Failed> {
    let path = run_file(&format!("{dir}/mine.rs"));
    fs::write(&path, blocks("rust")?.join("\n\n") + "\n")?;
    Ok(path)
}

/// What a reader does, by `make demo`.
fn demo(tree: &Tree, arch: Arch, core: &str, driver: &Path) -> Command {
    let mut demo = process::script("demo.sh");
    demo.env("SAMPLE", driver);
    demo.env("FLB", core).env("ARCH", arch.name());
    demo.env_remove("DEVICE").env_remove("WRITE");
    if !tree.name.starts_with("kdir-") {
        demo.env("SERIES", &tree.name).env_remove("KDIR");
    }
    demo
}

/// All lines that the page shows have to come, in their order.
fn live_update(tree: &Tree, arch: Arch, core: &str, name: &str) -> Result<(), Failed> {
    let mut demo = demo(tree, arch, core, &write_driver(name)?);
    let said = share_machine(PLAIN, || process::output(&mut demo))?;
    fs::write(run_file(&format!("{name}/said")), &said)?;
    if let Some(line) = said.lines().find(|line| line.starts_with("warning")) {
        return Err(line.into());
    }
    let shown = blocks("text")?.concat();
    let mut lines = said.lines().map(str::trim);
    let mut missing = shown
        .lines()
        .map(str::trim)
        .filter(|line| !["", "..."].contains(line) && !lines.any(|said| said == *line));
    match missing.next() {
        _ if shown.is_empty() => Err("the page does not show what one should see".into()),
        Some(line) => Err(format!("not seen: {line}").into()),
        None => Ok(()),
    }
}

/// A driver that refuses something: how it differs from the guide's, and the line that says so.
struct Refusal {
    name: &'static str,
    change: [&'static str; 2],
    line: &'static str,
}

const REFUSALS: [Refusal; 2] = [
    Refusal {
        name: "writes-refused",
        change: ["if iov.len() > LONGEST {", "if iov.len() > 0 {"],
        line: "Nothing was compared: no write succeeded, or no read. WRITE= is what to write.",
    },
    Refusal {
        name: "freeze-refused",
        change: ["Ok(args.data)", "Err(EBUSY)"],
        line: "The driver refused to freeze a file: there is no live update.",
    },
];

/// Nothing may be said that sounds like success.
fn refused(tree: &Tree, name: &str, refusal: &Refusal) -> Result<(), Failed> {
    let driver = write_driver(name)?;
    let source = fs::read_to_string(&driver)?;
    let [from, to] = refusal.change;
    fs::write(&driver, source.replacen(from, to, 1))?;
    let mut demo = demo(tree, Arch::X86, "rust", &driver);
    let done = share_machine(PLAIN, || demo.env("WRITE", "two words").output())?;
    let said = process::text(&done);
    fs::write(run_file(&format!("{name}/said")), &said)?;
    let (line, write) = (refusal.line, "write \"two words\"");
    match [line, write].iter().find(|line| !said.contains(**line)) {
        Some(line) => Err(format!("not said: {line}").into()),
        None if said.contains("came back") => Err("it is said that the file came back".into()),
        None => Ok(()),
    }
}

pub fn plan(plan: &mut Plan) {
    let mut add = |tree: &Tree, arch, core: &'static str, tier| {
        let name = format!("guide/{}/{core}", place(tree, arch));
        let needs = [Build::guest(arch), tree.build(arch, core)];
        let (tree, dir) = (tree.clone(), name.clone());
        let trial = Trial::test(name, move || live_update(&tree, arch, core, &dir));
        plan.add(tier, &needs, trial);
    };
    for tree in trees() {
        add(tree, Arch::X86, "rust", tree.tiers().0);
        add(tree, Arch::X86, "c", Tier::All);
    }
    if let Some(tree) = trees().last() {
        add(tree, Arch::Arm, "rust", arm_tier());
        for refusal in &REFUSALS {
            let name = format!("guide/{}/{}", tree.name, refusal.name);
            let needs = [Build::guest(Arch::X86), tree.build(Arch::X86, "rust")];
            let (tree, dir) = (tree.clone(), name.clone());
            let trial = Trial::test(name, move || refused(&tree, &dir, refusal));
            plan.add(Tier::All, &needs, trial);
        }
    }
}
