# SPDX-License-Identifier: Apache-2.0
"""The crash harness in its short form: full disks, read-only disks, clocks
that jump."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))
import short  # noqa: E402


def test_trouble(_):
    import trouble

    for first, a in short.each_mode():
        short.run_cases([c for c in trouble.cases(a)
                         if first or "clock" not in c[0]])
