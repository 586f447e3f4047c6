# SPDX-License-Identifier: Apache-2.0
"""What the scenarios share: a directory that goes away, mail, checks.

A scenario is a file test/t_NAME.py with functions test_...(s); s is a
Scenario.  `test/run` runs them; `test/run NAME` one of them.
"""
import email
import email.policy
import imaplib
import os
import poplib
import re
import smtplib
import socket
import ssl
import tempfile
import uuid

import dns
import instance
from instance import Failed, SLOW, wait_for  # noqa: F401 (for scenarios)

PREFIX = os.environ.get("POSTHOUSE_PREFIX", "")
CORPUS = os.environ.get("POSTHOUSE_CORPUS", "")


def check(condition, text):
    if not condition:
        raise Failed(text)


def equal(got, want, what):
    if got != want:
        raise Failed("%s: got %r, expected %r" % (what, got, want))


class Skip(Exception):
    pass


class Scenario:
    def __init__(self, name):
        self.name = name
        self.dir = tempfile.mkdtemp(prefix="ph-%s-" % name)
        os.chmod(self.dir, 0o755)
        self.things = []
        # Two runs at the same time must not meet.
        self.net = instance.choose_address()
        self.hosts = iter(range(1, 250))

    def address(self):
        return "%s.%d" % (self.net, next(self.hosts))

    def posthouse(self, name="a", start=True, accounts=("alice", "bob"),
                  **kw):
        kw.setdefault("domains", ["%s.%s" % (name, dns.ZONE)])
        kw.setdefault("myhostname", "mx.%s.%s" % (name, dns.ZONE))
        host = kw.pop("host", None) or self.address()
        hosts = [host] + list(kw.get("more_hosts", ()))
        ports = dict(kw.pop("ports", {}))
        for name_ in instance.SERVICES:
            if name_ not in ports:
                ports[name_] = instance.free_port(*hosts)
        i = instance.Instance(os.path.join(self.dir, name), PREFIX, host,
                              ports, **kw)
        self.things.append(i)
        i.lay_out()
        for a in accounts:
            i.add_account("%s@%s" % (a, i.domains[0]), "secret-" + a)
        if start:
            i.start()
        return i

    def dns(self, records, **kw):
        d = dns.Dns(os.path.join(self.dir, "dns%d" % len(self.things)),
                    records, **kw)
        self.things.append(d)
        d.start()
        return d

    def close(self, failed):
        """Everything ends.  (what was wrong, lines that may tell why)"""
        problems, report = [], []
        for t in reversed(self.things):
            try:
                t.stop()
            except Failed as e:
                problems.append(str(e))
        instances = [t for t in self.things
                     if isinstance(t, instance.Instance)]
        for i in instances:
            problems += bad_log_lines(i) + sanitizer_reports(i)
        if failed or problems:
            report.append("kept: " + self.dir)
            for i in instances:
                report += excerpt(i)
        else:
            instance.remove(self.dir)
        return problems, report


def excerpt(i, most=40):
    """The last lines of the log, without the test's own comings and
    goings; and of what the daemons said before they had a log."""
    out = []
    for name, text in ((i.log, i.log_text()),
                       ("console", i.console())):
        lines = [x[:500] for x in text.splitlines()
                 if "-login[" not in x and "Logged out" not in x and
                 not re.search(r"smtpd\[\d+\]: (dis)?connect", x)]
        if lines:
            out.append("last lines of %s:" % name)
            out += ["  " + x for x in lines[-most:]]
    return out


# What master says when a process died of its own doing (SIGILL, SIGABRT,
# SIGBUS, SIGFPE, SIGSEGV) counts as well.
BAD = re.compile(r"panic:|fatal:|ERROR: AddressSan|runtime error:|"
                 r"killed by signal (4|6|7|8|11)\b")


def bad_log_lines(i):
    """Panics, crashes and errors are failures, whatever the scenario saw."""
    expected = getattr(i, "expected_log", ())
    bad = []
    for line in i.log_text().splitlines():
        if BAD.search(line):
            if not any(e in line for e in expected):
                bad.append("log: " + line)
    return bad[:5]


def sanitizer_reports(i):
    bad = []
    text = i.console()
    for marker in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                   "runtime error:"):
        at = text.find(marker)
        if at >= 0:
            at = text.rfind("\n", 0, at) + 1
            bad.append("console: " + text[at:at + 1500])
    return bad


# -- clients -----------------------------------------------------------------

def tls_context(i):
    c = ssl.create_default_context(cafile=i.ca)
    c.check_hostname = False
    return c


def smtp(i, service="smtp", user=None, timeout=instance.PATIENCE):
    """smtplib client; submission is secured and authenticated."""
    if service == "submissions":
        c = smtplib.SMTP_SSL(i.host, i.ports[service], timeout=timeout * SLOW,
                             context=tls_context(i))
    else:
        c = smtplib.SMTP(i.host, i.ports[service], timeout=timeout * SLOW)
    if service == "submission":
        c.starttls(context=tls_context(i))
    if service != "smtp" or user is not None:
        user = user or i.accounts[0]["user"]
        c.login(user, password(i, user))
    return c


