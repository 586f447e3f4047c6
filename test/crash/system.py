# SPDX-License-Identifier: Apache-2.0
"""The system under test: one instance, its peer, its ledger, its processes."""
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import dns
import instance
from instance import Failed, wait_for
from ledger import PEER, Arrived, Ledger
from load import Injector, Submitter
from logbook import LogBook
from peer import Peer
from verdict import Verdict

USERS = 8
# main.cf of all instances of this run.
SETTINGS = {}


def default_sync(prefix):
    """How the queue of this installation is synced if nobody says so; None if
    it has one way only."""
    r = subprocess.run([os.path.join(prefix, "sbin", "postconf"), "-dh",
                        "queue_sync"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL)
    return r.stdout.decode().strip() or None


def queue_sync(prefix, mode):
    """From now on instances use this mode ("journal", "file").  False: this
    installation does not have it."""
    SETTINGS.pop("queue_sync", None)
    if default_sync(prefix):
        SETTINGS["queue_sync"] = mode
    return default_sync(prefix) is not None or mode == "file"


def has_journal(prefix):
    return SETTINGS.get("queue_sync", default_sync(prefix)) == "journal"


def addresses():
    pid = os.getpid()
    for n in range(1, 250):
        yield "127.%d.%d.%d" % (192 + pid % 60, pid // 60 % 250, n)


ADDRESSES = addresses()


class System:
    """directory: a fresh one below which everything lies.  queue and mail may
    be set to mounted file systems before lay_out()."""

    def __init__(self, prefix, clients=8, seed=None, **main):
        self.dir = tempfile.mkdtemp(prefix="ph-crash-")
        os.chmod(self.dir, 0o755)
        self.seed = random.randrange(1 << 30) if seed is None else seed
        self.random = random.Random(self.seed)
        self.ledger = Ledger()
        self.most_recipients, self.largest, self.pace = 8, 600000, 0
        self.zone = dns.Dns(os.path.join(self.dir, "dns"),
                            ["a MX 10 mx.a", "mx.a A 127.0.0.1"])
        self.zone.start()
        self.peer = Peer(next(ADDRESSES))
        host = next(ADDRESSES)
        ports = {n: instance.free_port(host) for n in instance.SERVICES}
        conf = {
            "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "mynetworks": "127.0.0.0/8", **self.zone.main_cf(),
            "smtpd_client_connection_count_limit": "1000",
            "transport_maps": "inline:{%s=smtp:[%s]:%d}" % (
                PEER, self.peer.host, self.peer.port),
            "service_throttle_time": "2s",
            "import_environment": "TZ LD_PRELOAD CRASH_CLOCK",
        }
        conf.update(SETTINGS)
        conf.update(main)
        self.i = instance.Instance(
            os.path.join(self.dir, "a"), prefix, host, ports,
            myhostname="mx.a.ph.example", domains=("a.ph.example",),
            main=conf)
        self.sender = "sender@a.ph.example"
        self.users = ["u%d@a.ph.example" % n for n in range(USERS)]
        self.clients = clients
        self.injectors = []
        self.may_send = threading.Event()
        self.may_send.set()
        self.birth = threading.Lock()	# of processes that are ours
        self.book = LogBook(self.i.log)
        self.book.start()

    def lay_out(self):
        self.i.lay_out()
        for user in self.users + [self.sender]:
            self.i.add_account(user, "secret")
        os.sync()

    # -- load -----------------------------------------------------------

    def inject(self, limit=None):
        self.injectors = [Injector(self, self.seed + n)
                          for n in range(self.clients)]
        self.injectors.append(Submitter(self, self.seed - 1))
        for w in self.injectors:
            w.limit = limit
            w.start()

    def stop_injecting(self):
        self.may_send.set()
        for w in self.injectors:
            w.stopping.set()
        for w in self.injectors:
            w.join(60)
            if w.is_alive():
                raise Failed("an injecting client hangs")

    @contextlib.contextmanager
    def quiet(self, *others):
        """Nobody sends, nobody is connected."""
        self.may_send.clear()
        try:
            clients = self.injectors + list(others)
            wait_for("the clients to rest", lambda: all(
                w.resting or not w.is_alive() for w in clients))
            yield
        finally:
            self.may_send.set()

    def answers(self):
        """What clients were told instead of 250, by (code, text)."""
        return sum((w.answers for w in self.injectors),
                   collections.Counter())

    # -- processes ------------------------------------------------------

    def processes(self):
        """{pid: program} of all that belongs to this instance."""
        mark = b"MAIL_CONFIG=" + self.i.config.encode() + b"\0"
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid, "rb") as f:
                    ours = mark in f.read()
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    args = f.read().split(b"\0")
            except OSError:
                continue
            name = os.path.basename(args[0].decode(errors="replace"))
            master = name == "master" and self.i.config.encode() in args
            if ours or master:
                found[int(pid)] = name
        return found

    @staticmethod
    def kill(pid, signo=signal.SIGKILL):
        try:
            os.kill(pid, signo)
            return True
        except ProcessLookupError:
            return False

    @staticmethod
    def depth(pid):
        n = 0
        while pid > 1 and n < 20:
            try:
                with open("/proc/%d/stat" % pid) as f:
                    pid = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                break
            n += 1
        return n

    def kill_tree(self):
        """At once: nobody gets to see the others die.  Children first: the
        end of a parent would wake stopped children up (SIGHUP, SIGCONT)."""
        for _ in range(100):
            pids = self.processes()
            if not pids:
                break
            for pid in pids:
                self.kill(pid, signal.SIGSTOP)
            for pid in sorted(pids, key=self.depth, reverse=True):
                self.kill(pid)
            time.sleep(0.01)
        else:
            raise Failed("processes survive SIGKILL: %r" % self.processes())
        if self.i.process is not None:
            self.i.process.wait(30)
            self.i.process = None

    def event(self, what):
        return self.book.event(what)

    # -- the end --------------------------------------------------------

    def listed(self):
        try:
            text = subprocess.run(
                [self.i.tool("postqueue"), "-c", self.i.config, "-j"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                timeout=60)
        except subprocess.TimeoutExpired:
            return None
        if text.returncode != 0:
            return None
        return [json.loads(x) for x in text.stdout.splitlines() if x]

    def drain(self, timeout=180.0):
        """Until the queue is empty; timeout: without it getting shorter."""
        end = time.monotonic() + timeout
        least = None
        while time.monotonic() < end:
            entries = self.listed()
            if entries == []:
                return
            if entries is not None and (least is None or
                                        len(entries) < least):
                least = len(entries)
                end = time.monotonic() + timeout
            # A long list costs who is to work on it.
            time.sleep(0.3 if least is None or least < 1000 else 5)
        raise Failed("the queue does not drain: %r" % (
            (entries or ["postqueue fails"])[:3],))

    def maildirs(self):
        out = {}
        for user in self.users + [self.sender]:
            name, domain = user.split("@")
            out[user] = os.path.join(self.i.mail, domain, name, "Maildir")
        return out

    def verdict(self, late):
        return Verdict(self.ledger, Arrived(self.peer, self.maildirs()),
                       self.book, late)

    def leftovers(self):
        """What must be empty when all is over.  A file that its writer did
        not complete is no message; the sweep removes it."""
        bad = []
        for sub in ("corrupt", "new", "cur", "hold"):
            path = os.path.join(self.i.queue, sub)
            names = [n for n in (os.listdir(path) if os.path.isdir(path)
                                 else ())
                     if os.stat(os.path.join(path, n)).st_mode & 0o100]
            if names:
                bad.append("%s/ holds %d: %s" % (sub, len(names),
                                                 names[:3]))
        return bad

    def panics(self):
        """The log of a long run is long."""
        with open(self.i.log, errors="replace") as f:
            return [x.strip() for x in f if "panic:" in x][:5]

    def backlog(self):
        """About how many messages wait; those that are young do not count."""
        return sum(len(os.listdir(os.path.join(self.i.queue, sub)))
                   for sub in ("new", "cur"))

    def copy_evidence(self):
        """Before the file systems below it go."""
        for path in (self.i.queue, self.i.mail):
            subprocess.run(["cp", "-a", path, self.dir])

    def close(self, keep=False):
        for w in self.injectors:
            w.stopping.set()
        self.book.stopping.set()
        self.kill_tree()
        self.zone.stop()
        self.peer.stop()
        if keep:
            print("  kept: " + self.dir, flush=True)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


__all__ = ["System", "Failed", "wait_for"]
