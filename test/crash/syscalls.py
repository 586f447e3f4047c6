# SPDX-License-Identifier: Apache-2.0
"""Each system call of one delivery in turn ends in SIGKILL or an error.

strace is attached to one program of a running instance; what the action calls
is counted first, then every call (program, name, nth of its kind in a thread)
gets each fault that it can meet.  After each run the ledger must be right.
"""
import collections
import imaplib
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess
import time

from imapload import ImapLoad
from ledger import PEER, Arrived, make
from system import Failed, System, wait_for

FILE_IO = {"write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate",
           "rename", "renameat", "renameat2", "linkat", "link", "unlink",
           "unlinkat", "openat", "fchmod", "mkdirat", "mkdir", "fallocate"}
READING = {"read", "pread64", "readv", "fstat", "newfstatat", "statx",
           "lseek", "getdents64", "mmap", "fcntl"}
NETWORK = {"sendmsg", "sendto", "recvmsg", "recvfrom"}
MAKES_FD = {"openat", "accept4", "socket", "socketpair", "dup", "eventfd2",
            "fcntl"}
WAITS = {"read", "write", "writev", "pread64", "pwrite64", "sendmsg",
         "sendto", "recvmsg", "recvfrom", "accept4", "connect",
         "epoll_wait", "epoll_pwait", "openat", "fsync", "fdatasync"}
# Cannot fail, or only start a thread up that is killed elsewhere too.
DULL = {"restart_syscall", "rt_sigprocmask", "exit", "exit_group",
        "rt_sigreturn", "sched_yield", "brk", "munmap", "madvise", "gettid",
        "getpid", "mprotect", "set_robust_list", "rseq", "clone3", "clone"}
FAULTS = {"EIO": FILE_IO | READING, "ENOSPC": FILE_IO - {"unlink", "unlinkat"},
          "EMFILE": MAKES_FD, "EINTR": WAITS}


def sensible(call, fault):
    if call in DULL:
        return False
    if fault == "KILL":
        return True
    # fcntl stands for locks (EIO) here, never for a new descriptor.
    return call in FAULTS[fault] and not (call == "fcntl" and fault != "EIO")


