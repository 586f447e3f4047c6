# SPDX-License-Identifier: Apache-2.0
"""Who was told 250 for what, and what became of it.

A Ledger holds every recipient that was acknowledged, with the SHA-256 of the
body.  Injectors fill it, a Peer and the Maildirs are compared with it.
"""
import base64
import email
import email.policy
import hashlib
import os
import random
import smtplib
import socketserver
import threading
import time
import uuid

PEER = "peer.invalid"


def split(raw):
    """(header section, body) of a message in wire form."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def digest(body):
    return hashlib.sha256(body).hexdigest()


def message_id(head):
    i = head.find(b"Message-ID: <")
    return head[i + 13:head.index(b">", i)].decode() if i >= 0 else None


def make(sender, recipients, size):
    """(Message-ID, message): lines of 76, some of which begin with a dot."""
    mid = uuid.uuid4().hex + "@crash.invalid"
    text = base64.b64encode(os.urandom(max(1, size * 3 // 4)))
    lines = [text[i:i + 76] for i in range(0, len(text), 76)]
    lines = [b"." + x if k % 7 == 3 else x for k, x in enumerate(lines)]
    head = "From: <%s>\r\nTo: %s\r\nMessage-ID: <%s>\r\n" \
           "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n" \
           "Subject: crash\r\n\r\n" % (
               sender, ", ".join("<%s>" % r for r in recipients), mid)
    return mid, head.encode() + b"\r\n".join(lines) + b"\r\n"


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {}			# mid: digest, of all ever begun
        self.acked = {}			# (mid, recipient): time of the 250
        self.messages = 0

    def begin(self, mid, raw):
        with self.lock:
            self.sent[mid] = digest(split(raw)[1])

    def ack(self, mid, recipients):
        now = time.time()
        with self.lock:
            self.messages += 1
            for r in recipients:
                self.acked[mid, r] = now


class Peer:
    """An SMTP server that remembers what it took: (mid, recipient, digest,
    time).  bad* is refused for good; later* the first time."""

    def __init__(self, host):
        peer = self
        self.lock = threading.Lock()
        self.got = []
        self.put_off = set()
        self.open = 0			# recipients of open transactions

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 200

        class Handler(socketserver.StreamRequestHandler):
            timeout = 60

            def handle(self):
                try:
                    peer.talk(self.rfile, self.wfile)
                except OSError:
                    pass

        self.server = Server((host, 0), Handler)
        self.host, self.port = self.server.server_address
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def talk(self, f, out):
        out.write(b"220 peer.invalid ESMTP\r\n")
        to, data = [], None
        try:
            while True:
                line = f.readline()
                if not line:
                    return
                verb = line[:4].upper()
                if verb == b"EHLO":
                    out.write(b"250-peer.invalid\r\n250-PIPELINING\r\n"
                              b"250 8BITMIME\r\n")
                elif verb in (b"MAIL", b"RSET"):
                    self.count(-len(to))
                    to = []
                    out.write(b"250 2.0.0 ok\r\n")
                elif verb == b"RCPT":
                    r = line.split(b"<")[1].split(b">")[0].decode()
                    out.write(self.verdict(r, to))
                elif verb == b"DATA" and not to:
                    out.write(b"554 5.5.1 no recipients\r\n")
                elif verb == b"DATA":
                    out.write(b"354 go on\r\n")
                    data = self.data(f)
                    if data is None:
                        return
                    self.took(to, data)
                    out.write(b"250 2.0.0 ok\r\n")
                    self.count(-len(to))
                    to = []
                elif verb == b"QUIT":
                    out.write(b"221 2.0.0 bye\r\n")
                    return
                else:
                    out.write(b"500 5.5.1 what\r\n")
        finally:
            self.count(-len(to))

    def count(self, n):
        with self.lock:
            self.open += n

    def verdict(self, r, to):
        if r.startswith("bad"):
            return b"550 5.1.1 no such user\r\n"
        if r.startswith("later"):
            with self.lock:
                new = r not in self.put_off
                self.put_off.add(r)
            if new:
                return b"450 4.2.0 not now\r\n"
        to.append(r)
        self.count(1)
        return b"250 2.1.5 ok\r\n"

    @staticmethod
    def data(f):
        lines = []
        while True:
            line = f.readline()
            if not line:
                return None
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    def took(self, to, raw):
        head, body = split(raw)
        entry = (message_id(head), digest(body))
        now = time.time()
        with self.lock:
            self.got += [(entry[0], r, entry[1], now) for r in to]


class Injector(threading.Thread):
    """One client: sends until told to stop, whatever happens to the server."""

    def __init__(self, system, seed):
        super().__init__(daemon=True)
        self.s = system
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.failed = 0
        self.limit = None

    def recipients(self):
        r = self.random
        n = 1 if r.random() < 0.7 else r.randint(2, self.s.most_recipients)
        local = [r.choice(self.s.users) for _ in range(n)]
        out = set(x for x in local if r.random() < 0.5)
        while len(out) < n and len(out) < len(self.s.users) + n:
            kind = r.random()
            name = "bad" if kind < 0.05 else \
                "later" if kind < 0.08 else "p"
            out.add("%s%d@%s" % (name, r.randrange(10 ** 9), PEER))
        return sorted(out)

    def size(self):
        r = self.random.random()
        if r < 0.85:
            return self.random.randint(200, 6000)
        if r < 0.99:
            return self.random.randint(6000, 100000)
        return self.random.randint(100000, self.s.largest)

    def run(self):
        c, n = None, 0
        while not self.stopping.is_set():
            if self.limit is not None and n >= self.limit:
                break
            to = self.recipients()
            mid, raw = make(self.s.sender, to, self.size())
            self.s.ledger.begin(mid, raw)
            try:
                if c is None:
                    c = smtplib.SMTP(self.s.i.host, self.s.i.ports["smtp"],
                                     timeout=30)
                refused = c.sendmail(self.s.sender, to, raw)
                self.s.ledger.ack(mid, [x for x in to if x not in refused])
                n += 1
            except (smtplib.SMTPException, OSError):
                self.failed += 1
                if c is not None:
                    c.close()
                c = None
                self.stopping.wait(0.05)
            if self.s.pace:
                self.stopping.wait(self.s.pace)


class Arrived:
    """Everything that arrived anywhere: copies[mid, recipient] is a list of
    (digest, time); notices is the set of (mid, recipient) reported on."""

    def __init__(self, peer, maildirs):
        self.copies = {}
        self.notices = set()
        self.empty = []
        self.files = 0
        with peer.lock:
            for mid, r, sha, when in peer.got:
                self.copies.setdefault((mid, r), []).append((sha, when))
        for user, path in maildirs.items():
            for sub in ("new", "cur"):
                self.read(user, os.path.join(path, sub))

    def read(self, user, directory):
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            return
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as f:
                raw = f.read()
            self.files += 1
            head, body = split(raw)
            if b"multipart/report" in head:
                self.notice(raw)
                continue
            mid = message_id(head)
            if mid is None:
                self.empty.append(path)
                continue
            self.copies.setdefault((mid, user), []).append(
                (digest(body), os.stat(path).st_mtime))

    def notice(self, raw):
        m = email.message_from_bytes(raw, policy=email.policy.default)
        parts = m.get_payload()
        mid = None
        for p in parts[2:]:
            inner = p.get_payload()
            text = inner[0].as_bytes() if isinstance(inner, list) \
                else str(inner).encode()
            mid = message_id(text.replace(b"\r\n", b"\n"))
        for fields in parts[1].get_payload()[1:]:
            r = fields["Original-Recipient"] or fields["Final-Recipient"]
            if r is not None:
                self.notices.add((mid, str(r).split(";", 1)[1].strip()))
            r = fields["Final-Recipient"]
            if r is not None:
                self.notices.add((mid, str(r).split(";", 1)[1].strip()))


class Verdict:
    """The ledger against what arrived.  events: times of kills or cuts.  A
    recipient was in flight at one if its first copy arrived at most before
    seconds earlier (the mark was not there yet) or after seconds later (an
    agent finished what it had begun)."""

    def __init__(self, ledger, arrived, events, before, after):
        self.acked = len(ledger.acked)
        self.messages = ledger.messages
        self.lost, self.altered = [], list(arrived.empty)
        self.duplicates, self.unexplained = 0, []
        self.in_flight = self.notified = 0

        def flying(t):
            return any(e - before <= t <= e + after for e in events)

        for key in ledger.acked:
            if key in arrived.copies:
                continue
            if key in arrived.notices:
                self.notified += 1
            else:
                when = ledger.acked[key]
                near = min(events, key=lambda e: abs(e - when), default=0)
                self.lost.append(key + ("%+.3f s" % (when - near),))
        for (mid, r), copies in arrived.copies.items():
            if any(sha != ledger.sent.get(mid) for sha, _ in copies):
                self.altered.append((mid, r))
            times = sorted(t for _, t in copies)
            self.in_flight += flying(times[0])
            self.duplicates += len(times) - 1
            if not all(flying(t) for t in times[:-1]):
                self.unexplained.append((mid, r, times))

    def bad(self):
        return bool(self.lost or self.altered or self.unexplained)

    def line(self):
        return ("%d messages, %d recipients acknowledged: %d lost, "
                "%d altered, %d notified, %d duplicates (%d in flight; "
                "%d unexplained)" % (
                    self.messages, self.acked, len(self.lost),
                    len(self.altered), self.notified, self.duplicates,
                    self.in_flight, len(self.unexplained)))

    def details(self):
        return "".join("  %s: %s\n" % (name, entry)
                       for name in ("lost", "altered", "unexplained")
                       for entry in getattr(self, name)[:5])
