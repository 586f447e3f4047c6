# SPDX-License-Identifier: Apache-2.0
"""Power cuts under load: queue and mailboxes on file systems whose image is
frozen at a random moment, mounted again and recovered by an ordinary start."""
import os
import signal
import time

from disk import Disk
from imapload import ImapLoad
from loopdisk import why_not
from preload import preload
from system import Failed, System, wait_for

# Marks are synced after a second at most; the rest is a busy machine.
LATE = 1.0 + 0.5 * float(os.environ.get("POSTHOUSE_SLOW", "1"))
PIECE = 25			# cuts that one system goes through


def states(pid):
    """Of all its threads, as ps says it."""
    base = "/proc/%d/task" % pid
    try:
        for tid in os.listdir(base):
            with open("%s/%s/stat" % (base, tid)) as f:
                yield f.read().rsplit(")", 1)[1].split()[0]
    except OSError:		# gone
        return


class Cutter:
    """disks of one system; how: "shutdown" or "copy"."""

    def __init__(self, s, kinds, how):
        self.s, self.how = s, how
        self.disks = []
        base = s.i.dir
        os.makedirs(base, exist_ok=True)
        os.chmod(base, 0o755)
        at = [os.path.join(base, "disk%d" % n) for n in range(len(kinds))]
        try:
            for kind, path in zip(kinds, at):
                self.disks.append(Disk(kind, path))
        except Exception:
            self.close()
            raise
        s.i.queue = os.path.join(at[0], "spool")
        s.i.mail = os.path.join(at[-1], "mail")

    def cut(self):
        """sendmail works without a master: until the disks are back nobody
        calls it, or it would write to what is thrown away."""
        with self.s.birth:
            with self.s.event("power"):
                self.freeze()
                if self.how == "shutdown":
                    self.shut_down()
                else:
                    for d in self.disks:
                        d.copy()
                self.s.kill_tree()
            for d in self.disks:
                d.restore(self.how == "copy")

    def freeze(self):
        """Until no thread runs and none is in a system call: a sync that the
        cut overtakes may be answered with success by ext4 and by xfs (seen
        with a bare program), which no real cut does."""
        wait_for("all threads to stop", self.stopped, 30, 0.002)

    def stopped(self):
        """True: it found all of them stopped already, twice.  Who is just
        being born or in execve() is not seen yet."""
        for _ in range(2):
            running = [pid for pid in self.s.processes()
                       if any(x not in "TtZX" for x in states(pid))]
            for pid in running:
                self.s.kill(pid, signal.SIGSTOP)
            if running:
                return False
        return True

    def shut_down(self):
        """Every second time the daemons live on for a moment and get errors,
        which they must not answer with 250."""
        for d in self.disks:
            d.shut_down()
        if self.s.random.random() < 0.5:
            for pid in self.s.processes():
                self.s.kill(pid, signal.SIGCONT)
            time.sleep(0.2)

    def close(self):
        for d in self.disks:
            d.close()


def run_one(prefix, kinds, how, cuts, clients, seed, keep, facts,
            blind=False):
    for kind in kinds:
        reason = why_not(kind)
        if reason:
            return reason
    s = System(prefix, clients=clients, seed=seed)
    facts.update(seed=s.seed, cuts=0)
    name = "%s %s%s" % ("+".join(kinds), how, " control" if blind else "")
    failed, cutter, imap = True, None, None
    try:
        if blind:
            why = preload(s, "nosync")
            if why:
                return why
        # Many cuts want time more than load; the short form is the busy one.
        s.pace = 0.005 if cuts < 10 else 0.05
        cutter = Cutter(s, kinds, how)
        s.lay_out()
        s.i.start()
        imap = ImapLoad(s, s.sender)
        s.inject()
        imap.start()
        longest = 0
        for _ in range(cuts):
            # Soon mostly, but the marks of the last second were synced, too.
            time.sleep(0.4 + 2.6 * s.random.random() ** 2)
            cutter.cut()
            facts["cuts"] += 1
            begun = time.monotonic()
            s.i.start(60)
            longest = max(longest, time.monotonic() - begun)
        s.stop_injecting()
        imap.finish()
        drain(s, blind)
        imap.look()
        v = s.verdict(LATE)
        facts.update(v.counts(), **imap.counts())
        torn = len(os.listdir(os.path.join(s.i.queue, "corrupt")))
        print("power %s: %d cuts; %s; %s; %d torn files set aside; slowest "
              "start %.1f s" % (name, cuts, v.line(), imap.line(), torn,
                                longest), flush=True)
        if blind:
            judge_control(v, imap)
        else:
            judge(s, v, imap)
        failed = False
    finally:
        if imap is not None:
            imap.stopping.set()
        if failed and keep:
            s.copy_evidence()
        s.kill_tree()
        if cutter is not None:
            cutter.close()
        s.close(keep and failed)
    return ""


def drain(s, blind):
    """What the control run did to the queue may keep it from draining; then
    that is lost, too."""
    try:
        s.drain(20 if blind else 300)
    except Failed:
        if not blind:
            raise


def judge(s, v, imap):
    # In corrupt/ may be what was never acknowledged (mode on disk, content
    # not: doc/queue.md); what was acknowledged would be lost there.
    bad = [x for x in s.leftovers() if not x.startswith("corrupt/")] + \
        s.panics() + imap.problems
    if v.bad() or bad:
        raise Failed("seed %d\n%s%s" % (s.seed, v.details(),
                                        "\n".join(bad[:10])))
    if v.acked == 0:
        raise Failed("nothing was acknowledged")


def judge_control(v, imap):
    if not v.lost and not imap.problems:
        raise Failed("the harness is blind: without any sync no mail was "
                     "lost (%d acknowledged)" % v.acked)


def long_cases():
    for kinds in (("ext4",), ("xfs",), ("btrfs",), ("ext4", "ext4"),
                  ("xfs", "xfs"), ("btrfs", "btrfs"), ("ext4", "xfs"),
                  ("btrfs", "ext4"), ("xfs", "btrfs")):
        if "btrfs" not in kinds:
            yield kinds, "shutdown"
        yield kinds, "copy"


def cases(a):
    """In pieces, each with a system and file systems of its own; the first
    piece of all cases comes first."""
    n = a.cuts or (100 if a.long else 2)
    clients = 16 if a.long else 6

    def case(kinds, how, cuts, piece="", blind=False):
        name = "power-%s-%s%s%s" % ("+".join(kinds), how,
                                    "-control" if blind else "", piece)
        return name, lambda facts: run_one(a.prefix, kinds, how, cuts,
                                           clients, a.seed, a.keep, facts,
                                           blind)
    yield case(("ext4",), "shutdown", 2, blind=True)
    if not a.long:
        yield case(("ext4", "ext4"), "shutdown", n)
        yield case(("btrfs",), "copy", n)
        return
    for kind in ("xfs", "btrfs"):
        yield case((kind,), "copy", 2, blind=True)
    for begin in range(0, n, PIECE):
        for kinds, how in long_cases():
            yield case(kinds, how, min(PIECE, n - begin),
                       ".%d" % (begin // PIECE + 1))
