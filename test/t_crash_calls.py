# SPDX-License-Identifier: Apache-2.0
"""The crash harness in its short form: some system calls of each kind of
delivery are killed or fail."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))
import short  # noqa: E402
from scenario import Skip, equal, wait_for  # noqa: E402


def test_some_calls(_):
    import syscalls

    for first, a in short.each_mode():
        short.run_cases([c for c in syscalls.cases(a)
                         if first or "to_peer" in c[0]])


def test_a_file_that_stays_is_not_delivered_again(_):
    """unlink() fails on a full btrfs, or when the disk became read-only."""
    import actions
    import syscalls

    if os.geteuid() != 0 or shutil.which("strace") is None:
        raise Skip("needs root and strace")
    a = short.arguments()
    short.system.queue_sync(a.prefix, "file")
    s = short.system.System(a.prefix)
    try:
        s.lay_out()
        s.i.start()
        action = actions.ToMaildir(s)
        t = syscalls.attach(s, action, "qmgr", ("unlinkat", "1+", "ENOSPC"))
        try:
            action.act(t)
            # It tries again at every backoff.
            wait_for("four attempts", lambda: injected(t) > 3, 60)
        finally:
            t.stop()
        s.drain(30)
        v = s.verdict(0)
        equal((v.acked, v.duplicates, v.lost), (2, 0, []), v.line())
    finally:
        s.close()


def injected(trace):
    with open(trace.out, errors="replace") as f:
        return f.read().count("INJECTED")
