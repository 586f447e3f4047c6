# SPDX-License-Identifier: Apache-2.0
"""The crash harness in its short form; test/crash/run --long is the other."""
import argparse
import os
import sys

from scenario import Skip, check

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))


def arguments():
    return argparse.Namespace(
        long=False, keep=False, seed=None, cuts=None, seconds=None,
        prefix=os.environ["POSTHOUSE_PREFIX"])


def run_cases(cases):
    skipped = []
    for name, fn in cases:
        why = fn()
        if why:
            print("  not tried: %s: %s" % (name, why))
            skipped.append(why)
    if skipped and len(skipped) == len(cases):
        raise Skip("; ".join(sorted(set(skipped))))
    check(cases, "no cases")


def test_kill_at_random(_):
    import kill
    kill.run(arguments().prefix, 25, 8, 1.5)


def test_power_cuts(_):
    import power
    run_cases(list(power.cases(arguments())))


def test_every_call(_):
    import syscalls
    run_cases(list(syscalls.cases(arguments())))
