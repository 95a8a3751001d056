# SPDX-License-Identifier: GPL-2.0
"""The tables of the pages that bench.sh writes."""


def table(header, rows):
    """A simple table of reStructuredText, which is readable as it is."""
    width = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]
    rule = "  ".join("=" * w for w in width)

    def line(row):
        cells = [
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, width))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([rule, line(header), rule] + [line(row) for row in rows] + [rule])
