# SPDX-License-Identifier: Apache-2.0
"""Bad peers get a clear reply and a log line, and bother nobody else."""
import errno
import imaplib
import os
import poplib
import smtplib
import socket

import instance
from scenario import (Raw, check, equal, imap, inbox, pop, send, smtp,
                      tls_context, wait_for, wait_inbox)

SECONDS = instance.PATIENCE * instance.SLOW


def others_are_served(i):
    alice = i.accounts[0]["user"]
    data = send(i, "x@elsewhere.test", alice)
    mid = data.split(b"Message-ID: <")[1].split(b">")[0]
    wait_for("mail of others", lambda: any(mid in m for m in
                                           inbox(i, alice)), 60, 0.2)


def logged(i, text, timeout=10):
    wait_for("log line with %r" % text, lambda: text in i.log_text(),
             timeout)


def test_wrong_passwords(s):
    i = s.posthouse(main={"auth_failure_delay": "0s"})
    alice = i.accounts[0]["user"]
    c = smtp(i, "smtp")
    c.close()
    c = smtplib.SMTP(i.host, i.ports["submission"], timeout=SECONDS)
    c.starttls(context=tls_context(i))
    for user in (alice, "nobody@" + i.domains[0]):
        try:
            c.login(user, "wrong")
            check(False, "a wrong password was accepted")
        except smtplib.SMTPAuthenticationError as e:
            equal(e.smtp_code, 535, "reply")
            check(b"5.7.8" in e.smtp_error, repr(e.smtp_error))
    c.close()
    logged(i, "authentication failed")
    for cls, login in ((imaplib.IMAP4.error,
                        lambda: imap_with(i, alice, "wrong")),
                       (poplib.error_proto,
                        lambda: pop_with(i, alice, "wrong"))):
        try:
            login()
            check(False, "a wrong password was accepted")
        except cls:
            pass
    others_are_served(i)


def imap_with(i, user, word):
    c = imaplib.IMAP4_SSL(i.host, i.ports["imaps"], timeout=SECONDS,
                          ssl_context=tls_context(i))
    c.login(user, word)


def pop_with(i, user, word):
    c = poplib.POP3_SSL(i.host, i.ports["pop3s"], timeout=SECONDS,
                        context=tls_context(i))
    c.user(user)
    c.pass_(word)


def test_relay_attempts(s):
    i = s.posthouse()
    r = Raw(i)
    r.reply()
    r.ask(b"EHLO spam.test")
    for sender in (b"x@elsewhere.test", i.accounts[0]["user"].encode(),
                   b""):
        equal(r.ask(b"MAIL FROM:<%s>" % sender)[0], 250, "MAIL")
        for to in (b"victim@far.test", b"a%%b@%s" % i.domains[0].encode(),
                   b"@%s:victim@far.test" % i.domains[0].encode()):
            code, text = r.ask(b"RCPT TO:<%s>" % to)
            check(code in (454, 501, 550, 553, 554), "%r: %s" % (to, text))
        equal(r.ask(b"RSET")[0], 250, "RSET")
    logged(i, "NOQUEUE: reject: RCPT from")
    logged(i, "Relay access denied")
    code, text = r.ask(b"MAIL FROM:<>")
    code, text = r.ask(b"RCPT TO:<nobody@%s>" % i.domains[0].encode())
    equal(code, 550, text)
    check("5.1.1" in text and "User unknown in virtual mailbox table" in
          text, text)
    r.close()
    others_are_served(i)


def test_submission_needs_tls_and_auth(s):
    i = s.posthouse()
    r = Raw(i, "submission")
    r.reply()
    _, ehlo = r.ask(b"EHLO x.test")
    check("STARTTLS" in ehlo, ehlo)
    check("AUTH" not in ehlo, "AUTH offered without TLS: " + ehlo)
    code, text = r.ask(b"MAIL FROM:<x@elsewhere.test>")
    equal(code, 530, text)
    check("Must issue a STARTTLS command first" in text, text)
    r.close()


