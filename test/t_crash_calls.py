# SPDX-License-Identifier: Apache-2.0
"""The crash harness in its short form: some system calls of each kind of
delivery are killed or fail."""
import os
import shutil
import smtplib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))
import ledger  # noqa: E402
import short  # noqa: E402
from scenario import Skip, equal, wait_for  # noqa: E402


def test_some_calls(_):
    import syscalls

    for first, a in short.each_mode():
        short.run_cases([c for c in syscalls.cases(a)
                         if first or "to_peer" in c[0]])


def injected(trace):
    with open(trace.out, errors="replace") as f:
        return f.read().count("INJECTED")


def delivered_once(program, call, act):
    """Whatever act(system) sends while this call of the program fails with
    ENOSPC, at four attempts at least, arrives once."""
    import trace

    if os.geteuid() != 0 or shutil.which("strace") is None:
        raise Skip("needs root and strace")
    a = short.arguments()
    short.system.queue_sync(a.prefix, "file")
    s = short.system.System(a.prefix)
    try:
        s.lay_out()
        s.i.start()
        act(s, 1)
        s.drain(60)
        t = trace.Tracer([p for p, n in s.processes().items()
                          if n == program],
                         os.path.join(s.dir, "trace"), (call, "1+", "ENOSPC"))
        try:
            act(s, 10)
            wait_for("four attempts", lambda: injected(t) >= 40, 60)
        finally:
            t.stop()
        s.drain(60)
        v = s.verdict(0)
        equal((v.duplicates, v.lost), (0, []), v.line() + v.details())
    finally:
        s.close()


def send(s, n, recipients):
    for _ in range(n):
        mid, raw = ledger.make(s.sender, recipients, 3000)
        s.ledger.begin(mid, raw)
        with smtplib.SMTP(s.i.host, s.i.ports["smtp"], timeout=60) as c:
            c.sendmail(s.sender, recipients, raw)
        s.ledger.ack(mid, recipients)


def test_a_file_that_stays_is_not_delivered_again(_):
    """unlink() fails on a full btrfs, or when the disk became read-only."""
    delivered_once("qmgr", "unlinkat",
                   lambda s, n: send(s, n, s.users[:1]))


def test_a_failing_notice_repeats_no_delivery(_):
    """The recipient that is settled last has no mark of its own when the
    message goes at once.  This one does not: a notice is owed first."""
    delivered_once("bounce", "openat", lambda s, n: send(
        s, n, s.users[:4] + ["bad@" + ledger.PEER]))
