// SPDX-License-Identifier: GPL-2.0

//! What `flbdump --next` says of a kernel that was built.

use crate::kernels::{trees, Arch, Build};
use crate::plan::Plan;
use flbdump::next::{Kernel, Kind};
use flbdump::report::Name;
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::slice;

/// The sample's names are listed. The tree's own test client is in C.
const NAMES: [(&str, Kind); 4] = [
    ("rust-sample-table-v1", Kind::Flb),
    ("rust-sample-note-v1", Kind::FileHandler),
    ("liveupdate-test-flb-v0", Kind::Flb),
    ("rust-sample-table-v0", Kind::Flb),
];
const WHOLE: &str = "  rust-sample-table-v1 listed
  rust-sample-note-v1 listed
  liveupdate-test-flb-v0 not listed, but a string in the image: of C?
  rust-sample-table-v0 LOST: not listed, and no string in the image
";
const LIST: &str = "  rust-sample-table-v1 listed
  rust-sample-note-v1 listed
  liveupdate-test-flb-v0 LOST unless it is of C: not listed
  rust-sample-table-v0 LOST unless it is of C: not listed
";

fn next(build: &Build, files: &[&str], expected: &str) -> Result<(), Failed> {
    let mut kernel = Kernel::default();
    for file in files {
        kernel.add(&fs::read(build.dir().join(file))?)?;
    }
    let names = NAMES.map(|(name, kind)| (Name(name.into()), kind));
    let said = kernel.knows(names.into()).to_string();
    match said.contains(expected) {
        true => Ok(()),
        false => Err(format!("{files:?}: {said}").into()),
    }
}

pub fn plan(plan: &mut Plan) {
    for tree in trees() {
        let build = tree.build(Arch::X86, "rust");
        let needs = build.clone();
        let trial = Trial::test(format!("next/{}", tree.name), move || {
            next(&build, &["vmlinux.unstripped"], WHOLE)?;
            next(&build, &["vmlinux", "modules.builtin.modinfo"], WHOLE)?;
            next(&build, &["modules.builtin.modinfo"], LIST)
        });
        plan.add(tree.tiers().0, slice::from_ref(&needs), trial);
    }
}
