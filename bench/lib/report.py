# SPDX-License-Identifier: Apache-2.0
"""Tables of medians and ratios, and what the peers are better at."""
import collections
import json
import os
import statistics

import plot

# better: +1 more is better, -1 less is better, 0 for information.
Column = collections.namedtuple("Column", "key heading form better")

MAIL, MEMORY, OPERATION, QUEUE = "mail", "memory", "operation", "queue"
COLUMNS = {
    MAIL: [
        Column("per_second", "msgs/s", "%.0f", 1),
        Column("cpu_ms", "CPU s per 1,000", "%.3f", -1),
        Column("median_ms", "p50 ms", "%.2f", 0),
        Column("p99_ms", "p99 ms", "%.2f", 0),
        Column("calls", "calls", "%.1f", 0),
        Column("syncs", "syncs", "%.2f", 0),
        Column("flushes", "flushes", "%.2f", 0),
        Column("kib", "KiB written", "%.1f", 0),
        Column("pss_mib", "PSS MiB", "%.1f", 0),
    ],
    MEMORY: [
        Column("kib_per_session", "KiB per session", "%.1f", -1),
        Column("open_cpu_ms", "CPU ms to open", "%.3f", -1),
    ],
    OPERATION: [
        Column("ms", "ms", "%.3f", -1),
        Column("cpu_ms", "CPU ms", "%.3f", -1),
        Column("calls", "calls", "%.1f", 0),
        Column("syncs", "syncs", "%.2f", 0),
    ],
    QUEUE: [
        Column("answered_s", "s to 220", "%.2f", 0),
        Column("start_s", "s to first delivery", "%.2f", -1),
        Column("start_cpu_s", "CPU s until then", "%.2f", -1),
        Column("list_s", "s for postqueue -p", "%.2f", -1),
        Column("list_cpu_s", "CPU s for it", "%.2f", 0),
        Column("pss_mib", "PSS MiB", "%.1f", -1),
    ],
}
HEADINGS = {
    MAIL: "Messages",
    MEMORY: "Open sessions",
    OPERATION: "Operations on mailboxes",
    QUEUE: "Full queues",
}
NOTES = {
    MAIL: "Per message: system calls, syncs (fsync and the like), flushes of "
          "the disk, KiB written to it. PSS is the whole system's right "
          "after the load.",
    MEMORY: "PSS of all processes; CPU from connect to silence.",
    OPERATION: "Per command, one session.",
    QUEUE: "From exec, nothing cached, until new mail had arrived "
           "elsewhere.",
}
BASES = ("postfix", "dovecot")


class Results:
    """Figures of all rounds: kind -> title -> peer -> [figures]."""

    def __init__(self):
        self.all = {kind: {} for kind in COLUMNS}
        self.failures = []

    def add(self, kind, peer, rows):
        for title, figures in rows.items():
            by = self.all[kind].setdefault(title, {})
            by.setdefault(peer, []).append(figures)

    def fail(self, title, peer, why):
        self.failures.append("%s: %s: %s" % (title, peer, why))

    def rows(self, kind):
        """[(title, {peer: medians})]"""
        return [(title, {peer: medians(kind, rounds)
                         for peer, rounds in by.items()})
                for title, by in self.all[kind].items()]


def medians(kind, rounds):
    out = dict(rounds[0])
    for c in COLUMNS[kind]:
        values = [r[c.key] for r in rounds if c.key in r]
        if values:
            out[c.key] = statistics.median(values)
    return out


def base_of(by):
    return next((by[b] for b in BASES if b in by), None)


def ratio(v, base, key):
    if base is None or key not in v or not base.get(key):
        return None
    return v[key] / base[key]


def worse(v, base, kind):
    """Columns in which v loses against base, with the ratio."""
    for c in COLUMNS[kind]:
        r = ratio(v, base, c.key) if c.better else None
        if r is not None and (r - 1) * c.better < 0:
            yield c, r


def table(kind, rows):
    judged = [c for c in COLUMNS[kind] if c.better]
    heads = ["case", "peer"] + [c.heading for c in COLUMNS[kind]] + \
        ["ratio: " + c.heading for c in judged] + ["durability"]
    lines = ["| %s |" % " | ".join(heads), "|---" * len(heads) + "|"]
    for title, by in rows:
        base = base_of(by)
        for v in by.values():
            cells = [c.form % v[c.key] if c.key in v else ""
                     for c in COLUMNS[kind]]
            ratios = [ratio(v, base, c.key) for c in judged]
            cells += ["" if r is None else "%.3f" % r for r in ratios]
            lines.append("| %s |" % " | ".join(
                [title, v["label"]] + cells + [v["durability"]]))
    return lines


def slower(results):
    """Every case and figure in which Posthouse loses."""
    lines = []
    for kind in COLUMNS:
        for title, by in results.rows(kind):
            base = base_of(by)
            for v in by.values():
                if base is None or not v["label"].startswith("posthouse"):
                    continue
                lines += ["* %s, %s: %s is %.2f times %s's (%s against %s)"
                          % (title, v["label"], c.heading, r, base["label"],
                             c.form % v[c.key], c.form % base[c.key])
                          for c, r in worse(v, base, kind)]
    return lines


def text(results, facts):
    lines = []
    for kind in COLUMNS:
        rows = results.rows(kind)
        if rows:
            lines += ["## " + HEADINGS[kind], ""] + table(kind, rows)
            lines += ["", NOTES[kind], ""]
    lines += ["## Where Posthouse is worse than its peer", ""]
    lines += slower(results) or ["* nowhere in this run"]
    if results.failures:
        lines += ["", "## Failed", ""]
        lines += ["* " + " ".join(f.split())[:400] for f in results.failures]
    lines += ["", "## Of this run", ""] + ["* " + f for f in facts]
    return "\n".join(lines) + "\n"


def put(directory, name, content):
    with open(os.path.join(directory, name), "w") as f:
        f.write(content)


def save(results, facts, directory):
    os.makedirs(directory, exist_ok=True)
    put(directory, "results.md", text(results, facts))
    put(directory, "results.json", json.dumps(
        {"facts": facts, "failures": results.failures, "rounds": results.all},
        indent=1))
    for kind, columns in COLUMNS.items():
        rows = results.rows(kind)
        if rows:
            put(directory, kind + ".svg", plot.svg(
                rows, [c for c in columns if c.better]))
