#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What mutate.sh does. The cheapest tests come first: those of the host, in a copy of the checkout;
then the KUnit suites of a copy of the core for each mistake, all in one kernel. What C calls, and C
itself, cannot be there twice: these get a kernel each, as do all that go over a kexec."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CACHE, RUN, NAME = Path(os.environ["CACHE"]), Path(os.environ["FLB_RUN"]), os.environ["NAME"]
COPY = CACHE / "mutate"
HOST = ("abi/", "hugetlb/", "refs.rs", "state.rs")
MODEL = ("refs.rs", "state.rs")
SINGLE = ("ffi.rs", "shim.c")
# No part of the core.
OTHERS = ("hugetlb/",)
# Seconds, for a mistake without end.
LIMIT = "300"
# What a kernel's log must not have, and where a case ends in it.
FAULT = re.compile(r"WARNING:|BUG:|Oops|refcount_t:|blocked for more than|Kernel panic")
RESULT = re.compile(r"^(?:\[[^]]*\])? *(?:not )?ok \d+ (.*)$", re.M)
# What has found each mistake.
FOUND = {}


def die(text):
    sys.exit(f"luo-flb: error: {text}; see {RUN}")


class Mistake:
    """A block of tests/mutations.txt: name and file, what stands there, what takes its place."""

    def __init__(self, lines):
        head, rest = lines[0].split(), lines[1:]
        if len(head) != 2 or any(line[:2] not in ("- ", "+ ", "-", "+") for line in rest):
            die(f"tests/mutations.txt: not understood: {lines[0]}")
        self.name, self.file = head
        old, new = ("\n".join(line[2:] for line in rest if line[0] == mark) for mark in "-+")
        text = (TOP / self.file).read_text(encoding="utf-8")
        if not old or text.count(old) != 1 or old == new:
            die(f"tests/mutations.txt: {self.name}: its text is not once in {self.file}")
        self.text = text.replace(old, new)

    def make(self, directory):
        """In a copy."""
        (directory / self.file).write_text(self.text, encoding="utf-8")

    def unmake(self):
        """Builds go by times."""
        shutil.copyfile(TOP / self.file, COPY / self.file)


def mistakes():
    """Those that ONLY chooses."""
    blocks = (TOP / "tests/mutations.txt").read_text(encoding="utf-8").split("\n\n")
    records = [[line for line in b.splitlines() if line and line[0] != "#"] for b in blocks]
    all_of_them = [Mistake(record) for record in records if record]
    only = os.environ.get("ONLY", "").split()
    chosen = [m for m in all_of_them if not only or m.name in only or m.file in only]
    if not chosen or len({m.name for m in all_of_them}) < len(all_of_them):
        die(f"tests/mutations.txt: no mistake {' '.join(only)}, or a name twice")
    return chosen


def left(chosen, files=""):
    """What nothing has found yet, in these files."""
    return [m for m in chosen if m.name not in FOUND and m.file.startswith(files)]


def run(log, *command, **settings):
    """Runs a program of the copy with its output in a log: does it succeed, and what it says."""
    with open(RUN / log, "wb") as file:
        status = subprocess.call(
            command, cwd=COPY, env={**os.environ, **settings}, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT,
        )
    return status == 0, (RUN / log).read_text(encoding="utf-8", errors="replace")


def cargo(crate, *args):
    """The first test of a crate that fails."""
    good, text = run(
        f"{crate}.log", "timeout", LIMIT, "cargo", "test", "--locked", "-p", crate, "--", *args,
        CARGO_TARGET_DIR=f"{CACHE}/mutate-host", CARGO_TERM_COLOR="never",
    )
    if not re.search(r"^running [1-9]", text, re.M):
        die(f"{crate} does not compile, or has no test {' '.join(args)}")
    failed = re.search(r"^test (\S+) .*FAILED$", text, re.M)
    return None if good else failed.group(1) if failed else f"no end of {crate}"


def build(what):
    """The kernel of the copy, with all errors of the compiler."""
    good, text = run("build.log", "scripts/build.sh", NAME, "rust", GNUMAKEFLAGS="-k")
    if not good:
        die(f"{what} does not compile: {text.strip()[-200:]}")


def cases(group, suite=""):
    """Suite and case of each result of kunit.py's, and whether it fails."""
    for case in group.get("test_cases", []):
        yield f"{suite}/{case['name']}", case["status"] not in ("PASS", "SKIP")
    for sub in group.get("sub_groups", []):
        yield from cases(sub, sub["name"])


def complains(log):
    """Does a kernel complain, beside what cases provoke whose names end in _warns?"""
    parts = RESULT.split(log.replace("\r", "")) + [""]
    expected = {True: ".*WARNING: .*/raw.rs:.*", False: "^$"}
    texts = [re.sub(expected[n.endswith("_warns")], "", t) for t, n in zip(parts[::2], parts[1::2])]
    return FAULT.search("\n".join(texts))


