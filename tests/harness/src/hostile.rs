// SPDX-License-Identifier: GPL-2.0

//! Live updates whose handover is damaged, in each way that the guest knows. The core in Rust has
//! to do what `tests/expected/hostile.txt` says. What either core did is in a file per case below
//! `hostile/` of the run; that in C is not judged, and its tests count as ignored.

use crate::faults;
use crate::guest::{self, console, Guest, Initrd, PLAIN};
use crate::kernels::{trees, Arch, Build};
use crate::plan::{run_file, top, Outcome, Plan, Tier};
use libtest_mimic::{Completion, Failed, Trial};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// What the orchestrator says when it does not trust what it got.
const POLICY: &str = "Kernel panic - not syncing: The incoming tree failed to initialize";
/// Where KHO says that memory was not preserved.
const KHO_WARNS: &str = "WARNING: kernel/liveupdate/kexec_handover.c:";
/// The kernel has left; what follows is the next one's.
const KEXEC: &str = "kexec to hop 1";

/// The kernels of one core in one tree.
struct Victim {
    name: String,
    image: PathBuf,
    core: &'static str,
    format: &'static str,
    initrd: Initrd,
}

impl Victim {
    /// The console of a run that came to the kexec: one that did not says nothing.
    fn boot(&self, case: &str) -> Result<(String, PathBuf), Failed> {
        let log = run_file(&format!("{}/{case}.log", self.name));
        let guest = Guest {
            arch: Arch::X86,
            flavor: PLAIN,
            image: &self.image,
            initrd: self.initrd.path()?,
            log: log.clone(),
            kernels: 2,
        };
        let words = [
            "flb.mode=scenario".to_string(),
            "flb.scenario=hostile".to_string(),
            "flb.timeout=60".to_string(),
            format!("flb.chain={0},{0}", self.core),
            format!("flb.damage={case}"),
        ];
        for _ in 0..3 {
            // A kernel that panics, as some have to, is no end by itself.
            let _ = guest.boot(&words);
            let text = console(&log);
            if text.contains(KEXEC) {
                return Ok((text, log));
            }
        }
        Err(format!("no kexec; see {}", log.display()).into())
    }

    /// One case: what came of it, and whether it had to.
    fn run(&self, case: &str) -> Outcome {
        let (text, log) = self.boot(case)?;
        let told = tell(&text);
        let _ = fs::write(log.with_extension("txt"), format!("{told}\n"));
        if self.core == "c" {
            return Ok(Completion::ignored_with(told));
        }
        match self.wrong(case, &told, &text) {
            Some(why) => Err(format!("{why}; see {}", log.display()).into()),
            None => Ok(Completion::Completed),
        }
    }

    fn wrong(&self, case: &str, told: &str, text: &str) -> Option<String> {
        let mut lines = expected(self.format).into_iter();
        let Some((_, want)) = lines.find(|(name, _)| name == case) else {
            return Some("no line for it in tests/expected/hostile.txt".to_string());
        };
        if told != want {
            return Some(format!("{told}, not {want}"));
        }
        let unexpected = |line: &&str| !line.contains(POLICY) && !line.contains(KHO_WARNS);
        let others: Vec<&str> = text.lines().filter(unexpected).collect();
        if let Some(fault) = faults::first(&others.join("\n")) {
            return Some(fault.to_string());
        }
        let intact = outcome(text).is_some_and(|line| line.contains(" files=2+,1+"));
        (!told.contains("panics") && !intact).then(|| "files are lost".to_string())
    }
}

/// Case and text of the lines for this format.
fn expected(format: &str) -> Vec<(String, String)> {
    let table = fs::read_to_string(top().join("tests/expected/hostile.txt")).unwrap_or_default();
    let line = |line: &str| {
        let (case, rest) = line.split_once(' ')?;
        let (of, text) = rest.trim_start().split_once(' ')?;
        let here = case != "#" && (of == "any" || of == format);
        here.then(|| (case.to_string(), text.trim().to_string()))
    };
    table.lines().filter_map(line).collect()
}

