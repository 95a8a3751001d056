#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""mutation.py list | mutation.py apply NAME DIR: the mistakes of tests/mutations.txt, which says
how each is written. `list` prints name and file of each, if all can be made; `apply` makes one in
DIR, a copy of this checkout."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LIST = TOP / "tests" / "mutations.txt"


def die(text):
    sys.exit(f"luo-flb: error: tests/mutations.txt: {text}")


def text_of(lines, mark):
    """The lines with a mark, without it."""
    return "\n".join(line[2:] for line in lines if line[:1] == mark)


def parse(record):
    """Name, file, what stands there, and what takes its place."""
    head = record[0].split()
    if len(head) != 2 or any(line[:2] not in ("- ", "+ ", "-", "+") for line in record[1:]):
        die(f"not understood: {record[0]}")
    return (*head, text_of(record[1:], "-"), text_of(record[1:], "+"))


def mutations():
    """All of them, by name."""
    found = {}
    for block in LIST.read_text(encoding="utf-8").split("\n\n"):
        record = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not record:
            continue
        name, *rest = parse(record)
        if name in found:
            die(f"{name} is there twice")
        found[name] = rest
    return found


def mutated(name, file, old, new):
    """The text of the file with the mistake."""
    path = TOP / file
    if not path.is_file():
        die(f"{name}: there is no file {file}")
    text = path.read_text(encoding="utf-8")
    times = text.count(old) if old else 0
    if times != 1:
        die(f"{name}: its text is {times} times in {file}, not once")
    if old == new:
        die(f"{name}: changes nothing")
    return text.replace(old, new)


def main(args):
    found = mutations()
    if args == ["list"]:
        for name, (file, old, new) in found.items():
            mutated(name, file, old, new)
        for name, (file, _, _) in found.items():
            print(name, file)
    elif len(args) == 3 and args[0] == "apply":
        if args[1] not in found:
            die(f"there is no {args[1]}")
        file, old, new = found[args[1]]
        (Path(args[2]) / file).write_text(mutated(args[1], file, old, new), encoding="utf-8")
    else:
        sys.exit("usage: mutation.py list | mutation.py apply NAME DIR")


main(sys.argv[1:])
