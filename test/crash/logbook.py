# SPDX-License-Identifier: Apache-2.0
"""What the log says about when a recipient was settled.

The log lies on a disk that loses nothing.  A thread notes how long it is at
which time, so that each line has a place and a time of arrival much finer
than its stamp, whatever the daemons believe the time to be.
"""
import bisect
import contextlib
import os
import re
import threading
import time

from ledger import PEER

STEP = 0.02
LINE = re.compile(rb"posthouse/[a-z/-]+\[\d+\]: ([0-9A-Za-z]{6,31}): (.*)$")
SENT = re.compile(rb"to=<([^>]*)>.* status=sent ")
# Whose death can repeat a delivery: of all recipients, or of some.
REPEATS = {"power", "tree", "qmgr"}
AGENTS = {"virtual": False, "local-delivery": False, "smtp": True,
          "smtp-client": True}


class Event:
    """A kill or a power cut.  It takes a while; what happens meanwhile is in
    doubt.  at: how long the log was."""

    def __init__(self, what, at):
        self.what = what
        self.at, self.time = at, time.time()
        self.end_at, self.end_time = at, self.time

    def end(self, at):
        self.end_at, self.end_time = at, time.time()

    def repeats(self, recipient):
        if self.what in REPEATS:
            return True
        return AGENTS.get(self.what) == recipient.endswith("@" + PEER)


class LogBook(threading.Thread):
    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.sizes, self.times = [0], [time.time()]
        self.stopping = threading.Event()
        self.events = []
        self.read_to = 0
        self.seen = {}		# qid: place of its first line
        self.active = {}	# qid: places of (queue active)
        self.sent = {}		# (qid, recipient): places of status=sent
        self.removed = {}	# qid: place

    def size(self):
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def run(self):
        while not self.stopping.wait(STEP):
            now, size = time.time(), self.size()
            if size != self.sizes[-1]:
                self.sizes.append(size)
                self.times.append(now)

    @contextlib.contextmanager
    def event(self, what):
        """What is done inside is the event."""
        e = Event(what, self.size())
        self.events.append(e)
        yield
        e.end(self.size())

    def when(self, place):
        """The line that ends there had arrived at this time."""
        i = bisect.bisect_left(self.sizes, place)
        return self.times[min(i, len(self.times) - 1)]

    def read(self):
        """What was written since the last time."""
        with open(self.path, "rb") as f:
            f.seek(self.read_to)
            for line in f:
                if not line.endswith(b"\n"):
                    break
                self.read_to += len(line)
                m = LINE.search(line[:-1])
                if m:
                    self.note(m.group(1).decode(), m.group(2))

    def note(self, qid, text):
        at = self.read_to
        self.seen.setdefault(qid, at)
        if text == b"removed":
            self.removed[qid] = at
        elif text.endswith(b"(queue active)"):
            self.active.setdefault(qid, []).append(at)
        elif text.startswith(b"to=<"):
            m = SENT.match(text)
            if m:
                self.sent.setdefault((qid, m.group(1).decode()),
                                     []).append(at)

    def in_flight_at(self, qid, recipient, arrived, again, late, after=None):
        """The first event (later than `after`) at which this recipient was in
        flight; None if there was none.  again: when the next copy came, or
        None.  late: seconds from the line of an agent to a mark that nothing
        undoes any more."""
        last = self.settled(qid, recipient, arrived) + late
        if again is not None:
            last = min(last, again)
        first = 0 if after is None else self.events.index(after) + 1
        for e in self.events[first:]:
            if e.time > last:
                return None
            if e.what != "power" and self.removed.get(qid, e.at + 1) <= e.at:
                return None
            if e.repeats(recipient) and self.under_way(qid, arrived, e):
                return e
        return None

    def under_way(self, qid, arrived, e):
        """qmgr had taken the message up before the event for the delivery
        that made this copy."""
        active = self.active.get(qid, ())
        return any(p <= e.end_at for p in active) and not any(
            p > e.end_at and self.when(p) < arrived for p in active)

    def settled(self, qid, recipient, arrived):
        """When the first line that follows this copy was there."""
        for place in self.sent.get((qid, recipient), ()):
            if self.when(place) >= arrived:
                return self.when(place)
        return float("inf")

    def resubmitted_at(self, first, second, late):
        """The event that made pickup take a submission a second time."""
        a, b = self.seen.get(first, 0), self.seen.get(second, 0)
        for e in self.events:
            if e.what in ("power", "tree", "pickup") and e.at < b and \
                    self.when(a) >= e.time - late:
                return e
        return None
