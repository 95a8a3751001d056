// SPDX-License-Identifier: GPL-2.0

//! The guest's scenarios and the kernel tree's own selftests, over chains of kernels.

use crate::guest::{self, Flavor, Guest, Initrd, Trouble, PLAIN};
use crate::kernels::{place, trees, Arch, Build, Tree};
use crate::plan::{cache, run_file, top, Plan, Tier};
use libtest_mimic::Trial;
use std::sync::Arc;
use std::{env, fs};

/// Kernels that stop at the first mistake that they find.
pub const DEBUG: Flavor = Flavor {
    name: "debug",
    words: &["panic_on_warn=1", "flb.timeout=300", "flb.leaks=1"],
    timeout: Some(900),
    alone: false,
};
/// Processors have to run at the same time to race.
pub const KCSAN: Flavor = Flavor {
    name: "kcsan",
    words: &["panic_on_warn=1", "flb.timeout=300"],
    timeout: Some(900),
    alone: true,
};
pub const PAGES64K: Flavor = Flavor {
    name: "64k",
    ..PLAIN
};
pub const RT: Flavor = Flavor {
    name: "rt",
    ..PLAIN
};
pub const CFI: Flavor = Flavor {
    name: "cfi",
    ..PLAIN
};

/// Scenarios for kernels with the core in Rust only: C exports nothing to modules.
const MODULE: &[&str] = &["module-preserved", "module-handed-over", "module-absent"];
/// The programs of all kernel versions; a tree has some of them.
const SELFTESTS: &[&str] = &[
    "liveupdate",
    "luo_kexec_simple",
    "luo_multi_session",
    "luo_stress_files",
    "luo_stress_sessions",
];
/// They want a machine with memory to spare.
const LARGE_HUGETLB: &[&str] = &["hugetlb-gigantic", "hugetlb-most"];
/// They want pages that can be broken, or much memory.
const X86_HUGETLB: &[&str] = &["hugetlb-refused", "hugetlb-gigantic", "hugetlb-most"];
/// For the kinds of kernels that can register the most FLBs, those of `configs/max.config`.
const MOST: &[&str] = &["mass-512"];

/// What the guest says about a scenario.
struct Scenario {
    name: String,
    kernels: u64,
    /// Words for the command line of the first kernel.
    words: Vec<String>,
}

/// Kernels of one tree in a row, repeated as often as a scenario needs.
struct Chain {
    /// Of its tests, like `kexec/7.3/rust-rust`.
    name: String,
    tree: Tree,
    arch: Arch,
    flavor: Flavor,
    labels: &'static [&'static str],
    mode: &'static str,
    needs: Vec<Build>,
    initrd: Initrd,
}

impl Chain {
    fn new(tree: &Tree, arch: Arch, flavor: Flavor, labels: &'static [&'static str]) -> Self {
        let kernel = |label: &str| tree.build(arch, &format!("{label}{}", flavor.name));
        let mut kinds = labels.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        let kernels: Vec<_> = kinds
            .iter()
            .map(|kind| (kind.to_string(), kernel(kind)))
            .collect();
        let dash = if flavor.name.is_empty() { "" } else { "-" };
        let labelled = labels.join("-");
        let name = format!(
            "kexec/{}/{}{dash}{labelled}",
            place(tree, arch),
            flavor.name
        );
        let mut needs = vec![Build::guest(arch)];
        needs.extend(kernels.iter().map(|(_, build)| build.clone()));
        Self {
            initrd: Initrd::new(name.clone(), arch, kernels),
            name,
            tree: tree.clone(),
            arch,
            flavor,
            labels,
            mode: "scenario",
            needs,
        }
    }

    /// Of the programs of the tree in place of scenarios.
    fn of_selftests(tree: &Tree, arch: Arch, labels: &'static [&'static str]) -> Self {
        let mut chain = Self::new(tree, arch, PLAIN, labels);
        chain.name = chain.name.replacen("kexec", "selftests", 1);
        chain.mode = "selftest";
        chain.needs.push(tree.build(arch, "selftests"));
        let programs = cache().join("selftests").join(place(tree, arch));
        chain.initrd.programs = Some(programs);
        chain
    }

    fn label_at(&self, hop: u64) -> &'static str {
        self.labels[hop as usize % self.labels.len()]
    }

    /// Boots one scenario, or one of the selftests.
    fn run(&self, scenario: &Scenario, words: &[String]) -> Result<(), Trouble> {
        let labels: Vec<_> = (0..scenario.kernels)
            .map(|hop| self.label_at(hop))
            .collect();
        let mut all = vec![
            format!("flb.mode={}", self.mode),
            format!("flb.scenario={}", scenario.name),
            format!("flb.chain={}", labels.join(",")),
        ];
        all.extend(scenario.words.clone());
        all.extend_from_slice(words);
        let first = format!("{}{}", self.labels[0], self.flavor.name);
        let guest = Guest {
            arch: self.arch,
            flavor: self.flavor,
            image: &self.tree.build(self.arch, &first).image(),
            initrd: self.initrd.path()?,
            log: run_file(&format!("{}/{}.log", self.name, scenario.name)),
            kernels: scenario.kernels,
        };
        guest.run_patiently(&all)
    }

    /// The defect of the C core because of which this scenario fails here.
    fn known_defect(&self, scenario: &str) -> Option<String> {
        let table = fs::read_to_string(top().join("tests/expected/c-core.txt")).ok()?;
        let series = self.tree.series();
        table.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().take(4).collect();
            let [name, defect, hop, of] = words[..] else {
                return None;
            };
            let hop = hop.strip_prefix("hop=")?.parse().ok()?;
            let of = of.strip_prefix("series=")?;
            let here = of == "all" || of.split(',').any(|one| one == series);
            (name == scenario && self.label_at(hop) == "c" && here).then(|| defect.to_string())
        })
    }

    /// Adds these scenarios. What C is known to fail must fail there, in the way it is known to.
    fn plan(self, plan: &mut Plan, tier: Tier, scenarios: Vec<Scenario>) {
        let chain = Arc::new(self);
        for scenario in scenarios {
            let name = format!("{}/{}", chain.name, scenario.name);
            let defect = chain.known_defect(&scenario.name);
            let kind = defect.clone().unwrap_or_default();
            let (chain, needs) = (chain.clone(), chain.needs.clone());
            let trial = Trial::test(name, move || match (chain.run(&scenario, &[]), defect) {
                (Ok(()), None) => Ok(()),
                (Ok(()), Some(defect)) => Err(format!("passes, but C has {defect}").into()),
                (Err(Trouble::Failed(_)), Some(_)) => Ok(()),
                (Err(why), _) => Err(why.text().into()),
            });
            plan.add(tier, &needs, trial.with_kind(kind));
        }
    }
}

