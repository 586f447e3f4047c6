# SPDX-License-Identifier: Apache-2.0
"""Each system call of one delivery in turn ends in SIGKILL or an error.

strace is attached to one program of a running instance, or starts it; what
the action calls is counted first, then every call (program, name, nth of its
kind in a thread) gets each fault that it can meet.  After each run the ledger
must be right.
"""
import collections
import os
import shutil
import time

from actions import ACTIONS
from ledger import Arrived
from system import Failed, System, wait_for
from trace import Trace, Tracer

SYNCS = {"fsync", "fdatasync", "syncfs", "sync_file_range"}
WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile",
          "splice", "copy_file_range"}
READS = {"read", "pread64", "readv", "preadv"}
NAMES = {"rename", "renameat", "renameat2", "linkat", "link", "mkdirat",
         "mkdir"}
FILE_IO = SYNCS | WRITES | NAMES | {"ftruncate", "fallocate", "openat"}
OTHER = {"unlink", "unlinkat", "fchmod", "fchmodat", "fchown", "fstat",
         "newfstatat", "statx", "lseek", "getdents64", "mmap", "fcntl",
         "flock"}
NETWORK = {"sendmsg", "sendto", "recvmsg", "recvfrom", "accept4", "connect"}
MAKES_FD = {"openat", "accept4", "socket", "socketpair", "dup", "eventfd2",
            "memfd_create", "pipe2"}
# Not close: strace makes it fail by leaving it out, but Linux frees the
# descriptor whatever it answers, and with it its locks.
# Cannot fail, or only start a thread up that is killed elsewhere too.
DULL = {"restart_syscall", "rt_sigprocmask", "exit", "exit_group",
        "rt_sigreturn", "sched_yield", "brk", "munmap", "madvise", "gettid",
        "getpid", "mprotect", "set_robust_list", "rseq", "clone3", "clone",
        "execve"}
FAULTS = {"EIO": FILE_IO | READS | OTHER, "ENOSPC": FILE_IO,
          "EMFILE": MAKES_FD,
          "EINTR": SYNCS | READS | NETWORK | (WRITES - {"copy_file_range"}) |
          {"openat", "epoll_wait", "epoll_pwait"}}


def sensible(call, fault):
    if call in DULL:
        return False
    return fault == "KILL" or call in FAULTS[fault]


# What once lost something; the short form tries these always.
FOUND = {
    "to_maildir": [("qmgr", "newfstatat", 1, "EIO"),
                   ("smtpd", "write", 1, "EIO")],
    "append": [("imapd", "newfstatat", 6, "EIO")],
    "expunge": [("imapd", "newfstatat", 2, "EIO")],
}
# Marks and notes are synced a second after the answer.
LINGER = 1.6
ALIASES = {"virtual": ("virtual", "local-delivery"),
           "smtp": ("smtp", "smtp-client")}


def pids_of(s, program):
    names = ALIASES.get(program, (program,))
    return [p for p, n in s.processes().items() if n in names]


def attach(s, action, program, inject):
    """A trace of the program, ready for the action."""
    out = os.path.join(s.dir, "trace")
    for tries in range(10):
        action.prepare()
        if program in action.runs:
            return Trace(out, inject)
        pids = wait_for(program, lambda: pids_of(s, program), 30)
        try:
            return Tracer(pids, out, inject)
        except Failed:		# a process of the last run went just now
            if tries == 9:
                raise


