# SPDX-License-Identifier: Apache-2.0
"""The short forms, as ./runtests runs them: every mode of the queue that the
installation has, few cases of each."""
import argparse
import os

import system
from scenario import Skip, check


# The same sample every time: what fails in ./runtests is to be the change.
# Other samples by POSTHOUSE_SEED, all of them by the long form.
SEED = 1


def arguments():
    return argparse.Namespace(
        long=False, keep=False, cuts=None, seconds=None,
        seed=int(os.environ.get("POSTHOUSE_SEED", SEED)),
        prefix=os.environ["POSTHOUSE_PREFIX"])


def each_mode():
    """(is it the first, arguments), with system.SETTINGS set."""
    a = arguments()
    for mode in ("journal", "file"):
        if system.queue_sync(a.prefix, mode):
            print("  queue_sync = " + mode)
            yield mode == "journal" or not system.SETTINGS, a


def run_cases(cases):
    skipped = []
    for name, fn in cases:
        why = fn({})
        if why:
            print("  not tried: %s: %s" % (name, why))
            skipped.append(why)
    check(cases, "no cases")
    if len(skipped) == len(cases):
        raise Skip("; ".join(sorted(set(skipped))))
