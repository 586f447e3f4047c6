# SPDX-License-Identifier: Apache-2.0
"""Known attacks on mail systems, by area.  Numbers in the labels are rows of
the regression catalogue (CVE and audit history of other mail systems); the
answers are those a correct server must give."""
import base64
import imaplib
import os
import pwd
import re
import socket
import ssl
import subprocess

import instance
from accounts import system_user
from scenario import (Failed, Raw, check, equal, imap, send, tls_context,
                      wait_for, wait_inbox)

SECONDS = instance.PATIENCE * instance.SLOW

BAD = (500, 501, 502, 503, 504, 550, 552, 553, 554, 555)


def b64(data):
    return base64.b64encode(data)


def session(i, service="smtp"):
    r = Raw(i, service)
    equal(r.reply()[0], 220, "greeting")
    equal(r.ask(b"EHLO x.test")[0], 250, "EHLO")
    return r


def no_crash(i):
    text = i.log_text()
    for word in ("killed by signal", "panic:", "fatal:"):
        check(word not in text, "%r in the log" % word)


# -- SMTP ---------------------------------------------------------------------

M = b"MAIL FROM:<a@x.test>"
R = b"RCPT TO:<@ALICE@>"

CLOSES = None

# label, [(input, codes)]; each in a session of its own, and NOOP must answer
# 250 afterwards; CLOSES at the end: DATA gets 503, or the connection is over,
# because nobody knows where the chunk ends.  Input without CRLF at its end gets one; a tuple of codes.
SMTP = (
    ("11 BDAT without MAIL eats its chunk",
     [(b"BDAT 10\r\nRSET\r\nRSET!", BAD)]),
    ("11 a dot is data in BDAT",
     [(M, (250,)), (R, (250,)), (b"BDAT 3 LAST\r\n.\r\n!", (250,))]),
    ("12 T1 failed BDAT resets",
     [(M, (250,)), (R, (250,)), (b"BDAT x", BAD), CLOSES]),
    ("14 DATA after BDAT",
     [(M, (250,)), (R, (250,)), (b"BDAT 3\r\nabc!", (250,)),
      (b"DATA", (503,)), (b"RSET", (250,))]),
    ("9 BDAT overflow", [(M, (250,)), (R, (250,)), (
        b"BDAT 99999999999999999999", (501, 552)), CLOSES]),
    ("9 BDAT negative", [(M, (250,)), (R, (250,)), (
        b"BDAT -1", (501,)), CLOSES]),
    ("20 T3 VRFY is neutral",
     [(M, (250,)), (R, (250,)), (b"VRFY \xc3\xbc@x.test", BAD + (252, 454)),
      (b"EXPN x", BAD), (b"ETRN x", BAD + (459, 458)), (b"DATA", (354,)),
      (b"x\r\n.", (250,))]),
    ("24 AUTH: length 3 modulo 4", [(b"AUTH PLAIN QUJ", (501, 535))]),
    ("24 AUTH: length 1 modulo 4", [(b"AUTH PLAIN QUJDR", (501, 535))]),
    ("99 AUTH: no base64", [(b"AUTH PLAIN !?", (501,))]),
    ("100 AUTH: empty", [(b"AUTH PLAIN =", (501, 535))]),
    ("100 AUTH: no NUL", [(b"AUTH PLAIN " + b64(b"abc"), (501, 535))]),
    ("100 AUTH: only NULs",
     [(b"AUTH PLAIN " + b64(b"\0\0\0\0"), (501, 535))]),
    ("100 AUTH: not offered", [(b"AUTH NTLM", (504, 535))]),
    ("100 AUTH: too long",
     [(b"AUTH PLAIN", (334,)), (b"QUJD" * 5000, (500, 501, 535))]),
    ("97 AUTH aborted, again",
     [(b"AUTH PLAIN", (334,)), (b"*", (501,)),
      (b"AUTH SCRAM-SHA-256", (334, 504)), (b"*", (501, 500, 502)),
      (b"AUTH LOGIN", (334, 504)), (b"*", (501, 500, 502))]),
    ("101 TAB in a password", [(b"AUTH PLAIN " + b64(
        b"\0@ALICE@\0a\tnopassword"), (535,))]),
    ("102 no expansion of names", [(b"AUTH PLAIN " + b64(
        b"\0x' OR 1=1\0y"), (535,)), (b"AUTH PLAIN " + b64(
            b"\0%{env:x}*)(uid=*\0y"), (535,))]),
    ("89 CRLF in a name", [(b"AUTH PLAIN " + b64(
        b"\0a\r\nDELE 1\0y"), (501, 535))]),
    ("25 option parser", [(b'MAIL FROM:<a@x.test> ="', BAD),
                          (b'MAIL FROM:<a@x.test> AUTH="=', BAD)]),
    ("29 XCLIENT of a stranger",
     [(b"XCLIENT NAME=a+0D+0AX", BAD), (b"XFORWARD NAME=a", BAD)]),
    ("35 shell characters", [(b"MAIL FROM:<;id;>", (501, 553))]),
    ("37 templates", [(M, (250,)), (
        b"RCPT TO:<${run{/bin/id}}@@DOMAIN@>", BAD)]),
    ("38 pipe in a name", [(M, (250,)), (
        b'RCPT TO:<root+:"|touch x">', BAD)]),
    ("39 leading dash", [(M, (250,)), (b"RCPT TO:<-C/x@@DOMAIN@>", BAD)]),
    ("40 newline by xtext", [(b"MAIL FROM:<> AUTH=a+0Ab", (501,))]),
    ("42 NUL in ENVID", [(b"MAIL FROM:<a@x.test> ENVID=a+00b", (501,)),
                         (b"MAIL FROM:<a@x.test> ENVID=a+0Db", (501,)),
                         (b"MAIL FROM:<a@x.test> ENVID=a+", (501,)),
                         (b"MAIL FROM:<a@x.test> ENVID=a+4", (501,))]),
    ("43 newline in ORCPT", [(M, (250,)), (
        R + b" ORCPT=rfc822;a+0D+0AX:", (501,)),
        (R + b" ORCPT=rfc822;a+00", (501,)), (R + b" ORCPT=;a", (501,)),
        (R + b" ORCPT=rfc822;a+2Bb", (250,))]),
    ("44 contradictory parameters", [
        (b"MAIL FROM:<a@x.test> RET=FULL RET=HDRS", (501,)),
        (b"MAIL FROM:<a@x.test> SIZE=-1", (501,)),
        (b"MAIL FROM:<a@x.test> SIZE=99999999999999999999", (501, 552)),
        (b"MAIL FROM:<a@x.test> BODY=9BIT", (501,)),
        (M, (250,)), (R + b" NOTIFY=NEVER,SUCCESS", (501,)),
        (R + b" NOTIFY=", (501,)), (R + b" X=Y", (501, 555))]),
    ("45 empty quoted local part", [(M, (250,)), (
        b'RCPT TO:<""@@DOMAIN@>', BAD)]),
    ("47 high bytes", [(b"MAIL FROM:<\xff\xff@x.test>", BAD),
                       (b"MAIL FROM:<" + b"<>" * 200 + b">", BAD)]),
    ("49 truncated UTF-8", [(b"MAIL FROM:<\xc3> SMTPUTF8", BAD),
                            (b"MAIL FROM:<\xc3@x.test> SMTPUTF8", BAD),
                            (b"MAIL FROM:<\xed\xa0\x80@x.test> SMTPUTF8",
                             BAD),
                            (b"MAIL FROM:<\xc0\xaf@x.test> SMTPUTF8", BAD),
                            (b"MAIL FROM:<\xc3\xa9@x.test>", BAD)]),
    ("50 punycode", [(M, (250,)), (
        b"RCPT TO:<a@xn--99999999>", BAD + (454,)), (
            b"RCPT TO:<a@xn--" + b"9" * 60 + b".xn--a>", BAD + (454,))]),
    ("23 long EHLO", [(b"EHLO " + b"a" * 1900, (501, 250))]),
    ("143 unknown recipients", [(M, (250,)), (
        b"RCPT TO:<nobody-here@@DOMAIN@>", (550,))]),
)


