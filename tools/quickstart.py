# SPDX-License-Identifier: Apache-2.0
"""The part of ./quickstart that comes after building: an instance, its
proof, and what to do with it."""
import argparse
import imaplib
import json
import os
import poplib
import secrets
import signal
import smtplib
import ssl
import subprocess
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "test", "lib"))
import instance  # noqa: E402
from instance import Failed, wait_for  # noqa: E402

DOMAIN = "demo.test"
USERS = ("alice", "bob")


def say(text):
    print("==> " + text, flush=True)


def earlier(directory):
    """access.json of an earlier run, or None."""
    try:
        with open(os.path.join(directory, "access.json")) as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def reachable_by_daemons(directory):
    """Daemons without root must be able to walk down to the queue."""
    problem = None
    path = os.path.abspath(directory)
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & 0o001:
            problem = path
    return problem


def is_running(directory, prefix):
    return subprocess.run(
        [os.path.join(prefix, "sbin", "posthouse"), "-c",
         os.path.join(directory, "etc"), "status"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def lay_out(directory, prefix):
    before = earlier(directory)
    ports = None
    if before:
        ports = {n: before[n] for n in instance.SERVICES}
        busy = [p for p in ports.values()
                if not instance.port_is_free("127.0.0.1", p)]
        if busy and is_running(directory, prefix):
            raise Failed("the instance in %s is running already" % directory)
        if busy:
            say("port %d is in use by another program: choosing other ports"
                % busy[0])
            ports = None
    i = instance.Instance(directory, prefix, ports=ports,
                          myhostname="mail." + DOMAIN, domains=(DOMAIN,))
    i.lay_out()
    if before:
        i.accounts = before["accounts"]
        say("using the instance that is in %s" % i.dir)
    else:
        say("laid out an instance in %s, with a certificate authority of "
            "its own" % i.dir)
    have = {a["user"] for a in i.accounts}
    for user in USERS:
        address = "%s@%s" % (user, DOMAIN)
        if address not in have:
            i.add_account(address, secrets.token_urlsafe(9))
            say("created the account " + address)
    i.write_access()
    os.chmod(os.path.join(i.dir, "access.json"), 0o600)
    return i


def proof(i):
    alice, bob = i.accounts[0], i.accounts[1]
    token = uuid.uuid4().hex
    tls = ssl.create_default_context(cafile=i.ca)
    say("submitting a message: STARTTLS and AUTH on port %d"
        % i.ports["submission"])
    with smtplib.SMTP(i.host, i.ports["submission"], timeout=30) as c:
        c.starttls(context=tls)
        c.login(alice["user"], alice["password"])
        c.sendmail(alice["user"], [bob["user"]],
                   "From: <%s>\r\nTo: <%s>\r\nSubject: proof %s\r\n\r\n"
                   "It works: %s\r\n" % (alice["user"], bob["user"], token,
                                         token))
    say("reading it back by IMAPS on port %d" % i.ports["imaps"])

    def by_imap():
        with imaplib.IMAP4_SSL(i.host, i.ports["imaps"], timeout=30,
                               ssl_context=tls) as c:
            c.login(bob["user"], bob["password"])
            c.select("INBOX")
            _, found = c.search(None, "SUBJECT", token)
            if not found[0]:
                return None
            _, data = c.fetch(found[0].split()[-1].decode(), "(BODY[])")
            return data[0][1]
    seen = wait_for("the message in bob's INBOX", by_imap, 60, 0.2)
    say("reading it back by POP3S on port %d" % i.ports["pop3s"])
    c = poplib.POP3_SSL(i.host, i.ports["pop3s"], timeout=30, context=tls)
    c.user(bob["user"])
    c.pass_(bob["password"])
    n = c.stat()[0]
    same = any(b"\r\n".join(c.retr(k)[1]) + b"\r\n" == seen
               for k in range(n, 0, -1))
    c.quit()
    if not same:
        raise Failed("POP3 shows another message than IMAP")
    say("the message came back unchanged, by both")


def explain(i):
    alice, bob = i.accounts[0], i.accounts[1]
    p = i.ports
    print("""
A mail system is running on %(host)s (nothing listens elsewhere).

  accounts     %(a)s  password %(ap)s
               %(b)s  password %(bp)s
  certificate  trust %(ca)s
  log          %(log)s
  queue        %(sbin)s/postqueue -c %(conf)s -p

  swaks        swaks --server %(host)s --port %(submission)d --tls \\
                 --auth-user %(a)s --auth-password %(ap)s \\
                 --from %(a)s --to %(b)s
  curl         curl --cacert %(ca)s --user %(b)s:%(bp)s \\
                 'imaps://%(host)s:%(imaps)d/INBOX;MAILINDEX=1'
               curl --cacert %(ca)s --user %(b)s:%(bp)s \\
                 pop3s://%(host)s:%(pop3s)d/1

  a graphical client (Thunderbird, Evolution, Claws Mail ...):
    incoming   IMAP  server %(host)s  port %(imaps)d  SSL/TLS  normal password
               POP3  server %(host)s  port %(pop3s)d  SSL/TLS  normal password
    outgoing   SMTP  server %(host)s  port %(submissions)d  SSL/TLS
               (or port %(submission)d with STARTTLS), normal password
    user name  %(a)s
  plain ports  smtp %(smtp)d  submission %(submission)d  imap %(imap)d  \
pop3 %(pop3)d
  programs     %(dir)s/access.json has all of this
""" % dict(p, host=i.host, a=alice["user"], ap=alice["password"],
           b=bob["user"], bp=bob["password"], ca=i.ca, log=i.log,
           conf=i.config, dir=i.dir,
           sbin=os.path.join(i.prefix, "sbin")), flush=True)


def stay(i):
    print("Ctrl-C stops it.", flush=True)
    stop = []
    for s in (signal.SIGINT, signal.SIGTERM):
        signal.signal(s, lambda *_: stop.append(1))
    while not stop:
        if i.process.poll() is not None:
            raise Failed("posthouse ended by itself; see " + i.log)
        time.sleep(0.2)
    say("stopping")


def main():
    ap = argparse.ArgumentParser(prog="quickstart")
    ap.add_argument("--prefix", required=True, help=argparse.SUPPRESS)
    ap.add_argument("--default-dir", help=argparse.SUPPRESS)
    ap.add_argument("--dir")
    ap.add_argument("--once", action="store_true")
    a = ap.parse_args()
    directory = os.path.abspath(a.dir or a.default_dir)
    if os.geteuid() == 0:
        closed = reachable_by_daemons(directory)
        if closed:
            raise Failed("%s cannot be entered by the users that the "
                         "daemons run as; choose another --dir" % closed)
    else:
        print("""Started by an ordinary user: all daemons run as %s.
Missing protections: separate users for the daemons, chroot, and mailboxes
that only their owners can reach.""" % (os.environ.get("USER") or
                                        os.geteuid()), flush=True)
    i = lay_out(directory, a.prefix)
    say("starting (log: %s)" % i.log)
    i.start()
    try:
        proof(i)
        if not a.once:
            explain(i)
            stay(i)
    finally:
        i.stop()
    if a.once:
        say("stopped; ./quickstart without --once keeps it running")


if __name__ == "__main__":
    try:
        main()
    except Failed as e:
        sys.exit("quickstart: %s" % e)