def suites(glob):
    """The first case that fails in a boot with these suites. Whatever else is wrong has to be so
    twice, as a kernel may be too slow on a busy host."""
    results, log = RUN / "kunit.json", RUN / "kunit.log"
    for _ in range(2):
        results.unlink(missing_ok=True)
        args = (NAME, f"{NAME}-rust", str(results), glob)
        run("boot.log", "scripts/kunit.sh", *args, FLB_TIMEOUT="60")
        found = list(cases(json.loads(results.read_text()))) if results.exists() else []
        failed = [name for name, fails in found if fails]
        if failed:
            return failed[0]
        if found and not complains(log.read_text(errors="replace")):
            return None
    return "the kernel's log" if found else "the boot"


def scenarios():
    """The first scenario that fails, twice for the same reason."""
    for name in os.environ["KEXEC"].split():
        args = ("luo-flb-harness", "--include-ignored", "--exact", f"kexec/{NAME}/{name}")
        if cargo(*args) and cargo(*args):
            return args[-1]
    return None


def judge(mistake, test, *args):
    """By a test, which finds nothing where there is no mistake: else it would show nothing."""
    failed = test(*args)
    if failed and not mistake:
        die(f"{failed} fails without a mistake")
    if failed:
        FOUND[mistake.name] = re.sub(r"^m\d+_", "luo_flb_", failed)
        print(f"{mistake.name}: caught by {FOUND[mistake.name]}", flush=True)


def one_by_one(chosen, test, *args, kernel=False):
    """Each mistake alone in the copy, and in a kernel of its own where that is what is tested."""
    for mistake in [None, *chosen] if chosen else []:
        if mistake:
            mistake.make(COPY)
        if kernel:
            build(mistake.name if mistake else "the copy")
        judge(mistake, test, *args)
        if mistake:
            mistake.unmake()


def add_core(number, mistake):
    """To the copy: a core that exports nothing, with suites of its own."""
    core = COPY / "mutants" / f"m{number}"
    for part in ("abi", "raw", "tests/kunit"):
        shutil.copytree(COPY / part, core / part)
    for file in COPY.glob("*.rs"):
        shutil.copy(file, core)
    if mistake:
        mistake.make(core)
    (core / "luo_flb.rs").rename(core / f"m{number}.rs")
    for file in (core / "ffi.rs", *core.glob("tests/**/*.rs")):
        text = re.sub(r".*#\[no_mangle\].*\n", "", file.read_text(encoding="utf-8"))
        text = text.replace("kunit_tests(luo_flb_", f"kunit_tests(m{number}_")
        file.write_text(text, encoding="utf-8")
    with open(COPY / "Kbuild", "a", encoding="utf-8") as kbuild:
        kbuild.write(f"obj-y += mutants/m{number}/m{number}.o\n")
        kbuild.write(f"$(obj)/mutants/m{number}/m{number}.o: $(obj)/bindings_generated.rs\n")


def together(chosen):
    """A core for each mistake in one kernel, and one without."""
    if not chosen:
        return
    for script in COPY.glob("scripts/overlay*.sh"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace("\nPATTERNS=(", "\nPATTERNS=('mutants/**/*.rs' "))
    for number, mistake in enumerate([None, *chosen]):
        add_core(number, mistake)
    build("one of the mistakes")
    for number, mistake in enumerate([None, *chosen]):
        judge(mistake, suites, f"m{number}_*")
    shutil.rmtree(COPY / "mutants")
    shutil.copyfile(TOP / "Kbuild", COPY / "Kbuild")


def main():
    chosen = mistakes()
    # What a person has there now, committed or not, as new as a build has to take it.
    shutil.rmtree(COPY)
    ignore = shutil.ignore_patterns(".git", "target")
    shutil.copytree(TOP, COPY, ignore=ignore, copy_function=shutil.copy)
    one_by_one(left(chosen, HOST), cargo, "luo-flb-host-tests")
    together([m for m in left(chosen) if not m.file.startswith(SINGLE + OTHERS)])
    one_by_one(left(chosen, SINGLE), suites, "luo_flb*", kernel=True)
    one_by_one(left(chosen, OTHERS), suites, "rust_liveupdate_hugetlb*", kernel=True)
    one_by_one(left(chosen, MODEL), cargo, "luo-flb-model")
    if os.environ["KEXEC"]:
        one_by_one(left(chosen), scenarios, kernel=True)
    for mistake in left(chosen):
        print(f"{mistake.name}: SURVIVED")
    print(f"{len(FOUND)} of {len(chosen)} caught")
    sys.exit(len(FOUND) < len(chosen))


main()
