// SPDX-License-Identifier: GPL-2.0

//! The two commands on a bare Debian, as root and as a user with sudo.

use crate::plan::{run_file, Outcome, Plan, Tier};
use crate::process::{output, reason, script};
use libtest_mimic::Completion;
use std::fs;
use std::process::Command;

fn both_commands(suite: &str, as_user: bool) -> Outcome {
    for (tool, option) in [("debootstrap", "--version"), ("unshare", "-m")] {
        if output(Command::new(tool).arg(option).arg("true")).is_err() {
            return Ok(Completion::ignored_with("needs root and debootstrap"));
        }
    }
    let mut bare_root = script("bare-root.sh");
    if as_user {
        bare_root.env("AS_USER", "1");
    }
    bare_root.args([suite, "sh", "-c", "make demo && make test"]);
    let done = bare_root.output()?;
    let text = crate::process::text(&done);
    let log = run_file(&format!("bare-root/{suite}-{as_user}.log"));
    fs::write(&log, &text)?;
    if done.status.success() && text.contains("same data") {
        return Ok(Completion::Completed);
    }
    Err(format!("{}; see {}", reason(&text), log.display()).into())
}

pub fn plan(plan: &mut Plan) {
    for suite in ["bookworm", "trixie"] {
        for (who, as_user) in [("root", false), ("user", true)] {
            let name = format!("bare-root/{suite}/{who}");
            plan.skippable(Tier::All, name, move || both_commands(suite, as_user));
        }
    }
}
