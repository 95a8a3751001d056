// SPDX-License-Identifier: GPL-2.0

//! The KUnit suites of the core and of the Rust API, each case a test. One boot runs all suites of
//! a kind, and the kernel's own kunit.py judges them.

use crate::guest::{self, console, Flavor, PLAIN};
use crate::kernels::{place, trees, Arch, Build, Tree};
use crate::kexec::{arm_tier, CFI, DEBUG, KCSAN, PAGES64K, RT};
use crate::plan::{run_file, top, Outcome, Plan, Tier};
use crate::{faults, process};
use libtest_mimic::{Completion, Failed, Trial};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::sync::{Arc, OnceLock};

/// The suites of one kind: where their source is, and what the kernel selects them by.
struct Kind {
    name: &'static str,
    glob: &'static str,
    sources: &'static [&'static str],
}

const CORE: Kind = Kind {
    name: "core",
    glob: "luo_flb*",
    sources: &["tests/kunit"],
};
const API: Kind = Kind {
    name: "api",
    glob: "rust_[kl][hi]*",
    sources: &["rust/kernel/kho", "rust/kernel/liveupdate"],
};
const DOCS: Kind = Kind {
    name: "docs",
    glob: "rust_doctests_kernel.*_[kl][hi][ov]*",
    sources: &[],
};

/// Result of a case, as kunit.py has it: PASS, SKIP, or something worse.
type Results = BTreeMap<(String, String), String>;

/// One boot, when the first of its cases is asked for.
struct Boot {
    build: Build,
    flavor: Flavor,
    kind: &'static Kind,
    /// For the command line, if not the usual ones.
    words: &'static [&'static str],
    name: String,
    done: OnceLock<Result<Results, String>>,
}

impl Boot {
    /// Boots the suites.
    fn command(&self, json: &Path) -> Command {
        let mut command = process::script("kunit.sh");
        command.env("ARCH", self.build.arch.name());
        command.env("FLB_FLAVOR", self.flavor.name);
        if self.flavor.alone {
            command.env("FLB_ACCEL", "tcg");
        }
        if let Some(seconds) = self.flavor.timeout {
            command.env("FLB_TIMEOUT", seconds.to_string());
        }
        command.args([&self.build.tree, &self.build.variant()]);
        command.arg(json).arg(self.kind.glob).args(self.words);
        command
    }

    fn log(&self) -> PathBuf {
        run_file(&format!("{}.log", self.name))
    }

    fn run(&self) -> Result<Results, String> {
        let json = run_file(&format!("{}.json", self.name));
        let _ = fs::remove_file(&json);
        let mut command = self.command(&json);
        let end = guest::share_machine(self.flavor, || process::output(&mut command));
        let log = self.log();
        let mut results = Results::new();
        let text = fs::read_to_string(&json).unwrap_or_default();
        collect(
            &serde_json::from_str(&text).unwrap_or_default(),
            "",
            &mut results,
        );
        // A guest that came to no end, or whose lines are not whole, lacks cases; kunit.py leaves
        // the name of one that hangs empty.
        let known = |status: &String| ["PASS", "SKIP", "FAIL"].contains(&status.as_str());
        let whole = results
            .iter()
            .all(|((_, case), status)| !case.is_empty() && known(status));
        let failed = results.values().any(|status| status == "FAIL");
        match end {
            _ if results.is_empty() || !whole => {}
            Err(_) if !failed => {}
            _ => return self.without_faults(results),
        }
        let why = end
            .err()
            .map(process::line)
            .unwrap_or("not all have a result".into());
        Err(format!("{why}; see {}", log.display()))
    }

    /// The results, if the kernel has nothing to complain of.
    fn without_faults(&self, results: Results) -> Result<Results, String> {
        let log = self.log();
        let log_text = without_expected(&console(&log));
        match faults::first(&log_text) {
            Some(fault) => Err(format!("{fault}; see {}", log.display())),
            None => Ok(results),
        }
    }

    fn results(&self) -> Result<&Results, String> {
        let done = self.done.get_or_init(|| self.run());
        done.as_ref().map_err(Clone::clone)
    }

    /// How a case ended. What a kernel lacks is not built into it.
    fn case(&self, suite: &str, case: &str) -> Outcome {
        let results = self.results()?;
        match results
            .get(&(suite.to_string(), case.to_string()))
            .map(String::as_str)
        {
            Some("PASS") => Ok(Completion::Completed),
            Some("SKIP") => Ok(Completion::ignored_with("skipped by the kernel")),
            Some(_) => Err(format!("see {}", run_file(&self.name).display()).into()),
            None => Ok(Completion::ignored_with("not in this kernel")),
        }
    }

    /// Without KHO whatever does not pass is skipped, and says why.
    fn off(&self) -> Result<(), Failed> {
        let results = self.results()?;
        let count = |is: &str| results.values().filter(|status| *status == is).count();
        let (passed, skipped) = (count("PASS"), count("SKIP"));
        let log = console(&self.log());
        let reasons = log.lines().filter(|line| line.ends_with(" is off"));
        let said = reasons.filter(|line| line.contains(" # SKIP ")).count();
        if passed + skipped == results.len() && passed > 0 && skipped > 0 && said == skipped {
            return Ok(());
        }
        Err(format!(
            "{passed} of {} pass, {skipped} are skipped, {said} say why; see {}",
            results.len(),
            self.log().display()
        )
        .into())
    }
}

