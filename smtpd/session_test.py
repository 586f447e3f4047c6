#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scripted sessions against a real smtpd with a queue directory of its own.

The environment may name the programs: SMTPD, ANVIL, AUTHD, RESOLVER,
USER_TOOL.  Everything happens in a
temporary directory, on 127.0.0.1 and a port the system chooses."""
import base64
import contextlib
import hashlib
import hmac
import itertools
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = os.environ.get("top_builddir", os.getcwd())
SMTPD = os.environ.get("SMTPD", os.path.join(TOP, "smtpd/smtpd"))
ANVIL = os.environ.get("ANVIL", os.path.join(TOP, "anvil/anvil"))
RESOLVER = os.environ.get("RESOLVER", os.path.join(TOP, "resolver/resolver"))
AUTHD = os.environ.get("AUTHD", os.path.join(TOP, "authd/authd"))
USER = os.environ.get("USER_TOOL", os.path.join(TOP, "tools/posthouse-user"))

PATIENCE = 120          # seconds; what goes well does not wait

MAIN_CF = """
queue_sync = file
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log
myhostname = mx.test.example
mydestination = test.example, $myhostname
relay_domains = relay.example
relay_recipient_maps =
mynetworks = 127.0.0.2
local_recipient_maps = inline:{{user=x, user2=x, root=x, postmaster=x}}
virtual_alias_maps = inline:{{list@test.example=user@test.example}}
message_size_limit = 100000
header_section_limit = 20000
smtpd_peername_lookup = no
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 2000
smtpd_client_connection_count_limit = 0
smtpd_junk_command_limit = 100000
local_header_rewrite_clients =
"""


class Server:
    """One smtpd with a directory of its own."""

    def __init__(self, *options, extra="", helpers=()):
        self.dir = tempfile.mkdtemp(prefix="smtpd-test.")
        for name in ("queue/private", "queue/public", "data", "conf"):
            os.makedirs(os.path.join(self.dir, name))
        with open(self.path("conf/main.cf"), "w") as f:
            f.write(MAIN_CF.format(dir=self.dir) + extra)
        open(self.path("conf/master.cf"), "w").close()
        self.children = []
        for program, sock in helpers:
            self.start([program, "-c", self.path("conf"), "-L", sock])
            self.wait_log("listening on " + sock)
        args = [SMTPD, "-c", self.path("conf"), "-n", "smtp"]
        for o in options:
            args += ["-o", o]
        self.proc = self.start(args + ["-L", "127.0.0.1:0"])
        self.port = int(self.wait_log(r"listening on 127\.0\.0\.1:(\d+)")
                        .group(1))

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, args):
        p = subprocess.Popen(args, cwd=self.path("queue"),
                             stderr=subprocess.PIPE)
        self.children.append(p)
        return p

    def log(self):
        try:
            with open(self.path("log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            m = re.search(pattern, self.log())
            if m:
                return m
            if self.proc_dead():
                break
            time.sleep(0.01)
        raise AssertionError("no %r in log:\n%s" % (pattern, self.log()))

    def proc_dead(self):
        return bool(self.children) and self.children[-1].poll() is not None

    def messages(self, where="new"):
        d = self.path("queue/" + where)
        return sorted(os.listdir(d)) if os.path.isdir(d) else []

    def content(self, queue_id, where="new"):
        with open(self.path("queue/%s/%s" % (where, queue_id)), "rb") as f:
            return f.read()

    def take_all(self):
        """All queued messages, which are then removed."""
        out = []
        for q in self.messages():
            # A connection that was cut off takes its file with it.
            with contextlib.suppress(FileNotFoundError):
                out.append(self.content(q))
                os.unlink(self.path("queue/new/" + q))
        return out

    def stop(self):
        codes = []
        for p in self.children:
            alive = p.poll() is None
            p.send_signal(signal.SIGTERM) if alive else None
            try:
                p.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            codes.append(p.returncode)
            if p.returncode not in (0, -signal.SIGTERM):
                sys.stderr.write("exit %d: %s\n%s\n" % (
                    p.returncode, p.stderr.read().decode(), self.log()))
            p.stderr.close()
        shutil.rmtree(self.dir)
        return codes


class Client:
    def __init__(self, server, greet=True, rcvbuf=None):
        self.s = socket.socket()
        self.s.settimeout(PATIENCE)
        if rcvbuf is not None:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.s.connect(("127.0.0.1", server.port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        if greet:
            self.expect(220)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def line(self):
        while b"\n" not in self.buf:
            try:
                more = self.s.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return b""
            self.buf += more
        out, self.buf = self.buf.split(b"\n", 1)
        return out + b"\n"

    def reply(self):
        """(code, text of all lines); (0, "") at end of connection."""
        text = ""
        while True:
            line = self.line()
            if not line:
                return 0, text
            if not re.fullmatch(rb"\d\d\d[ -][^\r\n]*\r\n", line):
                raise AssertionError("malformed reply %r" % line)
            text += line.decode()
            if line[3:4] == b" ":
                return int(line[:3]), text

    def expect(self, code, text=""):
        got = self.reply()
        if got[0] != code or text not in got[1]:
            raise AssertionError("expected %d %r, got %r" % (code, text, got))
        return got[1]

    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode())

    def cmd(self, line, code, text=""):
        self.send(line + "\r\n")
        return self.expect(code, text)

    def envelope(self, rcpt="user@test.example"):
        self.cmd("MAIL FROM:<a@sender.example>", 250, "2.1.0 Ok")
        self.cmd("RCPT TO:<%s>" % rcpt, 250, "2.1.5 Ok")

    def closed(self):
        code, text = self.reply()
        if code != 0:
            raise AssertionError("still open: %r" % text)


SERVER = None


def setUpModule():
    global SERVER
    SERVER = Server()


def tearDownModule():
    codes = SERVER.stop()
    assert all(c in (0, -signal.SIGTERM) for c in codes), codes


class Base(unittest.TestCase):
    server = property(lambda self: SERVER)

    def setUp(self):
        self.server.take_all()

    def client(self, ehlo=True, **options):
        c = Client(self.server, **options)
        self.addCleanup(c.s.close)
        if ehlo:
            c.cmd("EHLO client.example", 250)
        return c


class Session(Base):
    def test_plain(self):
        c = self.client()
        c.envelope()
        c.cmd("DATA", 354, "End data with <CR><LF>.<CR><LF>")
        c.send("Subject: x\r\nMessage-ID: <q@w>\r\nBcc: hidden@x\r\n\r\n"
               "..dot\r\nlast\r\n.\r\n")
        text = c.expect(250, "2.0.0 Ok: queued as ")
        c.cmd("QUIT", 221, "2.0.0 Bye")
        c.closed()
        queue_id = text.split()[-1]
        self.assertEqual(self.server.messages(), [queue_id])
        m = self.server.content(queue_id)
        self.assertIn(b"Received: from client.example (unknown [127.0.0.1])"
                      b"\r\n\tby mx.test.example (Posthouse) with ESMTP id "
                      + queue_id.encode()
                      + b"\r\n\tfor <user@test.example>; ", m)
        self.assertIn(b"Subject: x\r\nMessage-ID: <q@w>\r\n\r\n.dot\r\n"
                      b"last\r\n", m)
        self.assertNotIn(b"hidden", m)
        log = self.server.log()
        self.assertIn("%s: client=unknown[127.0.0.1]\n" % queue_id, log)
        self.assertRegex(log, r"/cleanup\[\d+\]: %s: message-id=<q@w>\n"
                         % queue_id)
        self.server.wait_log(r"disconnect from unknown\[127\.0\.0\.1\] "
                             r"ehlo=1 mail=1 rcpt=1 data=1 quit=1 "
                             r"commands=5\n")

    def test_helo_and_lower_case(self):
        c = self.client(ehlo=False)
        self.assertEqual(c.cmd("helo x", 250), "250 mx.test.example\r\n")
        c.cmd("mail from:<>", 250)
        c.cmd("rcpt to:<postmaster>", 250)
        c.cmd("data", 354)
        c.send("x\r\n.\r\n")
        c.expect(250)
        self.assertIn(b"with SMTP id", self.server.take_all()[0])

    def test_ehlo_offers(self):
        c = self.client(ehlo=False)
        text = c.cmd("EHLO x", 250)
        for word in ("PIPELINING", "SIZE 100000", "ENHANCEDSTATUSCODES",
                     "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "ETRN",
                     "VRFY"):
            self.assertRegex(text, r"250[ -]%s\r\n" % word)
        self.assertNotIn("STARTTLS", text)
        self.assertNotIn("AUTH", text)

    def test_several_messages(self):
        c = self.client()
        for i in range(5):
            c.envelope()
            c.cmd("DATA", 354)
            c.send("n: %d\r\n\r\nx\r\n.\r\n" % i)
            c.expect(250)
        self.assertEqual(len(self.server.take_all()), 5)

    def test_alias_is_expanded_and_duplicates_go(self):
        c = self.client()
        c.cmd("MAIL FROM:<a@b.example>", 250)
        c.cmd("RCPT TO:<list@test.example>", 250)
        c.cmd("RCPT TO:<user@TEST.example>", 250)
        c.cmd("DATA", 354)
        c.send("\r\n.\r\n")
        c.expect(250)
        m = self.server.take_all()[0]
        self.assertIn(b"list@test.example", m)      # the original
        self.assertEqual(m.count(b"user@test.example"), 1)

    def test_rejects(self):
        c = self.client()
        c.cmd("RCPT TO:<user@test.example>", 503, "need MAIL command")
        c.cmd("MAIL FROM:<a@b.example>", 250)
        c.cmd("MAIL FROM:<a@b.example>", 503, "nested MAIL command")
        c.cmd("DATA", 503, "need RCPT command")
        c.cmd("RCPT TO:<nobody@test.example>", 550, "5.1.1 <nobody@test."
              "example>: Recipient address rejected: User unknown in local "
              "recipient table")
        c.cmd("RCPT TO:<x@other.example>", 454,
              "4.7.1 <x@other.example>: Relay access denied")
        c.cmd("DATA", 554, "5.5.1 Error: no valid recipients")
        c.cmd("RCPT TO:<anybody@relay.example>", 250)
        c.cmd("RCPT TO:<-x@relay.example>", 501, "5.1.3")
        c.cmd("RCPT TO:<>", 501, "5.1.3")
        c.cmd("RCPT TO:user", 250)
        c.cmd("RCPT", 501, "5.5.4 Syntax: RCPT TO:<address>")
        c.cmd("RSET", 250)
        c.cmd("MAIL", 501, "5.5.4 Syntax: MAIL FROM:<address>")
        c.cmd("MAIL FROM:<;id;>", 501, "5.1.7")
        c.cmd("MAIL FROM:<a@b> FOO=1", 555, "5.5.4 Unsupported option: FOO")
        c.cmd("MAIL FROM:<a@b> SIZE=100001", 552,
              "5.3.4 Message size exceeds fixed limit")
        c.cmd("MAIL FROM:<a@b> ENVID=a+0Ab", 501, "5.5.4")
        c.cmd("MAIL FROM:<\xe9@b>", 553, "5.6.7")
        c.cmd("FOO", 500, "5.5.2 Error: command not recognized")
        c.cmd("", 500, "5.5.2 Error: bad syntax")
        c.cmd("EHLO", 501)
        c.cmd("DATA x", 503)
        c.cmd("AUTH PLAIN x", 503, "authentication not enabled")
        c.cmd("STARTTLS", 502)
        c.cmd("BDAT x", 501)
        self.server.wait_log(
            r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: 550 5\.1\.1 "
            r"<nobody@test\.example>: Recipient address rejected: User "
            r"unknown in local recipient table; from=<a@b\.example> "
            r"to=<nobody@test\.example> proto=ESMTP helo=<client\.example>")

    def test_transaction_neutral(self):
        c = self.client()
        c.envelope()
        for line, code in (("NOOP", 250), ("VRFY user@test.example", 252),
                           ("VRFY \xc3\xbc@x.example", 454), ("HELP", 214),
                           ("VRFY", 501), ("ETRN x.example", 503),
                           ("FOO", 500), ("AUTH PLAIN", 503)):
            c.cmd(line, code)
        c.cmd("DATA", 354)
        c.send(".\r\n")
        c.expect(250)
        c.cmd("DATA", 503, "need MAIL command")

    def test_size(self):
        c = self.client()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(b"a: b\r\n\r\n" + b"x" * 998 + b"\r\n")
        c.send((b"y" * 98 + b"\r\n") * 1100 + b".\r\n")
        c.expect(552, "5.3.4 Error: message file too big")
        c.cmd("RCPT TO:<user@test.example>", 503)
        self.assertEqual(self.server.messages(), [])

    def test_header_section_limit(self):
        c = self.client()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(b"X: " + b"x" * 30000 + b"\r\n\r\nbody\r\n.\r\n")
        c.expect(552, "5.3.4")
        c.envelope()
        c.cmd("DATA", 354)
        c.send(b"X: y\r\n\r\n" + b"x" * 90000 + b"\r\n.\r\n")
        c.expect(250)

    def test_loop(self):
        c = self.client()
        c.envelope()
        c.cmd("DATA", 354)
        c.send("Received: x\r\n" * 101 + "\r\n.\r\n")
        c.expect(554, "5.4.6 Error: too many hops")
        c.envelope()
        c.cmd("DATA", 354)
        c.send("Received: x\r\n" * 100 + "\r\n.\r\n")
        c.expect(250)

    def test_odd_headers(self):
        for head, want in (
                (b"no header here\r\nx: y\r\n",
                 b"\r\n\r\nno header here\r\nx: y\r\n"),
                (b" starts: blank\r\n", b"\r\n\r\n starts: blank\r\n"),
                (b"From a@b Mon Jan  1 00:00:00 2024\r\nA: b\r\n\r\nx\r\n",
                 b"X-Mailbox-Line: From a@b Mon Jan  1 00:00:00 2024\r\n"
                 b"A: b\r\n\r\nx\r\n"),
                (b"A: b\r\n", b"\r\nA: b\r\n"),
                (b"", b"")):
            c = self.client()
            c.envelope()
            c.cmd("DATA", 354)
            c.send(head + b".\r\n")
            c.expect(250)
            self.assertIn(want, self.server.take_all()[0])

    def test_long_and_broken_lines(self):
        c = self.client()
        c.send(b"NOOP " + b"a" * 10000 + b"\r\n")
        c.expect(500, "5.5.2 Error: line too long")
        c.send(b"NO\0OP\r\n")
        c.expect(500)
        c.send(b"NOOP\nNOOP\r\n")
        c.expect(500, "5.5.2")
        c.expect(250)
        c.send(b"EHLO " + b"a" * 11000 + b"\r\n")
        c.expect(500)
        c.cmd("NOOP", 250)
        c.send(b"x" * 70000)
        c.expect(500)
        c.expect(421)
        c.closed()

    def test_http(self):
        c = self.client(ehlo=False)
        c.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n")
        c.expect(221)
        c.closed()
        self.server.wait_log(r"warning: non-SMTP command from "
                             r"unknown\[127\.0\.0\.1\]: POST / HTTP/1\.1")

    def test_early_talker(self):
        c = self.client()
        c.envelope()
        c.send("DATA\r\nSubject: x\r\n\r\n.\r\n")
        c.expect(554, "5.5.0 Error: SMTP protocol synchronization")
        c.closed()
        self.assertEqual(self.server.messages(), [])
        self.server.wait_log("improper command pipelining after DATA from")

    def test_pipelined(self):
        c = self.client()
        c.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<user@test.example>\r\n"
               "RCPT TO:<user2@test.example>\r\nDATA\r\n")
        for code in (250, 250, 250, 354):
            c.expect(code)
        # What stands behind the final dot waits for the reply.
        c.send("a: b\r\n\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
        c.expect(250, "queued as")
        c.expect(250, "2.1.0")
        c.expect(250, "2.0.0")
        c.expect(221)
        c.closed()

    def test_many_replies_in_one_turn(self):
        clients = [self.client() for _ in range(100)]
        self.server.proc.send_signal(signal.SIGSTOP)
        try:
            for n, c in enumerate(clients):
                c.send("NOOP\r\n" if n % 3 else "QUIT\r\n")
        finally:
            self.server.proc.send_signal(signal.SIGCONT)
        for n, c in enumerate(clients):
            c.expect(250 if n % 3 else 221)
        for n, c in enumerate(clients):
            if n % 3:
                c.cmd("NOOP", 250)
            else:
                c.closed()

    def test_replies_wait_for_a_slow_reader(self):
        """More replies than fit between the two: commands wait, too, and
        go on when there is room."""
        n, c = 60000, self.client(rcvbuf=4096)
        sender = threading.Thread(target=c.send, args=(b"RSET\r\n" * n,))
        sender.start()
        for _ in range(n):
            c.expect(250, "2.0.0 Ok")
        sender.join()
        c.cmd("QUIT", 221)

    def test_many_slow_readers(self):
        """Some end while the replies of others go out."""
        n, clients = 2000, [self.client(rcvbuf=4096) for _ in range(40)]
        self.server.proc.send_signal(signal.SIGSTOP)
        try:
            for c in clients:
                c.send(b"RSET\r\n" * n + b"QUIT\r\n")
        finally:
            self.server.proc.send_signal(signal.SIGCONT)
        for c in clients:
            for _ in range(n):
                c.expect(250)
            c.expect(221)
            c.closed()

    def test_half_close(self):
        c = self.client()
        c.send("NOOP\r\n")
        c.expect(250)
        c.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<user@test.example>\r\n"
               "QUIT\r\n")
        c.s.shutdown(socket.SHUT_WR)
        for code in (250, 250, 221):
            c.expect(code)
        c.closed()

    def test_dsn(self):
        c = self.client()
        c.cmd("MAIL FROM:<a@b.example> RET=HDRS ENVID=q+2Bq", 250)
        c.cmd("RCPT TO:<user@test.example> NOTIFY=NEVER "
              "ORCPT=rfc822;o+2Bx@y.example", 250)
        c.cmd("RCPT TO:<user@test.example> NOTIFY=NEVER,DELAY", 501)
        c.cmd("RCPT TO:<user@test.example> ORCPT=rfc822;a+0D+0AX:", 501)
        c.cmd("DATA", 354)
        c.send(".\r\n")
        c.expect(250)
        m = self.server.take_all()[0]
        self.assertIn(b"rfc822;o+x@y.example", m)
        self.assertIn(b"q+q", m)

    def test_utf8(self):
        c = self.client()
        c.cmd("MAIL FROM:<\xfc@b.example> SMTPUTF8", 250)
        c.cmd("RCPT TO:<user@test.example>", 250)
        c.cmd("DATA", 354)
        c.send(".\r\n")
        c.expect(250)
        self.assertIn(b"with UTF8SMTP id", self.server.take_all()[0])
        c.send(b"MAIL FROM:<\xc3@b.example> SMTPUTF8\r\n")
        c.expect(501)


class Content(Base):
    """What is no CRLF never ends a message and is never passed on."""
    ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r")

    def send_and_expect(self, c, body, split=None):
        """The body, then a real end, then NOOP: one reply each."""
        c.envelope()
        c.cmd("DATA", 354)
        data = body + b"\r\n.\r\nNOOP\r\n"
        if split is None:
            c.send(data)
        else:
            c.send(data[:split])
            time.sleep(0.002)
            c.send(data[split:])
        got = c.reply()
        c.expect(250, "2.0.0 Ok")
        return got

    def test_matrix(self):
        smuggled = b"MAIL FROM:<evil@x.example>\r\nDATA\r\nQUIT\r\n"
        c = self.client()
        for a, b in itertools.product(self.ENDS, repeat=2):
            if (a.endswith(b"\r\n") and b == b"\r\n"):
                continue        # a true end (behind CRCRLF, too)
            got = self.send_and_expect(
                c, b"a: b\r\n\r\nx" + a + b"." + b + smuggled)
            self.assertEqual(got[0], 550, (a, b, got))
            self.assertIn("5.5.2", got[1])
            self.assertEqual(self.server.messages(), [], (a, b))
        got = self.send_and_expect(c, b"a\r\n\0.\r\n" + smuggled)
        self.assertEqual(got[0], 250)

    def test_true_ends_end(self):
        # CRCRLF . CRLF holds CRLF.CRLF: what follows is the next command,
        # and the bare CR before it costs the message.
        c = self.client()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(b"x\r\r\n.\r\nNOOP\r\n")
        c.expect(550, "5.5.2 Error: bare <CR> received")
        c.expect(250)

    def test_every_split(self):
        body = b"A: b\r\n\r\n..x\r\n.y\r\n\r\n"
        c = self.client()
        for i in range(len(body) + 11):
            got = self.send_and_expect(c, body, split=i)
            self.assertEqual(got[0], 250)
            m = self.server.take_all()[0]
            self.assertIn(b"A: b\r\n\r\n.x\r\ny\r\n\r\n", m)

    def test_seams(self):
        """A dot at the seam of any buffer is only a dot."""
        c = self.client()
        for n in (2047, 2048, 4095, 4096, 8191, 8192, 65535, 65536):
            got = self.send_and_expect(c, b"\r\n" + b"a" * n + b".b")
            self.assertEqual(got[0], 250)
            self.assertIn(b"a" * n + b".b\r\n", self.server.take_all()[0])

    def test_nul_and_8bit(self):
        body = bytes(b for b in range(256) if b not in (10, 13))
        c = self.client()
        self.send_and_expect(c, b"a: b\r\n\r\n" + body)
        self.assertIn(body, self.server.take_all()[0])

    def test_lost_connection(self):
        c = self.client()
        c.envelope()
        c.cmd("DATA", 354)
        c.send("half a mess")
        c.s.close()
        self.server.wait_log(r"lost connection after DATA from")
        end = time.monotonic() + PATIENCE
        while self.server.messages() and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(self.server.messages(), [])


class Bdat(Base):
    def test_chunks(self):
        c = self.client()
        c.envelope()
        c.send("BDAT 11\r\nSubject: x\r")
        c.expect(250, "2.0.0 Ok: 11 bytes")
        c.send("BDAT 3\r\n\n\r\n")
        c.expect(250, "2.0.0 Ok: 3 bytes")
        c.send("BDAT 5 LAST\r\n.\r\n.\r")
        c.expect(550, "5.5.2")
        c.envelope()
        c.send("BDAT 14\r\nSubject: x\r\n\r\nBDAT 5 LAST\r\n.\r\n.x")
        c.expect(250, "2.0.0 Ok: 14 bytes")
        text = c.expect(250, "2.0.0 Ok: 19 bytes queued as ")
        m = self.server.content(text.split()[-1])
        self.assertIn(b"Subject: x\r\n\r\n.\r\n.x\r\n", m)

    def test_every_split(self):
        c = self.client()
        data = b"BDAT 8\r\na: b\r\n\r\nBDAT 4 LAST\r\nx\ry\nNOOP\r\n"
        data = data.replace(b"x\ry\n", b"x.\r\n")
        for i in range(1, len(data)):
            c.envelope()
            c.send(data[:i])
            time.sleep(0.002)
            c.send(data[i:])
            c.expect(250, "8 bytes")
            c.expect(250, "queued as")
            c.expect(250, "Ok")
            self.assertIn(b"a: b\r\n\r\nx.\r\n", self.server.take_all()[0])

    def test_errors_reset(self):
        c = self.client()
        c.envelope()
        c.cmd("BDAT x", 501)
        c.cmd("DATA", 503, "need MAIL")
        c.send("BDAT 5\r\nNOOP\n")          # the chunk is no command
        c.expect(503, "need MAIL")
        c.cmd("MAIL FROM:<a@b.example>", 250)
        c.send("BDAT 6 LAST\r\nQUIT\r\n")
        c.expect(503, "need RCPT")
        c.cmd("RCPT TO:<user@test.example>", 503)
        c.envelope()
        c.send("BDAT 3\r\nabc")
        c.expect(250)
        c.cmd("DATA", 503)
        c.cmd("MAIL FROM:<x@y.example>", 503)
        c.cmd("RCPT TO:<user@test.example>", 503)
        c.cmd("NOOP", 250)
        c.cmd("RSET", 250)
        c.cmd("BDAT 0 LAST", 503)

    def test_too_big(self):
        c = self.client()
        c.envelope()
        c.send(b"BDAT 100001\r\n" + b"x" * 100001)
        c.expect(552, "5.3.4")
        c.cmd("RCPT TO:<user@test.example>", 503)
        c.envelope()
        c.send(b"BDAT 60000\r\n" + b"x" * 60000)
        c.expect(250)
        c.send(b"BDAT 60000\r\n" + b"x" * 60000)
        c.expect(552)
        c.cmd("NOOP", 250)
        c.cmd("BDAT 99999999999999999999", 552)
        c.closed()

    def test_endless(self):
        c = self.client()
        c.envelope()
        c.send("BDAT 1000000000 LAST\r\n")
        with contextlib.suppress(OSError):
            for _ in range(40):
                c.send(b"x" * 65536)
        self.server.wait_log(r"disconnect from .* bdat=0/1")

    def test_tiny_chunks(self):
        c = self.client()
        c.envelope()
        c.send("BDAT 1\r\nx" * 1100)
        for _ in range(1000):
            c.expect(250)
        c.expect(421)

    def test_dot_is_data(self):
        c = self.client()
        c.envelope()
        c.send("BDAT 5 LAST\r\n\r\n.\r\nNOOP\r\n")
        c.expect(250, "queued")
        c.expect(250, "Ok")
        self.assertIn(b"\r\n\r\n.\r\n", self.server.take_all()[0])


class StateMachine(Base):
    """Every command after every other: content is legal when, and only when,
    there is a sender and a recipient."""
    COMMANDS = {
        "ehlo": "EHLO x", "mail": "MAIL FROM:<a@b.example>",
        "mail-bad": "MAIL FROM:<;;>",
        "mail-big": "MAIL FROM:<a@b.example> SIZE=999999",
        "rcpt": "RCPT TO:<user@test.example>",
        "rcpt-bad": "RCPT TO:<nobody@test.example>",
        "rcpt-syntax": "RCPT FOO", "rset": "RSET", "noop": "NOOP",
        "vrfy": "VRFY user@test.example", "vrfy-utf8": "VRFY \xc3\xbc@x",
        "bdat-bad": "BDAT x", "bdat": "BDAT 2\r\nab",
        "bdat-last": "BDAT 2 LAST\r\nab", "data": "DATA",
        "data-arg": "DATA x", "auth": "AUTH PLAIN AA==", "junk": "XYZZY",
        "starttls": "STARTTLS", "help": "HELP", "etrn": "ETRN y.example",
    }

    def step(self, c, name, state):
        """Run one command, check it against the model; the new state is
        (in transaction, recipients, in BDAT)."""
        mail, rcpts, bdat = state
        c.send(self.COMMANDS[name] + "\r\n"
               if "\r\n" not in self.COMMANDS[name] else self.COMMANDS[name])
        code, text = c.reply()
        where = "%s in %s: %r" % (name, state, text)
        if name in ("bdat", "bdat-last"):
            if not mail or not rcpts:
                self.assertIn(code, (503, 554), where)
                return (False, 0, False)
            self.assertEqual(code, 250, where)
            return (False, 0, False) if name == "bdat-last" else \
                (True, rcpts, True)
        if name == "bdat-bad":
            self.assertEqual(code, 501, where)
            return (False, 0, False)
        if name == "data":
            if bdat or not mail or not rcpts:
                self.assertIn(code, (503, 554), where)
                return state
            self.assertEqual(code, 354, where)
            c.send("x: y\r\n\r\n.\r\n")
            c.expect(250)
            return (False, 0, False)
        if name in ("ehlo", "rset"):
            self.assertEqual(code, 250, where)
            return (False, 0, False)
        if name == "mail":
            self.assertEqual(code, 503 if mail else 250, where)
            return state if mail else (True, 0, False)
        if name == "rcpt":
            ok = mail and not bdat
            self.assertEqual(code, 250 if ok else 503, where)
            return (True, rcpts + 1, False) if ok else state
        if name == "rcpt-bad":
            self.assertEqual(code, 550 if mail and not bdat else 503, where)
        self.assertNotEqual(code, 0, where)
        return state

    def test_all_triples(self):
        names = list(self.COMMANDS)
        for prefix in ((), ("mail",), ("mail", "rcpt"),
                       ("mail", "rcpt", "bdat")):
            for first in names:
                c = self.client()
                for second in names:
                    state = (False, 0, False)
                    for name in ("rset",) + prefix + (first, second, "data"):
                        state = self.step(c, name, state)
                c.s.close()


class Restricted(unittest.TestCase):
    """Servers with other configurations."""

    def server(self, *options, **kw):
        s = Server(*options, **kw)
        self.addCleanup(s.stop)
        return s

    def client(self, s, ehlo="client.example"):
        c = Client(s)
        self.addCleanup(c.s.close)
        if ehlo:
            c.cmd("EHLO " + ehlo, 250)
        return c

    def test_banner(self):
        s = self.server(extra="smtpd_banner = $myhostname ESMTP a${b:c}\n")
        with Client(s, greet=False) as c:
            self.assertEqual(c.expect(220),
                             "220 mx.test.example ESMTP ac\r\n")

    def test_banner_that_cannot_be_read(self):
        s = self.server(extra="loop = $loop\nsmtpd_banner = $loop\n")
        s.wait_log("fatal: .*parameter smtpd_banner: .* at most 100 deep")

    def test_normalize(self):
        s = self.server("smtpd_forbid_bare_newline=normalize")
        c = self.client(s)
        c.envelope()
        c.cmd("DATA", 354)
        c.send(b"a: b\n\nx\n.\ny\r.\rz\r\n.\nq\r\n.\r\n")
        c.expect(250)
        m = s.take_all()[0]
        self.assertIn(b"a: b\r\n\r\nx\r\n.\r\ny . z\r\n\r\nq\r\n", m)
        c.send("NOOP\n")
        c.expect(250)

    def test_end_of_data_reject_resets(self):
        s = self.server("smtpd_end_of_data_restrictions=reject")
        c = self.client(s)
        c.envelope()
        c.cmd("DATA", 354)
        c.send(".\r\n")
        c.expect(554, "5.7.1 <END-OF-MESSAGE>: End-of-data rejected: "
                 "Access denied")
        c.cmd("RCPT TO:<user@test.example>", 503)
        c.cmd("DATA", 503)
        self.assertEqual(s.messages(), [])

    def test_end_of_data_sees_all_recipients(self):
        s = self.server("smtpd_end_of_data_restrictions="
                        "check_recipient_access "
                        "inline:{user2@test.example=REJECT}")
        c = self.client(s)
        c.envelope()
        c.cmd("RCPT TO:<user2@test.example>", 250)
        c.cmd("DATA", 354)
        c.send(".\r\n")
        c.expect(554, "<user2@test.example>: Recipient address rejected")

    def test_data_reject(self):
        s = self.server("smtpd_data_restrictions=reject")
        c = self.client(s)
        c.envelope()
        c.cmd("DATA", 554, "5.7.1 <DATA>: Data command rejected: "
              "Access denied")
        c.cmd("RSET", 250)
        c.envelope()
        c.send("BDAT 6 LAST\r\nQUIT\r\n")
        c.expect(554)
        c.cmd("DATA", 503)

    def test_access(self):
        s = self.server(extra="""
