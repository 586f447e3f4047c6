# SPDX-License-Identifier: Apache-2.0
"""The crash harness in its short form: some system calls of each kind of
delivery are killed or fail."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))
import short  # noqa: E402


def test_some_calls(_):
    import syscalls

    for first, a in short.each_mode():
        short.run_cases([c for c in syscalls.cases(a)
                         if first or "to_peer" in c[0]])
