# SPDX-License-Identifier: Apache-2.0
"""Queues that are long: at a start, in a listing, and behind a slow peer."""
import json
import os
import signal
import smtplib
import subprocess
import sys
import time

from scenario import (Skip, check, equal, message, send, wait_for,
                      wait_inbox)
from t_journal import files, held_up, segments
from t_kill import processes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "crash"))
from preload import preload  # noqa: E402

LATE = {
    "transport_maps": "inline:{ { later.test = relay:[127.0.0.1]:1 } }",
    "defer_transports": "relay", "mynetworks": "127.0.0.0/8",
    "minimal_backoff_time": "1h", "maximal_backoff_time": "1h"}


def inject(i, n, to, **kw):
    data = message("a@elsewhere.test", [to], **kw)
    with smtplib.SMTP(i.host, i.ports["smtp"], timeout=60) as c:
        for _ in range(n):
            c.sendmail("a@elsewhere.test", [to], data)


def kill(i, program):
    for pid in processes(i, program):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_a_listing_is_complete(s):
    """Also right after a start, when much of it has not been read yet; and
    what administrators ask for then concerns all of it."""
    many = 1700
    i = s.posthouse("a", main=LATE)
    inject(i, many, "x@later.test")
    wait_for("it to be deferred", lambda: i.log_text().count(
        "status=deferred") == many, 120)
    for _ in range(3):
        i.stop()
        i.start()
        text = i.command("postqueue", "-p")
        check(" in %d Requests" % many in text, text[-200:])
        ids = [json.loads(x)["queue_id"] for x in
               i.command("postqueue", "-j").splitlines()]
        equal(len(ids), many, "messages in postqueue -j")
        equal(len(set(ids)), many, "different ones")
    i.stop()
    i.start()
    check("Deleted: 1 message" in
          i.command_both("postsuper", "-d", ids[-1]), "one by its id")
    check("Deleted: %d messages" % (many - 1) in
          i.command_both("postsuper", "-d", "ALL", "deferred"), "all of it")
    equal(i.queue_list(), [], "queue")


def test_new_mail_goes_first(s):
    """It does not wait until the deferred messages have been looked at."""
    many = 1000
    i = s.posthouse("a", main=LATE)
    alice = i.accounts[0]["user"]
    inject(i, many, "x@later.test")
    wait_for("it to be deferred", lambda: i.log_text().count(
        "status=deferred") == many, 120)
    i.stop()
    # Who looks at one of these waits for us.
    cur = os.path.join(i.queue, "cur")
    for name in os.listdir(cur)[:20]:
        os.unlink(os.path.join(cur, name))
        os.mkfifo(os.path.join(cur, name))
    i.start()
    send(i, "a@elsewhere.test", alice)
    wait_inbox(i, alice, 1, 60)
    # What is no message is set aside.
    wait_for("the rest", lambda: len(i.queue_list()) == many - 20, 60)


def test_a_backlog_becomes_files(s):
    """More than can be worked on at once keeps no segment for long."""
    many = 900
    i, slow = held_up(s, qmgr_message_active_limit="3",
                      mynetworks="127.0.0.0/8")
    inject(i, many, "x@far.ph.example")
    wait_for("deliveries", lambda: len(slow.received) == 3, 60)
    equal(files(i), [], "files")
    begun = time.monotonic()
    kill(i, "smtpd")
    wait_for("files", lambda: len(files(i)) == many, 60)
    # After ten seconds, and then not fifty in five.
    took = time.monotonic() - begun
    check(took < 40, "it took %.0f s" % took)
    wait_for("the segments to be free", lambda: not segments(i), 60)
    equal(len(i.queue_list()), many, "messages")
    slow.release.set()
    i.wait_queue_empty(240)
    equal(len(slow.received), many, "deliveries")


def test_a_backlog_of_segments_is_worked_off(s):
    """Many segments that are full: their age does not matter then."""
    many = 800
    i, slow = held_up(s, qmgr_message_active_limit="3",
                      mynetworks="127.0.0.0/8")
    inject(i, many, "x@far.ph.example", body=2400 * (99 * "x" + "\r\n"))
    wait_for("few segments", lambda: len(segments(i)) <= 10, 30)
    check(len(files(i)) > 50, "%d files" % len(files(i)))
    equal(len(slow.received), 3, "begun")


