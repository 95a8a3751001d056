#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench-followed.py TSV ASM: what single calls consist of, by what bench-trace.py has followed, one
line an instruction, with the core in front; and of the fast path in Rust the instructions, by a
disassembly. As reST, to follow what bench-report.py has made."""

import re
import sys
from collections import defaultdict

from bench_table import table

# Operations, as a person calls them.
OPERATIONS = {
    "get-outgoing": "get outgoing",
    "put-outgoing": "put outgoing",
    "get-incoming": "get incoming",
    "put-incoming": "put incoming",
    "preserve-further": "preserve, further file",
    "unpreserve-further": "unpreserve, further file",
    "finish": "finish, further file",
    "preserve": "preserve, first file",
    "unpreserve": "unpreserve, last file",
    "register": "register the third FLB",
    "serialize": "serialize",
    "parse": "parse at boot",
    "retrieve": "first retrieve, last entry",
}

# What functions belong to; the first that matches.
KINDS = [
    ("callbacks", re.compile(r"bench_")),
    ("locks", re.compile(r"(rust_helper_)?_*(mutex|down|up|raw_spin|rwsem)_(?!init)")),
    ("core", re.compile(r".*(luo_flb|liveupdate_(un)?register_flb|liveupdate_flb)")),
    ("others", re.compile(r"")),
]
COLUMNS = ["core", "locks", "callbacks", "others", "sum", "locked"]


def kind(function):
    return next(name for name, pattern in KINDS if pattern.match(function))


def read(path):
    """Of each core and operation: instructions by kind, locked ones, and the addresses."""
    counts = defaultdict(lambda: defaultdict(int))
    addresses = defaultdict(set)
    with open(path, encoding="utf-8") as file:
        for line in file:
            core, operation, function, address, times, locks = line.rstrip("\n").split("\t")
            call = counts[core, operation]
            call[kind(function)] += int(times)
            call["sum"] += int(times)
            call["locked"] += int(times) * int(locks)
            addresses[core, operation].add(int(address, 16))
    return counts, addresses


def calls(counts):
    rows = []
    for operation, name in OPERATIONS.items():
        for core, label in (("c", "C"), ("rust", "Rust")):
            call = counts.get((core, operation))
            if call:
                cells = [f"{call[column]:,}" for column in COLUMNS]
                rows.append([name if core == "c" else "\\", label, *cells])
    return table(["Operation", "", *COLUMNS], rows)


def listing(path, ran):
    """The instructions at these addresses. A prefix that locks stands in a line of its own."""
    code, prefix = [], ""
    with open(path, encoding="utf-8") as file:
        for line in file:
            found = re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line)
            if not found or not (prefix or int(found[1], 16) in ran):
                continue
            if found[2].strip() == "lock":
                prefix = "lock "
                continue
            # Of a target the symbol says more than the address.
            text = re.sub(r"\b0x[0-9a-f]{8,} ", "", found[2])
            code.append("    " + prefix + " ".join(text.split()))
            prefix = ""
    return "\n".join(code)


def main():
    tsv, assembly = sys.argv[1:]
    counts, addresses = read(tsv)
    parts = [
        "Where the instructions of single calls go, with three FLBs, and how many of them are\n"
        "locked:",
        calls(counts),
    ]
    for operation in ("get-outgoing", "put-outgoing"):
        code = listing(assembly, addresses.get(("rust", operation), set()))
        if code:
            parts.append(f"All that runs to {OPERATIONS[operation]}, in Rust::")
            parts.append(code)
    print("\n\n".join(parts) + "\n")


main()