smtpd_client_restrictions = check_client_access inline:{127.0.0=DUNNO}
smtpd_helo_restrictions = reject_non_fqdn_helo_hostname,
    check_helo_access inline:{{bad.example = 550 5.7.9 go away}}
smtpd_sender_restrictions =
    warn_if_reject reject_non_fqdn_sender
    check_sender_access inline:{
        {blocked.example = REJECT no thanks}
        {hold@x.example = HOLD suspicious}
        {drop@x.example = DISCARD}
        {pre@x.example = PREPEND X-Tag: yes}
        {list@x.example = permit_mynetworks, greylist, reject}
        {class@x.example = greylist}
        {bad@x.example = nonsense}
        {four@x.example = 450 4.7.9 later}
        {quit@x.example = 521 5.7.1 bye}
        {<> = DUNNO}
    }
smtpd_restriction_classes = greylist
greylist = defer
""")

        def rcpt(sender, code, text="", helo="client.example"):
            with Client(s) as c:
                c.cmd("EHLO " + helo, 250)
                c.cmd("MAIL FROM:<%s>" % sender, 250)
                c.cmd("RCPT TO:<user@test.example>", code, text)
                if code == 250:
                    c.cmd("DATA", 354)
                    c.send("A: b\r\n\r\n.\r\n")
                    c.expect(250)

        rcpt("a@ok.example", 250)
        rcpt("", 250)
        rcpt("a@ok.example", 504, "5.5.2 <x>: Helo command rejected: need "
             "fully-qualified hostname", helo="x")
        rcpt("a@ok.example", 550, "5.7.9 <bad.example>: Helo command "
             "rejected: go away", helo="bad.example")
        rcpt("u@sub.blocked.example", 554, "5.7.1 <u@sub.blocked.example>: "
             "Sender address rejected: no thanks")
        rcpt("unqualified", 250)
        s.wait_log(r"NOQUEUE: reject_warning: RCPT from .* 504 5\.5\.2 "
                   r"<unqualified>: Sender address rejected: need "
                   r"fully-qualified address")
        rcpt("list@x.example", 450, "4.3.2")
        rcpt("class@x.example", 450, "4.3.2")
        rcpt("bad@x.example", 451, "4.3.5 Server configuration error")
        rcpt("four@x.example", 450, "4.7.9")
        s.take_all()
        rcpt("pre@x.example", 250)
        self.assertIn(b"X-Tag: yes\r\nReceived: ", s.take_all()[0])
        rcpt("drop@x.example", 250)
        self.assertEqual(s.messages(), [])
        rcpt("hold@x.example", 250)
        self.assertEqual(s.messages(), [])
        self.assertEqual(len(s.messages("hold")), 1)
        with Client(s) as c:
            c.cmd("EHLO client.example", 250)
            c.cmd("MAIL FROM:<quit@x.example>", 250)
            c.cmd("RCPT TO:<user@test.example>", 521)
            c.closed()

    def test_not_delayed(self):
        s = self.server("smtpd_delay_reject=no", "smtpd_helo_required=yes",
                        "smtpd_helo_restrictions=reject_invalid_helo_"
                        "hostname", "smtpd_sender_restrictions="
                        "reject_non_fqdn_sender")
        c = self.client(s, ehlo=None)
        c.cmd("MAIL FROM:<a@b.example>", 503, "5.5.1 Error: send HELO/EHLO "
              "first")
        c.cmd("HELO a_b/c", 501)
        c.cmd("HELO ok.example", 250)
        c.cmd("MAIL FROM:<a@b>", 504)
        c.cmd("MAIL FROM:<a@b.example>", 250)

    def test_mynetworks_may_relay(self):
        s = self.server("mynetworks=127.0.0.0/8",
                        "local_header_rewrite_clients="
                        "permit_inet_interfaces")
        c = self.client(s)
        c.envelope("x@anywhere.example")
        c.cmd("DATA", 354)
        c.send("\r\n.\r\n")
        c.expect(250)
        # 127.0.0.1 is an own address: what is missing is added.
        m = s.take_all()[0]
        self.assertRegex(m, rb"\r\nMessage-Id: <\d{14}\.\w+@mx\.test\."
                         rb"example>\r\nDate: [^\r]*\r\nFrom: "
                         rb"<a@sender\.example>\r\n")

    def test_multi_recipient_bounce(self):
        s = self.server("smtpd_data_restrictions="
                        "reject_multi_recipient_bounce")
        c = self.client(s)
        c.cmd("MAIL FROM:<>", 250)
        c.cmd("RCPT TO:<user@test.example>", 250)
        c.cmd("RCPT TO:<user2@test.example>", 250)
        c.cmd("DATA", 550, "5.5.3 <DATA>: Data command rejected: "
              "Multi-recipient bounce")

    def test_limits(self):
        s = self.server("smtpd_recipient_limit=2", "smtpd_soft_error_limit=2",
                        "smtpd_hard_error_limit=4",
                        "smtpd_junk_command_limit=3",
                        "smtpd_error_sleep_time=1s")
        c = self.client(s)
        c.cmd("MAIL FROM:<a@b.example>", 250)
        c.cmd("RCPT TO:<user@test.example>", 250)
        c.cmd("RCPT TO:<user2@test.example>", 250)
        c.cmd("RCPT TO:<root@test.example>", 452,
              "4.5.3 Error: too many recipients")
        c.cmd("FOO", 500)
        c.cmd("FOO", 500)
        begin = time.monotonic()
        c.cmd("NOOP", 250)
        self.assertGreater(time.monotonic() - begin, 0.9)
        c.cmd("FOO", 500)
        c.cmd("FOO", 500)
        c.expect(421, "4.7.0 mx.test.example Error: too many errors")
        c.closed()
        s.wait_log(r"too many errors after UNKNOWN from")
        c = self.client(s)
        for _ in range(3):
            c.cmd("NOOP", 250)
        c.send("NOOP\r\n")
        c.expect(250)
        c.send("QUIT\r\n")

    def test_timeout(self):
        s = self.server("smtpd_timeout=1s")
        c = self.quick_client(s)
        c.send("NOO")
        c.expect(421, "4.4.2 mx.test.example Error: timeout exceeded")
        c.closed()
        s.wait_log(r"timeout after EHLO from")
        # Dripping does not help: the command must be complete by then.
        c = self.quick_client(s)
        end = time.monotonic() + PATIENCE
        with contextlib.suppress(OSError):
            while not select.select([c.s], [], [], 0.1)[0]:
                self.assertLess(time.monotonic(), end)
                c.send("x")
        self.assertEqual(c.reply()[0], 421)

    def quick_client(self, s):
        """One that has said EHLO in time, which takes luck on a machine that
        is busy."""
        for _ in range(100):
            with contextlib.suppress(AssertionError, OSError):
                return self.client(s)
        self.fail("too slow for the timeout")

    def test_discard_keywords_and_vrfy(self):
        s = self.server("smtpd_discard_ehlo_keywords=dsn, chunking",
                        "disable_vrfy_command=yes")
        c = self.client(s, ehlo=None)
        text = c.cmd("EHLO x", 250)
        self.assertNotIn("DSN", text)
        self.assertNotIn("CHUNKING", text)
        self.assertNotIn("VRFY", text)
        c.cmd("VRFY user", 502, "5.5.1 VRFY command is disabled")
        c.cmd("MAIL FROM:<a@b.example> RET=FULL", 555)

    def bad_config(self, *options):
        d = tempfile.mkdtemp(prefix="smtpd-test.")
        self.addCleanup(shutil.rmtree, d)
        os.makedirs(d + "/queue")
        with open(d + "/main.cf", "w") as f:
            f.write(MAIN_CF.format(dir=d).replace(
                "maillog_file", "unused_name"))
        args = [SMTPD, "-c", d, "-L", "127.0.0.1:0"]
        for o in options:
            args += ["-o", o]
        p = subprocess.run(args, stderr=subprocess.PIPE, timeout=PATIENCE,
                           check=False)
        self.assertNotEqual(p.returncode, 0)
        return p.stderr.decode()

    def test_bad_configurations(self):
        text = self.bad_config("smtpd_sender_restrictions=reject_typo")
        self.assertIn('parameter smtpd_sender_restrictions: unknown '
                      'restriction "reject_typo"', text)
        text = self.bad_config("smtpd_relay_restrictions=permit_mynetworks")
        self.assertIn("specify at least one working instance of", text)
        text = self.bad_config("smtpd_sender_restrictions="
                               "check_sender_access nosuchtype:/x")
        self.assertIn("nosuchtype", text)
        text = self.bad_config("smtpd_tls_wrappermode=yes")
        self.assertIn("certificate", text)

    def test_anvil(self):
        s = self.server("smtpd_client_connection_count_limit=2",
                        "smtpd_client_message_rate_limit=1",
                        "smtpd_client_recipient_rate_limit=2",
                        helpers=((ANVIL, "private/anvil"),))
        a = self.client(s)
        b = self.client(s)
        c = Client(s, greet=False)
        self.addCleanup(c.s.close)
        c.expect(421, "4.7.0 mx.test.example Error: too many connections "
                 "from 127.0.0.1")
        c.closed()
        s.wait_log(r"warning: Connection concurrency limit exceeded: 3 from "
                   r"unknown\[127\.0\.0\.1\] for service smtp")
        a.cmd("MAIL FROM:<a@b.example>", 250)
        b.cmd("MAIL FROM:<a@b.example>", 450, "4.7.1 Error: too much mail "
              "from 127.0.0.1")
        a.cmd("RCPT TO:<user@test.example>", 250)
        a.cmd("RCPT TO:<user2@test.example>", 250)
        a.cmd("RCPT TO:<root@test.example>", 450, "4.7.1 Error: too many "
              "recipients from 127.0.0.1")
        a.cmd("QUIT", 221)
        a.closed()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:   # the count goes down again
            with Client(s, greet=False) as d:
                if d.reply()[0] == 220:
                    return
            time.sleep(0.02)
        self.fail("connections are not counted down")

    def test_dns(self):
        """.invalid is known not to exist, without any network."""
        s = self.server("smtpd_peername_lookup=yes",
                        "smtpd_client_restrictions=reject_rbl_client "
                        "rbl.invalid", "smtpd_sender_restrictions="
                        "reject_unknown_sender_domain",
                        "smtpd_helo_restrictions="
                        "reject_unknown_helo_hostname",
                        helpers=((RESOLVER, "private/resolver"),))
        c = self.client(s, ehlo="[127.0.0.1]")
        c.send("MAIL FROM:<a@nowhere.invalid>\r\n"
               "RCPT TO:<user@test.example>\r\nRSET\r\n"
               "MAIL FROM:<>\r\nRCPT TO:<user@test.example>\r\n")
        c.expect(250)
        c.expect(450, "4.1.8 <a@nowhere.invalid>: Sender address rejected: "
                 "Domain not found")
        for _ in range(3):
            c.expect(250)
        c = self.client(s, ehlo="nowhere.invalid")
        c.cmd("MAIL FROM:<>", 250)
        c.cmd("RCPT TO:<user@test.example>", 450, "4.7.1 <nowhere.invalid>: "
              "Helo command rejected: Host not found")
        # Gone while an answer is awaited: nobody is hurt.
        for _ in range(20):
            c = self.client(s, ehlo="x%d.invalid" % _)
            c.send("MAIL FROM:<a@x%d.invalid>\r\n"
                   "RCPT TO:<user@test.example>\r\n" % _)
            c.s.close()
        self.client(s).cmd("NOOP", 250)


class Secure(unittest.TestCase):
    """TLS and AUTH, with the real authd."""
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="smtpd-test.")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.pem = cls.dir + "/pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=mx.test.example", "-days", "2", "-keyout",
             cls.dir + "/key", "-out", cls.dir + "/cert"],
            check=True, stderr=subprocess.DEVNULL)
        with open(cls.pem, "w") as out:
            for name in ("key", "cert"):
                with open(cls.dir + "/" + name) as f:
                    out.write(f.read())
        extra = "smtpd_tls_chain_files = %s\nsmtpd_tls_loglevel = 1\n" \
            "smtpd_tls_security_level = may\n" \
            "smtpd_sasl_auth_enable = yes\nauth_failure_delay = 0s\n" \
            "smtpd_tls_received_header = yes\n" \
            "smtpd_sasl_authenticated_header = yes\n" \
            "smtpd_sender_login_maps = inline:{owned@x.example=u@test." \
            "example}\n" % cls.pem
        cls.tls = Server("smtpd_tls_auth_only=yes", extra=extra,
                         helpers=((AUTHD, "private/auth"),))
        cls.addClassCleanup(cls.tls.stop)
        uid = str(os.getuid() or 65534)
        subprocess.run([USER, "add", "u@test.example", "--password-stdin",
                        "--uid", uid, "--gid", uid],
                       input=b"secret\n", check=True,
                       stdout=subprocess.DEVNULL,
                       env=dict(os.environ, MAIL_CONFIG=cls.tls.path("conf")))

    def wrap(self, c):
        ctx = ssl.create_default_context(cafile=self.dir + "/cert")
        c.s = ctx.wrap_socket(c.s, server_hostname="mx.test.example")

    def client(self, start=True):
        c = Client(self.tls)
        self.addCleanup(lambda: c.s.close())
        c.cmd("EHLO client.example", 250)
        if start:
            c.cmd("STARTTLS", 220, "2.0.0 Ready to start TLS")
            self.wrap(c)
        return c

    def test_starttls(self):
        c = self.client(start=False)
        c.cmd("AUTH PLAIN", 538)
        text = c.cmd("EHLO client.example", 250)
        self.assertIn("STARTTLS", text)
        self.assertNotIn("AUTH", text)
        c.envelope()
        c.cmd("STARTTLS", 220)
        self.wrap(c)
        # What was said in clear is forgotten.
        c.cmd("RCPT TO:<user@test.example>", 503)
        text = c.cmd("EHLO client.example", 250)
        self.assertNotIn("STARTTLS", text)
        self.assertRegex(text, r"250-AUTH .*\bPLAIN\b")
        c.cmd("STARTTLS", 554)
        c.envelope()
        c.cmd("DATA", 354)
        c.send("a: b\r\n\r\n.\r\n")
        c.expect(250)
        m = self.tls.take_all()[0]
        self.assertRegex(m, rb"\(using TLSv1\.3 with cipher "
                         rb"TLS_\w+ \(\d+/\d+ bits\)")
        self.assertIn(b"with ESMTPS id", m)
        self.tls.wait_log(r"Anonymous TLS connection established from "
                          r"unknown\[127\.0\.0\.1\]: TLSv1\.3 with cipher")

    def test_injection(self):
        for behind in (b"RSET\r\n", b"x", b"\x16\x03"):
            c = self.client(start=False)
            c.send(b"STARTTLS\r\n" + behind)
            c.expect(554, "5.5.0")
            c.closed()

    def test_plaintext_after_tls_end(self):
        """close_notify in the middle of BDAT ends everything."""
        c = self.client()
        c.cmd("EHLO x", 250)
        c.envelope()
        c.send("BDAT 100 LAST\r\n" + "x" * 50)
        raw = socket.socket(fileno=os.dup(c.s.fileno()))
        self.addCleanup(raw.close)
        with contextlib.suppress(OSError):
            c.s.unwrap()
        with contextlib.suppress(OSError):
            raw.sendall(b"x" * 50 + b"NOOP\r\n")
        self.tls.wait_log(r"lost connection after BDAT")
        self.assertEqual(self.tls.messages(), [])

    def plain(self, user="u@test.example", password="secret"):
        return base64.b64encode(("\0%s\0%s" % (user, password)).encode()) \
            .decode()

    def test_plain(self):
        c = self.client()
        c.cmd("EHLO x", 250)
        c.cmd("AUTH PLAIN " + self.plain(password="wrong"), 535,
              "5.7.8 Error: authentication failed")
        self.tls.wait_log(r"warning: unknown\[127\.0\.0\.1\]: SASL PLAIN "
                          r"authentication failed: .*, sasl_username=u@test")
        c.cmd("AUTH PLAIN !!!", 501, "5.5.2")
        c.cmd("AUTH PLAIN AAA", 501)
        c.cmd("AUTH PLAIN =", 535)
        c.cmd("AUTH NOSUCH", 535)
        c.cmd("AUTH PLAIN", 334)
        c.cmd("*", 501, "5.7.0 Authentication aborted")
        c.cmd("AUTH PLAIN", 334)
        c.send(b"A" * 20000 + b"\r\n")
        c.expect(500)
        c.cmd("AUTH PLAIN", 334)
        c.cmd(self.plain(), 235, "2.7.0 Authentication successful")
        c.cmd("AUTH PLAIN " + self.plain(), 503, "already authenticated")
        c.envelope("anybody@elsewhere.example")
        c.cmd("AUTH PLAIN " + self.plain(), 503)
        c.cmd("DATA", 354)
        c.send("\r\n.\r\n")
        queue_id = c.expect(250).split()[-1]
        m = self.tls.take_all()[0]
        self.assertIn(b"with ESMTPSA id", m)
        self.assertIn(b"(Authenticated sender: u@test.example)", m)
        self.assertIn("%s: client=unknown[127.0.0.1], sasl_method=PLAIN, "
                      "sasl_username=u@test.example" % queue_id,
                      self.tls.log())

    def test_login(self):
        c = self.client()
        c.cmd("EHLO x", 250)
        b64 = lambda t: base64.b64encode(t.encode()).decode()
        c.cmd("AUTH LOGIN", 334, b64("Username:"))
        c.cmd(b64("u@test.example"), 334, b64("Password:"))
        c.cmd(b64("secret"), 235)

    def test_scram(self):
        c = self.client()
        c.cmd("EHLO x", 250)
        bare = "n=u@test.example,r=clientnonce"
        text = c.cmd("AUTH SCRAM-SHA-256 " + base64.b64encode(
            ("n,," + bare).encode()).decode(), 334)
        first = base64.b64decode(text.split()[1]).decode()
        part = dict(x.split("=", 1) for x in first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", b"secret",
                                     base64.b64decode(part["s"]),
                                     int(part["i"]))
        h = lambda k, m: hmac.new(k, m, "sha256").digest()
        final = "c=biws,r=" + part["r"]
        auth = ",".join((bare, first, final)).encode()
        key = h(salted, b"Client Key")
        sig = h(hashlib.sha256(key).digest(), auth)
        proof = bytes(a ^ b for a, b in zip(key, sig))
        text = c.cmd(base64.b64encode(
            (final + ",p=" + base64.b64encode(proof).decode()).encode())
            .decode(), 334)
        want = "v=" + base64.b64encode(
            h(h(salted, b"Server Key"), auth)).decode()
        self.assertEqual(base64.b64decode(text.split()[1]).decode(), want)
        c.cmd("", 235)

    def test_many_aborted(self):
        for i in range(20):
            c = self.client()
            c.cmd("EHLO x", 250)
            c.send("AUTH PLAIN\r\n" if i % 2 else "AUTH LOGIN dQ==\r\n")
            if i % 4 < 2:
                c.reply()
            c.s.close()
        c = self.client()
        c.cmd("EHLO x", 250)
        c.cmd("AUTH PLAIN " + self.plain(), 235)

    def test_wrapper_and_mismatch(self):
        s = Server("smtpd_tls_wrappermode=yes", "smtpd_sender_restrictions="
                   "reject_sender_login_mismatch", extra="""
