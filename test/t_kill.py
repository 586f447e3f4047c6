# SPDX-License-Identifier: Apache-2.0
"""2,000 messages in flight while each daemon in turn is killed: every
message that was acknowledged arrives, and master keeps the service up."""
import os
import signal
import smtplib
import threading
import time

from peers import held_up
from scenario import (check, equal, inbox, message, send, wait_for,
                      wait_inbox)
from pairs import pair

VICTIMS = ("smtpd", "qmgr", "smtp-client", "local-delivery", "resolver",
           "authd", "bounce", "anvil", "login", "imapd", "popd", "pickup")
TOTAL = 2000
CLIENTS = 8


def processes(i, program):
    """Pids of this program among the children of our master."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                args = f.read().split(b"\0")
            with open("/proc/%s/environ" % pid, "rb") as f:
                env = f.read()
            # argv[0] is master.cf's command: "smtp", "virtual".
            name = os.path.basename(os.readlink("/proc/%s/exe" % pid))
        except OSError:
            continue
        if name == program and (i.config.encode() in b" ".join(args)
                                or i.config.encode() in env):
            found.append(int(pid))
    return found


class Injector(threading.Thread):
    """Sends until it has its share acknowledged; writes down each 250."""

    def __init__(self, i, to, share):
        super().__init__(daemon=True)
        self.i, self.to, self.share = i, to, share
        self.acked = []

    def run(self):
        c = None
        while len(self.acked) < self.share:
            data = message("load@elsewhere.test", [self.to])
            mid = data.split(b"Message-ID: <")[1].split(b">")[0]
            try:
                if c is None:
                    c = smtplib.SMTP(self.i.host, self.i.ports["smtp"],
                                     timeout=30)
                c.sendmail("load@elsewhere.test", [self.to], data)
                self.acked.append(mid)
            except (smtplib.SMTPException, OSError):
                c = None
                time.sleep(0.05)


def test_nothing_acknowledged_is_lost(s):
    a, b = pair(s, main={"smtpd_client_connection_count_limit": "1000"})
    relay_to, local_to = b.accounts[0]["user"], a.accounts[0]["user"]
    workers = [Injector(a, relay_to if n % 2 else local_to, TOTAL // CLIENTS)
               for n in range(CLIENTS)]
    for w in workers:
        w.start()
    killed = {v: 0 for v in VICTIMS}
    turn = 0
    while any(w.is_alive() for w in workers) or turn < len(VICTIMS):
        victim = VICTIMS[turn % len(VICTIMS)]
        turn += 1
        for i in (a, b):
            for pid in processes(i, victim):
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed[victim] += 1
                except ProcessLookupError:
                    pass
        time.sleep(0.25)
        check(turn < 2000, "the injectors do not get through")
    for w in workers:
        w.join()
    for must in ("smtpd", "qmgr", "smtp-client", "local-delivery",
                 "resolver"):
        check(killed[must] > 0, "%s was never caught alive" % must)
    a.wait_queue_empty(180)
    b.wait_queue_empty(180)
    for i, user in ((a, local_to), (b, relay_to)):
        acked = [m for w in workers if w.to == user for m in w.acked]
        equal(len(acked), TOTAL // 2, "acknowledged")
        got = wait_inbox(i, user, len(acked), 120)
        text = b"".join(got)
        lost = [m for m in acked if m not in text]
        equal(len(lost), 0, "lost at " + user)
        print("  %s: %d acknowledged, %d arrived (%d duplicates)" % (
            user, len(acked), len(got), len(got) - len(acked)))
    wait_for("service", lambda: a.answers("smtp") and a.answers("imaps"), 30)
    inbox(a, local_to)


def test_no_second_agent_after_a_kill_of_qmgr(s):
    """qmgr is killed while an agent is in the middle of a delivery: the next
    one waits until that agent has let go of the message."""
    i, slow = held_up(s)
    alice, bob = (a["user"] for a in i.accounts)
    send(i, alice, "x@far.ph.example", service="submission")
    wait_for("the slow server", lambda: slow.received, 30)
    for pid in processes(i, "qmgr"):
        os.kill(pid, signal.SIGKILL)
    # The next one is at work, and has looked at the slow message, too.
    for n in range(3):
        send(i, alice, bob, service="submission")
        wait_inbox(i, bob, n + 1, 30)
        time.sleep(1)
    equal(len(slow.received), 1, "agents at the slow server")
    slow.release.set()
    i.wait_queue_empty(30)


def test_new_mail_does_not_wait_behind_deferred(s):
    """A queue manager that starts finds new mail and mail that is due in an
    hour: the one does not wait for the other."""
    # Found in one and the same look at the directories.
    i = s.posthouse("a", main={
        "queue_sync": "file",
        "transport_maps": "inline:{ { later.test = relay:[127.0.0.1]:1 } }",
        "defer_transports": "relay", "mynetworks": "127.0.0.0/8",
        "minimal_backoff_time": "1h", "maximal_backoff_time": "1h"})
    alice = i.accounts[0]["user"]
    send(i, "a@elsewhere.test", "x@later.test")
    wait_for("it to be deferred",
             lambda: "status=deferred" in i.log_text(), 60)
    old = wait_for("a queue manager", lambda: processes(i, "qmgr"))
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    send(i, "a@elsewhere.test", alice)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_inbox(i, alice, 1, 60)
