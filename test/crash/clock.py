# SPDX-License-Identifier: Apache-2.0
"""The wall clock of the daemons jumps (jump.c)."""
import os
import random
import re
import smtplib
import struct

from instance import wait_for
from ledger import PEER, make as message

HOUR, DAY = 3600, 86400


def make(s):
    """The file that CRASH_CLOCK names; 0: right."""
    path = os.path.join(s.dir, "clock")
    put(s, 0)
    os.chmod(path, 0o644)
    s.i.environment["CRASH_CLOCK"] = path


def put(s, seconds):
    fd = os.open(os.path.join(s.dir, "clock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.pwrite(fd, struct.pack("=q", seconds), 0)
    finally:
        os.close(fd)


class Jump:
    """There and back again.  Mail that waits for its next attempt must not
    wait for the clock, whether qmgr saw the jump or is started after it."""
    refuses, restarts = False, False

    def __init__(self, seconds, kill):
        self.seconds, self.kill = seconds, kill
        self.name = "clock %+d h%s" % (
            seconds // HOUR, ", qmgr killed" if kill else "")

    def begin(self, w):
        self.told = w.s.answers()
        self.jump(w, self.seconds)

    def jump(self, w, seconds):
        wait_for_deferral(w.s)
        put(w.s, seconds)
        if self.kill:
            with w.s.event("qmgr"):
                for pid, name in w.s.processes().items():
                    if name == "qmgr":
                        w.s.kill(pid)

    def go_on(self, w):
        pass

    def check(self, w):
        with w.quiet():
            w.s.drain(30)
        if w.s.answers() != self.told:
            raise AssertionError("refused: %r" % (
                w.s.answers() - self.told))

    def end(self, w):
        self.jump(w, 0)
        with w.quiet():
            w.s.drain(30)


def wait_for_deferral(s):
    """A message that begins to wait just now."""
    to = "later%d@%s" % (random.randrange(10 ** 9), PEER)
    mid, raw = message(s.sender, [to], 1000)
    s.ledger.begin(mid, raw)
    with smtplib.SMTP(s.i.host, s.i.ports["smtp"], timeout=30) as c:
        c.sendmail(s.sender, [to], raw)
    s.ledger.ack(mid, [to])
    put_off = re.compile("to=<%s>.*status=deferred" % re.escape(to))
    wait_for("a deferral", lambda: put_off.search(s.i.log_text()), 30, 0.01)


def jumps(many):
    if not many:
        return [Jump(3 * DAY, False), Jump(-3 * DAY, True)]
    return [Jump(n, kill) for n in (HOUR, -HOUR, 3 * DAY, -3 * DAY, 30 * DAY,
                                    -30 * DAY)
            for kill in (False, True)]
