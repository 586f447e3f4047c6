# SPDX-License-Identifier: Apache-2.0
"""Who was told 250 for what, and what became of it.

A Ledger holds every recipient that was acknowledged, with the SHA-256 of the
body.  The clients of load.py fill it, a Peer and the Maildirs are compared
with it.
"""
import base64
import collections
import email
import email.policy
import hashlib
import os
import re
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


def queue_id(head):
    """Ours, from the Received that we put on top."""
    m = re.search(rb"\bid ([0-9A-Za-z]{6,31})[;\r]", head)
    return m.group(1).decode() if m else None


# One that arrived: digest, time, queue id it came from.
Copy = collections.namedtuple("Copy", "sha when qid")


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


class Arrived:
    """Everything that arrived anywhere: copies[mid, recipient] is a list of
    Copy; notices is the set of (mid, recipient) reported on."""

    def __init__(self, peer, maildirs):
        self.copies = {}
        self.notices = set()
        self.empty = []
        self.files = 0
        with peer.lock:
            for mid, r, copy in peer.got:
                self.copies.setdefault((mid, r), []).append(copy)
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
                Copy(digest(body), os.stat(path).st_ctime, queue_id(head)))

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
