// SPDX-License-Identifier: GPL-2.0

//! The drivers of `tests/compile-fail`, which the compiler has to refuse, each for the reason that
//! it tells: `//@ error: TEXT` has to be in the first line of an error, `//@ says: TEXT` anywhere,
//! and the line after `//~` has to be named. `none.rs` and `module.rs` have to build.

use crate::kernels::{trees, Arch, Build, Tree};
use crate::plan::{run_file, top, Plan};
use crate::process;
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// The drivers without a mistake, built by kbuild, and the command that it used.
struct Controls {
    tree: Tree,
    build: Build,
    command: OnceLock<Result<String, String>>,
}

impl Controls {
    fn name(&self) -> String {
        format!("compile-fail/{}", self.tree.name)
    }

    fn dir(&self) -> PathBuf {
        run_file(&format!("{}/Kbuild", self.name()))
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default()
    }

    /// Builds both, below the directory of this run only.
    fn prepare(&self) -> Result<String, Failed> {
        let dir = self.dir();
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        for file in drivers() {
            fs::copy(&file, dir.join(file.file_name().unwrap_or_default()))?;
        }
        fs::write(dir.join("Kbuild"), "obj-y += none.o\nobj-m += module.o\n")?;
        let mut make = process::kbuild(&self.tree, &self.build);
        make.arg(format!("M={}", dir.display()));
        let text = process::output(make.args(["none.o", "module.o"]))?;
        if let Some(line) = text.lines().find(|line| line.starts_with("warning")) {
            return Err(line.into());
        }
        process::saved_command(&dir.join(".none.o.cmd"))
    }

    fn command(&self) -> Result<&str, Failed> {
        let done = self.command.get_or_init(|| {
            self.prepare()
                .map_err(|error| error.message().unwrap_or_default().to_string())
        });
        done.as_deref().map_err(Failed::from)
    }

    /// Compiles to an object: constants of generic types are evaluated only then.
    fn refused(&self, name: &str) -> Result<(), Failed> {
        let command = self.command()?.replace("none.", &format!("{name}."));
        let mut shell = Command::new("sh");
        shell.current_dir(self.dir()).env("RUSTC_BOOTSTRAP", "1");
        let done = shell.args(["-c", &command]).output()?;
        let said = process::text(&done);
        let log = self.dir().join(format!("{name}.log"));
        fs::write(&log, &said)?;
        if done.status.success() {
            return Err("it builds".into());
        }
        let source = fs::read_to_string(self.dir().join(format!("{name}.rs")))?;
        match complaint(name, &source, &said) {
            Some(why) => Err(format!("{why}; see {}", log.display()).into()),
            None => Ok(()),
        }
    }
}

/// What is not as the driver wants it in what the compiler said.
fn complaint(name: &str, source: &str, said: &str) -> Option<String> {
    let header = |key: &str| {
        let mark = format!("//@ {key}: ");
        let text = |line: &str| line.strip_prefix(&mark).map(str::to_string);
        source.lines().filter_map(text).collect::<Vec<_>>()
    };
    let summary = ["error: aborting due", "error: could not compile"];
    let is_error = |line: &&str| {
        line.starts_with("error") && !summary.iter().any(|start| line.starts_with(start))
    };
    let errors: Vec<&str> = said.lines().filter(is_error).collect();
    let wanted = header("error");
    for text in &wanted {
        if !errors.iter().any(|error| error.contains(text)) {
            return Some(format!("no error has '{text}'"));
        }
    }
    for text in header("says") {
        if !said.contains(&text) {
            return Some(format!("it does not say '{text}'"));
        }
    }
    let expected = |error: &&&str| wanted.iter().any(|text| error.contains(text));
    if let Some(error) = errors.iter().find(|error| !expected(error)) {
        return Some(format!("unexpected: {error}"));
    }
    let marked = source
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("//~"));
    let place = |(at, _): (usize, &str)| format!("{name}.rs:{}:", at + 2);
    let missing = marked.map(place).find(|place| !said.contains(place));
    missing.map(|place| format!("no word of {place}"))
}

/// All files of the folder.
fn drivers() -> Vec<PathBuf> {
    let entries = fs::read_dir(top().join("tests/compile-fail"))
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// The names of those that must not build.
fn mistakes() -> Vec<String> {
    let told = |file: &&PathBuf| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().any(|line| line.starts_with("//@"))
    };
    let name = |file: &PathBuf| Some(file.file_stem()?.to_str()?.to_string());
    drivers().iter().filter(told).filter_map(name).collect()
}

pub fn plan(plan: &mut Plan) {
    for tree in trees() {
        let (full, _) = tree.tiers();
        let build = tree.build(Arch::X86, "rust");
        let controls = Arc::new(Controls {
            tree: tree.clone(),
            build: build.clone(),
            command: OnceLock::new(),
        });
        let needs = [build];
        let prefix = controls.name();
        let built = controls.clone();
        let trial = Trial::test(format!("{prefix}/none"), move || {
            built.command().map(|_| ())
        });
        plan.add(full, &needs, trial);
        for name in mistakes() {
            let controls = controls.clone();
            let trial = Trial::test(format!("{prefix}/{name}"), move || controls.refused(&name));
            plan.add(full, &needs, trial);
        }
    }
}
