#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench-report.py TSV TITLE RST SVG: make of what bench.sh has measured the tables for a page and
a plot, and print the tables."""

import math
import statistics
import sys
from collections import defaultdict

from bench_table import table

PAGE_SIZE = 4096
SIZES = [1, 3, 16, 63, 100, 1000, 10000]
# What LUO's block of one page has room for.
FEW = [n for n in SIZES if n <= 63]

# Operations, and whether they do something for each of n FLBs.
OPERATIONS = {
    "get-put-outgoing": ("get + put outgoing", False),
    "get-put-incoming": ("get + put incoming", False),
    "preserve-further": ("preserve + unpreserve, further file", True),
    "preserve-first": ("preserve + unpreserve, first file", True),
    "finish-further": ("finish, further file", True),
    "register": ("register the n-th FLB", False),
    "unregister": ("unregister the n-th FLB", False),
    "serialize": ("serialize", True),
    "parse": ("parse at boot", True),
    "retrieve-last": ("first retrieve, last entry", False),
    "retrieve-middle": ("first retrieve, middle entry", False),
    "receive-all": ("parse and retrieve all", True),
}

# The ratio to C that is aimed at; then what is to grow as log n at most.
TARGETS = {
    "get-put-outgoing": 0.35,
    "get-put-incoming": 0.35,
    "preserve-further": 0.5,
    "preserve-first": 1.0,
    "retrieve-last": 1.0,
    "register": 1.0,
    "serialize": 1.0,
    "parse": 1.0,
    "receive-all": 1.0,
}
GROWTH = ["preserve-first", "retrieve-last", "register", "serialize", "parse"]
DIRECTIONS = ["outgoing", "incoming"]
CONTENDED_TARGET = 3.0


class Results:
    """What was measured: costs of one operation, and the rates of each contended window."""

    def __init__(self, path):
        self.cost = {}
        self.rates = defaultdict(list)
        with open(path, encoding="ascii") as file:
            for line in list(file)[1:]:
                core, operation, *numbers = line.rstrip("\n").split("\t")
                n, total, rounds = map(int, numbers)
                if operation.startswith(("contended", "turns")):
                    self.rates[core, operation, rounds].append(total)
                elif rounds:
                    self.cost[core, operation, n] = total / rounds
        for core in ("c", "rust"):
            for n in SIZES:
                parts = [
                    self.cost.get((core, part, n), 0 if part == "retrieve-middle" else None)
                    for part in ("parse", "retrieve-last", "retrieve-middle", "retrieve-others")
                ]
                if None not in parts:
                    self.cost[core, "receive-all", n] = sum(parts)

    def of(self, core, operation, n):
        return self.cost.get((core, operation, n))

    def ratio(self, operation, n):
        c, rust = self.of("c", operation, n), self.of("rust", operation, n)
        return rust / c if c and rust is not None else None

    def rate(self, core, operation, cpus):
        rates = self.rates.get((core, operation, cpus))
        return statistics.mean(rates) if rates else None

    def rate_ratio(self, operation, cpus):
        c, rust = (self.rate(core, operation, cpus) for core in ("c", "rust"))
        return rust / c if c and rust is not None else None


def number(value, digits=0):
    return "n/a" if value is None else f"{value:,.{digits}f}"


def costs(results):
    rows = []
    for operation, (name, _) in OPERATIONS.items():
        for core, label in (("c", "C"), ("rust", "Rust")):
            cells = [number(results.of(core, operation, n)) for n in SIZES]
            rows.append([name if core == "c" else "\\", label] + cells)
        rows.append(
            ["\\", "ratio"] + [number(results.ratio(operation, n), 2) for n in SIZES]
        )
    return table(["Operation", "n ="] + [f"{n:,}" for n in SIZES], rows)


def judge(reached):
    return "reached" if reached else "not reached"


def ratio_targets(results):
    for operation, limit in TARGETS.items():
        ratios = [results.ratio(operation, n) for n in FEW]
        ratios = [ratio for ratio in ratios if ratio is not None]
        worst = max(ratios, default=None)
        yield [
            OPERATIONS[operation][0],
            f"Rust/C at most {limit:.2f}",
            number(min(ratios, default=None), 2) + " to " + number(worst, 2),
            judge(worst is not None and worst <= limit),
        ]


def growth_targets(results):
    few, many = FEW[-1], SIZES[-1]
    limit = math.log(many) / math.log(few)
    for operation in GROWTH:
        name, each = OPERATIONS[operation]
        costs = [results.of("rust", operation, n) for n in (few, many)]
        growth = None
        if None not in costs:
            growth = costs[1] / costs[0] * (few / many if each else 1)
        yield [
            name + (", for each FLB" if each else ""),
            f"from {few} to {many:,} at most x {limit:.2f}, as log n",
            "x " + number(growth, 2) if growth is not None else "n/a",
            judge(growth is not None and growth <= limit),
        ]


def contended_targets(results):
    for direction in DIRECTIONS:
        ratio = results.rate_ratio(f"contended-{direction}", 4)
        yield [
            f"get + put {direction}, 4 CPUs at the same time",
            f"operations, at least {CONTENDED_TARGET:.0f} times those of C",
            number(ratio, 2),
            judge(ratio is not None and ratio >= CONTENDED_TARGET),
        ]


def targets(results):
    rows = [*ratio_targets(results), *growth_targets(results), *contended_targets(results)]
    return table(["Operation", "Target", "Measured", ""], rows), rows


def span(rates):
    """The lowest and the highest, in millions."""
    low, high = (f"{rate(rates) / 1e6:.2f}" for rate in (min, max)) if rates else ("n/a", "n/a")
    return low if low == high else f"{low} to {high}"


def contended(results):
    rows = []
    for direction in DIRECTIONS:
        for how, words in (("turns", "in turn"), ("contended", "at the same time")):
            for cpus in (2, 4):
                operation = f"{how}-{direction}"
                spans = [
                    span(results.rates.get((core, operation, cpus))) for core in ("c", "rust")
                ]
                ratio = number(results.rate_ratio(operation, cpus), 2)
                rows.append([f"get + put {direction}", f"{cpus} CPUs {words}", *spans, ratio])
    return table(["Operation", "", "C, 10^6/s", "Rust, 10^6/s", "Rust/C"], rows)


def memory(results):
    def row(name, unit, c, rust, digits=0):
        ratio = rust / c if c and rust is not None else None
        return [name, unit, number(c, digits), number(rust, digits), number(ratio, 2)]

    def both(operation, n, factor=1.0):
        for core in ("c", "rust"):
            value = results.of(core, operation, n)
            yield None if value is None else value * factor

    few, many = FEW[-1], SIZES[-1]
    handlers = 63
    rows = [
        row("text and constants", "bytes", *both("text", 0)),
        row("data", "bytes", *both("data", 0)),
        row(f"{few} FLBs registered", "pages", *both("pages-registered", few)),
        row(
            f"a further handler of {few} FLBs",
            "bytes an FLB",
            *both("pages-handlers", few, PAGE_SIZE / few),
            1,
        ),
        row(
            f"{many:,} FLBs registered",
            "bytes an FLB",
            *both("pages-registered", many, PAGE_SIZE / many),
            1,
        ),
        row(
            f"{many:,} entries received",
            "bytes an FLB",
            *both("pages-received", many, PAGE_SIZE / many),
            1,
        ),
    ]
    return table(["What", "", "C", "Rust", "Rust/C"], rows)


COLORS = {"c": "#b45309", "rust": "#1d4ed8"}
LABELS = {"c": "C", "rust": "Rust"}


class Panel:
    """One plot: both axes are logarithmic."""

    WIDTH, HEIGHT = 300, 260

    def __init__(self, x, y, title, series):
        self.x, self.y, self.title, self.series = x, y, title, series
        values = [cost for points in series.values() for _, cost in points] or [1]
        self.low = math.floor(math.log10(max(1, min(values))))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))

    def place(self, n, cost):
        across = math.log10(n) / math.log10(SIZES[-1])
        up = (math.log10(max(cost, 1)) - self.low) / (self.high - self.low)
        return self.x + across * self.WIDTH, self.y + (1 - up) * self.HEIGHT

    @staticmethod
    def text(x, y, anchor, power):
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">10'
            f'<tspan dy="-5" font-size="9">{power}</tspan></text>'
        )

    def draw(self):
        yield f'<text x="{self.x}" y="{self.y - 12}" font-weight="bold">{self.title}</text>'
        for power in range(self.low, self.high + 1):
            _, y = self.place(1, 10.0**power)
            yield f'<path d="M{self.x} {y:.1f}h{self.WIDTH}" stroke="#ddd"/>'
            yield self.text(self.x - 6, y + 4, "end", power)
        for power in range(5):
            x, _ = self.place(10**power, 1)
            yield f'<path d="M{x:.1f} {self.y}v{self.HEIGHT}" stroke="#ddd"/>'
            yield self.text(x, self.y + self.HEIGHT + 20, "middle", power)
        for core, points in self.series.items():
            if not points:
                continue
            places = [self.place(n, cost) for n, cost in points]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            yield (
                f'<polyline points="{line}" fill="none" stroke="{COLORS[core]}" '
                'stroke-width="2"/>'
            )
            for x, y in places:
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLORS[core]}"/>'


def plot(results, title):
    panels = []
    for index, operation in enumerate(("register", "retrieve-last", "receive-all")):
        series = {
            core: [
                (n, results.of(core, operation, n))
                for n in SIZES
                if results.of(core, operation, n) is not None
            ]
            for core in ("c", "rust")
        }
        panels.append(Panel(60 + index * 360, 70, OPERATIONS[operation][0], series))
    width, height = 60 + 360 * len(panels), 400
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        f"<title>{title}: instructions over the number of FLBs</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="60" y="28" font-size="14">{title}: instructions (upwards) over n, the number '
        "of FLBs</text>",
    ]
    for index, core in enumerate(("c", "rust")):
        x = 64 + index * 80
        lines.append(
            f'<circle cx="{x}" cy="384" r="4" fill="{COLORS[core]}"/>'
            f'<text x="{x + 10}" y="388">{LABELS[core]}</text>'
        )
    for panel in panels:
        lines.extend(panel.draw())
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def main():
    tsv, title, rst, svg = sys.argv[1:]
    results = Results(tsv)
    verdicts, rows = targets(results)
    reached = sum(row[-1] == "reached" for row in rows)
    parts = [
        f"{reached} of {len(rows)} targets reached:",
        verdicts,
        "Instructions:",
        costs(results),
        "Operations of all CPUs on one object, the lowest and highest of several windows, and the "
        "ratio\nof the means; in turn a second is 10^9 instructions of all CPUs together:",
        contended(results),
        "Memory:",
        memory(results),
    ]
    text = "\n\n".join(parts)
    with open(rst, "w", encoding="ascii") as file:
        file.write(f"\n{title}\n{'=' * len(title)}\n\n{text}\n\n")
    with open(svg, "w", encoding="ascii") as file:
        file.write(plot(results, title))
    print(f"\n{title}: " + text.replace("\\", " "))


main()
