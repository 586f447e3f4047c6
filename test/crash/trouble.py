# SPDX-License-Identifier: Apache-2.0
"""The machine gets into trouble while mail flows, and out of it again: what
is refused is refused for now and in words, nothing that was acknowledged is
lost, and the service comes back by itself."""
import os
import time

import clock
import full
import readonly
from disk import Disk
from imapload import ImapLoad
from loopdisk import why_not
from preload import preload
from system import Failed, System, has_journal, wait_for

SLOW = float(os.environ.get("POSTHOUSE_SLOW", "1"))
EX_TEMPFAIL = 75
ROUNDS = 5
MIB = 1 << 20


class World:
    """A system with a file system of its own for the queue and one for the
    mailboxes (or one for both), and what troubles need to know of it."""

    def __init__(self, s, kinds, make_disk):
        self.s, self.disks = s, {}
        os.makedirs(s.i.dir, exist_ok=True)
        os.chmod(s.i.dir, 0o755)
        for name, kind in zip(("queue", "mail"), kinds):
            self.disks[name] = make_disk(kind, os.path.join(s.i.dir, name))
        self.disks.setdefault("mail", self.disks["queue"])
        s.i.queue = os.path.join(self.disks["queue"].at, "spool")
        s.i.mail = os.path.join(self.disks["mail"].at, "mail")
        self.imap = ImapLoad(s, s.sender)

    def quiet(self):
        return self.s.quiet(self.imap)

    def dropped(self):
        return sum(w.dropped for w in self.s.injectors)

    def taken(self):
        return self.s.ledger.messages

    def takes_mail(self, n=20):
        """Wait until n more messages were acknowledged."""
        goal = self.taken() + n
        wait_for("mail to be accepted", lambda: self.taken() >= goal, 60)

    def close(self):
        for disk in set(self.disks.values()):
            disk.close()


def small(kind, at):
    """Soon full.  A few thousand inodes, where their number is fixed."""
    more = {"ext4": ["-N", "20000", "-m", "0"], "xfs": [], "btrfs": []}[kind]
    size = {"ext4": 256, "xfs": 320, "btrfs": 320}[kind] * MIB
    return Disk(kind, at, size, more)


def suffer(w, t, seconds):
    """One trouble from begin to end."""
    master = w.s.i.process.pid
    w.takes_mail()
    told = w.s.answers()
    t.begin(w)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        t.go_on(w)
        time.sleep(0.05)
    t.check(w)
    new = w.s.answers() - told
    t.end(w)
    if t.refuses and not any(code == 452 or code == 451 for code, _ in new):
        raise Failed("%s: no 451 or 452 was ever said: %r" % (t.name, new))
    w.takes_mail()
    if not t.restarts and w.s.i.process.pid != master:
        raise Failed("%s: master was started again" % t.name)
    return sum(new.values())


def judge(w, v):
    s = w.s
    bad = s.leftovers() + s.panics() + w.imap.problems
    bad += ["not for now: %d %s" % a for a in s.answers()
            if a[0] != EX_TEMPFAIL and not 400 <= a[0] < 500]
    bad += ["in no words: %d" % code for code, text in s.answers()
            if not text]
    if w.dropped():
        bad.append("%d connections were dropped" % w.dropped())
    if v.bad() or bad:
        raise Failed("seed %d\n%s%s" % (s.seed, v.details(),
                                        "\n".join(bad[:10])))


def run_one(prefix, name, kinds, troubles, seconds, seed, keep, facts):
    for kind in kinds:
        why = why_not(kind)
        if why:
            return why
    s = System(prefix, clients=4, seed=seed)
    failed, w, facts["seed"] = True, None, s.seed
    try:
        jumps = any(isinstance(t, clock.Jump) for t in troubles)
        why = preload(s, "jump") if jumps else ""
        if why:
            return why
        clock.make(s)
        s.pace, s.largest = 0.02, 200000
        w = World(s, kinds, Disk if jumps else small)
        s.lay_out()
        readonly.set_apart(s)
        s.i.start()
        s.inject()
        w.imap.start()
        refused = [(t.name, suffer(w, t, seconds)) for t in troubles]
        s.stop_injecting()
        w.imap.finish()
        s.drain(300)
        w.imap.look()
        v = s.verdict(1.0 + 0.5 * SLOW)
        facts.update(v.counts(), **w.imap.counts())
        print("trouble %s: refused %s; %s; %s" % (
            name, ", ".join("%d (%s)" % (n, t) for t, n in refused),
            v.line(), w.imap.line()), flush=True)
        judge(w, v)
        failed = False
    finally:
        if w is not None:
            w.imap.stopping.set()
        s.kill_tree()
        if failed and keep:
            s.copy_evidence()
        if w is not None:
            readonly.put_together(s)
            w.close()
        s.close(keep and failed)
    return ""


def round_of(a, more):
    """(name, file systems, troubles); more: for the long form."""
    yield "full", ("ext4", "ext4"), [
        full.Bytes("queue"), full.Inodes("queue"), full.Bytes("mail"),
        full.Inodes("mail")]
    # A journal is always open for writing: there the kernel refuses.
    remounts = [readonly.Remount("mail")]
    if not has_journal(a.prefix):
        remounts.append(readonly.Remount("queue"))
    yield "readonly", ("ext4", "ext4"), remounts + [readonly.Error("queue")]
    yield "clock", ("ext4",), clock.jumps(more)
    if not more:
        return
    for kind in ("ext4", "xfs", "btrfs"):
        yield "full-" + kind, (kind,), [full.Bytes("queue")]
        yield "full-%s-2" % kind, (kind, kind), [
            full.Bytes("queue"), full.Bytes("mail")]
        yield "readonly-" + kind, (kind, kind), remounts
    yield "readonly-error", ("ext4",), [readonly.Error("queue")]


def cases(a):
    """The long form: each trouble in five rounds, with a system and file
    systems of its own in each."""
    seconds = (5 if a.long else 1.5) * SLOW
    for k in range(ROUNDS if a.long else 1):
        for name, kinds, troubles in round_of(a, a.long):
            full_name = "trouble-%s%s" % (name, ".%d" % (k + 1) if a.long
                                          else "")
            yield full_name, lambda facts, case=(name, kinds, troubles): \
                run_one(a.prefix, *case, seconds, a.seed, a.keep, facts)
