// SPDX-License-Identifier: GPL-2.0

//! `scripts/overlay.sh` on a skeleton of a kernel tree and on the trees in the cache, and the copy
//! that `scripts/fetch.sh` makes of a person's tree.

use crate::kernels::trees;
use crate::plan::{run_file, top, Outcome, Plan, Tier};
use crate::process::{output, text};
use libtest_mimic::{Completion, Failed};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

type Done = Result<(), Failed>;

/// For what is done to a tree in Bash, inside of it, with its pristine twin in ../orig.
const PRELUDE: &str = r#"
FLB=kernel/liveupdate/flb STAMP=$FLB/.luo-flb-overlay OTHER=rust/uapi/uapi_helper.h
HOOKED="kernel/liveupdate/Makefile kernel/liveupdate/Kconfig rust/bindings/bindings_helper.h
        rust/helpers/helpers.c rust/kernel/lib.rs mm/hugetlb.c mm/memfd_luo.c samples/rust/Makefile
        samples/rust/Kconfig"
each() { for file in $HOOKED; do eval "$1"; done; }
skeleton() {
    mkdir -p kernel/liveupdate mm rust/{bindings,helpers,kernel,uapi} samples/rust
    printf '%s\n' 'VERSION = 7' 'PATCHLEVEL = 3' 'SUBLEVEL = 0' >Makefile
    for file in Kbuild Kconfig kernel/Makefile kernel/liveupdate/luo_flb.c $OTHER $HOOKED; do
        printf '# %s\n\n' $file >$file
    done
}
ends_of_files() {
    chmod 640 $HOOKED
    printf 'a\nb' >rust/kernel/lib.rs; printf 'a\nb' >samples/rust/Kconfig
    : >rust/helpers/helpers.c; : >kernel/liveupdate/Makefile; printf x >samples/rust/Makefile
    printf '\n' >rust/bindings/bindings_helper.h; printf 'a\n\n\t' >kernel/liveupdate/Kconfig
}
text_after() {
    each 'echo more >>$file; echo more >>../orig/$file'
    each 'sed -i s/amore/a\\nmore/ ../orig/$file'
}
own_file() { mkdir $FLB; echo mine >$FLB/mine.rs; }
in_tree_build() {
    touch $FLB/{shim.o,.shim.o.cmd,raw/x.o,bindings_generated.rs}
    touch samples/rust/{.rust_liveupdate.o.cmd,rust_liveupdate{,_devices}.o}
}
fetch() {
    env -u FLB_LOCKS KDIR=$PWD/../$1 XDG_CACHE_HOME=$PWD/../cache FLB_RUN=$PWD/../run \
        $TOP/scripts/fetch.sh
}
crash_after() {
    mkdir -p ../bin; : >../renames
    printf '%s\n' '#!/bin/sh' "[ \$(wc -l <../renames) -lt $1 ] || kill -KILL 0" \
        'echo >>../renames' 'exec /bin/mv "$@"' >../bin/mv
    chmod +x ../bin/mv; ! PATH=../bin:$PATH setsid -w $O $2 .
}
older_files() {
    rm $FLB/Kconfig; sed -i '\#flb/Kconfig$#d' $STAMP
    mkdir $FLB/old
    for file in $FLB/{old/old,raw}.rs {samples/rust,rust/kernel/liveupdate}/old.rs \
            rust/helpers/{old,liveupdate}.c; do
        echo old >$file; sed -i "\#  $file\$#d" $STAMP; sha256sum $file >>$STAMP
    done
}
older_blocks() {
    cp ../orig/rust/kernel/lib.rs rust/kernel; sed -i '\#kernel/lib.rs$#d' $STAMP
    printf '// luo-flb overlay: %s\n' begin end >>$OTHER; echo "block:0  $OTHER" >>$STAMP
    sed -i s/obj-y/obj-m/ kernel/liveupdate/Makefile
}
older_stamp() {
    sed -Ei "s/^block[^ ]*/block/; s#  $FLB/#  #; /rs$/s#samples/rust/#samples/#" $STAMP
}
forge_stamp() {
    printf '# luo-flb overlay: %s\n' begin end | tee ../kept >../as-it-was
    for path in ../kept rust/../../kept $PWD/../kept; do
        printf '%s  %s\n' block $path block:0 $path "$(sha256sum <../kept | cut -c -64)" $path
    done >>$STAMP
}
"#;

