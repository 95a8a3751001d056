// SPDX-License-Identifier: GPL-2.0

//! A live update from the kernels of each tree to those of each, C and Rust. Kernels whose
//! headers name other formats refuse each other's handover.

use crate::guest::{Guest, Initrd, PLAIN};
use crate::kernels::{trees, Arch, Build, Tree};
use crate::plan::{run_file, Plan, Tier};
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What the headers call the handover, and all that is in it.
fn formats(tree: &Path) -> Vec<String> {
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        let (define, name, value) = (words.next()?, words.next()?, words.next()?);
        let ours = ["KHO_FDT", "LUO", "MEMFD_LUO_FH"]
            .iter()
            .any(|ours| name.starts_with(ours));
        (define == "#define" && ours && name.ends_with("_COMPATIBLE")).then(|| value.to_string())
    };
    let headers = ["kexec_handover.h", "luo.h", "memfd.h"];
    let text = headers.map(|header| {
        let path = tree.join("include/linux/kho/abi").join(header);
        fs::read_to_string(path).unwrap_or_default()
    });
    let mut names: Vec<String> = text
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(name)
        .collect();
    names.sort();
    names
}

/// All kernels of an architecture, by label.
struct Kernels {
    name: String,
    arch: Arch,
    kernels: Vec<(Build, Vec<String>)>,
    initrd: Initrd,
}

impl Kernels {
    fn run(&self, from: usize, to: usize) -> Result<(), Failed> {
        let [(from, one), (to, other)] = [&self.kernels[from], &self.kernels[to]];
        let scenario = if one == other {
            "matrix"
        } else {
            "matrix-refused"
        };
        let (from_name, to_name) = (from.variant(), to.variant());
        let guest = Guest {
            arch: self.arch,
            flavor: PLAIN,
            image: &from.image(),
            initrd: self.initrd.path()?,
            log: run_file(&format!("{}/{from_name}-to-{to_name}.log", self.name)),
            kernels: 2,
        };
        let words = [
            "flb.mode=scenario".to_string(),
            format!("flb.scenario={scenario}"),
            format!("flb.chain={from_name},{to_name}"),
        ];
        guest.run_patiently(&words).map_err(|why| why.text().into())
    }
}

fn plan_arch(plan: &mut Plan, arch: Arch, trees: &[Tree]) {
    let mut kernels = Vec::new();
    for tree in trees {
        for core in ["c", "rust"] {
            kernels.push((tree.build(arch, core), formats(&tree.dir())));
        }
    }
    let name = format!("matrix/{}", arch.name());
    let labelled = |(build, _): &(Build, _)| (build.variant(), build.clone());
    let all = Arc::new(Kernels {
        initrd: Initrd::new(name.clone(), arch, kernels.iter().map(labelled).collect()),
        name,
        arch,
        kernels,
    });
    let mut needs = vec![Build::guest(arch)];
    needs.extend(all.kernels.iter().map(|(build, _)| build.clone()));
    for from in 0..all.kernels.len() {
        for to in 0..all.kernels.len() {
            let [one, other] = [from, to].map(|at| &all.kernels[at]);
            let name = format!("{}/{}-to-{}", all.name, one.0.variant(), other.0.variant());
            let refused = if one.1 == other.1 { "" } else { "refused" };
            let all = all.clone();
            let trial = Trial::test(name, move || all.run(from, to)).with_kind(refused);
            plan.add(Tier::All, &needs, trial);
        }
    }
}

pub fn plan(plan: &mut Plan) {
    plan_arch(plan, Arch::X86, trees());
    let newest = trees().len().saturating_sub(1);
    plan_arch(plan, Arch::Arm, &trees()[newest..]);
}