/// The cases in kunit.py's results; a suite in a suite has a longer name.
fn collect(group: &Value, suite: &str, results: &mut Results) {
    let list = |key| group[key].as_array().into_iter().flatten();
    let text = |value: &Value, key| value[key].as_str().unwrap_or_default().to_string();
    for case in list("test_cases") {
        results.insert(
            (suite.to_string(), text(case, "name")),
            text(case, "status"),
        );
    }
    for sub in list("sub_groups") {
        collect(sub, &text(sub, "name"), results);
    }
}

/// The log without the warnings of cases whose names say that they warn.
fn without_expected(log: &str) -> String {
    let (mut all, mut held) = (String::new(), Vec::new());
    let result = |line: &str| {
        let line = line
            .trim_start_matches(|c| c != ']')
            .trim_start_matches(']')
            .trim();
        line.starts_with("ok ") || line.starts_with("not ok ")
    };
    for line in log.lines() {
        held.push(line);
        if result(line) || result(&format!("]{line}")) {
            if line.trim_end().ends_with("_warns") {
                held.retain(|line| !(line.contains("WARNING: ") && line.contains("flb/raw.rs")));
            }
            all += &(held.join("\n") + "\n");
            held.clear();
        }
    }
    all + &held.join("\n")
}

/// The cases in the source: suite and name of each.
fn cases(kind: &Kind) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for source in kind.sources {
        let mut files = Vec::new();
        rust_files(&top().join(source), &mut files);
        for file in files {
            cases_of(&fs::read_to_string(file).unwrap_or_default(), &mut found);
        }
    }
    found
}

fn cases_of(text: &str, found: &mut Vec<(String, String)>) {
    let mut suite = String::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if let Some((_, rest)) = line
            .split_once("kunit_tests(")
            .filter(|_| line.starts_with('#'))
        {
            suite = rest.trim_end_matches(")]").to_string();
        } else if line == "#[test]" {
            is_test = true;
        } else if let (true, Some(rest)) = (is_test, line.strip_prefix("fn ")) {
            let name = rest.split('(').next().unwrap_or_default().to_string();
            found.push((suite.clone(), name));
            is_test = false;
        }
    }
}

fn rust_files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.extension().is_some_and(|end| end == "rs") {
        found.push(path.to_path_buf());
    }
    let mut entries: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        rust_files(&entry.path(), found);
    }
}

fn plan_boot(
    plan: &mut Plan,
    tier: Tier,
    (tree, arch, core): (&Tree, Arch, &str),
    flavor: Flavor,
    kind: &'static Kind,
) {
    let build = tree.build(arch, &format!("{core}{}", flavor.name));
    let flavored = build.kind.clone();
    let boot = Arc::new(Boot {
        name: format!("kunit/{}/{flavored}-{}", place(tree, arch), kind.name),
        build: build.clone(),
        flavor,
        kind,
        words: &[],
        done: OnceLock::new(),
    });
    let prefix = format!("kunit/{}/{flavored}", place(tree, arch));
    for (suite, case) in cases(kind) {
        let boot = boot.clone();
        let name = format!("{prefix}/{suite}/{case}");
        let trial = Trial::ignorable_test(name, move || boot.case(&suite, &case));
        plan.add(tier, slice::from_ref(&build), trial);
    }
    if kind.sources.is_empty() {
        let name = format!("{prefix}/{}", kind.name);
        let trial = Trial::test(name, move || {
            let bad = boot.results()?.iter().find(|(_, status)| *status != "PASS");
            bad.map_or(Ok(()), |((_, case), _)| Err(format!("{case} fails").into()))
        });
        plan.add(tier, &[build], trial);
    }
}

/// Where KHO is off, as on a distribution's kernel that has all suites.
fn plan_off(plan: &mut Plan, tier: Tier, tree: &Tree, kind: &'static Kind) {
    let build = tree.build(Arch::X86, "rust");
    let name = format!("kunit/{}/rust/{}-where-kho-is-off", tree.name, kind.name);
    let boot = Boot {
        build: build.clone(),
        flavor: PLAIN,
        kind,
        words: &["kho=off", "liveupdate=off"],
        name: name.clone(),
        done: OnceLock::new(),
    };
    plan.add(tier, &[build], Trial::test(name, move || boot.off()));
}

pub fn plan(plan: &mut Plan) {
    for tree in trees() {
        let (full, core) = tree.tiers();
        for kind in [&CORE, &API] {
            plan_off(plan, full, tree, kind);
        }
        for kind in [&CORE, &API, &DOCS] {
            plan_boot(plan, core, (tree, Arch::X86, "rust"), PLAIN, kind);
        }
        plan_boot(plan, full, (tree, Arch::X86, "c"), PLAIN, &API);
        for flavor in [DEBUG, KCSAN, RT, CFI] {
            for kind in [&CORE, &API] {
                plan_boot(plan, Tier::All, (tree, Arch::X86, "rust"), flavor, kind);
            }
        }
    }
    if let Some(tree) = trees().last() {
        for kind in [&CORE, &API] {
            plan_boot(plan, arm_tier(), (tree, Arch::Arm, "rust"), PLAIN, kind);
            plan_boot(plan, Tier::All, (tree, Arch::Arm, "rust"), PAGES64K, kind);
        }
    }
}