/// The scenarios that the guest lists, for any chain or for special ones.
fn listed(option: &str) -> Vec<Scenario> {
    let scenario = |line: &String| {
        let mut words = line.split_whitespace();
        Some(Scenario {
            name: words.next()?.to_string(),
            kernels: words.next()?.parse().ok()?,
            words: match words.next()? {
                "-" => Vec::new(),
                all => all.split(';').map(str::to_string).collect(),
            },
        })
    };
    guest::told(&[option]).iter().filter_map(scenario).collect()
}

fn special(names: &[&str]) -> Vec<Scenario> {
    let mut found = listed("--list-special");
    found.retain(|scenario| names.contains(&scenario.name.as_str()));
    found
}

/// Scenarios of one tree on x86_64.
fn plan_x86(plan: &mut Plan, tree: &Tree) {
    let (full, core) = tree.tiers();
    let chain = |flavor, labels| Chain::new(tree, Arch::X86, flavor, labels);
    for (tier, labels) in [
        (core, &["rust", "rust"]),
        (full, &["c", "rust"]),
        (full, &["rust", "c"]),
        (Tier::All, &["c", "c"]),
    ] {
        chain(PLAIN, labels).plan(plan, tier, listed("--list"));
    }
    chain(PLAIN, &["rust"]).plan(plan, core, special(MODULE));
    if tree.has_hugetlb() {
        plan_hugetlb(plan, tree);
    }
    plan_vm(plan, tree);
    chain(PLAIN, &["c", "rust"]).plan(plan, Tier::All, special(&["chain-20"]));
    for flavor in [DEBUG, KCSAN, RT, CFI] {
        chain(flavor, &["rust"]).plan(plan, Tier::All, listed("--list"));
        chain(flavor, &["rust"]).plan(plan, Tier::All, special(MODULE));
    }
    chain(DEBUG, &["rust"]).plan(plan, Tier::All, special(&["traced"]));
    for flavor in [DEBUG, CFI] {
        chain(flavor, &["rust"]).plan(plan, Tier::All, special(MOST));
    }
    for labels in [&["rustcfi", "rust"], &["rustcfi", "c"]] {
        chain(PLAIN, labels).plan(plan, Tier::All, special(MOST));
    }
}

/// Files in huge pages, with any core on either side.
fn plan_hugetlb(plan: &mut Plan, tree: &Tree) {
    let (_, core) = tree.tiers();
    for (tier, labels) in [
        (core, &["rust", "rust"]),
        (Tier::All, &["c", "rust"]),
        (Tier::All, &["rust", "c"]),
        (Tier::All, &["c", "c"]),
    ] {
        let scenarios = listed("--list-hugetlb").into_iter();
        let is_long = |name: &str| LARGE_HUGETLB.contains(&name) || name == "hugetlb-20";
        let (long, short) = scenarios.partition(|scenario| is_long(&scenario.name));
        let chain = || Chain::new(tree, Arch::X86, PLAIN, labels);
        chain().plan(plan, tier, short);
        chain().plan(plan, Tier::All, long);
    }
    let mut chain = Chain::of_selftests(tree, Arch::X86, &["rust", "rust"]);
    chain.mode = "scenario";
    chain.plan(plan, Tier::All, special(&["hugetlb-selftests"]));
    let mut scenarios = listed("--list-hugetlb");
    // What KHO sets aside there does not fit into each of two nodes.
    // KHO warns of pages that it does not have.
    let fits = |name: &str| {
        !LARGE_HUGETLB.contains(&name) && !name.contains("-nodes") && name != "hugetlb-stolen"
    };
    scenarios.retain(|scenario| fits(&scenario.name));
    Chain::new(tree, Arch::X86, DEBUG, &["rust"]).plan(plan, Tier::All, scenarios);
}