/// The guest's own account of what its clients saw.
fn outcome(text: &str) -> Option<&str> {
    text.lines().find(|line| line.starts_with("FLB-OUTCOME"))
}

/// The numbers of a field like `early=0,0,0`.
fn field<'a>(outcome: &'a str, key: &str) -> Option<&'a str> {
    let words = outcome.split_whitespace();
    words
        .filter_map(|word| word.split_once('='))
        .find(|word| word.0 == key)
        .map(|word| word.1)
}

fn sum(outcome: &str, key: &str) -> u64 {
    let numbers = field(outcome, key).unwrap_or_default().split(',');
    numbers
        .filter_map(|number| number.parse::<u64>().ok())
        .sum()
}

/// What became of the kernel, in words for a table.
fn ending(text: &str) -> String {
    if text.contains(POLICY) {
        return "panics, as told".to_string();
    }
    let oops = ["Oops", "BUG: unable", "general protection fault"];
    if oops.iter().any(|word| text.contains(word)) {
        return "oopses".to_string();
    }
    let Some(outcome) = outcome(text) else {
        return "does not come to an end".to_string();
    };
    match field(outcome, "get") {
        Some("22,22,22") if field(outcome, "boot") == Some("-22") => {
            "clients get -EINVAL, at boot too".to_string()
        }
        Some("22,22,22") => "clients get -EINVAL".to_string(),
        Some("61,61,61") => "clients get -ENODATA".to_string(),
        Some("2,2,2") => "clients get -ENOENT".to_string(),
        _ => format!(
            "{} retrieves, {} finishes{}",
            sum(outcome, "retrieve"),
            sum(outcome, "finish"),
            if sum(outcome, "early") > 0 {
                ", too early"
            } else {
                ""
            }
        ),
    }
}

/// What the core said, what became of the kernel, and what warned.
fn tell(text: &str) -> String {
    let mut told = ending(text);
    if let Some((_, said)) = text.split_once("luo_flb: handover refused: ") {
        let said = said.split(['(', '\n']).next().unwrap_or_default().trim();
        told = format!("*{said}*; {told}");
    }
    if text.contains(KHO_WARNS) {
        told += "; KHO warns";
    }
    if text.contains("refcount_t:") {
        told += "; count underflows";
    }
    let known = [KHO_WARNS, "WARNING: lib/refcount.c", "refcount_warn"];
    let other = |line: &str| {
        line.contains("WARNING: ") && !known.iter().any(|warning| line.contains(warning))
    };
    if text.lines().any(other) {
        told += "; warns";
    }
    told
}

/// Is each line of what is expected for a case that there is?
fn known(format: &str, cases: &[String]) -> Result<(), Failed> {
    match expected(format)
        .into_iter()
        .find(|(case, _)| !cases.contains(case))
    {
        Some((case, _)) => Err(format!("there is no case {case}").into()),
        None => Ok(()),
    }
}

pub fn plan(plan: &mut Plan) {
    for tree in trees() {
        let format = if tree.has_fdt() { "tree" } else { "structure" };
        let lines = guest::told(&["--list-hostile", format]);
        let name = |line: &String| line.split(' ').next().unwrap_or_default().to_string();
        let cases: Vec<String> = lines.iter().map(name).collect();
        let (full, _) = tree.tiers();
        for (tier, core) in [(full, "rust"), (Tier::All, "c")] {
            let build = tree.build(Arch::X86, core);
            let name = format!("hostile/{}/{core}", tree.name);
            let victim = Arc::new(Victim {
                initrd: Initrd::new(
                    name.clone(),
                    Arch::X86,
                    vec![(core.to_string(), build.clone())],
                ),
                name,
                image: build.image(),
                core,
                format,
            });
            let needs = [Build::guest(Arch::X86), build];
            for case in &cases {
                let (victim, case) = (victim.clone(), case.clone());
                let name = format!("{}/{case}", victim.name);
                let trial = Trial::ignorable_test(name, move || victim.run(&case));
                plan.add(tier, &needs, trial);
            }
        }
        plan.test(full, format!("hostile/{}/known", tree.name), move || {
            known(format, &cases)
        });
    }
}
