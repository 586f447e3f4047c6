# SPDX-License-Identifier: Apache-2.0
"""Two systems on two loopback addresses exchange mail by MX."""
import re

from pairs import pair
from scenario import (check, delivery_status, equal, message, parse, send,
                      smtp, wait_for, wait_inbox)



def two(s, records=(), **main):
    a, b = pair(s, records, dict(main, mynetworks=""))
    return a, b, s.zone


def submit(a, to, **kw):
    alice = a.accounts[0]["user"]
    return send(a, alice, to, service="submission", **kw)


def bounce_of(a, to, status, action="failed", timeout=60):
    """Alice mails to; the report that comes back."""
    alice = a.accounts[0]["user"]
    submit(a, to)
    raw = wait_inbox(a, alice, 1, timeout)[-1]
    m, about, rcpts = delivery_status(raw)
    equal(m["Auto-Submitted"], "auto-replied", "Auto-Submitted")
    equal(parse(raw)["Return-Path"], "<>", "envelope sender of the bounce")
    check(about["Reporting-MTA"].endswith(a.myhostname), "Reporting-MTA")
    equal(len(rcpts), 1, "recipients in the report")
    check(rcpts[0]["Final-Recipient"].endswith(to), "Final-Recipient: %s"
          % rcpts[0]["Final-Recipient"])
    equal(rcpts[0]["Action"], action, "Action")
    equal(rcpts[0]["Status"], status, "Status (%s)"
          % rcpts[0]["Diagnostic-Code"])
    return m, rcpts[0]


def test_both_ways_with_tls(s):
    a, b, _ = two(s)
    alice_a, alice_b = a.accounts[0]["user"], b.accounts[0]["user"]
    submit(a, alice_b)
    got = parse(wait_inbox(b, alice_b, 1)[0])
    received = got.get_all("Received")
    equal(len(received), 2, "Received lines")
    check("with ESMTPS id" in " ".join(received[0].split()),
          "between the hosts: " + received[0])
    submit(b, alice_a)
    wait_inbox(a, alice_a, 1)
    a.wait_queue_empty()
    # By BDAT, and our server says how much it got that way.
    check(re.search(r"status=sent \(250 2\.0\.0 Ok: \d+ bytes queued as",
                    a.log_text()), "log line of the delivery")
    check(": removed" in a.log_text(), "log line of the removal")


def test_second_mx_when_the_first_is_down(s):
    dead = s.address()
    a, b, d = two(s)
    d.stop()
    d.write(["b MX 5 dead.b", "b MX 10 mx.b", "dead.b A " + dead,
             "mx.b A " + b.host])
    d.start()
    submit(a, b.accounts[0]["user"])
    wait_inbox(b, b.accounts[0]["user"], 1)
    check("connect to dead.b.ph.example[%s]:%d: Connection refused"
          % (dead, b.ports["smtp"]) in a.log_text(), "log of the dead host")


def test_domain_with_only_an_address(s):
    a, b, d = two(s)
    d.stop()
    d.write(["b A " + b.host])
    d.start()
    submit(a, b.accounts[0]["user"])
    wait_inbox(b, b.accounts[0]["user"], 1)


def test_many_recipients_one_transaction(s):
    a, b, _ = two(s)
    users = [x["user"] for x in b.accounts]
    submit(a, users)
    for u in users:
        wait_inbox(b, u, 1)
    lines = [x for x in b.log_text().splitlines()
             if "nrcpt=2 (queue active)" in x]
    equal(len(lines), 1, "messages with two recipients at b")


def test_null_mx_bounces(s):
    a, _, _ = two(s, ["nomail MX 0 ."])
    bounce_of(a, "x@nomail.ph.example", "5.1.0")


def test_unknown_domain_bounces(s):
    a, _, _ = two(s)
    bounce_of(a, "x@nowhere.ph.example", "5.4.4")


def test_unknown_user_bounces_with_the_remote_words(s):
    a, _, _ = two(s)
    m, rcpt = bounce_of(a, "nobody@b.ph.example", "5.1.1")
    check("550 5.1.1" in rcpt["Diagnostic-Code"], rcpt["Diagnostic-Code"])
    check(rcpt["Remote-MTA"].startswith("dns; mx.b.ph.example"),
          "Remote-MTA: %s" % rcpt["Remote-MTA"])
    original = m.get_payload()[2]
    equal(original.get_content_type(), "message/rfc822", "third part")
    text = m.get_payload()[0].get_content()
    check("<nobody@b.ph.example>: host mx.b.ph.example[" in
          " ".join(text.split()), "human part: " + text)