def fill(i, data):
    return data.replace(b"@ALICE@", i.accounts[0]["user"].encode()).replace(
        b"@DOMAIN@", i.domains[0].encode())


def run_row(i, label, steps):
    r = session(i)
    closes = steps[-1] is CLOSES
    for data, codes in steps[:-1] if closes else steps:
        data = fill(i, data)
        # "!" at the end: exactly these bytes, no line end.
        r.put(data[:-1] if data.endswith(b"!") else data + b"\r\n")
        try:
            code, text = r.reply()
        except TimeoutError:
            raise Failed("%s: %r: no answer" % (label, data[:80]))
        check(code in codes, "%s: %r: %s" % (label, data[:80], text))
    if closes:
        try:
            equal(r.ask(b"DATA")[0], 503, label + ": DATA")
        except (Failed, OSError) as e:
            check("closed" in str(e) or isinstance(e, OSError),
                  "%s: %s" % (label, e))
    else:
        equal(r.ask(b"NOOP")[0], 250, label + ": NOOP")
    r.close()


def test_smtp_commands(s):
    i = s.posthouse(main={"smtpd_sasl_auth_enable": "yes",
                          "smtpd_tls_auth_only": "no",
                          "auth_failure_delay": "0s",
                          "auth_penalties": "no",
                          "smtpd_error_sleep_time": "0s"})
    wrong = []
    for label, steps in SMTP:
        try:
            run_row(i, label, steps)
        except Failed as e:
            wrong.append(str(e))
    check(not wrong, "\n".join(wrong))
    no_crash(i)