smtpd_tls_chain_files = %s
smtpd_sender_login_maps = inline:{owned@x.example=other}
""" % self.pem)
        self.addCleanup(s.stop)
        c = Client(s, greet=False)
        self.addCleanup(lambda: c.s.close())
        self.wrap(c)
        c.expect(220)
        self.assertNotIn("STARTTLS", c.cmd("EHLO x", 250))
        c.cmd("MAIL FROM:<owned@x.example>", 250)
        c.cmd("RCPT TO:<user@test.example>", 553, "5.7.1 <owned@x.example>: "
              "Sender address rejected: not logged in")
        # Clear text where TLS is expected.
        with Client(s, greet=False) as d:
            d.send("EHLO x\r\n")
            with contextlib.suppress(OSError, AssertionError):
                self.assertEqual(d.s.recv(3)[:3] == b"220", False)

    def test_authd_comes_later(self):
        """What EHLO says is kept, but not for longer than it is true."""
        s = Server(extra="smtpd_sasl_auth_enable = yes\n"
                   "smtpd_tls_auth_only = no\n")
        self.addCleanup(s.stop)
        for _ in range(2):
            with Client(s) as c:
                first = c.cmd("EHLO x", 250)
                self.assertNotIn("AUTH", first)
        s.start([AUTHD, "-c", s.path("conf"), "-L", "private/auth"])
        s.wait_log("listening on private/auth")
        for _ in range(2):
            with Client(s) as c:
                text = c.cmd("EHLO x", 250)
                self.assertRegex(text, r"250-AUTH .*\bPLAIN\b")
                c.cmd("MAIL FROM:<a@b.example> AUTH=<>", 250)
        self.assertEqual([line for line in text.splitlines()
                          if "AUTH" not in line], first.splitlines())

    def test_required(self):
        s = Server("smtpd_tls_security_level=encrypt",
                   extra="smtpd_tls_chain_files = %s\n" % self.pem)
        self.addCleanup(s.stop)
        with Client(s) as c:
            c.cmd("EHLO x", 250)
            c.cmd("MAIL FROM:<a@b.example>", 530,
                  "5.7.0 Must issue a STARTTLS command first")
            c.cmd("NOOP", 250)
            c.cmd("STARTTLS", 220)
            self.wrap(c)
            c.cmd("EHLO x", 250)
            c.cmd("MAIL FROM:<a@b.example>", 250)


if __name__ == "__main__":
    unittest.main(verbosity=1)
