# SPDX-License-Identifier: Apache-2.0
"""Mail that lives in the journal, and what administrators do to it."""
import fcntl
import os
import re
import signal

from peers import held_up
from scenario import (check, equal, message, send, wait_for, wait_inbox)


def submit(i, slow):
    """Its id, once the peer has all of it."""
    n = len(slow.received)
    alice = i.accounts[0]["user"]
    before = {q["queue_id"] for q in i.queue_list()}
    send(i, alice, "x@far.ph.example", service="submission")
    wait_for("the slow server", lambda: len(slow.received) > n, 30)
    return next(q["queue_id"] for q in i.queue_list()
                if q["queue_id"] not in before)


def files(i):
    """Messages that have a file."""
    return sorted(name for d in ("new", "cur", "hold", "corrupt")
                  for name in os.listdir(os.path.join(i.queue, d)))


def tokens(slow):
    return [re.search(rb"Message-ID: <([^>]*)>", t)[1] for t in slow.received]


def is_over(pid):
    """Gone, or all but gone: its descriptors and their locks are closed."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill_all(i):
    """The whole tree at once, as a power cut does; the page cache stays."""
    master = i.process.pid
    os.kill(master, signal.SIGSTOP)
    # None is to see another one die.  Master is the last, because the system
    # wakes who is stopped in a group that has lost its parent.
    family = sorted(i.family(), key=lambda pid: pid == master)
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        for pid in family:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
    i.process.wait()
    i.process = None
    wait_for("all of it to be gone", lambda: all(map(is_over, family)), 30)


def set_sync(i, how):
    path = os.path.join(i.config, "main.cf")
    with open(path) as f:
        text = re.sub(r"(?m)^queue_sync *=.*\n", "", f.read())
    with open(path, "w") as f:
        f.write(text + "queue_sync = %s\n" % how)


def test_tools_see_it(s):
    i, slow = held_up(s)
    qid = submit(i, slow)
    equal(files(i), [], "messages with a file of their own")
    equal([(q["queue_id"], q["queue_name"]) for q in i.queue_list()],
          [(qid, "active")], "postqueue -j")
    check(qid + "*" in i.command("postqueue", "-p"), "postqueue -p")
    out = i.command("postcat", "-q", qid)
    check("sender: " + i.accounts[0]["user"] in out, out)
    check("recipient: x@far.ph.example" in out, out)
    check("Subject: test " in out, out)
    # What is busy is dealt with when it is not busy any more.
    held, gone = submit(i, slow), submit(i, slow)
    i.command_both("postsuper", "-h", held)
    i.command_both("postsuper", "-d", gone)
    slow.release.set()
    wait_for("the others to be gone", lambda: [
        (q["queue_id"], q["queue_name"]) for q in i.queue_list()] ==
        [(held, "hold")], 60)
    # It was delivered, and is not delivered once more.
    i.command_both("postsuper", "-H", held)
    i.wait_queue_empty(60)
    equal(len(slow.received), 3, "deliveries")
    equal(files(i), [], "files afterwards")


def test_postsuper_after_a_crash(s):
    i, slow = held_up(s)
    ids = [submit(i, slow) for _ in range(4)]
    sent = tokens(slow)
    equal(files(i), [], "messages with a file of their own")
    kill_all(i)
    slow.received.clear()
    check("Deleted: 1 message" in
          i.command_both("postsuper", "-d", ids[0]), "delete")
    check("Placed on hold: 1 message" in
          i.command_both("postsuper", "-h", ids[1]), "hold")
    # What was in the journal is in files now.
    equal(files(i), sorted(ids[1:]), "files")
    check("Subject: test " in i.command("postcat", "-q", ids[1]), "postcat")
    slow.release.set()
    i.start()
    wait_for("two messages", lambda: len(slow.received) >= 2, 60)
    wait_for("the queue", lambda: [
        (q["queue_id"], q["queue_name"]) for q in i.queue_list()] ==
        [(ids[1], "hold")], 60)
    i.command_both("postsuper", "-H", ids[1])
    i.wait_queue_empty(60)
    equal(sorted(tokens(slow)), sorted(sent[1:]), "delivered after all")


def test_postsuper_and_a_queue_manager_that_starts(s):
    """Two that recover the journal would make two of each message."""
    i, slow = held_up(s)
    qid = submit(i, slow)
    kill_all(i)
    with open(os.path.join(i.queue, "journal", "leader"), "r+") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            out = i.command_both("postsuper", "-d", qid)
        except Exception as e:  # noqa: BLE001
            out = str(e)
        check("queue manager" in out and "Deleted" not in out, out)
        equal(files(i), [], "files")
    check("Deleted: 1 message" in i.command_both("postsuper", "-d", qid),
          "afterwards")


def test_killed_with_mail_in_the_journal(s):
    """Settled mail stays away, the rest goes out; also after a recovery that
    ends in another kill."""
    i, slow = held_up(s)
    bob = i.accounts[1]["user"]
    for _ in range(5):
        send(i, bob, bob, service="submission")
    wait_for("local deliveries", lambda: not i.queue_list(), 60)
    for _ in range(3):
        submit(i, slow)
    sent = tokens(slow)
    for _ in range(2):
        kill_all(i)
        slow.received.clear()
        i.start()
        wait_for("all of them again", lambda: len(slow.received) >= 3, 60)
        equal(sorted(tokens(slow)), sorted(sent), "delivered again")
    slow.release.set()
    i.wait_queue_empty(60)
    equal(len(slow.received), 3, "deliveries")
    equal(i.log_text().count("status=sent (delivered to maildir)"), 5,
          "local deliveries")
    equal(files(i), [], "files afterwards")


def test_switching(s):
    """queue_sync may change while there is mail in the queue."""
    i, slow = held_up(s)
    sent = []
    for how in ("file", "journal", "file"):
        before = set(files(i))
        submit(i, slow)
        last = tokens(slow)[-1]
        sent.append(last)
        kill_all(i)
        set_sync(i, how)
        slow.received.clear()
        i.start()
        wait_for("all that was sent", lambda: len(slow.received) >=
                 len(sent), 60)
        equal(sorted(tokens(slow)), sorted(sent), "begun again")
        check(len(files(i)) >= len(before), "files")
    slow.release.set()
    i.wait_queue_empty(60)
    equal(len(slow.received), len(sent), "deliveries")
    equal(files(i), [], "files afterwards")


def segments(i):
    d = os.path.join(i.queue, "journal")
    return [n for n in os.listdir(d) if re.fullmatch(r"\w{10}z\w+", n)]


def test_it_is_tidied_up(s):
    """Nothing of it grows: segments are used again, notes go with them."""
    i = s.posthouse("a", main={"minimal_backoff_time": "1s"})
    alice, bob = (a["user"] for a in i.accounts)
    body = message(alice, [bob], body="x" * 60 + "\r\n")
    for _ in range(4):
        for _ in range(10):
            send(i, alice, bob, body, service="submission")
        i.wait_queue_empty(60)
        kill_all(i)
        i.start()
        wait_for("no segment of those that ended",
                 lambda: not segments(i), 60)
    names = os.listdir(os.path.join(i.queue, "journal"))
    free = [n for n in names if n.startswith("free.")]
    check(1 <= len(free) <= 8, "free segments: %s" % names)
    check(not [n for n in names if n.startswith("done.")], str(names))


def test_what_stays_gets_a_file(s):
    """So that its segment can be used again: of the messages that are with
    agents, and of those that wait for their turn."""
    i, slow = held_up(s, qmgr_message_active_limit="3")
    alice = i.accounts[0]["user"]
    for _ in range(12):
        send(i, alice, "x@far.ph.example", service="submission")
    wait_for("deliveries", lambda: len(slow.received) == 3, 60)
    equal(files(i), [], "files")
    for pid, _ in i.family().items():
        try:
            if os.readlink("/proc/%d/exe" % pid).endswith("/smtpd"):
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    wait_for("files", lambda: len(files(i)) == 12, 60)
    wait_for("the segment to be free", lambda: not segments(i), 60)
    slow.release.set()
    i.wait_queue_empty(60)
    equal(len(slow.received), 12, "deliveries")
    equal(len(set(tokens(slow))), 12, "messages")


def test_a_notice_that_fails_repeats_no_delivery(s):
    """One recipient bounces, the other one is the last to be delivered; then
    the bounce cannot be queued."""
    i, slow = held_up(s, queue_sync="file")
    alice = i.accounts[0]["user"]
    send(i, alice, ["x@nowhere.ph.example", "x@far.ph.example"],
         service="submission")
    wait_for("the slow server", lambda: slow.received, 60)
    wait_for("the bounce", lambda: "status=bounced" in i.log_text(), 60)
    new = os.path.join(i.queue, "new")
    os.chmod(new, 0o500)
    slow.release.set()
    wait_for("the attempt", lambda: "cannot send a notification" in
             i.log_text(), 60)
    os.chmod(new, 0o700)
    wait_inbox(i, alice, 1)
    i.wait_queue_empty(60)
    equal(len(slow.received), 1, "deliveries")
