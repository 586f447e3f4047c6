# SPDX-License-Identifier: Apache-2.0
"""The administrator's commands, with Postfix's options and output."""
import os
import re
import subprocess

import instance
from scenario import (check, equal, inbox, parse, send, smtp, wait_for,
                      wait_inbox)


def stuck(s, **main):
    """An instance whose mail to far.ph.example has nowhere to go."""
    far = s.address()
    d = s.dns(["far MX 10 mx.far", "mx.far A " + far])
    conf = {"minimal_backoff_time": "1h", "maximal_backoff_time": "2h",
            "smtp_tcp_port": str(instance.free_port(far)), **d.main_cf()}
    conf.update(main)
    return s.posthouse("a", main=conf)


def submit(i, to="x@far.ph.example"):
    alice = i.accounts[0]["user"]
    before = {q["queue_id"] for q in i.queue_list()}
    send(i, alice, to, service="submission")
    return wait_for("the message to be deferred", lambda: next(
        (q["queue_id"] for q in i.queue_list()
         if q["queue_id"] not in before and q["queue_name"] == "deferred"),
        None), 60)


def state(i, qid):
    for q in i.queue_list():
        if q["queue_id"] == qid:
            return q["queue_name"]
    return None


def test_postsuper(s):
    i = stuck(s)
    one, two, three = submit(i), submit(i), submit(i)
    r = i.command_both("postsuper", "-h", one)
    check("Placed on hold: 1 message" in r, r)
    equal(state(i, one), "hold", "queue of the held message")
    listing = i.command("postqueue", "-p")
    check(one + "!" in listing, listing)
    r = i.command_both("postsuper", "-H", one)
    check("Released from hold: 1 message" in r, r)
    wait_for("it to be deferred again",
             lambda: state(i, one) == "deferred", 30)
    r = i.command_both("postsuper", "-d", one)
    check("Deleted: 1 message" in r, r)
    equal(state(i, one), None, "the deleted message")
    wait_for("the log", lambda: one + ": removed" in i.log_text(), 10)
    r = i.command_both("postsuper", "-r", two)
    check("Requeued: 1 message" in r, r)
    wait_for("it to be deferred again",
             lambda: state(i, two) == "deferred", 30)
    r = i.command_both("postsuper", "-d", "-",
                       input=(two + "\n" + three + "\n").encode())
    check("Deleted: 2 messages" in r, r)
    submit(i)
    submit(i)
    r = i.command_both("postsuper", "-d", "ALL")
    check("Deleted: 2 messages" in r, r)
    equal(i.queue_list(), [], "the queue")


def test_postsuper_works_while_the_system_is_down(s):
    i = stuck(s)
    one, two = submit(i), submit(i)
    i.stop()
    check("Placed on hold: 1 message" in
          i.command_both("postsuper", "-h", one), "hold")
    check("Deleted: 1 message" in i.command_both("postsuper", "-d", two),
          "delete")
    i.start()
    q = wait_for("the queue", i.queue_list, 30)
    equal([(x["queue_id"], x["queue_name"]) for x in q], [(one, "hold")],
          "the queue after the start")


def test_postcat(s):
    i = stuck(s)
    qid = submit(i)
    out = i.command("postcat", "-q", qid)
    check("*** ENVELOPE RECORDS" in out and "*** MESSAGE CONTENTS" in out,
          out)
    check("sender: " + i.accounts[0]["user"] in out, out)
    check("recipient: x@far.ph.example" in out, out)
    check("Subject: test " in out, out)
    head = i.command("postcat", "-hq", qid)
    check("Subject: test " in head and "sender:" not in head and
          "Body of" not in head, head)
    body = i.command("postcat", "-bq", qid)
    check("Body of" in body and "Subject:" not in body, body)


def test_postconf(s):
    i = s.posthouse(start=False)
    equal(i.command("postconf", "-h", "myhostname").strip(), i.myhostname,
          "postconf -h")
    equal(i.command("postconf", "-d", "maximal_queue_lifetime").strip(),
          "maximal_queue_lifetime = 5d", "postconf -d")
    n = i.command("postconf", "-n")
    check("myhostname = " + i.myhostname in n.splitlines(), n)
    check("maximal_queue_lifetime" not in n, "-n shows a default")
    everything = i.command("postconf")
    for p in ("smtpd_relay_restrictions", "minimal_backoff_time",
              "smtp_connect_timeout", "alias_maps", "virtual_mailbox_maps",
              "login_tls_chain_files", "resolver_stub_zones"):
        check(re.search("^%s =" % p, everything, re.M), p + " is unknown")
    i.command("postconf", "-e", "soft_bounce = yes")
    equal(i.command("postconf", "soft_bounce").strip(), "soft_bounce = yes",
          "after postconf -e")
    m = i.command("postconf", "-M")
    check(re.search(r"^qmgr +unix", m, re.M), m)
    check("hash" in i.command("postconf", "-m").split(), "postconf -m")