def password(i, user):
    for a in i.accounts:
        if a["user"] == user:
            return a["password"]
    raise Failed("no account " + user)


def send(i, sender, recipients, data=None, service="smtp", **kw):
    if isinstance(recipients, str):
        recipients = [recipients]
    data = data or message(sender, recipients)
    with smtp(i, service, **kw) as c:
        c.sendmail(sender, recipients, data)
    return data


def message(sender, recipients, subject=None, body=None, extra=""):
    token = uuid.uuid4().hex
    return ("From: <%s>\r\nTo: %s\r\nSubject: %s\r\n"
            "Message-ID: <%s@test.invalid>\r\n"
            "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n%s\r\n%s\r\n" % (
                sender, ", ".join("<%s>" % r for r in recipients),
                subject or "test " + token, token, extra,
                body or "Body of " + token)).encode()


def imap(i, user, service="imaps"):
    if service == "imaps":
        c = imaplib.IMAP4_SSL(i.host, i.ports["imaps"],
                              timeout=instance.PATIENCE * SLOW,
                              ssl_context=tls_context(i))
    else:
        c = imaplib.IMAP4(i.host, i.ports["imap"],
                          timeout=instance.PATIENCE * SLOW)
        c.starttls(tls_context(i))
    c.login(user, password(i, user))
    return c


def pop(i, user, service="pop3s"):
    if service == "pop3s":
        c = poplib.POP3_SSL(i.host, i.ports["pop3s"],
                            timeout=instance.PATIENCE * SLOW,
                            context=tls_context(i))
    else:
        c = poplib.POP3(i.host, i.ports["pop3"],
                        timeout=instance.PATIENCE * SLOW)
        c.stls(tls_context(i))
    c.user(user)
    c.pass_(password(i, user))
    return c


def inbox(i, user):
    """All messages of the INBOX, as bytes."""
    c = imap(i, user)
    try:
        c.select("INBOX", readonly=True)
        typ, data = c.uid("FETCH", "1:*", "(BODY.PEEK[])")
        equal(typ, "OK", "FETCH")
        return [d[1] for d in data if isinstance(d, tuple)]
    finally:
        try:
            c.logout()
        except (OSError, imaplib.IMAP4.error):
            pass


def wait_inbox(i, user, n, timeout=60.0):
    return wait_for("%d messages for %s" % (n, user),
                    lambda: (lambda m: m if len(m) >= n else None)(
                        inbox(i, user)), timeout, 0.2)


def filled(s, n):
    """(instance, user with n messages in the INBOX)"""
    i = s.posthouse()
    user = i.accounts[0]["user"]
    for _ in range(n):
        send(i, "x@elsewhere.test", user)
    wait_inbox(i, user, n)
    return i, user


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def delivery_status(raw):
    """The parsed report: (whole message, per-message fields, list of
    per-recipient fields)."""
    m = parse(raw)
    equal(m.get_content_type(), "multipart/report", "type of the bounce")
    equal(m.get_param("report-type"), "delivery-status", "report-type")
    parts = m.get_payload()
    status = parts[1].get_payload()
    check(len(status) >= 2, "the report has no recipients")
    return m, status[0], status[1:]


class Raw:
    """A conversation byte by byte."""

    def __init__(self, i, service="smtp", timeout=instance.PATIENCE):
        self.s = socket.create_connection((i.host, i.ports[service]),
                                          timeout=timeout * SLOW)
        self.f = self.s.makefile("rb")

    def put(self, data):
        self.s.sendall(data)

    def line(self):
        return self.f.readline()

    def reply(self):
        """A whole SMTP reply: (code, text)."""
        lines = []
        while True:
            line = self.line()
            if not line:
                raise Failed("connection closed; so far: %r" % lines)
            lines.append(line)
            if line[3:4] != b"-":
                return int(line[:3]), b"".join(lines).decode(
                    errors="replace")

    def ask(self, text):
        self.put(text + b"\r\n")
        return self.reply()

    def begin_data(self, to):
        """From the greeting to where the content begins."""
        self.reply()
        for text in (b"EHLO x.test", b"MAIL FROM:<x@elsewhere.test>",
                     b"RCPT TO:<%s>" % to.encode(), b"DATA"):
            self.ask(text)

    def rest(self):
        """All that comes until the connection closes."""
        out = b""
        try:
            while True:
                got = self.s.recv(65536)
                if not got:
                    break
                out += got
        except (ConnectionResetError, BrokenPipeError):
            pass
        return out

    def is_closed(self):
        try:
            return self.s.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.f.close()
        self.s.close()
