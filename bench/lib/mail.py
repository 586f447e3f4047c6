# SPDX-License-Identifier: Apache-2.0
"""Mail to measure with: real if there is some, else made from a seed."""
import base64
import math
import os
import random
import shutil

SEED = 20261122
LINE_MAX = 990
WORDS = ("the", "of", "message", "please", "attached", "meeting", "tomorrow",
         "invoice", "regards", "report", "agreed", "update", "question",
         "project", "server", "customer", "thanks", "order", "number", "time")


def text(rnd, size):
    lines, n = [], 0
    while n < size:
        line = " ".join(rnd.choice(WORDS) for _ in range(rnd.randint(4, 11)))
        lines.append(line)
        n += len(line) + 2
    return "\r\n".join(lines) + "\r\n"


def attachment(rnd, size):
    raw = base64.encodebytes(rnd.randbytes(size * 3 // 4)).decode()
    return raw.replace("\n", "\r\n")


def part(kind, body, more=""):
    return "--=_limit\r\nContent-Type: %s\r\n%s\r\n%s\r\n" % (kind, more,
                                                             body)


def message(rnd, number, size):
    """About size bytes: text, text and HTML, or text and an attachment."""
    head = ("Return-Path: <sender%d@elsewhere.test>\r\n"
            "Received: from mx%d.elsewhere.test by mx.bench.test; "
            "Sun, 22 Nov 2026 10:%02d:%02d +0000\r\n"
            "From: \"Sender Number %d\" <sender%d@elsewhere.test>\r\n"
            "To: user0@bench.test\r\nCc: someone@bench.test\r\n"
            "Subject: %s %d\r\nDate: Sun, 22 Nov 2026 10:%02d:%02d +0000\r\n"
            "Message-ID: <%d.%d@elsewhere.test>\r\nMIME-Version: 1.0\r\n" % (
                number % 97, number % 7, number // 60 % 60, number % 60,
                number % 97, number % 97, text(rnd, 24).split("\r\n")[0],
                number, number // 60 % 60, number % 60, number, size))
    kind = rnd.random()
    if kind < 0.4:
        return (head + "Content-Type: text/plain; charset=utf-8\r\n\r\n" +
                text(rnd, size - len(head))).encode()
    plain = part("text/plain; charset=utf-8", text(rnd, size // 4))
    if kind < 0.75:
        name = "alternative"
        second = part("text/html; charset=utf-8", "<html><body>" +
                      text(rnd, size // 2) + "</body></html>")
    else:
        name = "mixed"
        second = part("application/pdf; name=\"a.pdf\"",
                      attachment(rnd, size // 2),
                      "Content-Transfer-Encoding: base64\r\n"
                      "Content-Disposition: attachment; "
                      "filename=\"a.pdf\"\r\n")
    return (head + "Content-Type: multipart/%s; boundary=\"=_limit\"\r\n\r\n"
            % name + plain + second + "--=_limit--\r\n").encode()


def sizes(rnd, n, median=8000, most=1 << 20):
    """Log-normal, as sizes of mail are: a few are most of the bytes."""
    return [int(min(most, max(900, rnd.lognormvariate(math.log(median),
                                                      1.1))))
            for _ in range(n)]


def presentable(raw):
    """As it goes over SMTP, or None if a server may refuse it."""
    data = raw.replace(b"\r\n", b"\n")
    if b"\0" in data or b"\r" in data or \
            data.lower().count(b"\nreceived:") > 20 or \
            any(len(line) > LINE_MAX for line in data.split(b"\n")):
        return None
    return data.replace(b"\n", b"\r\n")


def corpus(directory):
    found = []
    for at, _, files in sorted(os.walk(directory)):
        for name in sorted(files):
            if not name.endswith((".eml", ".msg")):
                continue
            with open(os.path.join(at, name), "rb") as f:
                m = presentable(f.read())
            if m:
                found.append(m)
    return found


def wire(m):
    """With dots stuffed and the final dot."""
    if not m.endswith(b"\r\n"):
        m += b"\r\n"
    m = m.replace(b"\r\n.", b"\r\n..")
    return (b"." if m.startswith(b".") else b"") + m + b".\r\n"


def mix(directory):
    """Write the mix for smtpload -D; what it is."""
    source = os.environ.get("POSTHOUSE_CORPUS", "")
    messages = corpus(source) if source else []
    what = "%d real messages of POSTHOUSE_CORPUS" % len(messages)
    if not messages:
        rnd = random.Random(SEED)
        messages = [message(rnd, n, size)
                    for n, size in enumerate(sizes(rnd, 200))]
        what = "200 messages made from a seed"
    os.makedirs(directory, exist_ok=True)
    for n, m in enumerate(messages):
        with open(os.path.join(directory, "%04d" % n), "wb") as f:
            f.write(wire(m))
    return what + ", mean %.1f KiB" % (sum(map(len, messages)) / 1024 /
                                       len(messages))


def fill_maildir(path, count, owner, line_end):
    """A Maildir of another program's making: count messages in cur/, a third
    of them unseen, no index.  The messages are the same in every call."""
    rnd = random.Random(SEED)
    made = [message(rnd, n, size)
            for n, size in enumerate(sizes(rnd, 100, 4000, 1 << 17))]
    for d in ("", "cur", "new", "tmp"):
        os.makedirs(os.path.join(path, d), mode=0o700, exist_ok=True)
    for n in range(count):
        m = made[n % len(made)].replace(b"Subject: ", b"Subject: %d " % n, 1)
        m = m.replace(b"Message-ID: <", b"Message-ID: <%d." % n, 1)
        data = m.replace(b"\r\n", line_end)
        name = "%d.M%dP1Q%d.bench,S=%d,W=%d:2,%s" % (
            1700000000 + n, n % 1000000, n, len(data), len(m),
            "" if n % 3 == 0 else "S")
        with open(os.path.join(path, "cur", name), "wb") as f:
            f.write(data)
    for at, _, files in os.walk(os.path.dirname(path)):
        shutil.chown(at, owner, owner)
        for name in files:
            shutil.chown(os.path.join(at, name), owner, owner)