/// Virtual machines, with any core on either side.
fn plan_vm(plan: &mut Plan, tree: &Tree) {
    let (full, _) = tree.tiers();
    for (tier, labels) in [
        (full, &["rust", "rust"]),
        (Tier::All, &["c", "rust"]),
        (Tier::All, &["rust", "c"]),
        (Tier::All, &["c", "c"]),
    ] {
        let mut scenarios = listed("--list-vm");
        scenarios.retain(|scenario| tree.has_hugetlb() || scenario.name != "vm-huge");
        Chain::new(tree, Arch::X86, PLAIN, labels).plan(plan, tier, scenarios);
    }
}

fn plan_arm(plan: &mut Plan, tree: &Tree) {
    let tier = arm_tier();
    let chain = |flavor, labels| Chain::new(tree, Arch::Arm, flavor, labels);
    for (tier, labels) in [
        (tier, &["rust", "rust"]),
        (tier, &["c", "rust"]),
        (tier, &["rust", "c"]),
        (Tier::All, &["c", "c"]),
    ] {
        chain(PLAIN, labels).plan(plan, tier, listed("--list"));
    }
    chain(PLAIN, &["c", "rust"]).plan(plan, Tier::All, special(&["chain-20"]));
    if tree.has_hugetlb() {
        let mut scenarios = listed("--list-hugetlb");
        scenarios.retain(|scenario| !X86_HUGETLB.contains(&&*scenario.name));
        scenarios.extend(special(&["hugetlb-sizes"]));
        chain(PLAIN, &["rust", "rust"]).plan(plan, Tier::All, scenarios);
    }
    for labels in [&["rust", "rust"], &["c", "rust"], &["rust", "c"]] {
        let mut matrix = listed("--list");
        matrix.retain(|scenario| scenario.name == "matrix");
        chain(PAGES64K, labels).plan(plan, Tier::All, matrix);
    }
}

/// Who names the architecture wants it.
pub fn arm_tier() -> Tier {
    match env::var("ARCH").as_deref() {
        Ok("arm64") => Tier::Always,
        _ => Tier::All,
    }
}

/// The tree's own programs, unmodified.
fn plan_selftests(plan: &mut Plan, tree: &Tree, arch: Arch, tier: Tier) {
    let source = tree.dir().join("tools/testing/selftests/liveupdate");
    let there = |name: &&&str| source.join(name).with_extension("c").exists();
    for labels in [&["rust"], &["c"]] {
        let scenario = |name: &&str| Scenario {
            name: (*name).to_string(),
            kernels: 2,
            words: Vec::new(),
        };
        let programs = SELFTESTS.iter().filter(there).map(scenario);
        Chain::of_selftests(tree, arch, labels).plan(plan, tier, programs.collect());
    }
}

/// Random steps over many kernels: `HOPS` of them, from `SEED`.
fn plan_soak(plan: &mut Plan, tree: &Tree) {
    let number = |name: &str, usual: u64| {
        let given = env::var(name).ok().and_then(|text| text.parse().ok());
        given.unwrap_or(usual)
    };
    let (seed, hops) = (number("SEED", 1), number("HOPS", 10));
    let mut chain = Chain::new(tree, Arch::X86, PLAIN, &["rust"]);
    // The label of the last kernel in the chain is that of all that follow.
    chain.flavor.timeout = Some(60 + 30 * hops);
    let needs = chain.needs.clone();
    let name = format!("soak/{}/seed-{seed}-hops-{hops}", tree.name);
    let trial = Trial::test(name, move || {
        let scenario = Scenario {
            name: "soak".to_string(),
            kernels: 1,
            words: Vec::new(),
        };
        let words = [format!("flb.seed={seed}"), format!("flb.hops={hops}")];
        let end = chain.run(&scenario, &words);
        end.map_err(|why| {
            format!(
                "{}; make test-all ONLY=soak SEED={seed} HOPS={hops}",
                why.text()
            )
            .into()
        })
    });
    plan.add(Tier::All, &needs, trial);
}

pub fn plan(plan: &mut Plan) {
    let program = cache().join("guest/init");
    if program.exists() && listed("--list").is_empty() {
        plan.test(Tier::Always, "kexec/list", || {
            Err("the guest lists no scenario".into())
        });
    }
    for tree in trees() {
        let (full, _) = tree.tiers();
        plan_x86(plan, tree);
        plan_selftests(plan, tree, Arch::X86, full);
        plan_soak(plan, tree);
    }
    if let Some(tree) = trees().last() {
        plan_arm(plan, tree);
        plan_selftests(plan, tree, Arch::Arm, arm_tier());
    }
}
