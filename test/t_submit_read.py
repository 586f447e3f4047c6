# SPDX-License-Identifier: Apache-2.0
"""Programs nobody here wrote submit mail and read it back, byte for byte."""
import glob
import hashlib
import os
import poplib
import re
import subprocess

import instance
from scenario import (CORPUS, Failed, Skip, check, equal, filled, imap,
                      inbox, message, parse, password, pop, send, smtp,
                      wait_for, wait_inbox)

SECONDS = int(instance.PATIENCE * instance.SLOW)


def wire(raw):
    """A file as a program meets it, with line ends as SMTP wants them."""
    raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def body(raw):
    """From the blank line on; of what has none, all."""
    at = raw.find(b"\r\n\r\n")
    return raw[at:] if at >= 0 else raw


def digest(raw):
    return hashlib.sha256(raw).hexdigest()


def corpus():
    if not CORPUS:
        raise Skip("no corpus here (POSTHOUSE_CORPUS)")
    files = sorted(f for f in glob.glob(CORPUS + "/*/*")
                   if f.endswith((".msg", ".eml")))
    check(len(files) > 100, "the corpus is not whole: %d files" % len(files))
    return files


def test_corpus_survives(s):
    """SHA-256 of every body is the same at the far end."""
    i = s.posthouse()
    user = i.accounts[0]["user"]
    files = corpus()
    sent = []
    with smtp(i) as c:
        for f in files:
            with open(f, "rb") as fh:
                data = wire(fh.read())
            # RFC 5321 has no word for these; smtplib would hide nothing.
            c.sendmail("corpus@elsewhere.test", [user], data,
                       mail_options=["BODY=8BITMIME"])
            sent.append((f, data))
    i.wait_queue_empty()
    got = wait_inbox(i, user, len(sent))
    have = {}
    for m in got:
        have[digest(body(m))] = m
        have[digest(m)] = m
    tails = [m for m in got]
    for f, data in sent:
        want = body(data)
        if digest(want) in have:
            continue
        if want == data and any(m.endswith(data) for m in tails):
            continue
        # A body-only message: our header is in front of it.
        if any(m.endswith(want) for m in tails):
            continue
        raise Failed("%s: its body did not arrive unchanged"
                     % os.path.basename(f))
    # POP3 says the same as IMAP; poplib must take long lines.
    poplib._MAXLINE = 1 << 22
    p = pop(i, user)
    n = p.stat()[0]
    equal(n, len(sent), "messages by POP3")
    by_pop = {digest(b"\r\n".join(p.retr(k + 1)[1]) + b"\r\n")
              for k in range(n)}
    p.quit()
    by_imap = {digest(m) for m in got}
    equal(len(by_imap - by_pop), 0, "messages that differ by POP3")


def swaks(i, *args):
    return instance.run(["swaks", "--server", i.host, "--timeout",
                         str(SECONDS), "--suppress-data"] + list(args))


def test_swaks_submits(s):
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    auth = ["--auth-user", alice, "--auth-password", password(i, alice),
            "--from", alice, "--to", bob]
    swaks(i, "--port", str(i.ports["submission"]), "--tls", "--auth",
          "PLAIN", "--body", "by PLAIN", *auth)
    swaks(i, "--port", str(i.ports["submission"]), "--tls", "--auth",
          "LOGIN", "--body", "by LOGIN", *auth)
    swaks(i, "--port", str(i.ports["submissions"]), "--tlsc", "--auth",
          "PLAIN", "--body", "implicit TLS", *auth)
    swaks(i, "--port", str(i.ports["smtp"]), "--from", "x@elsewhere.test",
          "--to", bob, "--body", "from outside", "--pipeline")
    got = wait_inbox(i, bob, 4)
    bodies = " ".join(parse(m).get_content().strip() for m in got)
    for want in ("by PLAIN", "by LOGIN", "implicit TLS", "from outside"):
        check(want in bodies, "not delivered: " + want)
    mine = [parse(m) for m in got if b"by PLAIN" in m][0]
    received = mine["Received"].replace("\n", " ")
    check("with ESMTPSA id" in received, "Received says: " + received)
    check("TLSv1.3" in received, "Received says: " + received)


def test_curl_submits_and_reads(s):
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    path = os.path.join(s.dir, "m")
    data = message(alice, [bob], subject="by curl")
    with open(path, "wb") as f:
        f.write(data)
    instance.run(["curl", "-sS", "--ssl-reqd", "--cacert", i.ca, "--url",
                  "smtp://%s:%d" % (i.host, i.ports["submission"]), "-k",
                  "--user", "%s:%s" % (alice, password(i, alice)),
                  "--mail-from", alice, "--mail-rcpt", bob, "-T", path])
    wait_inbox(i, bob, 1)
    user = ["--user", "%s:%s" % (bob, password(i, bob)), "-k", "-sS"]
    for scheme, port in (("imaps", "imaps"), ("imap", "imap")):
        more = ["--ssl-reqd"] if scheme == "imap" else []
        out = instance.run(["curl"] + user + more + [
            "%s://%s:%d/INBOX;MAILINDEX=1" % (scheme, i.host,
                                              i.ports[port])]).stdout
        check(out.endswith(body(data)), "curl by %s got %r" % (scheme,
                                                               out[-200:]))
    for scheme, port in (("pop3s", "pop3s"), ("pop3", "pop3")):
        more = ["--ssl-reqd"] if scheme == "pop3" else []
        out = instance.run(["curl"] + user + more + [
            "%s://%s:%d/1" % (scheme, i.host, i.ports[port])]).stdout
        check(out.endswith(body(data)), "curl by %s got %r" % (scheme,
                                                               out[-200:]))