/// Name, what the tree is like, what happens to it while it has the overlay.
const ROUND_TRIPS: &str = r#"
apply-and-revert => =>
ends-of-files    => ends_of_files =>
text-after       => each 'printf a >$file'; printf 'a\nb\n' >rust/kernel/lib.rs => text_after
in-tree-build    => touch rust/.kernel.o.cmd samples/rust/built-in.a; own_file => in_tree_build
forged-stamp     => => forge_stamp
left-when-killed => => mkdir -p kernel/liveupdate/.luo-flb-new/tree; touch $_/x
"#;

/// Name, how it came to that, what status says: apply and revert put it right.
const REPAIRS: &str = r#"
older-files     => older_files  => 4 applied (outdated)
older-blocks    => older_blocks => 4 applied (outdated)
older-stamp     => older_stamp  => 4 applied (outdated)
git-checkout    => each 'cp ../orig/$file $file' => 5 half-applied
git-clean       => rm -r $FLB rust/*/{kho,liveupdate}* samples/rust/*liveupdate* => 5 half-applied
half-the-blocks => cp ../orig/samples/rust/* samples/rust => 5 half-applied
half-the-files  => rm $FLB/raw.rs rust/helpers/liveupdate.c => 5 half-applied
"#;

/// Name, what is wrong, which commands say so (revert may have nothing to do), and how.
const REFUSALS: &str = r#"
no-kernel       => rm Kbuild => all => is no kernel tree with FLB and Rust (no Kbuild)
no-flb          => rm kernel/liveupdate/luo_flb.c => all => no kernel/liveupdate/luo_flb.c
no-memfd        => rm mm/memfd_luo.c => all => no mm/memfd_luo.c
no-rust         => rm -r rust => all => no rust/bindings/bindings_helper.h
own-file        => cp $TOP/rust/helpers/l* rust/helpers => status apply => helpers/liveupdate.c is
own-directory   => mkdir rust/kernel/liveupdate.rs => status apply => kernel/liveupdate.rs is not
own-link        => ln -s x samples/rust/rust_liveupdate.rs => status apply => update.rs is not from
no-directory    => touch rust/kernel/liveupdate => apply => cannot write to
changed-core    => $O apply .; echo >>$FLB/raw/flb.rs => all => raw/flb.rs is not from this overlay
changed-api     => $O apply .; echo >>rust/kernel/liveupdate.rs => all => or was changed; move it
changed-to-link => $O apply .; ln -sf x $FLB/ffi.rs => all => flb/ffi.rs is not from this overlay
block-no-end    => $O apply .; sed -i '/: end/d' rust/kernel/lib.rs => all => kernel/lib.rs is not
"#;

/// What happens to a tree, and which files of its copy are then touched.
const COPIES: &str = r#"
:                              =>
: again                        =>
$O apply .                     =>
older_files                    =>
$O apply .; each 'cp ../orig/$file $file' =>
$O revert .                    =>
echo mine >>rust/kernel/lib.rs => rust/kernel/lib.rs
"#;

fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| {
        let mut cells = line.split("=>").map(str::trim);
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    })
}

/// Each file of a tree: text, mode, time. Directories end in a slash and have a mode only.
type Snapshot = BTreeMap<String, (Vec<u8>, u32, SystemTime)>;

fn snapshot(dir: &Path) -> Result<Snapshot, Failed> {
    let mut all = Snapshot::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            let meta = path.symlink_metadata()?;
            let name = path.strip_prefix(dir)?.to_string_lossy().into_owned();
            let mode = meta.permissions().mode();
            if meta.is_dir() {
                all.insert(name + "/", (Vec::new(), mode, SystemTime::UNIX_EPOCH));
                dirs.push(path);
            } else {
                let text = fs::read(&path).unwrap_or_default();
                all.insert(name, (text, mode, meta.modified()?));
            }
        }
    }
    Ok(all)
}

/// Files whose text, mode or, if asked for, time differs, or that only one has.
fn differing<'a>(a: &'a Snapshot, b: &'a Snapshot, times: bool) -> Vec<&'a str> {
    let same = |name| match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => a.0 == b.0 && a.1 == b.1 && (!times || a.2 == b.2),
        _ => false,
    };
    let only_b = b.keys().filter(|name| !a.contains_key(*name));
    a.keys()
        .chain(only_b)
        .map(String::as_str)
        .filter(|name| !same(*name))
        .collect()
}

fn check(holds: bool, what: impl Into<String>) -> Done {
    if holds {
        return Ok(());
    }
    Err(what.into().into())
}

fn same(a: &Snapshot, b: &Snapshot, times: bool) -> Done {
    let names = differing(a, b, times);
    check(names.is_empty(), format!("differs: {names:?}"))
}

/// Are all blocks there, all files of the project, and nothing else?
fn is_applied(before: &Snapshot, after: &Snapshot) -> Done {
    let (mut blocks, mut placed) = (0, 0);
    for path in differing(before, after, false) {
        let now = &after.get(path).ok_or(format!("{path} is gone"))?.0;
        let right = if let Some((was, ..)) = before.get(path) {
            let sign = ["//", "#"][usize::from(path.ends_with(['e', 'g']))];
            let added = String::from_utf8_lossy(now.strip_prefix(&was[..]).unwrap_or_default());
            let begin = format!("{sign} luo-flb overlay: begin");
            let end = format!("\n{sign} luo-flb overlay: end\n");
            blocks += 1;
            added.trim_start().starts_with(&begin) && added.ends_with(&end)
        } else if !path.ends_with("overlay") && !path.ends_with('/') {
            let name = path.trim_start_matches("kernel/liveupdate/flb/");
            let name = name.replace("samples/rust/", "samples/");
            placed += usize::from(name.starts_with("rust/") || name.starts_with("raw/"));
            fs::read(top().join(name)).is_ok_and(|text| text == *now)
        } else {
            true
        };
        check(right, format!("{path} is not as it should be"))?;
    }
    let mut ours = snapshot(&top().join("rust"))?
        .into_keys()
        .collect::<Vec<_>>();
    ours.extend(snapshot(&top().join("raw"))?.into_keys());
    let files = ours.iter().filter(|path| !path.ends_with('/')).count();
    let counted = format!("{blocks} blocks, {placed} of {files} files");
    check(blocks == 9 && placed == files, counted)
}

/// A kernel tree for one test, in a directory of its own.
struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Tree {
    fn new(setup: &str) -> Result<Self, Failed> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tree = Self(run_file(&format!("tmp/overlay-{}-{number}", process::id())));
        fs::create_dir_all(tree.0.join("k"))?;
        tree.run(&format!("{setup}\ncp -a . ../orig"))?;
        Ok(tree)
    }

    fn now(&self) -> Result<Snapshot, Failed> {
        snapshot(&self.0.join("k"))
    }

    fn orig(&self) -> Result<Snapshot, Failed> {
        snapshot(&self.0.join("orig"))
    }

    /// Commands of Bash in the tree; $O is overlay.sh.
    fn sh(&self, commands: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.args(["-euc", &format!("{PRELUDE}\n{commands}")]);
        bash.current_dir(self.0.join("k")).env("TOP", top());
        bash.env("O", top().join("scripts/overlay.sh"));
        bash
    }

    fn run(&self, commands: &str) -> Result<String, Failed> {
        output(&mut self.sh(commands))
    }

    /// What status prints after its exit status.
    fn says(&self, words: &str) -> Done {
        let done = self.sh("$O status .").output()?;
        let said = format!("{} {}", done.status.code().unwrap_or(-1), text(&done));
        let right = said.starts_with(words) && said.lines().count() == 1;
        check(right, format!("status: {said:?}"))
    }

    /// One line with these words, exit status 1, and nothing touched?
    fn refused(&self, command: &str, words: &str) -> Done {
        let before = self.now()?;
        let done = self.sh(command).output()?;
        let said = text(&done);
        let line = said.starts_with("luo-flb: error: ") && said.lines().count() == 1;
        let right = done.status.code() == Some(1) && line && said.contains(words);
        check(right, format!("{command}: says {said:?}"))?;
        same(&before, &self.now()?, true)
    }
}

fn round_trip(tree: &Tree, between: &str) -> Done {
    tree.says("3 not applied")?;
    tree.run("$O apply .")?;
    tree.says("0 applied (current)")?;
    let applied = tree.now()?;
    is_applied(&tree.orig()?, &applied)?;
    tree.run("$O apply .")?;
    same(&applied, &tree.now()?, true)?;
    tree.run(between)?;
    tree.run("$O revert .; [ ! -e ../as-it-was ] || cmp ../kept ../as-it-was")?;
    tree.says("3 not applied")?;
    let reverted = tree.now()?;
    same(&tree.orig()?, &reverted, false)?;
    tree.run("$O revert .")?;
    same(&reverted, &tree.now()?, true)
}

/// Files that need no repair are not touched.
fn repair(damage: &str, status: &str) -> Done {
    let tree = Tree::new("skeleton")?;
    tree.run("$O apply .")?;
    let applied = tree.now()?;
    tree.run(damage)?;
    tree.says(status)?;
    let damaged = tree.now()?;
    tree.run("$O apply .")?;
    let repaired = tree.now()?;
    same(&applied, &repaired, false)?;
    let mut kept = differing(&damaged, &repaired, true);
    let needed = differing(&applied, &damaged, true);
    kept.retain(|path| !needed.contains(path) && !path.ends_with("overlay"));
    check(kept.is_empty(), format!("touched: {kept:?}"))?;
    tree.run(&format!("{damage}; $O revert ."))?;
    same(&tree.orig()?, &tree.now()?, false)
}

fn refuse(setup: &str, commands: &str, words: &str) -> Done {
    let tree = Tree::new("skeleton")?;
    tree.run(setup)?;
    for command in commands.replace("all", "status apply revert").split(' ') {
        tree.refused(&format!("$O {command} ."), words)?;
    }
    if commands != "all" {
        let before = tree.now()?;
        tree.run("$O revert .")?;
        same(&before, &tree.now()?, true)?;
    }
    Ok(())
}

fn usage() -> Done {
    let tree = Tree::new("skeleton")?;
    for arguments in ["", "apply", "undo .", "apply . ."] {
        tree.refused(&format!("$O {arguments}"), "usage: ")?;
    }
    tree.refused("$O apply /nowhere", "/nowhere is no directory")?;
    tree.run("cd ..; $O apply k/; $O status $PWD/k | grep current; $O revert k")?;
    same(&tree.orig()?, &tree.now()?, false)
}

/// TERM leaves all or nothing. What a crash cuts off, the same command completes.
fn killed(command: &str, undo: &str) -> Done {
    let tree = Tree::new("skeleton")?;
    tree.run(&format!("$O apply .; $O {undo} ."))?;
    let (start, from) = (Instant::now(), tree.now()?);
    tree.run(&format!("$O {command} ."))?;
    let (time, to) = (start.elapsed().as_secs_f64(), tree.now()?);
    for after in [0.5 * time, 0.8 * time] {
        tree.run(&format!(
            "$O {undo} .; timeout {after} $O {command} . || true"
        ))?;
        let now = tree.now()?;
        same(&from, &now, false).or_else(|_| same(&to, &now, false))?;
    }
    for renames in 1..4 {
        tree.run(&format!(
            "$O {undo} .; crash_after {renames} {command}; $O {command} ."
        ))?;
        same(&to, &tree.now()?, false)?;
    }
    Ok(())
}

/// Root has to drop its capabilities for permissions to hold.
fn no_permission() -> Outcome {
    let tree = Tree::new("skeleton")?;
    let drop = "[ $(id -u) != 0 ] || O=\"setpriv --bounding-set=-all --inh-caps=-all $O\"";
    if tree
        .run(&format!("{drop}; $O apply . && $O revert ."))
        .is_err()
    {
        return Ok(Completion::ignored_with("cannot drop root's capabilities"));
    }
    for command in ["apply", "revert"] {
        for dir in [
            "kernel/liveupdate",
            "mm",
            "rust/bindings",
            "rust/kernel",
            "samples/rust",
        ] {
            tree.run(&format!("chmod a-w {dir}"))?;
            tree.refused(&format!("{drop}; $O {command} ."), "cannot write to")?;
            tree.run(&format!("chmod u+w {dir}"))?;
        }
        tree.run(&format!("$O {command} ."))?;
    }
    Ok(Completion::Completed)
}

/// A limit on the size of files stands in for a full disk.
fn no_space() -> Done {
    let tree = Tree::new("skeleton; seq 40000 >rust/kernel/lib.rs")?;
    for kib in [0, 1, 16, 128] {
        let limit = format!("ulimit -f {kib}; trap '' XFSZ");
        tree.refused(&format!("{limit}; $O apply ."), "cannot write to")?;
    }
    Ok(())
}

/// The copy has the overlay, whatever the tree has of it, and what is the same keeps its time.
fn copy_of_a_tree() -> Outcome {
    if output(Command::new("rsync").arg("--version")).is_err() {
        return Ok(Completion::ignored_with("needs rsync"));
    }
    let tree = Tree::new("skeleton; mkdir ../build; ln -s ../k ../build/source")?;
    let mut copy = Snapshot::new();
    for [change, touched] in rows(COPIES) {
        let printed = tree.run(&format!("{change}; fetch k"))?;
        let path = printed.lines().find_map(|line| line.strip_suffix(" 7.3.0"));
        let mut now = snapshot(Path::new(path.ok_or(printed.clone())?))?;
        now.remove(".flb-version").ok_or("no .flb-version")?;
        let names = differing(&copy, &now, true);
        let newer = |path: &&str| copy[*path].2 < now[*path].2;
        let right = names.join(" ") == touched && names.iter().all(newer);
        check(
            right || copy.is_empty(),
            format!("{change}: touched {names:?}"),
        )?;
        copy = now;
    }
    is_applied(&tree.now()?, &copy)?;
    tree.run("[ \"$(fetch build)\" = \"$(fetch k)\" ]")?;
    tree.run("touch rust/kernel/liveupdate.rs")?;
    tree.refused("fetch k", "k/rust/kernel/liveupdate.rs is not from")?;
    Ok(Completion::Completed)
}

/// A tree of the cache, as far as an overlay goes.
fn real(source: &Path) -> Done {
    let copy = format!(
        "cd {}; cp -a Kbuild kernel mm rust samples $OLDPWD; cd -",
        source.display()
    );
    let revert = "$O revert .; if grep -rqF 'luo-flb overlay' .; then exit 1; fi";
    round_trip(&Tree::new(&format!("{copy}; {revert}"))?, "")
}

pub fn plan(plan: &mut Plan) {
    let name = |name: &str| format!("overlay/{name}");
    for [case, setup, between] in rows(ROUND_TRIPS) {
        let setup = format!("skeleton; {setup}");
        plan.test(Tier::Always, name(case), move || {
            round_trip(&Tree::new(&setup)?, between)
        });
    }
    for [case, damage, status] in rows(REPAIRS) {
        plan.test(Tier::Always, name(case), || repair(damage, status));
    }
    for [case, setup, commands, words] in rows(REFUSALS) {
        plan.test(Tier::Always, name(case), || refuse(setup, commands, words));
    }
    plan.test(Tier::Always, name("usage"), usage);
    plan.test(Tier::Always, name("killed-apply"), || {
        killed("apply", "revert")
    });
    plan.test(Tier::Always, name("killed-revert"), || {
        killed("revert", "apply")
    });
    plan.test(Tier::Always, name("no-space"), no_space);
    plan.skippable(Tier::Always, name("no-permission"), no_permission);
    plan.skippable(Tier::Always, name("copy-of-a-tree"), copy_of_a_tree);
    for tree in trees() {
        plan.test(Tier::Always, name(&format!("real-{}", tree.name)), || {
            real(&tree.dir())
        });
    }
}