def wait_a_while(t, seconds):
    """For what follows the answer, or until the fault came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not t.injected():
        time.sleep(0.03)


def one(s, action, program, inject):
    """The action once; more often if the call did not come yet, for some
    belong to work that is only done now and then."""
    t = attach(s, action, program, inject)
    try:
        with s.event("tree"):
            for n in range(action.times if inject else 1):
                action.act(t)
                wait_a_while(t, 0.15 if n < action.times - 1 and inject
                             else LINGER)
                if t.injected():
                    break
    finally:
        t.stop()
    return t


def missing(s, arrived):
    return [k for k in s.ledger.acked
            if k not in arrived.copies and k not in arrived.notices]


def check(s, action, what):
    """What is wrong after it; the empty string if nothing is."""
    s.drain(60)
    end = time.monotonic() + 20
    while True:		# the list of the queue may have met the fault
        arrived = Arrived(s.peer, s.maildirs())
        lost = missing(s, arrived)
        if not lost or time.monotonic() > end:
            break
        action.nudge()
        time.sleep(0.3)
    altered = [k for k, c in arrived.copies.items()
               if any(x.sha != s.ledger.sent.get(k[0]) for x in c)]
    problems = action.problems()
    if not (lost or altered or problems or s.panics()):
        return ""
    text = "%s: missing %s, altered %s, %s %s" % (
        what, lost[:3], altered[:3], problems[:3], s.panics())
    if s.panics():
        raise Failed(text)
    # Each failure is told once, and the others are looked for.
    for k in lost:
        del s.ledger.acked[k]
    action.forgive()
    return text


def make_plan(s, name, action, sample):
    """([(program, call, nth, fault)], how many there are in all)"""
    plan = []
    for program in action.programs:
        t = one(s, action, program, None)
        for call, n in sorted(t.calls().items()):
            plan += [(program, call, k, fault) for fault in
                     ("KILL", "EIO", "ENOSPC", "EINTR", "EMFILE")
                     if sensible(call, fault) for k in range(1, n + 1)]
    if not plan:
        raise Failed("strace saw no system call")
    total = len(plan)
    # A program that is killed many times in a row waits before it is started.
    s.random.shuffle(plan)
    if sample:
        plan = FOUND.get(name, []) + plan[:sample]
    return plan, total


def try_all(s, name, action, plan):
    """(how often which calls were not met, violations)"""
    missed, bad = collections.Counter(), []
    for n, (program, call, k, fault) in enumerate(plan):
        what = "%s: %s %s #%d" % (program, fault, call, k)
        try:
            if not one(s, action, program, (call, k, fault)).injected():
                missed["%s %s" % (program, call)] += 1
            why = check(s, action, what)
        except Failed as e:
            raise Failed("%s: %s" % (what, e))
        if why:
            bad.append(why)
            print("  " + why, flush=True)
        if n % 50 == 49:
            print("  %s: %d of %d" % (name, n + 1, len(plan)), flush=True)
    return missed, bad


def run_case(prefix, name, sample, seed, keep, facts):
    if os.geteuid() != 0 or shutil.which("strace") is None:
        return "needs root and strace"
    s = System(prefix, seed=seed)
    failed, action, facts["seed"] = True, None, s.seed
    try:
        s.lay_out()
        s.i.start()
        action = ACTIONS[name](s)
        action.prepare()		# what is done only once is done
        action.act(None)
        plan, total = make_plan(s, name, action, sample)
        facts.update(of=total, faults=len(plan))
        missed, bad = try_all(s, name, action, plan)
        met = len(plan) - sum(missed.values())
        v = s.verdict(5)
        facts.update(v.counts(), **action.counts())
        facts.update(met=met, problems=len(bad))
        print("syscalls %s: %d of %d faults tried, %d met; %s" % (
            name, len(plan), total, met, v.line()), flush=True)
        if missed:
            print("  %s: not met: %s" % (name, ", ".join(
                "%s %d" % x for x in missed.most_common())), flush=True)
        if bad:
            raise Failed("%d violations: %s" % (len(bad), bad[0]))
        if met == 0:
            raise Failed("no fault was ever met")
        if v.bad():
            raise Failed(v.details())
        failed = False
    finally:
        if action is not None:
            action.close()
        s.close(keep and failed)
    return ""


def cases(a):
    for name in ACTIONS:
        yield "syscalls-" + name, lambda facts, name=name: run_case(
            a.prefix, name, None if a.long else 5, a.seed, a.keep, facts)