def test_oversized(s):
    i = s.posthouse(main={"message_size_limit": "100000"})
    alice = i.accounts[0]["user"].encode()
    r = Raw(i)
    r.reply()
    r.ask(b"EHLO x.test")
    code, text = r.ask(b"MAIL FROM:<x@elsewhere.test> SIZE=100001")
    equal((code, "5.3.4" in text), (552, True), text)
    # And one that lies.
    r.ask(b"MAIL FROM:<x@elsewhere.test> SIZE=10")
    r.ask(b"RCPT TO:<%s>" % alice)
    equal(r.ask(b"DATA")[0], 354, "DATA")
    r.put(b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 20000)
    code, text = r.ask(b".")
    equal((code, "5.3.4" in text), (552, True), text)
    equal(r.ask(b"NOOP")[0], 250, "the session goes on")
    r.close()
    equal(os.listdir(os.path.join(i.queue, "new")), [], "files in new/")
    others_are_served(i)


def test_unknown_commands(s):
    i = s.posthouse(main={"smtpd_error_sleep_time": "0s",
                          "smtpd_hard_error_limit": "8"})
    r = Raw(i)
    r.reply()
    r.ask(b"EHLO x.test")
    code, text = r.ask(b"FROBNICATE 1 2 3")
    equal((code, "5.5.2" in text or "5.5.1" in text), (500, True), text)
    last = 0
    for _ in range(20):
        try:
            last, text = r.ask(b"FROBNICATE")
        except Exception:  # noqa: BLE001
            break
        if last == 421:
            break
    equal(last, 421, "after too many errors: " + text)
    logged(i, "too many errors after")
    r.close()
    # Another protocol altogether.
    r = Raw(i)
    r.reply()
    r.put(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    code, text = r.reply()
    check(code in (221, 421, 500, 502, 554), text)
    check(r.is_closed(), "the connection stays open")
    r.close()
    others_are_served(i)


def test_long_lines(s):
    i = s.posthouse()
    alice = i.accounts[0]["user"]
    r = Raw(i)
    r.reply()
    code, text = r.ask(b"EHLO " + b"x" * 10000)
    check(500 <= code < 600, text)
    equal(r.ask(b"NOOP")[0], 250, "the session goes on")
    # In content a line of 10,000 bytes is passed as it is.
    line = b"y" * 10000
    r.ask(b"EHLO x.test")
    r.ask(b"MAIL FROM:<x@elsewhere.test>")
    r.ask(b"RCPT TO:<%s>" % alice.encode())
    r.ask(b"DATA")
    r.put(b"Subject: long\r\n\r\n" + line + b"\r\n")
    equal(r.ask(b".")[0], 250, "a long line in the content")
    got = wait_inbox(i, alice, 1)
    check(line in got[0], "the long line arrived in one piece")
    r.close()
    for service, hello in (("imap", b"* OK"), ("pop3", b"+OK")):
        r = Raw(i, service)
        check(r.line().startswith(hello), service)
        r.put(b"a " + b"x" * 10000 + b"\r\n")
        line = r.line()
        check(line == b"" or line.startswith((b"* B", b"a B", b"-ERR")),
              "%s: %r" % (service, line))
        r.close()
    others_are_served(i)


def test_garbage(s):
    i = s.posthouse()
    junk = bytes(range(128, 256)) * 20
    for service in ("smtp", "imap", "pop3", "imaps", "pop3s",
                    "submissions"):
        r = Raw(i, service)
        try:
            r.put(junk + b"\r\n" + junk)
            r.s.shutdown(socket.SHUT_WR)
            while r.s.recv(4096):
                pass
        except (ConnectionError, BrokenPipeError):
            pass
        except OSError as e:
            if e.errno != errno.ENOTCONN:
                raise
        r.close()
    text = i.log_text()
    check(all(32 <= ord(c) or c in "\n\t" for c in text),
          "raw control bytes in the log")
    others_are_served(i)


def test_smuggling(s):
    """Only CRLF.CRLF ends a message; what follows anything else is no
    command."""
    i = s.posthouse()
    alice = i.accounts[0]["user"].encode()
    ends = [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r",
            b"\r.\r\n", b"\r\n\x00.\r\n", b"\r\r\n.\r\r\n"]
    for end in ends:
        r = Raw(i)
        r.begin_data(alice.decode())
        r.put(b"Subject: outer\r\n\r\nbody" + end +
              b"MAIL FROM:<smuggled@elsewhere.test>\r\nRCPT TO:<%s>\r\n"
              b"DATA\r\nSubject: inner\r\n\r\nsmuggled\r\n.\r\n" % alice)
        code, text = r.reply()
        check(code in (250, 550, 554), "%r: %s" % (end, text))
        r.put(b"NOOP\r\n")
        code, text = r.reply()
        equal(code, 250, "%r: after the message: %s" % (end, text))
        r.close()
    i.wait_queue_empty()
    check("from=<smuggled@" not in i.log_text(), "a smuggled message")


def test_plaintext_behind_starttls(s):
    i = s.posthouse()
    for service, hello, command in (
            ("smtp", None, b"STARTTLS\r\nRSET\r\n"),
            ("pop3", None, b"STLS\r\nCAPA\r\n"),
            ("imap", None, b"a STARTTLS\r\nb NOOP\r\n")):
        r = Raw(i, service)
        r.line()
        if service == "smtp":
            r.ask(b"EHLO x.test")
        r.put(command)
        seen = r.rest()
        check(b"250 2.0.0 Ok" not in seen and b"b OK" not in seen and
              b"+OK Cap" not in seen,
              "%s: command behind STARTTLS was answered: %r" % (service,
                                                               seen))
        r.close()
    others_are_served(i)


def test_silent_clients(s):
    host = s.address()
    port = instance.free_port(host)
    i = s.posthouse(host=host, ports={"hasty": port}, master_extra=(
        "%s:%d inet n - y - - smtpd -o smtpd_timeout=2s\n" % (host, port)))
    wait_for("the hasty service", lambda: i.answers("hasty"))
    silent = [Raw(i, "hasty") for _ in range(20)]
    for r in silent:
        code, text = r.reply()
        equal(code, 220, text)
    # Two seconds are little for us on a busy machine.
    for _ in range(50):
        half = Raw(i, "hasty")
        if half.reply()[0] == 220 and half.ask(b"EHLO x.test")[0] == 250:
            break
    half.put(b"MAIL FR")
    others_are_served(i)
    for r in silent + [half]:
        code, text = r.reply()
        equal(code, 421, text)
        check("timeout exceeded" in text, text)
        check(r.is_closed(), "the connection stays open")
        r.close()
    logged(i, "timeout after")


def test_lost_connection_leaves_nothing(s):
    i = s.posthouse()
    r = Raw(i)
    r.begin_data(i.accounts[0]["user"])
    r.put(b"Subject: cut off\r\n\r\nhalf a mess")
    r.s.shutdown(socket.SHUT_RDWR)
    r.close()
    logged(i, "lost connection after DATA")
    wait_for("an empty new/", lambda: not os.listdir(
        os.path.join(i.queue, "new")), 10)
    equal(i.queue_list(), [], "the queue")


def test_too_many_connections(s):
    i = s.posthouse(main={"smtpd_client_connection_count_limit": "5"})
    # The start looked whether we listen; let that connection be over.
    wait_for("quiet", lambda: i.log_text().count("smtpd[") > 0 and
             i.log_text().count("]: connect from") ==
             i.log_text().count("]: disconnect from"), 10)

    def five():
        """All served?  At first, connections of our own may linger that
        looked whether the service is up."""
        got = [Raw(i) for _ in range(5)]
        if all([r.reply()[0] == 220 for r in got]):
            return got
        for r in got:
            r.close()
        return None
    keep = wait_for("five connections", five, 10)
    extra = Raw(i)
    code, text = extra.reply()
    equal(code, 421, text)
    logged(i, "Connection concurrency limit exceeded")
    for r in keep:
        equal(r.ask(b"NOOP")[0], 250, "others go on")
        r.close()
    extra.close()


def test_bad_commands_in_sessions(s):
    i = s.posthouse()
    alice = i.accounts[0]["user"]
    c = imap(i, alice)
    c.select("INBOX")
    for bad in ("FETCH 1:0 FLAGS", "FETCH 99999999999 FLAGS",
                "SEARCH (((((", "FROB", "STORE 1 +FLAGS"):
        tag = c._new_tag().decode()
        c.send(("%s %s\r\n" % (tag, bad)).encode())
        while True:
            line = c.readline()
            check(line, "the session ended after " + bad)
            if line.startswith(tag.encode()):
                break
        check(line.split()[1] in (b"BAD", b"NO"), "%s: %r" % (bad, line))
    equal(c.noop()[0], "OK", "the session goes on")
    c.logout()
    p = pop(i, alice)
    for bad in ("RETR 1", "DELE 0", "TOP x y", "FROB", "LIST 99"):
        try:
            p._shortcmd(bad)
            check(False, bad + " was accepted")
        except poplib.error_proto as e:
            check(b"-ERR" in e.args[0], repr(e))
    p.quit()
