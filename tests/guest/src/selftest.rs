// SPDX-License-Identifier: GPL-2.0
//! The kernel tree's own selftests, `/selftests/NAME`, unmodified.
//!
//! They run in two stages with a kexec in between, which they leave to others. Stage 1 leaves a
//! process behind that holds the sessions.

use crate::client::counts;
use crate::liveupdate::Session;
use crate::report;
use crate::run::{same_counts, Hop, Run, Scenario};
use std::io;
use std::process::Command;

const TWO_STAGES: [Hop; 2] = [
    Hop {
        params: "",
        step: stage_1,
        times: 1,
    },
    Hop {
        params: "flb_client.get=1",
        step: stage_2,
        times: 1,
    },
];

const ONE_STAGE: [Hop; 1] = [Hop {
    params: "",
    step: only_stage,
    times: 1,
}];

/// The chain for the selftest `name`.
pub fn scenario(name: &str) -> Scenario {
    let hops: &[Hop] = if name == "liveupdate" {
        &ONE_STAGE
    } else {
        &TWO_STAGES
    };
    Scenario {
        name: "selftest",
        about: "a selftest of the kernel tree",
        hops,
    }
}

fn only_stage(run: &mut Run) -> io::Result<Vec<Session>> {
    let output = execute(&run.name, &[])?;
    report::holds(
        "no test failed",
        !output.lines().any(|line| line.starts_with("not ok")),
    );
    Ok(Vec::new())
}

fn stage_1(run: &mut Run) -> io::Result<Vec<Session>> {
    execute(&run.name, &["-s", "1"])?;
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("stage 1", flb, counts(1, 0, 0, 0), run.logged(flb));
    }
    Ok(Vec::new())
}

fn stage_2(run: &mut Run) -> io::Result<Vec<Session>> {
    let output = execute(&run.name, &["-s", "2"])?;
    report::holds(
        "the output says TEST PASSED",
        output.contains("TEST PASSED"),
    );
    run.update();
    for flb in Run::tree_flbs() {
        same_counts("stage 2", flb, counts(0, 0, 1, 1), run.logged(flb));
    }
    Ok(Vec::new())
}

/// Runs a program, which must end well.
pub fn execute(name: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(format!("/selftests/{name}"))
        .args(arguments)
        .output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    for line in text.lines() {
        report::line(format_args!("selftest: {line}"));
    }
    report::equal(
        format_args!("exit status of {name}"),
        Some(0),
        output.status.code(),
    );
    Ok(text)
}
