// SPDX-License-Identifier: GPL-2.0

//! `seeds TARGET DIR`: writes the seeds and the corpus of a target, a file each.

use std::{env, fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<_> = env::args().collect();
    let [_, target, dir] = &args[..] else {
        eprintln!("usage: seeds TARGET DIR");
        return ExitCode::FAILURE;
    };
    let Some(seeds) = luo_flb_fuzz::seeds::files(target) else {
        eprintln!("no target {target}");
        return ExitCode::FAILURE;
    };
    for (name, bytes) in seeds {
        if let Err(error) = fs::write(Path::new(dir).join(&name), bytes) {
            eprintln!("{dir}/{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
