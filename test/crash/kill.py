# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random times, half of them at any daemon, a quarter at qmgr, a
quarter at the whole tree, which is then started as always."""
import os
import time

from system import Failed, System

MANY = 3000			# messages in the queue
# From the line of an agent to the mark of qmgr, on a busy machine: an agent
# answers when all recipients of its job are done.
LATE = 1.0 * float(os.environ.get("POSTHOUSE_SLOW", "1"))


def choose(s, kills):
    """The tree and qmgr once at least, however short the run is."""
    for name in ("tree", "qmgr"):
        if name not in kills:
            return name
    what = s.random.random()
    if what < 0.25:
        return "tree"
    if what < 0.5:
        return "qmgr"
    names = sorted(set(s.processes().values()) - {"master"})
    return s.random.choice(names) if names else None


def one_kill(s, name):
    """False: there was none."""
    if name == "tree":
        with s.event("tree"):
            s.kill_tree()
        s.i.start(60)
        return True
    pids = [p for p, n in s.processes().items() if n == name]
    if not pids:
        return False
    with s.event(name):
        s.kill(s.random.choice(pids))
    return True


def ease(s):
    """What counts is the mail that is under way at a kill, not the mail that
    waits because of the last ones."""
    n = s.backlog()
    if n > MANY:
        s.may_send.clear()
    elif n < MANY // 3:
        s.may_send.set()


def run(prefix, seconds, clients, pause, seed=None, keep=False, facts=None):
    s = System(prefix, clients=clients, seed=seed)
    facts = {} if facts is None else facts
    failed, facts["seed"] = True, s.seed
    try:
        # An hour of it fits on a disk.
        s.pace = 0.01 if seconds < 100 else 0.3
        s.lay_out()
        s.i.start()
        s.inject()
        kills = {}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(s.random.uniform(0.02, pause))
            ease(s)
            name = choose(s, kills)
            if one_kill(s, name):
                kills[name] = kills.get(name, 0) + 1
        s.stop_injecting()
        s.drain(300)
        v = s.verdict(LATE)
        facts.update(v.counts(), kills=sum(kills.values()))
        print("kill: %d kills (%s); %s" % (
            sum(kills.values()),
            " ".join("%s %d" % k for k in sorted(kills.items())), v.line()),
            flush=True)
        bad = s.leftovers() + s.panics()
        if v.bad() or bad:
            raise Failed("seed %d\n%s%s" % (s.seed, v.details(),
                                            "\n".join(bad)))
        if v.acked == 0 or not kills.get("tree") or not kills.get("qmgr"):
            raise Failed("the run proved nothing: %d acknowledged, kills %r"
                         % (v.acked, kills))
        failed = False
    finally:
        s.close(keep and failed)