def test_administrators_and_a_backlog(s):
    """What is on its way into a file is deleted and held all the same."""
    i, slow = held_up(s, qmgr_message_active_limit="1",
                      mynetworks="127.0.0.0/8")
    inject(i, 300, "x@far.ph.example")
    wait_for("a delivery", lambda: slow.received, 60)
    equal(files(i), [], "files")
    kill(i, "smtpd")
    wait_for("the first files", lambda: files(i), 60)
    ids = [q["queue_id"] for q in i.queue_list()
           if q["queue_name"] != "active"]
    for qid in ids[:5]:
        i.command_both("postsuper", "-h", qid)
    check("Deleted: " in i.command_both("postsuper", "-d", "ALL",
                                        "incoming"), "delete")
    wait_for("the rest of the queue", lambda: sorted(
        q["queue_name"] for q in i.queue_list()) ==
        ["active"] + 5 * ["hold"], 60)
    slow.release.set()
    wait_for("what was active", lambda: len(i.queue_list()) == 5, 60)


def test_marks_that_cannot_be_written(s):
    """A full btrfs: who has the message does not get it again, however often
    the other recipient is tried; the mark follows when there is room."""
    i = s.posthouse("a", start=False, main={
        "import_environment": "TZ LD_PRELOAD", "queue_sync": "file",
        "mynetworks": "127.0.0.0/8", "minimal_backoff_time": "1s",
        "maximal_backoff_time": "1s", "transport_retry_time": "1s",
        "transport_maps": "inline:{ { later.test = smtp:[127.0.0.1]:1 } }"})
    s.i = i
    why = preload(s, "nomark")
    if why:
        raise Skip(why)
    i.start()
    alice = i.accounts[0]["user"]
    nomark = os.path.join(i.queue, "nomark")
    with open(nomark, "w"):
        pass
    send(i, "a@elsewhere.test", [alice, "x@later.test"])
    wait_for("attempts", lambda: i.log_text().count("status=deferred") >= 5,
             60)
    equal(i.log_text().count("status=sent"), 1, "deliveries")
    check("cannot mark a recipient" in i.log_text(), "nothing failed")
    os.unlink(nomark)
    wait_for("the marks", lambda: "are marked so" in i.log_text(), 60)
    i.stop()
    n = i.log_text().count("status=deferred")
    i.start()
    wait_for("an attempt", lambda: i.log_text().count("status=deferred") > n,
             60)
    equal(i.log_text().count("status=sent"), 1, "deliveries")


def deleting(i, n):
    """postsuper, at work on n messages that are hard to remove."""
    before = i.log_text().count(": removed")
    p = subprocess.Popen([i.tool("postsuper"), "-c", i.config, "-d", "ALL"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for("it to begin", lambda: i.log_text().count(": removed") >=
             before + n, 60)
    return p


def test_all_of_a_long_queue(s):
    """What is asked about all messages does not keep the others waiting, and
    who asked is told if it was not finished."""
    many = 300
    i = s.posthouse("a", start=False, main=dict(
        LATE, import_environment="TZ LD_PRELOAD"))
    s.i = i
    why = preload(s, "slowremove")
    if why:
        raise Skip(why)
    i.start()
    inject(i, many, "x@later.test")
    wait_for("it to be deferred", lambda: i.log_text().count(
        "status=deferred") == many, 120)
    alice = i.accounts[0]["user"]
    slow = os.path.join(i.queue, "slow")
    open(slow, "w").close()
    p = deleting(i, 3)
    send(i, "a@elsewhere.test", [alice])
    wait_inbox(i, alice, 1)
    equal(p.poll(), None, "postsuper, while mail is delivered")
    check(i.queue_list(), "nothing is left")
    i.stop()
    out = p.communicate()[0].decode()
    check("not all was done" in out and p.returncode != 0,
          "exit %s: %s" % (p.returncode, out))
    os.unlink(slow)
    i.start()
    left = len(wait_for("the queue", i.queue_list))
    check("Deleted: %d message" % left in
          i.command_both("postsuper", "-d", "ALL"), "the rest")
    equal(i.queue_list(), [], "the queue")
