# SPDX-License-Identifier: Apache-2.0
"""The bench harness works, on counts too small to mean anything."""
import json
import os
import subprocess
import sys

from scenario import Skip, check, equal

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     os.pardir, "bench", "run")


def test_small_counts(s):
    if os.geteuid() != 0:
        raise Skip("bench/run needs root (namespaces)")
    if not os.environ.get("BENCH_TOOLS"):
        raise Skip("BENCH_TOOLS is not set")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no namespaces here")
    r = subprocess.run(
        [sys.executable, BENCH, "--peers", "posthouse,bound", "--rounds", "1",
         "--scale", "0.001", "--cases", "smoke,idle", "--out", s.dir],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    text = r.stderr.decode(errors="replace")
    equal(r.returncode, 0, "exit code of bench/run (%s)" % text[-500:])
    with open(os.path.join(s.dir, "results.json")) as f:
        by_title = dict(json.load(f))
    for title, peers in (("smoke: reception", ["posthouse", "bound"]),
                         ("smoke: relay", ["posthouse"]),
                         ("smoke: local", ["posthouse"])):
        equal(sorted(by_title[title]), sorted(peers), "peers of " + title)
        for name in peers:
            check(by_title[title][name]["per_second"] > 0,
                  "%s: %s delivered nothing" % (title, name))
    check("kib_per_session" in by_title["50 open sessions"]["posthouse"],
          "no memory figure")
    for name in ("results.md", "results.svg"):
        check(os.path.getsize(os.path.join(s.dir, name)) > 500,
              name + " is empty")