def test_bogus_zone_is_a_temporary_failure(s):
    """A broken signature must not be believed, and not bounce either."""
    a, _, d = two(s)
    d.stop()
    with open(d.served()) as f:
        text = f.read()
    text = text.replace("\tIN\tMX\t10 mx.b.ph.example.",
                        "\tIN\tMX\t10 mx.a.ph.example.")
    with open(d.served(), "w") as f:
        f.write(text)
    d.start()
    submit(a, "x@b.ph.example")

    def deferred():
        q = a.queue_list()
        return q and q[0]["recipients"][0].get("delay_reason")
    why = wait_for("a reason", deferred, 60)
    check("Name service error" in why, "delay reason: " + why)


def test_success_notice(s):
    a, b, _ = two(s)
    alice = a.accounts[0]["user"]
    with smtp(a, "submission") as c:
        c.sendmail(alice, [b.accounts[0]["user"]],
                   message(alice, [b.accounts[0]["user"]]),
                   mail_options=["RET=HDRS", "ENVID=envelope+2B7"],
                   rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
    raw = wait_inbox(a, alice, 1)[0]
    m, about, rcpts = delivery_status(raw)
    equal(rcpts[0]["Action"], "delivered", "Action")
    equal(rcpts[0]["Status"], "2.0.0", "Status")
    equal(about["Original-Envelope-Id"], "envelope+7", "envelope id")
    equal(m.get_payload()[2].get_content_type(), "text/rfc822-headers",
          "third part with RET=HDRS")


def test_notify_never_is_honoured(s):
    a, b, _ = two(s)
    alice = a.accounts[0]["user"]
    with smtp(a, "submission") as c:
        c.sendmail(alice, ["nobody@b.ph.example"],
                   message(alice, ["nobody@b.ph.example"]),
                   rcpt_options=["NOTIFY=NEVER"])
    wait_for("the failure", lambda: "status=bounced" in a.log_text(), 60)
    a.wait_queue_empty()
    submit(a, alice)
    got = wait_inbox(a, alice, 1)
    equal(len(got), 1, "messages (no notification)")


def test_double_bounce_goes_to_postmaster(s):
    a, b, _ = two(s, alias_maps="inline:{postmaster=alice@a.ph.example}")
    alice = a.accounts[0]["user"]
    # The sender does not exist either.
    send(a, "ghost@b.ph.example", "nobody@b.ph.example",
         service="submission")
    raw = wait_inbox(a, alice, 1, 90)[0]
    m, _, rcpts = delivery_status(raw)
    check("double-bounce@" in parse(raw)["Return-Path"],
          "Return-Path: %s" % parse(raw)["Return-Path"])


def test_internationalised_addresses(s):
    """RFC 6531: an address in UTF-8; its domain is asked for as A-labels."""
    a, b, _ = two(s, ["xn--bcher-kva MX 10 mx.b"],
                  virtual_alias_domains="bücher.ph.example",
                  virtual_alias_maps="inline:{ { jürgen@bücher.ph.example = "
                  "bob@b.ph.example } }")
    a.main["virtual_alias_domains"] = a.main["virtual_alias_maps"] = ""
    a.write_config(a.tls + "/chain.pem")
    a.posthouse("reload")
    alice, to = a.accounts[0]["user"], "jürgen@bücher.ph.example"
    with smtp(a, "submission") as c:
        c.sendmail(alice, [to], message(alice, ["jurgen@invalid"]),
                   mail_options=["SMTPUTF8"])
    raw = wait_inbox(b, "bob@b.ph.example", 1)[0]
    check(to.encode() in raw, "X-Original-To in UTF-8")
    check(b"with UTF8SMTPS id" in raw, "Received of the second host")


def test_8bit_to_a_server_without_8bitmime(s):
    a, b, _ = two(s, smtpd_discard_ehlo_keywords="8bitmime")
    alice, to = a.accounts[0]["user"], b.accounts[0]["user"]
    text = "Gr\u00fc\u00dfe, .\r\n.\r\n" + "\u00e4" * 300
    send(a, alice, to, service="submission", data=message(
        alice, [to], extra="MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n",
        body="BODY").replace(b"BODY", text.encode()))
    raw = wait_inbox(b, to, 1)[0]
    check(all(c < 128 for c in raw), "bytes above 127 arrived")
    got = parse(raw)
    equal(got["Content-Transfer-Encoding"], "quoted-printable", "encoding")
    equal(got.get_payload(decode=True).decode().rstrip("\r\n"), text,
          "content")