def test_scram(s):
    """curl chooses SCRAM-SHA-256 when it is told to."""
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    path = os.path.join(s.dir, "m")
    with open(path, "wb") as f:
        f.write(message(alice, [bob]))
    # gsasl knows SCRAM for all three protocols.
    for service, extra in (("smtp", []), ("imap", ["--imap"])):
        port = i.ports["submission" if service == "smtp" else "imap"]
        args = ["gsasl", "--client", "--connect", "%s:%d" % (i.host, port),
                "--mechanism", "SCRAM-SHA-256", "--authentication-id", alice,
                "--password", password(i, alice), "--no-cb",
                "--x509-ca-file", i.ca, "--smtp" if service == "smtp" else
                "--imap"]
        r = subprocess.run(args, input=b"", stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=SECONDS)
        text = r.stdout.decode(errors="replace")
        check("authenticat" in text.lower() or r.returncode == 0,
              "%s: gsasl says: %s" % (service, text[-800:]))
        equal(r.returncode, 0, "%s: exit of gsasl (%s)" % (service,
                                                          text[-800:]))
    wait_for("SCRAM in the log",
             lambda: "SCRAM-SHA-256" in i.log_text(), 10)


def test_mbsync_mirrors(s):
    i = s.posthouse()
    alice = i.accounts[0]["user"]
    sent = [send(i, "x@elsewhere.test", alice) for _ in range(20)]
    wait_inbox(i, alice, 20)
    far, near = os.path.join(s.dir, "near"), os.path.join(s.dir, "rc")
    os.makedirs(far)
    with open(near, "w") as f:
        f.write("""IMAPAccount a
Host %s
Port %d
User %s
Pass %s
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""" % (i.host, i.ports["imaps"], alice,
            password(i, alice),
            os.path.join(i.tls, "server.pem"), far, far))
    c = imap(i, alice)
    c.create("Work/Big")
    c.append("Work/Big", r"(\Seen \Flagged)", None, sent[0])
    c.logout()
    instance.run(["mbsync", "-c", near, "c"], timeout=SECONDS)
    files = [f for sub in ("new", "cur")
             for f in os.listdir(os.path.join(far, "INBOX", sub))]
    equal(len(files), 20, "messages that mbsync fetched")
    # A change here goes there.
    victim = files[0]
    for sub in ("new", "cur"):
        path = os.path.join(far, "INBOX", sub, victim)
        if os.path.exists(path):
            os.unlink(path)
    instance.run(["mbsync", "-c", near, "c"], timeout=SECONDS)
    equal(len(inbox(i, alice)), 19, "messages after mbsync removed one")
    big = [f for d, _, fs in os.walk(far) for f in fs if "Big" in d
           and ":2," in f]
    equal(len(big), 1, "messages in Work/Big")
    check(big[0].endswith(":2,FS"), "flags of " + big[0])


def test_fetchmail_collects(s):
    i, alice = filled(s, 5)
    out = os.path.join(s.dir, "mbox")
    rc = os.path.join(s.dir, "fetchmailrc")
    with open(rc, "w") as f:
        f.write('poll %s service %d protocol POP3 uidl timeout 300 '
                'user "%s" password "%s" ssl sslcertck sslcertfile "%s" '
                'sslcommonname "%s" mda "cat >> %s" keep\n' % (
                    i.host, i.ports["pop3s"], alice, password(i, alice),
                    i.ca, i.myhostname, out))
    os.chmod(rc, 0o600)
    env = dict(os.environ, HOME=s.dir, FETCHMAILHOME=s.dir)
    r = subprocess.run(["fetchmail", "-f", rc, "-v", "--nosyslog"], env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=SECONDS)
    equal(r.returncode, 0, "exit of fetchmail: " +
          r.stdout.decode(errors="replace")[-1500:])
    with open(out, "rb") as f:
        equal(f.read().count(b"\nSubject: test "), 5,
              "messages from fetchmail")
    equal(len(inbox(i, alice)), 5, "messages that were kept")


def test_ipv6(s):
    """The same over ::1."""
    if not instance.port_is_free("::1", 0):
        raise Skip("no IPv6 here")
    i = s.posthouse(more_hosts=["::1"], start=False)
    i.start()
    alice = i.accounts[0]["user"]
    swaks_args = ["swaks", "-6", "--server", "::1", "--port",
                  str(i.ports["smtp"]), "--from", "x@elsewhere.test",
                  "--to", alice, "--suppress-data", "--timeout",
                  str(SECONDS)]
    instance.run(swaks_args)
    got = wait_inbox(i, alice, 1)
    check(b"[IPv6:::1]" in got[0], "no IPv6 literal in Received")
    out = instance.run(["curl", "-sS", "-g", "-k", "--user", "%s:%s" % (
        alice, password(i, alice)), "imaps://[::1]:%d/INBOX;MAILINDEX=1"
        % i.ports["imaps"]]).stdout
    equal(len(out), len(got[0]), "octets by IMAPS over ::1")