def test_postmap_and_postalias(s):
    i = s.posthouse(start=False)
    i.put("t", "key  value one\nother\n  two\n# no\n")
    path = "hash:%s/t" % i.config
    i.command("postmap", path)
    equal(i.command("postmap", "-q", "KEY", path), "value one\n", "-q")
    equal(sorted(i.command("postmap", "-s", path).splitlines()),
          ["key\tvalue one", "other\ttwo"], "-s")
    r = subprocess.run([i.tool("postmap"), "-c", i.config, "-q", "absent",
                        path])
    equal(r.returncode, 1, "exit for an absent key")
    i.put("al", "root: alice, bob\n")
    i.command("postalias", "hash:%s/al" % i.config)
    equal(i.command("postalias", "-q", "root", "hash:%s/al" % i.config),
          "alice, bob\n", "postalias -q")


def sendmail(i, *args, **kw):
    return instance.run([i.tool("sendmail"), "-C", i.config] + list(args),
                        **kw)


def test_sendmail(s):
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    sendmail(i, "-f", alice, bob,
             input=b"Subject: by argument\n\nHello\n.\nnot read\n")
    sendmail(i, "-i", "-f", alice, bob,
             input=b"Subject: with dots\n\nHello\n.\n..two\nend\n")
    sendmail(i, "-t", "-oi", "-F", "Full Name", "-f", alice,
             input=("To: %s\nBcc: %s\nSubject: by header\n\nHello\n"
                    % (bob, alice)).encode())
    got = [parse(m) for m in wait_inbox(i, bob, 3)]
    by = {m["Subject"]: m for m in got}
    check("not read" not in by["by argument"].get_content(), "after the dot")
    check(".\r\n..two" in by["with dots"].as_string().replace("\n", "\r\n")
          .replace("\r\r", "\r") or "..two" in by["with dots"].get_content(),
          "dots with -i")
    check("Full Name" in by["by header"]["From"], by["by header"]["From"])
    check(by["by header"]["Message-ID"], "Message-ID")
    mine = parse(wait_inbox(i, alice, 1)[0])
    equal(mine["Bcc"], None, "Bcc")
    check("from userid" in by["by header"]["Received"],
          by["by header"]["Received"])
    r = subprocess.run([i.tool("sendmail"), "-C", i.config, "-bp"],
                       stdout=subprocess.PIPE)
    equal(r.stdout, b"Mail queue is empty\n", "sendmail -bp")
    r = subprocess.run([i.tool("sendmail"), "-C", i.config], input=b"x\n",
                       stderr=subprocess.PIPE)
    check(r.returncode in (64, 67), "exit without recipients: %d"
          % r.returncode)


def test_sendmail_waits_for_the_system(s):
    """What was dropped while the system was down is delivered later."""
    i = s.posthouse(start=False)
    alice, bob = (a["user"] for a in i.accounts)
    i.start()
    i.stop()
    sendmail(i, "-f", alice, bob, input=b"Subject: early\n\nHello\n")
    i.start()
    equal(parse(wait_inbox(i, bob, 1)[0])["Subject"], "early", "Subject")


def test_sendmail_speaks_smtp(s):
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    r = sendmail(i, "-bs", input=(
        "EHLO here\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n"
        "Subject: by -bs\r\n\r\nHello\r\n.\r\nQUIT\r\n"
        % (alice, bob)).encode())
    check(b"\r\n221 " in r.stdout and r.stdout.startswith(b"220 "),
          repr(r.stdout))
    wait_inbox(i, bob, 1)


def test_status_and_check(s):
    i = s.posthouse()
    # Sockets listen before all daemons are started.
    wait_for("a status with qmgr in it", lambda: "qmgr" in i.posthouse(
        "status").stdout.decode(), 20)
    r = i.posthouse("check")
    equal(r.returncode, 0, "posthouse check")
    i.stop()
    r = subprocess.run([i.tool("posthouse"), "-c", i.config, "status"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(r.returncode != 0, "status says it runs")


def test_accounts(s):
    i = s.posthouse()
    alice, bob = (a["user"] for a in i.accounts)
    out = i.posthouse("user", "list").stdout.decode()
    check(alice in out and bob in out, out)
    i.posthouse("user", "passwd", bob, "--password-stdin", input=b"new one\n")
    with smtp(i, "smtp") as c:
        c.noop()
    i.accounts[1]["password"] = "new one"
    inbox(i, bob)
    i.posthouse("user", "remove", bob)
    wait_for("refusal", lambda: refused(i, bob), 20)


def refused(i, user):
    with smtp(i) as c:
        c.ehlo("x.test")
        c.mail("x@elsewhere.test")
        return c.rcpt(user)[0] == 550


def test_hash_permissions(s):
    """Passwords are for nobody but authd."""
    i = s.posthouse(start=False)
    names = [n for n in os.listdir(i.data) if n.startswith("users")]
    check("users.db" in names, "no users.db among %r" % names)
    for name in names:
        mode = os.stat(os.path.join(i.data, name)).st_mode & 0o777
        equal(mode & 0o077, 0, "mode of " + name)
