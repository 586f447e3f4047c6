# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random times, half of them at any daemon, a quarter at qmgr, a
quarter at the whole tree, which is then started as always."""
import os
import time

from system import Failed, System

# From the effect to its mark, and from the death of qmgr to the end of what
# agents had begun, on a busy machine.
SLOW = float(os.environ.get("POSTHOUSE_SLOW", "1"))
BEFORE, AFTER = 0.3 * SLOW, 1.0 * SLOW


def one_kill(s):
    what = s.random.random()
    procs = s.processes()
    if what < 0.25:
        s.event()
        s.kill_tree()
        s.event()
        s.i.start(60)
        return "tree"
    names = sorted(set(procs.values()) - {"master"})
    if not names:
        return None
    name = "qmgr" if what < 0.5 else s.random.choice(names)
    pids = [p for p, n in procs.items() if n == name]
    if not pids:
        return None
    s.event()
    s.kill(s.random.choice(pids))
    return name


def run(prefix, seconds, clients, pause, seed=None, keep=False):
    s = System(prefix, clients=clients, seed=seed)
    failed = True
    try:
        s.pace = 0.01
        s.lay_out()
        s.i.start()
        s.inject()
        kills = {}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(s.random.uniform(0.02, pause))
            name = one_kill(s)
            if name:
                kills[name] = kills.get(name, 0) + 1
        s.stop_injecting()
        s.drain(300)
        v = s.verdict(BEFORE, AFTER)
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
