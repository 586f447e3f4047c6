# SPDX-License-Identifier: Apache-2.0
"""A caching IMAP client during crashes: what was answered with OK stays, what
was expunged stays away, and a UID never means another message."""
import imaplib
import re
import ssl
import threading

from ledger import digest, make, message_id, split


class ImapLoad(threading.Thread):
    def __init__(self, s, user, box="Kept"):
        super().__init__(daemon=True)
        self.s, self.user, self.box = s, user, box
        self.resting = False
        self.stopping = threading.Event()
        self.stored = {}		# mid: (digest, (validity, uid))
        self.gone = set()		# mids whose EXPUNGE was answered OK
        self.unsure = set()		# EXPUNGE without an answer
        self.seen = {}			# (validity, uid): mid
        self.problems = []
        self.expunges = self.looks = self.turns = 0

    def connect(self):
        context = ssl.create_default_context(cafile=self.s.i.ca)
        context.check_hostname = False
        c = imaplib.IMAP4_SSL(self.s.i.host, self.s.i.ports["imaps"],
                              timeout=20, ssl_context=context)
        c.login(self.user, "secret")
        c.create(self.box)
        self.need(c.select(self.box), "SELECT")
        return c

    @staticmethod
    def need(answer, what):
        if answer[0] != "OK":
            raise imaplib.IMAP4.error("%s: %r" % (what, answer))
        return answer[1]

    def run(self):
        c, turn = None, 0
        while not self.stopping.is_set():
            if not self.s.may_send.is_set():
                self.drop(c)
                c, self.resting = None, True
                self.s.may_send.wait()
                self.resting = False
            try:
                if c is None:
                    c = self.connect()
                    self.read(c)
                self.append(c)
                turn += 1
                if turn % 7 == 0:
                    self.expunge(c)
                if turn % 20 == 0:
                    self.read(c)
            except (OSError, imaplib.IMAP4.error, EOFError):
                self.drop(c)
                c = None
                self.stopping.wait(0.1)
            self.stopping.wait(0.005)
        self.drop(c)

    @staticmethod
    def drop(c):
        if c is not None:
            try:
                c.shutdown()
            except OSError:
                pass

    def append(self, c):
        mid, raw = make(self.user, [self.user], 2000)
        data = self.need(c.append(self.box, None, None, raw), "APPEND")
        got = re.search(rb"APPENDUID (\d+) (\d+)", data[0] or b"")
        place = (int(got.group(1)), int(got.group(2))) if got else None
        self.stored[mid] = (digest(split(raw)[1]), place)
        if place:
            self.saw(place, mid)

    def saw(self, place, mid):
        old = self.seen.setdefault(place, mid)
        if old != mid:
            self.problems.append("UID %d/%d was %s and is %s" % (
                place + (old, mid)))

    def expunge(self, c):
        known = [m for m, (_, place) in self.stored.items()
                 if place and m not in self.gone and m not in self.unsure]
        if not known:
            return
        mid = known[len(known) // 2]
        uid = str(self.stored[mid][1][1])
        self.unsure.add(mid)
        self.need(c.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)"),
                  "STORE")
        self.need(c.uid("EXPUNGE", uid), "EXPUNGE")
        self.unsure.discard(mid)
        self.gone.add(mid)
        self.expunges += 1

    def read(self, c):
        """The whole mailbox against what we know."""
        self.need(c.select(self.box), "SELECT")
        validity = int(c.response("UIDVALIDITY")[1][0])
        answered = dict(self.stored)
        gone, unsure = set(self.gone), set(self.unsure)
        data = self.need(c.uid("FETCH", "1:*", "(UID BODY.PEEK[])"),
                         "FETCH")
        there = {}
        for d in data:
            if not isinstance(d, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", d[0]).group(1))
            head, body = split(d[1])
            mid = message_id(head)
            there.setdefault(mid, []).append((uid, digest(body)))
            self.saw((validity, uid), mid)
        self.looks += 1
        for mid, (sha, place) in answered.items():
            copies = there.get(mid, [])
            if mid in gone:
                if copies:
                    self.problems.append("%s came back after EXPUNGE" % mid)
            elif not copies:
                if mid not in unsure:
                    self.problems.append("lost after APPEND: %s %s" % (
                        mid, place))
            elif any(s != sha for _, s in copies):
                self.problems.append("altered: %s" % mid)
            elif len(copies) > 1:
                self.problems.append("%s twice" % mid)

    def forgive(self):
        """Begin again in a mailbox of its own."""
        self.problems = []
        self.stored, self.gone, self.unsure = {}, set(), set()
        self.turns += 1
        self.box = "Kept%d" % self.turns

    def finish(self):
        self.stopping.set()
        self.join(60)
        if self.is_alive():
            self.problems.append("the IMAP client hangs")

    def look(self):
        c = self.connect()
        try:
            self.read(c)
        finally:
            self.drop(c)

    def counts(self):
        return {"appended": len(self.stored), "expunged": self.expunges,
                "problems": len(self.problems)}

    def line(self):
        return "IMAP: %d appended, %d expunged, %d readings, %d problems" % (
            len(self.stored), self.expunges, self.looks, len(self.problems))
