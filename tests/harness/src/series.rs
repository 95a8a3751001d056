// SPDX-License-Identifier: GPL-2.0

//! The patches for a kernel tree that `scripts/series.sh` writes.

use crate::kernels::{trees, Tree};
use crate::plan::{run_file, Plan, Tier};
use crate::process::{output, script, text};
use libtest_mimic::{Failed, Trial};
use std::env;
use std::fs;
use std::process::Command;

/// Somebody who is not the one that git knows here.
const WHO: &str = "Somebody Else";

/// A script on this tree: a person's own tree is in KDIR already.
fn on(tree: &Tree, name: &str) -> Command {
    let mut command = script(name);
    if env::var_os("KDIR").is_none_or(|kdir| kdir.is_empty()) {
        command.env("SERIES", tree.series());
    }
    command
}

/// git with one setting more than the files have.
fn set(command: &mut Command, settings: &[(&str, &str)]) {
    command.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (at, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{at}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{at}"), value);
    }
}

/// All patches are there, signed off by who runs this, with paths of a tree and of this version.
fn written(tree: &Tree) -> Result<(), Failed> {
    let directory = run_file(&format!("series/{}", tree.name));
    let mut command = on(tree, "series.sh");
    command.arg(&directory);
    set(
        &mut command,
        &[("user.name", WHO), ("user.email", "else@localhost")],
    );
    output(&mut command)?;
    let mut patches = Vec::new();
    for entry in fs::read_dir(&directory)? {
        patches.push(fs::read_to_string(entry?.path())?);
    }
    let expected = if tree.has_hugetlb() { 10 } else { 9 };
    if patches.len() != expected {
        return Err(format!("{} patches, not {expected}", patches.len()).into());
    }
    let signed = format!("Signed-off-by: {WHO} <else@localhost>");
    for patch in &patches {
        let subject = patch.lines().find(|line| line.starts_with("Subject: "));
        let of = |what: &str| Err(format!("{}: {what}", subject.unwrap_or("no subject")).into());
        // The cover letter has no sign-off.
        if !patch.contains("[PATCH 0/") && !patch.contains(&signed) {
            return of("not signed off");
        }
        for word in [
            "kernel/liveupdate/flb/",
            "LIVEUPDATE_FLB_HAS_",
            "luo-flb overlay",
        ] {
            if patch.contains(word) {
                return of(word);
            }
        }
    }
    Ok(())
}

/// Who has no name and address in git is told so.
fn unsigned(tree: &Tree) -> Result<(), Failed> {
    let mut command = on(tree, "series.sh");
    command.arg(run_file("series/unsigned"));
    set(&mut command, &[("user.name", ""), ("user.email", "")]);
    let done = command.output()?;
    let text = text(&done);
    if done.status.success() || !text.contains("git does not know who you are") {
        return Err(format!("series.sh without a name says: {text}").into());
    }
    Ok(())
}

fn each_patch(tree: &Tree) -> Result<(), Failed> {
    output(&mut on(tree, "series/check.sh")).map(drop)
}

pub fn plan(plan: &mut Plan) {
    let Some(tree) = trees().last() else {
        return;
    };
    for (tier, name, test) in [
        (Tier::Always, "written", written as fn(&Tree) -> _),
        (Tier::Always, "unsigned", unsigned),
        (Tier::All, "each-patch", each_patch),
    ] {
        let name = format!("series/{}/{name}", tree.name);
        plan.add(tier, &[], Trial::test(name, move || test(tree)));
    }
}
