# SPDX-License-Identifier: Apache-2.0
"""A destination is down: mail waits, says why, goes out later or bounces."""
import json
import socket

import instance
from scenario import (check, delivery_status, equal, send, wait_for,
                      wait_inbox)


def down(s, **main):
    """An instance and a destination that refuses connections for now."""
    far = s.address()
    port = instance.free_port(far)
    d = s.dns(["far MX 10 mx.far", "mx.far A " + far])
    conf = {"minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "smtp_tcp_port": str(port), **d.main_cf()}
    conf.update(main)
    return s.posthouse("a", main=conf), far, port


def submit(i, to="x@far.ph.example"):
    return send(i, i.accounts[0]["user"], to, service="submission")


def reason(i):
    q = i.queue_list()
    if not q or q[0]["queue_name"] == "incoming":
        return None
    return q[0]["recipients"][0].get("delay_reason")


def test_waits_says_why_and_goes_out(s):
    i, far, port = down(s)
    data = submit(i)
    why = wait_for("a reason", lambda: reason(i), 60)
    equal(why, "connect to mx.far.ph.example[%s]:%d: Connection refused"
          % (far, port), "delay_reason")
    text = i.command("postqueue", "-p")
    lines = text.splitlines()
    check(lines[0].startswith("----Queue ID-----  --Size--"), lines[0])
    check("(%s)" % why in text.replace("\n", " ") or why in text, text)
    check(any("x@far.ph.example" in x for x in lines), text)
    check(lines[-1].startswith("-- ") and lines[-1].endswith("1 Request."),
          lines[-1])
    far_side = s.posthouse("far", host=far, ports={"smtp": port},
                           domains=["far.ph.example"],
                           myhostname="mx.far.ph.example", accounts=("x",))
    got = wait_inbox(far_side, "x@far.ph.example", 1, 60)
    check(got[0].endswith(data[-40:]), "the message arrived as it was")
    i.wait_queue_empty()
    equal(i.command("postqueue", "-p"), "Mail queue is empty\n",
          "listing of the empty queue")
    check("status=deferred (connect to" in i.log_text(), "log")


def test_flush_tries_at_once(s):
    i, far, port = down(s, minimal_backoff_time="1h",
                        maximal_backoff_time="2h")
    submit(i)
    wait_for("a reason", lambda: reason(i), 60)
    far_side = s.posthouse("far", host=far, ports={"smtp": port},
                           domains=["far.ph.example"],
                           myhostname="mx.far.ph.example", accounts=("x",))
    i.command("postqueue", "-f")
    wait_inbox(far_side, "x@far.ph.example", 1, 60)
    i.wait_queue_empty()
    # And by queue id: the other message waits on.
    far_side.stop()
    submit(i)
    submit(i)
    ids = [q["queue_id"] for q in wait_for("two reports", lambda: (
        lambda q: q if len(q) == 2 and all(
            m["queue_name"] == "deferred" and
            m["recipients"][0].get("delay_reason") for m in q) else None)(
                i.queue_list()), 60)]
    far_side.start()
    i.command("postqueue", "-i", ids[1])
    wait_inbox(far_side, "x@far.ph.example", 2, 60)
    wait_for("one message less", lambda: [
        q["queue_id"] for q in i.queue_list()] == ids[:1], 60)


def test_bounces_when_its_time_is_over(s):
    i, far, port = down(s, maximal_queue_lifetime="3s")
    submit(i)
    raw = wait_inbox(i, i.accounts[0]["user"], 1, 90)[0]
    m, _, rcpts = delivery_status(raw)
    equal(rcpts[0]["Action"], "failed", "Action")
    equal(rcpts[0]["Status"], "4.4.1", "Status")
    check("Connection refused" in rcpts[0]["Diagnostic-Code"],
          rcpts[0]["Diagnostic-Code"])
    i.wait_queue_empty()
    check("status=expired, returned to sender" in i.log_text(), "log")


def test_delay_warning(s):
    i, far, port = down(s, delay_warning_time="2s",
                        maximal_queue_lifetime="1h")
    submit(i)
    raw = wait_inbox(i, i.accounts[0]["user"], 1, 90)[0]
    m, _, rcpts = delivery_status(raw)
    equal(rcpts[0]["Action"], "delayed", "Action")
    check(rcpts[0]["Will-Retry-Until"], "Will-Retry-Until is missing")
    equal(len(i.queue_list()), 1, "messages still in the queue")


def test_state_survives_a_restart(s):
    i, far, port = down(s, minimal_backoff_time="1h",
                        maximal_backoff_time="2h")
    for _ in range(20):
        submit(i)
    wait_for("20 deferred", lambda: len([
        q for q in i.queue_list() if q["queue_name"] == "deferred"
        and q["recipients"][0].get("delay_reason")]) == 20, 60)
    before = sorted(json.dumps(q) for q in i.queue_list())
    i.stop()
    i.start()
    after = wait_for("20 messages again", lambda: (
        lambda q: q if len(q) == 20 else None)(i.queue_list()), 60)
    equal(sorted(json.dumps(q) for q in after), before,
          "the queue after a restart")


def test_slow_greeting_does_not_stop_others(s):
    """One host accepts and says nothing; mail for others flows."""
    far = s.address()
    silent = socket.socket()
    silent.bind((far, 0))
    silent.listen(50)
    port = silent.getsockname()[1]
    d = s.dns(["far MX 10 mx.far", "mx.far A " + far])
    i = s.posthouse("a", main={"smtp_tcp_port": str(port), **d.main_cf()})
    for _ in range(10):
        submit(i)
    alice = i.accounts[0]["user"]
    send(i, alice, alice, service="submission")
    wait_inbox(i, alice, 1, 20)
    silent.close()
