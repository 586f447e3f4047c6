# SPDX-License-Identifier: Apache-2.0
"""The crash harness in its short form: kills and power cuts (the rest is in
t_crash_calls.py and t_crash_trouble.py).  test/crash/run --long is the long
form."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))
import short  # noqa: E402


def test_kill_at_random(_):
    import kill

    for _, a in short.each_mode():
        kill.run(a.prefix, 10, 8, 1.0)


def test_power_cuts(_):
    import power

    for first, a in short.each_mode():
        short.run_cases([c for c in power.cases(a)
                         if first or "btrfs" not in c[0]])
