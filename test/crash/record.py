# SPDX-License-Identifier: Apache-2.0
"""What was run: a file with one line for each case, and what they add up to.

Fields are name=value, the last one is text.  A case that is run in pieces has
the piece behind its name: power-ext4-copy.2
"""
import time

SUMMED = ("cuts", "kills", "faults", "met", "messages", "acknowledged", "lost",
          "altered", "appended", "expunged", "deleted", "problems",
          "duplicates", "unexplained", "seconds")


def add(path, word, name, mode, facts):
    """word: ok, FAIL, skip; facts: what the case counted, "why" perhaps."""
    why = " ".join(str(facts.pop("why", "")).split())[:300]
    fields = [time.strftime("%Y-%m-%dT%H:%M:%S"), word, "case=" + name,
              "mode=" + mode]
    fields += ["%s=%s" % (k, "%.0f" % v if k == "seconds" else v)
               for k, v in facts.items()]
    with open(path, "a") as f:
        f.write(" ".join(fields + ["why=" + why] * bool(why)) + "\n")


def lines(path):
    """(word, {field: text}) of each."""
    try:
        with open(path) as f:
            for line in f:
                _, word, rest = line.split(" ", 2)
                rest, _, why = rest.partition(" why=")
                fields = dict(x.split("=", 1) for x in rest.split())
                yield word, dict(fields, why=why.strip())
    except FileNotFoundError:
        pass


def passed(path, mode):
    """Names of the cases that need not be run again in this mode."""
    return {f["case"] for word, f in lines(path)
            if word == "ok" and f["mode"] == mode}


def summary(path):
    """A row for each case and mode; its pieces are added up."""
    rows = {}
    for word, f in lines(path):
        row = rows.setdefault((f["case"].split(".")[0], f["mode"]), {})
        row[word] = row.get(word, 0) + 1
        for k in SUMMED:
            if k in f:
                row[k] = row.get(k, 0) + int(f[k])
    for (name, mode), row in rows.items():
        yield "%s %s: %s" % (name, mode, ", ".join(
            "%d %s" % (n, k) for k, n in row.items()))