class Tracer:
    """strace on all processes of one program, threads included."""

    def __init__(self, pids, out, inject=None):
        self.out = out
        args = ["strace", "-f", "-qq", "-o", out]
        if inject:
            call, nth, fault = inject
            what = "signal=KILL" if fault == "KILL" else "error=" + fault
            args += ["-e", "trace=" + call,
                     "-e", "inject=%s:%s:when=%d" % (call, what, nth)]
        for p in pids:
            args += ["-p", str(p)]
        self.p = subprocess.Popen(args, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL)
        self.attached(pids)

    def attached(self, pids):
        def seen():
            if self.p.poll() is not None:
                raise Failed("strace: %r" % self.p.stderr.read())
            for pid in pids:
                try:
                    with open("/proc/%d/status" % pid) as f:
                        if re.search(r"^TracerPid:\s+0$", f.read(), re.M):
                            return False
                except OSError:
                    return True
            return True
        wait_for("strace to attach", seen, 20, 0.01)
        time.sleep(0.05)		# the other threads

    def stop(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.p.stderr.close()

    def calls(self):
        """{name: the most calls of it that one thread made}"""
        per = collections.Counter()
        with open(self.out, errors="replace") as f:
            for line in f:
                m = re.match(r"(\d+) +([a-z0-9_]+)\(", line)
                if m:
                    per[m.group(1), m.group(2)] += 1
        most = {}
        for (_, name), n in per.items():
            most[name] = max(most.get(name, 0), n)
        return most

    def injected(self):
        with open(self.out, errors="replace") as f:
            text = f.read()
        return "INJECTED" in text or "killed by SIGKILL" in text


class Actions:
    """What is done once per run.  Answers refused by the server are fine; a
    250 or OK must be true, which look() finds out."""

    def __init__(self, s):
        self.s = s
        self.imap = ImapLoad(s, s.sender)
        self.c = None

    def mail(self, to):
        mid, raw = make(self.s.sender, [to], 3000)
        self.s.ledger.begin(mid, raw)
        try:
            with smtplib.SMTP(self.s.i.host, self.s.i.ports["smtp"],
                              timeout=15) as c:
                c.sendmail(self.s.sender, [to], raw)
                self.s.ledger.ack(mid, [to])
        except (smtplib.SMTPException, OSError):
            pass

    def to_maildir(self):
        self.mail(self.s.users[0])

    def to_peer(self):
        self.mail("p%d@%s" % (random.randrange(10 ** 9), PEER))

    def connected(self):
        for _ in range(100):
            try:
                if self.c is None:
                    self.c = self.imap.connect()
                self.c.noop()
                return
            except (OSError, imaplib.IMAP4.error, EOFError):
                self.drop()
                time.sleep(0.1)
        raise Failed("no IMAP session to be had")

    def drop(self):
        self.imap.drop(self.c)
        self.c = None

    def quietly(self, fn):
        try:
            self.c.sock.settimeout(15)
            fn(self.c)
        except (OSError, imaplib.IMAP4.error, EOFError, AttributeError):
            self.drop()

    def append(self):
        self.quietly(self.imap.append)

    def expunge(self):
        self.quietly(self.imap.expunge)

    def prepare(self, name):
        """Everybody is up and connected, so that the same calls follow."""
        if name in ("append", "expunge"):
            self.connected()
            self.append()
            self.connected()
        else:
            before = len(self.s.ledger.acked)
            end = time.monotonic() + 60
            while time.monotonic() < end:
                getattr(self, name)()
                if len(self.s.ledger.acked) > before:
                    self.settled()
                    return
                time.sleep(0.1)
            raise Failed("the system takes no mail any more")

    def settled(self):
        self.s.drain(60)


# What once lost something; the short form tries these always.
FOUND = {
    "to_maildir": [("qmgr", "newfstatat", 1, "EIO"),
                   ("smtpd", "write", 1, "EIO")],
    "append": [("imapd", "newfstatat", 6, "EIO")],
    "expunge": [("imapd", "newfstatat", 2, "EIO")],
}

CASES = {
    "to_maildir": ("smtpd", "qmgr", "virtual"),
    "to_peer": ("smtpd", "qmgr", "smtp"),
    "append": ("imapd",),
    "expunge": ("imapd",),
}


def pids_of(s, program):
    names = {"virtual": ("virtual", "local-delivery"),
             "smtp": ("smtp", "smtp-client"),
             "imapd": ("imapd", "imap-session")}.get(program, (program,))
    return [p for p, n in s.processes().items() if n in names]


def one(s, actions, name, program, inject):
    """True if the fault happened."""
    out = os.path.join(s.dir, "trace")
    for tries in range(10):
        actions.prepare(name)
        pids = wait_for(program, lambda: pids_of(s, program), 30)
        try:
            t = Tracer(pids, out, inject)
            break
        except Failed:		# a process of the last run went just now
            if tries == 9:
                raise
    try:
        with s.event("tree"):
            getattr(actions, name)()
            time.sleep(0.15)		# what follows the answer
    finally:
        t.stop()
    return t


def check(s, actions, what, full):
    actions.settled()
    end = time.monotonic() + 20
    while True:		# the list of the queue may have met the fault
        arrived = Arrived(s.peer, s.maildirs())
        missing = [k for k in s.ledger.acked
                   if k not in arrived.copies and k not in arrived.notices]
        if not missing or time.monotonic() > end:
            break
        time.sleep(0.3)
    altered = [k for k, c in arrived.copies.items()
               if any(x.sha != s.ledger.sent.get(k[0]) for x in c)]
    if full:
        actions.connected()
        try:
            actions.imap.read(actions.c)
        except (OSError, imaplib.IMAP4.error, EOFError) as e:
            actions.imap.problems.append("reading: %r" % e)
    if not (missing or altered or actions.imap.problems or s.panics()):
        return ""
    text = "%s: missing %s, altered %s, IMAP %s, %s" % (
        what, missing[:3], altered[:3], actions.imap.problems[:3],
        s.panics())
    # Each failure is told once, and the others are looked for.
    for k in missing:
        del s.ledger.acked[k]
    actions.drop()
    actions.imap.forgive()
    if s.panics():
        raise Failed(text)
    return text


def run_case(prefix, name, sample, seed, keep):
    if os.geteuid() != 0 or shutil.which("strace") is None:
        return "needs root and strace"
    s = System(prefix, seed=seed)
    failed = True
    actions = None
    try:
        s.lay_out()
        s.i.start()
        actions = Actions(s)
        plan = []
        for program in CASES[name]:
            t = one(s, actions, name, program, None)
            for call, n in sorted(t.calls().items()):
                for fault in ("KILL", "EIO", "ENOSPC", "EINTR", "EMFILE"):
                    if sensible(call, fault):
                        plan += [(program, call, k, fault)
                                 for k in range(1, n + 1)]
        if not plan:
            raise Failed("strace saw no system call")
        total = len(plan)
        if sample:
            s.random.shuffle(plan)
            plan = FOUND.get(name, []) + plan[:sample]
        hit, bad = 0, []
        for n, (program, call, k, fault) in enumerate(plan):
            t = one(s, actions, name, program, (call, k, fault))
            hit += t.injected()
            why = check(s, actions, "%s: %s %s #%d" % (
                program, fault, call, k), name in ("append", "expunge"))
            if why:
                bad.append(why)
                print("  " + why, flush=True)
            if not sample and n % 50 == 49:
                print("  %s: %d of %d" % (name, n + 1, total), flush=True)
        v = s.verdict(5, 5)
        print("syscalls %s: %d of %d faults tried, %d met; %s; %d IMAP "
              "problems" % (name, len(plan), total, hit, v.line(),
                            len(actions.imap.problems)), flush=True)
        if bad:
            raise Failed("%d violations: %s" % (len(bad), bad[0]))
        if hit == 0:
            raise Failed("no fault was ever met")
        if v.bad():
            raise Failed(v.details())
        failed = False
    finally:
        if actions is not None:
            actions.drop()
        s.close(keep and failed)
    return ""


def cases(a):
    for name in CASES:
        yield "syscalls-" + name, lambda name=name: run_case(
            a.prefix, name, None if a.long else 8, a.seed, a.keep)
