#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""report.py TSV: what bench.sh has measured, as tables; a summary is in
Documentation/reviewers.rst."""

import statistics
import sys
from collections import defaultdict

CORES = ("c", "rust")
# Numbers of FLBs in a table.
SIZES = ((1, 3, 63), (2, 16, 511))
OPERATIONS = {
    "get-put-outgoing": "get + put outgoing",
    "get-put-incoming": "get + put incoming",
    "get-nothing": "get, nothing came",
    "get-finished": "get, finished",
    "preserve-further": "preserve + unpreserve, further file",
    "preserve-first": "preserve + unpreserve, first file",
    "finish-further": "finish, further file",
    "register": "register the n-th FLB",
    "unregister": "unregister the n-th FLB",
    "serialize": "serialize",
    "parse": "parse at boot",
    "retrieve-last": "first retrieve, last entry",
    "retrieve-middle": "first retrieve, middle entry",
    "receive-all": "parse and retrieve all",
}
# What there is of it: the operation, the number of FLBs, what it is divided by.
MEMORY = {
    "text and constants, bytes": ("text", 0, 1),
    "data, bytes": ("data", 0, 1),
    "63 FLBs registered, pages": ("pages-registered", 63, 1),
    "63 FLBs with a further handler, bytes each": ("pages-handlers", 63, 63 / 4096),
    "511 FLBs registered, bytes each": ("pages-registered", 511, 511 / 4096),
    "511 entries received, bytes each": ("pages-received", 511, 511 / 4096),
}


def measured(path):
    """Costs by core, operation and number of FLBs; rates by core, operation and CPUs."""
    costs, rates = {}, defaultdict(list)
    with open(path, encoding="ascii") as file:
        for line in file:
            core, operation, *numbers = line.rstrip("\n").split("\t")
            n, total, rounds = map(int, numbers)
            if operation.startswith("contended"):
                rates[core, operation, rounds].append(total / 1e6)
                continue
            cost = total / rounds if rounds else None
            if rounds and costs.setdefault((core, operation, n), cost) != cost:
                sys.exit(f"luo-flb: error: two boots do not agree on {operation} of {n}, {core}")
    for core, operation, n in list(costs):
        if operation == "retrieve-others":
            parts = ("parse", "retrieve-last", "retrieve-middle", operation)
            costs[core, "receive-all", n] = sum(costs.get((core, part, n), 0) for part in parts)
    return costs, rates


def cells(values, digits=0):
    """Cells of C, Rust, and their ratio."""
    c, rust = values
    text = ["n/a" if value is None else f"{value:,.{digits}f}" for value in values]
    return text + [f"{rust / c:,.2f}" if c and rust is not None else "n/a"]


def table(header, rows):
    """A simple table of reStructuredText, which is readable as it is."""
    width = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]
    rule = "  ".join("=" * w for w in width)

    def line(row):
        return row[0].ljust(width[0]) + "".join(f"  {c:>{w}}" for c, w in zip(row[1:], width[1:]))

    print("\n".join(["", rule, line(header), rule] + [line(row) for row in rows] + [rule]))


def main():
    costs, rates = measured(sys.argv[1])
    for sizes in SIZES:
        header = ["Instructions"] + [w for n in sizes for w in (f"C, n={n}", "Rust", "ratio")]
        table(header, [
            [name] + [
                cell
                for n in sizes
                for cell in cells([costs.get((core, operation, n)) for core in CORES])
            ]
            for operation, name in OPERATIONS.items()
        ])
    table(["Million operations a second", "C", "Rust", "ratio"], [
        [f"get + put {direction}, 2 CPUs in turn"] + cells([
            statistics.median(found) if found else None
            for found in (rates[core, f"contended-{direction}", 2] for core in CORES)
        ], 2)
        for direction in ("outgoing", "incoming")
    ])
    table(["Memory", "C", "Rust", "ratio"], [
        [name] + cells([
            costs[core, operation, n] / unit if (core, operation, n) in costs else None
            for core in CORES
        ])
        for name, (operation, n, unit) in MEMORY.items()
    ])


main()