def test_smtp_floods(s):
    """What must end with 421 or a closed connection, within bounds."""
    i = s.posthouse(main={"smtpd_error_sleep_time": "0s",
                          "message_size_limit": "100000",
                          "smtpd_recipient_limit": "50"})
    alice = i.accounts[0]["user"].encode()
    rows = (
        ("22 HTTP", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", (b"221", b"554")),
        ("23 endless line", b"EHLO " + b"a" * 300000, b"500"),
        ("10 tiny chunks", b"MAIL FROM:<a@x.test>\r\nRCPT TO:<%s>"
         b"\r\n" % alice + b"BDAT 1\r\nx" * 20000, b"421"),
    )
    for label, data, want in rows:
        r = Raw(i)
        equal(r.reply()[0], 220, label)
        if "HTTP" not in label:
            equal(r.ask(b"EHLO x.test")[0], 250, label)
        try:
            r.s.sendall(data)
            r.s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        out = r.rest()
        want = want if isinstance(want, tuple) else (want,)
        check(any(b"\r\n" + w in b"\r\n" + out for w in want), "%s: %r ... %r" % (
            label, out[:200], out[-200:]))
        r.close()
    for label, line, most in (("32 junk", b"NOOP", 150),
                              ("32 errors", b"XYZ", 30)):
        r = session(i)
        codes = []
        while len(codes) < most and (not codes or codes[-1] != 421):
            codes.append(r.ask(line)[0])
        equal(codes[-1], 421, label)
        r.close()
    # 9: more than the limit, announced and sent
    r = session(i)
    r.ask(M)
    r.ask(R.replace(b"@ALICE@", alice))
    r.put(b"BDAT 1000000000 LAST\r\n")
    try:
        for _ in range(300):
            r.put(b"x" * 10000)
    except OSError:
        pass
    out = r.rest()
    check(out.startswith(b"552") or out.startswith(b"421"), "9: %r" % out)
    r.close()
    # 26: recipients beyond the limit
    r = session(i)
    r.ask(M)
    codes = [r.ask(R.replace(b"@ALICE@", alice))[0] for _ in range(60)]
    equal(codes, [250] * 50 + [452] * 10, "26")
    # 19 T2: refused at the end of data; nothing of it is left
    r.ask(b"DATA")
    r.put(b"x" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * 3000 + b".\r\n")
    equal(r.reply()[0], 552, "19: too big")
    equal(r.ask(R.replace(b"@ALICE@", alice))[0], 503, "19: RCPT")
    equal(r.ask(b"DATA")[0], 503, "19: DATA")
    # 136: lines before the first header count
    r.ask(M)
    r.ask(R.replace(b"@ALICE@", alice))
    r.ask(b"DATA")
    r.put(b"From x\r\n" * 20000 + b"\r\n.\r\n")
    check(r.reply()[0] in (552, 554), "136")
    # 140: a loop
    r.ask(M)
    r.ask(R.replace(b"@ALICE@", alice))
    r.ask(b"DATA")
    r.put(b"Received: by x; x\r\n" * 120 + b"\r\n.\r\n")
    code, text = r.reply()
    check(code == 554 and "5.4.6" in text, "140: " + text)
    r.close()
    equal(i.queue_list(), [], "the queue")
    no_crash(i)


def test_log_injection(s):
    i = s.posthouse(main={"smtpd_error_sleep_time": "0s"})
    for bad in (b"%s%n%s%n", b"x\x1b]0;x\x07", b"a\x80\x9b31m",
                b"\xe2\x80\xae", b"x\ty"):
        r = Raw(i)
        r.reply()
        r.ask(b"EHLO " + bad)
        r.ask(b"MAIL FROM:<" + bad + b"@x.test>")
        r.ask(b"RCPT TO:<" + bad + b"@y.test>")
        r.ask(b"DATA")
        r.close()
        r = Raw(i, "imap")
        r.line()
        r.put(b'a LOGIN "' + bad + b'" x\r\n')
        r.line()
        r.close()
        r = Raw(i, "pop3")
        r.line()
        r.put(b"USER " + bad + b"\r\n")
        r.line()
        r.close()
    send(i, "a@x.test", i.accounts[0]["user"], b"Message-ID: <\x1b[31m@x>\r\n"
         b"Subject: x\r\n\r\nx\r\n")
    wait_inbox(i, i.accounts[0]["user"], 1)
    with open(i.log, "rb") as f:
        for line in f:
            check(not re.search(rb"[\x00-\x1f\x7f]", line[:-1]),
                  "137: %r" % line)
            check(len(line) < 4096, "137: a long line")
    no_crash(i)


# -- TLS ----------------------------------------------------------------------

def connect(i, service):
    return socket.create_connection((i.host, i.ports[service]),
                                    timeout=SECONDS)


def test_tls(s):
    i = s.posthouse()
    alice = i.accounts[0]["user"].encode()
    # 111: nothing below TLS 1.2
    for service in ("submissions", "imaps", "pop3s"):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.set_ciphers("ALL:@SECLEVEL=0")
        c.minimum_version = ssl.TLSVersion.TLSv1
        c.maximum_version = ssl.TLSVersion.TLSv1_1
        with connect(i, service) as sock:
            try:
                c.wrap_socket(sock)
            except (ssl.SSLError, ConnectionError):
                pass
            else:
                raise Failed("111: %s speaks TLS 1.1" % service)
    # 114: tickets stay with their service
    c = tls_context(i)
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(i, "submissions") as sock:
        t = c.wrap_socket(sock)
        t.recv(100)
        ticket = t.session
    r = session(i)
    r.ask(b"STARTTLS")
    t = c.wrap_socket(r.s, session=ticket)
    check(not t.session_reused, "114: a ticket of submissions on smtp")
    t.close()
    # 13: the end of TLS is the end
    r = session(i)
    equal(r.ask(b"STARTTLS")[0], 220, "STARTTLS")
    plain = r.s.dup()
    t = tls_context(i).wrap_socket(r.s)
    r.s, r.f = t, t.makefile("rb")
    for line in (b"EHLO x", M, R.replace(b"@ALICE@", alice)):
        equal(r.ask(line)[0], 250, "13: %r" % line)
    t.sendall(b"BDAT 100 LAST\r\n" + b"x" * 50)
    try:
        t.unwrap()
    except (ssl.SSLError, ConnectionError):
        pass
    rest = b""
    try:
        plain.sendall(b"x" * 50 + b"\r\nNOOP\r\nQUIT\r\n")
        rest = plain.recv(4096)
        while rest and plain.recv(4096):
            pass
    except ConnectionError:
        pass
    # Nothing, or a record that ends TLS.
    check(rest[:2] in (b"", b"\x15\x03", b"\x17\x03"),
          "13: cleartext behind TLS: %r" % rest)
    equal(i.queue_list(), [], "13: the queue")
    no_crash(i)


# -- IMAP and POP3 ------------------------------------------------------------

# Before login: input, what the answer must begin with or contain; None: the
# connection is closed.
IMAP_BEFORE = (
    ("71 huge literal", b"a LOGIN {2147483647+}\r\n", (b"* BYE", b"a BAD")),
    ("71 huge sync literal", b"a LOGIN {2147483647}\r\n",
     (b"* BYE", b"a BAD", b"a NO")),
    ("71 overflowing literal", b"a LOGIN {99999999999999999999}\r\n",
     (b"* BYE", b"a BAD")),
    ("71 endless quoted", b'a LOGIN "' + b"x" * 20000, (b"* BYE", b"a BAD")),
    ("71 endless atom", b"a" * 20000, (b"* BYE", b"* BAD")),
    ("72 lists", b"a X " + b"(" * 7000 + b"\r\n", (b"a BAD", b"* BYE")),
    ("72 lists, closing", b"a X " + b")" * 7000 + b"\r\n",
     (b"a BAD", b"* BYE")),
    ("75 NUL in quoted", b'a LOGIN "x\0\\\\" y\r\n', (b"a BAD", b"* BYE")),
    ("75 escape at end", b'a LOGIN "x\\"\r\n', (b"a BAD", b"* BYE")),
    ("99 bad base64", b"a AUTHENTICATE PLAIN !!!\r\n",
     (b"a BAD", b"a NO")),
    ("100 empty response", b"a AUTHENTICATE PLAIN =\r\n",
     (b"a BAD", b"a NO")),
    ("state", b"a SELECT INBOX\r\n", (b"a BAD", b"a NO")),
    ("22 HTTP", b"GET / HTTP/1.0\r\n\r\n", (b"GET BAD", b"* BYE", b"* BAD")),
)

# In a session, INBOX selected: input, answers allowed.
IMAP = (
    ("78 dots", b"a SELECT ../b/x\r\n", b"NO|BAD"),
    ("78 dots", b'a LIST "" ../%\r\n', b"OK|NO|BAD"),
    ("78 dots", b"a CREATE a/../../b\r\n", b"NO|BAD"),
    ("78 dot", b"a CREATE a/./b\r\n", b"NO|BAD"),
    ("78 absolute", b"a CREATE /etc/x\r\n", b"NO|BAD"),
    ("78 tilde", b"a CREATE ~root/x\r\n", b"NO|BAD"),
    ("78 empty", b"a CREATE a//b\r\n", b"NO|BAD"),
    ("78 long", b"a CREATE " + b"x" * 300 + b"\r\n", b"NO|BAD"),
    ("78 encoded slash", b"a CREATE a&AC8-..&AC8-b\r\n", b"NO|BAD"),
    ("78 encoded dots", b"a CREATE &AC4ALg-/b\r\n", b"NO|BAD"),
    ("78 NUL", b"a CREATE &AAA-\r\n", b"NO|BAD"),
    ("78 control", b"a CREATE &AAo-\r\n", b"NO|BAD"),
    ("78 rename", b"a RENAME INBOX ../../x\r\n", b"NO|BAD"),
    ("78 subscribe", b"a SUBSCRIBE ../../x\r\n", b"NO|BAD|OK"),
    ("77 braces", b'a SELECT "{localhost/user="}\r\n', b"NO|BAD"),
    ("79 bad UTF-7", b'a SELECT "&AAA"\r\n', b"NO|BAD"),
    ("79 bad UTF-7", b'a SELECT "&Jjo!"\r\n', b"NO|BAD"),
    ("79 lone surrogate", b'a SELECT "&2AA-"\r\n', b"NO|BAD"),
    ("79 bad pattern", b'a LIST "" "&2AA-*"\r\n', b"OK|NO|BAD"),
    ("80 empty LIST", b'a LIST "" ""\r\n', b"OK"),
    ("80 long LIST", b'a LIST "' + b"x" * 4000 + b'" "%"\r\n', b"OK|NO|BAD"),
    ("80 stars", b'a LIST "" "' + b"*%" * 500 + b'x"\r\n', b"OK|NO|BAD"),
    ("76 fetch", b"a FETCH 1 BODY[P\r\n", b"BAD"),
    ("76 fetch", b"a FETCH 1 BODY.PEEK[\r\n", b"BAD"),
    ("76 fetch", b"a FETCH 1 (BODY[1.2.HEADER.FIELDS (\r\n", b"BAD"),
    ("81 deep NOT", b"a SEARCH " + b"NOT " * 5000 + b"SEEN\r\n", b"BAD|NO"),
    ("81 deep OR", b"a SEARCH " + b"OR " * 5000 + b"SEEN SEEN\r\n",
     b"BAD|NO"),
    ("81 deep list", b"a SEARCH " + b"(" * 5000 + b"SEEN" + b")" * 5000 +
     b"\r\n", b"BAD|NO"),
    ("81 deep FETCH", b"a FETCH 1 " + b"(" * 5000 + b"\r\n", b"BAD|NO"),
    ("84 set", b"a FETCH 1:4294967295,1:4294967295 FLAGS\r\n", b"OK|BAD|NO"),
    ("84 overflow", b"a UID FETCH 4294967296 FLAGS\r\n", b"BAD"),
    ("84 overflow", b"a FETCH 99999999999999999999 FLAGS\r\n", b"BAD"),
    ("84 many", b"a UID FETCH " + b"1:*," * 2000 + b"1 FLAGS\r\n",
     b"OK|BAD|NO"),
    ("85 partial", b"a FETCH 1 BODY[]<4294967295.4294967295>\r\n", b"OK|BAD"),
    ("85 partial", b"a FETCH 1 BODY[]<1.99999999999999999999>\r\n", b"BAD"),
    ("85 partial", b"a FETCH 1 BODY[]<0.0>\r\n", b"BAD|OK"),
    ("90 zero", b"a STORE 0 +FLAGS (\\Seen)\r\n", b"BAD|NO"),
    ("90 zero", b"a FETCH 0 FLAGS\r\n", b"BAD|NO"),
    ("90 part 0", b"a FETCH 1 BODY[0]\r\n", b"BAD|NO|OK"),
    ("90 part 4294967296", b"a FETCH 1 BODY[4294967296]\r\n", b"BAD|NO|OK"),
    ("89 CRLF in keyword", b'a SEARCH KEYWORD "a\rb"\r\n', b"BAD"),
    ("83 many flags", b"a STORE 1 +FLAGS (" + b" ".join(
        b"kw%d" % n for n in range(1500)) + b")\r\n", b"OK|NO|BAD"),
    ("82 THREAD", b"a UID THREAD REFERENCES UTF-8 ALL\r\n", b"OK|NO|BAD"),
    ("44 dates", b'a SEARCH SINCE 99-Foo-99999\r\n', b"BAD"),
    ("63 charset", b"a SEARCH CHARSET X-NO TEXT x\r\n", b"NO|BAD"),
)


def imap_raw(i, user):
    t = tls_context(i).wrap_socket(connect(i, "imaps"))
    f = t.makefile("rb")
    f.readline()
    t.sendall(b"l LOGIN %s secret-%s\r\n" % (
        user.encode(), user.split("@")[0].encode()))
    tagged(f, b"l")
    t.sendall(b"s SELECT INBOX\r\n")
    check(tagged(f, b"s").startswith(b"s OK"), "SELECT")
    return t, f


def tagged(f, tag):
    while True:
        line = f.readline()
        if not line:
            raise Failed("connection closed")
        if line.startswith(tag + b" ") or line.startswith(b"* BYE"):
            return line


def test_imap(s):
    i = s.posthouse(main={"auth_failure_delay": "0s"})
    alice = i.accounts[0]["user"]
    send(i, "a@x.test", alice)
    wait_inbox(i, alice, 1)
    for label, data, want in IMAP_BEFORE:
        t = tls_context(i).wrap_socket(connect(i, "imaps"))
        f = t.makefile("rb")
        f.readline()
        t.sendall(data)
        try:
            line = f.readline()
        except TimeoutError:
            raise Failed(label + ": no answer")
        check(any(line.startswith(w) for w in want), "%s: %r" % (label, line))
        t.close()
    check(i.cpu_seconds("login") < 5 * instance.SLOW, "login was busy")
    t, f = imap_raw(i, alice)
    for label, data, want in IMAP:
        begun = i.cpu_seconds("imapd")
        t.sendall(data)
        line = tagged(f, b"a")
        check(re.match(rb"a (" + want + rb")\b", line), "%s: %r: %r" % (
            label, data[:60], line))
        check(i.cpu_seconds("imapd") - begun < 5 * instance.SLOW,
              label + ": slow")
        if b"OK" in line:
            t.sendall(b"s SELECT INBOX\r\n")
            tagged(f, b"s")
    # 70: literals in aggregate
    t.sendall(b"a SEARCH" + (b" SUBJECT {1000+}\r\n" + b"x" * 1000) * 3000 +
              b"\r\n")
    line = tagged(f, b"a")
    check(re.match(rb"a (NO|BAD)|\* BYE", line), "70: %r" % line)
    # 74: what is refused is never taken for commands
    t, f = imap_raw(i, alice)
    try:
        t.sendall(b"a APPEND INBOX {200000000+}\r\n" +
                  b"z CREATE smuggled\r\n" * 20000)
    except OSError:
        pass
    t.close()
    c = imap(i, alice)
    names = b" ".join(x for x in c.list()[1] if x)
    check(b"smuggled" not in names, "74: %r" % names)
    for bad in (b"..", b"etc", b"root"):
        check(bad not in names, "78: %r" % names)
    # Nothing outside of the user's Maildir.
    home = os.path.join(i.mail, i.domains[0])
    check(set(os.listdir(home)) <= {"alice", "bob"}, "78: %r" % (
        os.listdir(home),))
    # 86: another user's mailboxes
    for name in ("bob", "user/bob", "#user/bob", "../bob/Maildir",
                 "Other Users/" + i.accounts[1]["user"]):
        equal(c.select('"%s"' % name)[0], "NO", "86: " + name)
    no_crash(i)


POP3 = (
    (b"TOP 1 -1", b"-ERR"), (b"RETR 4294967297", b"-ERR"),
    (b"RETR 99999999999999999999", b"-ERR"), (b"UIDL 0", b"-ERR"),
    (b"LIST -1", b"-ERR"), (b"DELE 0", b"-ERR"), (b"RETR 2", b"-ERR"),
    (b"APOP x y", b"-ERR"), (b"USER x", b"-ERR"), (b"TOP 1", b"-ERR"),
    (b"TOP 1 4294967296", (b"-ERR", b"+OK")), (b"\xff\xff", b"-ERR"),
    (b"RETR 1 1", b"-ERR"), (b"DELE 1\0", b"-ERR"),
)


def test_pop3(s):
    i = s.posthouse()
    alice = i.accounts[0]["user"]
    send(i, "a@x.test", alice)
    wait_inbox(i, alice, 1)
    t = tls_context(i).wrap_socket(connect(i, "pop3s"))
    f = t.makefile("rb")
    f.readline()

    def ask(line):
        t.sendall(line + b"\r\n")
        return f.readline()
    ask(b"USER " + alice.encode())
    check(ask(b"PASS secret-alice").startswith(b"+OK"), "PASS")
    for line, want in POP3:
        got = ask(line)
        check(got.startswith(want), "93: %r: %r" % (line, got))
        if got.startswith(b"+OK") and line.startswith(b"TOP"):
            while f.readline() != b".\r\n":
                pass
    t.close()
    # 93: no growth by DELE and RSET
    t = tls_context(i).wrap_socket(connect(i, "pop3s"))
    f = t.makefile("rb")
    f.readline()
    ask(b"USER " + alice.encode())
    check(ask(b"PASS secret-alice").startswith(b"+OK"), "PASS")
    t.sendall(b"DELE 1\r\nRSET\r\n" * 2000)
    for n in range(4000):
        check(f.readline().startswith(b"+OK"), "93: DELE, RSET %d" % n)
    check(ask(b"STAT").startswith(b"+OK 1 "), "93: STAT")
    t.close()
    no_crash(i)


# -- messages -----------------------------------------------------------------

def nested(n):
    out = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
    for k in range(1, n):
        out += (b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n"
                b"\r\n" % (k - 1, k))
    return out


MESSAGES = (
    ("51 many To lines", b"To: a@b.test\r\n" * 20000 + b"\r\nx\r\n"),
    ("51 many addresses", b"To: " + b"a@b.test,\r\n " * 20000 +
     b"c@d\r\n\r\nx\r\n"),
    ("53 nested multiparts", nested(5000)),
    ("53 nested messages", b"Content-Type: message/rfc822\r\n\r\n" * 5000),
    ("54 continuations", b"Content-Type: x/y;\r\n" + b"".join(
        b" a*%d*=b;\r\n" % n for n in range(10000)) + b"\r\nx\r\n"),
    ("55 continued name", b"Content-Disposition: attachment; filename*0=evil."
     b";\r\n filename*1=exe\r\n\r\nx\r\n"),
    ("56 shared boundary", b"Content-Type: multipart/mixed; boundary=a\r\n"
     b"\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart"
     b"/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--a--\r\n"),
    ("57 comment", b"From: (a\\\r\n\r\nx"),
    ("58 bad From", b"From: <\r\nTo: g:;\r\nCc: a:b@c;\r\n\r\nx\r\n"),
    ("46 groups", b"To: g:;, h: a@b, c@d;, \"x\r\nCc: \"\r\n\r\nx\r\n"),
    ("59 no header", b" a: b\r\n\r\nc: d\r\n"),
    ("59 no colon", b"abc\r\nSubject: x\r\n\r\n"),
    ("59 only fold", b"\r\n b\r\n"),
    ("62 encoded newline", b"Subject: =?utf-8?q?a=0D=0ABcc:_x?=\r\n\r\nx"),
    ("62 charset", b"Subject: =?" + b"x" * 300 + b"?q?a?=\r\n\r\nx\r\n"),
    ("63 charset end", b"Content-Type: text/plain; charset=utf-7\r\n\r\n+"),
    ("63 ISO-2022 end", b"Content-Type: text/plain; charset=iso-2022-jp\r\n"
     b"\r\nabc\x1b$"),
    ("64 base64", b"Content-Transfer-Encoding: base64\r\n\r\n====" +
     b"=" * 100000 + b"\r\n"),
    ("64 soft breaks", b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
     + b"=\r\n" * 50000),
    ("65 folded lines", b"X: a\r\n" + b" x\r\n" * 50000 + b"\r\nx\r\n"),
    ("66 date", b"Date: 1 Jan 99999999 25:61:61 +9999\r\n\r\nx\r\n"),
    ("66 date", b"Date: 0 Foo -1 99:99 -99999999999999\r\n\r\nx\r\n"),
    ("67 boundaries", b"Content-Type: multipart/mixed; boundary=a; "
     b"boundary=\"b \"\r\n\r\n--a \r\n\r\nx\r\n--b\r\n\r\ny\r\n--a--x\r\n"),
    ("67 empty boundary", b"Content-Type: multipart/mixed; boundary=\"\"\r\n"
     b"\r\n--\r\n\r\nx\r\n----\r\n"),
    ("67 long boundary", b"Content-Type: multipart/mixed; boundary=" +
     b"a" * 70000 + b"\r\n\r\n--" + b"a" * 70000 + b"\r\n\r\nx\r\n"),
    ("68 partial", b"Content-Type: message/partial; number=1; total=2\r\n"
     b"\r\nx\r\n"),
    ("82 references", b"References: " + b"<a@b>\r\n " * 20000 +
     b"\r\nIn-Reply-To: <a@b>\r\nMessage-ID: <a@b>\r\n\r\nx\r\n"),
    ("61 long header", b"X: " + b"a" * 200000 + b"\r\n\r\nx\r\n"),
    ("61 long line", b"Subject: x\r\n\r\n" + b"a" * 3000000 + b"\r\n"),
    ("121 JSON", b"X: {\"a\":\"\\\r\nSubject: \xc3\r\n\r\nx"),
    ("parts", b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" +
     b"--a\r\n\r\nx\r\n" * 20000),
)

ITEMS = ("(ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[HEADER.FIELDS (TO SUBJECT)] "
         "BODY.PEEK[1] BODY.PEEK[1.1.HEADER] BODY.PEEK[1.MIME])")


def test_messages(s):
    """Hostile messages are kept byte for byte and described in time: that of
    the process, which does not hang on what else the machine does."""
    i = s.posthouse()
    imaplib._MAXLINE = 10000000
    c = imap(i, i.accounts[0]["user"])
    c.select()
    limit = 5 * instance.SLOW
    for n, (label, data) in enumerate(MESSAGES, 1):
        begun = i.cpu_seconds("imapd")
        equal(c.append("INBOX", None, None, data)[0], "OK", label)
        c.noop()
        equal(c.fetch(str(n), ITEMS)[0], "OK", label + ": FETCH")
        equal(c.search(None, "TEXT", "zzzz", "TO", "yyy", "SENTSINCE",
                       "1-Jan-2020")[0], "OK", label + ": SEARCH")
        typ, got = c.fetch(str(n), "BODY.PEEK[]")
        equal(got[0][1].replace(b"\r\n", b"\n"),
              data.replace(b"\r\n", b"\n"), label + ": the bytes")
        took = i.cpu_seconds("imapd") - begun
        check(took < limit, "%s: %.1f s of CPU time" % (label, took))
    c.logout()
    # 60, 61, 7: by SMTP, at the seams of buffers
    alice = i.accounts[1]["user"]
    bodies = [b"a\0b\r\n"]
    for size in (997, 998, 999, 2047, 2048, 2049, 4095, 4096, 4097, 8191,
                 8192, 8193, 65535, 65536, 65537):
        bodies.append(b"a" * size + b"\r\n..b\r\n" + b"c" * size +
                      b"..\r\n")
    for body in bodies:
        r = session(i)
        r.ask(M)
        r.ask(b"RCPT TO:<%s>" % alice.encode())
        r.ask(b"DATA")
        r.put(b"Subject: x\r\n\r\n" + body + b".\r\n")
        check(r.reply()[0] in (250, 550), "60, 61: %r" % body[:9])
        r.close()
    want = {b.replace(b"\r\n..", b"\r\n.") for b in bodies[1:]}
    got = wait_inbox(i, alice, len(want))
    texts = {m.split(b"\r\n\r\n", 1)[1] for m in got}
    check(want <= texts, "7, 61: bodies differ: %r" % [
        len(x) for x in want - texts])
    no_crash(i)


# -- local delivery -----------------------------------------------------------

def test_local_files(s):
    """What a user does in his home directory harms nobody."""
    u = system_user()
    secret = os.path.join(s.dir, "secret")
    with open(secret, "w") as f:
        f.write("secret-address@elsewhere.example\n")
    os.chmod(secret, 0o600)
    fds = os.path.join(u.pw_dir, "fds")
    i = s.posthouse(start=False, main={
        "home_mailbox": "Maildir/", "minimal_backoff_time": "3600s",
        "allow_mail_to_commands": "alias,forward"})
    i.put("include", ":include:%s/include\n" % i.config)
    i.put("aliases", "inc :include:%s/include\n"
          "loopa loopb\nloopb loopa\n"
          "fds \"|ls -l /proc/self/fd; env\"\n" % i.config)
    i.start()
    forward = os.path.join(u.pw_dir, ".forward")
    to = "%s@%s" % (u.pw_name, i.myhostname)

    def own(path):
        os.chown(path, u.pw_uid, u.pw_gid, follow_symlinks=False)

    def fifo():
        os.mkfifo(forward)
        own(forward)

    def symlink():
        os.symlink(secret, forward)
        own(forward)

    def hard():
        os.link(secret, forward)

    def wide():
        with open(forward, "w") as f_:
            f_.write("secret-address@elsewhere.example\n")
        own(forward)
        os.chmod(forward, 0o666)

    def device():
        os.mknod(forward, 0o20666, os.makedev(1, 5))	# /dev/zero

    # 123: not followed, and nothing hangs: it is his mailbox or a deferral
    for n, make in enumerate((fifo, symlink, hard, wide, device), 1):
        make()
        send(i, "a@x.test", [to])
        wait_for("an end with .forward as " + make.__name__, lambda: len(
            re.findall(r"to=<%s>.*status=" % re.escape(to),
                       i.log_text())) >= n, 30)
        os.unlink(forward)
    check("secret-address" not in i.log_text(), "123: the secret went out")
    # 122: a Maildir that leads elsewhere
    elsewhere = os.path.join(s.dir, "elsewhere")
    os.makedirs(os.path.join(elsewhere, "new"))
    subprocess.run(["rm", "-rf", os.path.join(u.pw_dir, "Maildir")],
                   check=True)
    os.symlink(elsewhere, os.path.join(u.pw_dir, "Maildir"))
    send(i, "a@x.test", [to])
    wait_for("an end with Maildir as a symlink", lambda: len(
        re.findall(r"to=<%s>.*status=" % re.escape(to), i.log_text())) >= 6,
        30)
    equal(os.listdir(os.path.join(elsewhere, "new")), [],
          "122: mail in root's directory")
    # 130: recursion
    for name in ("inc", "loopa"):
        send(i, "a@x.test", ["%s@%s" % (name, i.myhostname)])
        wait_for("an end of " + name, lambda: re.search(
            r"to=<%s@.*status=bounced" % name, i.log_text()), 30)
    # 127, 128: descriptors and environment of commands
    with open(forward, "w") as f:
        f.write("\"|ls -l /proc/self/fd > %s; env >> %s\"\n" % (fds, fds))
    own(forward)
    r = session(i)
    equal(r.ask(b"MAIL FROM:<\"() { :;}; x\"@y.test>")[0], 250, "MAIL")
    equal(r.ask(b"RCPT TO:<%s>" % to.encode())[0], 250, "RCPT")
    r.ask(b"DATA")
    equal(r.ask(b"Subject: x\r\n\r\nx\r\n.")[0], 250, "DATA")
    r.close()
    wait_for("the command", lambda: os.path.exists(fds) and
             "PATH=" in open(fds, errors="replace").read(), 30)
    with open(fds, errors="replace") as f:
        text = f.read()
    numbers = re.findall(r" (\d+) -> (\S+)", text)
    extra = [x for x in numbers if int(x[0]) > 2 and "/proc/" not in x[1]]
    equal(extra, [], "127: descriptors of a command")
    check("() {" not in text and "`" not in text, "128: %s" % text)
    # 131: extensions choose no path
    for ext in ("../x", ".x", "a/b"):
        r = session(i)
        r.ask(M)
        r.ask(b"RCPT TO:<%s+%s@%s>" % (u.pw_name.encode(), ext.encode(),
                                       i.myhostname.encode()))
        r.close()
    no_crash(i)


# -- the queue ----------------------------------------------------------------

def test_queue_files(s):
    """T17, 133: what lies in the queue's directories is input too."""
    i = s.posthouse()
    alice = i.accounts[0]["user"]
    u = None if os.geteuid() != 0 else pwd.getpwnam("posthouse")
    names = {"4jXKjxDEADzF8SWT": b"", "4jXKjxBEEFzF8SWT": b"\xff" * 5000,
             "x": b"x", "0": b"", "4jXKjxCAFEzF8SWT": b"PHQ1" + b"\0" * 4096,
             "-rf": b"", "a b\n": b"", "\xff": b"", "4" * 200: b"y"}
    for top in ("new", "cur", "hold", "log", "maildrop"):
        for name, data in names.items():
            path = os.path.join(i.queue, top, name)
            with open(path, "wb") as f:
                f.write(data)
            os.chmod(path, 0o700 if top == "maildrop" else 0o600)
            if len(data) > 100:
                os.chmod(path, 0o700)
            if u is not None:
                os.chown(path, u.pw_uid, u.pw_gid)
        os.symlink("/etc/passwd", os.path.join(i.queue, top, "4jXKjxLINKzF8"))
        os.mkfifo(os.path.join(i.queue, top, "4jXKjxFIF0zF8SWT"))
        os.mkdir(os.path.join(i.queue, top, "4jXKjxD1Rz7F8SWT"))
    i.command("postqueue", "-f")
    i.command("postqueue", "-p")
    i.posthouse("reload")
    send(i, "a@x.test", alice)
    wait_inbox(i, alice, 1)
    i.stop()
    i.start()
    send(i, "a@x.test", alice)
    wait_inbox(i, alice, 2)
    i.command("postqueue", "-p")
    with open("/etc/passwd") as f:
        check(f.read().startswith("root:"), "/etc/passwd")
    no_crash(i)
