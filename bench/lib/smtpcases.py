# SPDX-License-Identifier: Apache-2.0
"""Cases in which mail is sent to a peer."""
import socket
import time

import load
import report
import servers
from cage import Counter

COUNTED = 400           # messages of the last load, or 4 per session


class Mail:
    """Messages by SMTP: accepted, and delivered if the mode says so.

    A load goes on for a time, not for a number of messages: what is fast shows
    what it does in the long run, too.  Before it counts the same load runs for
    half as long, so that connections, caches, files that are made ahead and
    further processes are there."""
    kind = report.MAIL
    most = 1000000

    def __init__(self, group, title, mode, seconds, options, users=1):
        self.group, self.title, self.mode = group, title, mode
        self.seconds, self.options, self.users = seconds, options, users
        self.gone = 0           # messages that are done with

    def suits(self, peer):
        return self.mode in peer.modes

    def run(self, peer_class, env, counted):
        """One round: {title: figures}."""
        with env.scratch.place() as place:
            sink = load.Sink() if self.mode == "relay" else None
            peer = None
            try:
                peer = peer_class(place, self.mode, self.users,
                                  sink and sink.port)
                self.gone = 0
                figures = self.measure(peer)
                if counted:
                    figures.update(self.count_calls(peer, place))
                figures["label"] = peer.label
                figures["durability"] = peer.durability["mail"]
                return {self.title: figures}
            finally:
                if peer is not None:
                    peer.cage.kill()
                if sink is not None:
                    sink.stop()

    def send(self, peer, messages, seconds=None, *more):
        """Until all of it is done with.  What smtpload says, and the time."""
        limit = () if seconds is None else ("-S", seconds)
        begun = time.monotonic()
        got = load.send(peer.port, messages, *self.options, *limit, *more)
        pss = peer.cage.pss() if self.mode == "discard" else None
        self.gone += got["messages"]
        peer.wait_removed(self.gone)
        return got, time.monotonic() - begun, pss or peer.cage.pss()

    def warm_up(self, peer):
        """Every mailbox has been delivered to before it counts."""
        self.send(peer, self.users, None, "-s", 2)
        self.send(peer, self.most, self.seconds / 2)

    def measure(self, peer):
        self.warm_up(peer)
        cpu = peer.cage.cpu()
        got, took, pss = self.send(peer, self.most, self.seconds)
        n = got["messages"]
        if self.mode == "discard":      # when they were accepted
            took = got["seconds"]
        return {"per_second": n / took,
                "cpu_ms": (peer.cage.cpu() - cpu) * 1000 / n,
                "median_ms": got["median_ms"], "p99_ms": got["p99_ms"],
                "pss_mib": pss / 1024}

    def count_calls(self, peer, place):
        """A last, untimed load: calls, syncs and bytes per message."""
        sessions = self.options[self.options.index("-s") + 1]
        n = min(self.most, max(COUNTED, 4 * sessions))
        place.settle()
        disk, written = place.disk(), peer.cage.written()
        with Counter(peer.cage) as counter:
            self.send(peer, n)
        place.settle()
        out = {k: v / n for k, v in counter.found.items()}
        if disk is None:
            out["kib"] = (peer.cage.written() - written) / 1024 / n
        else:
            after = place.disk()
            out["kib"] = (after["bytes"] - disk["bytes"]) / 1024 / n
            out["flushes"] = (after["flushes"] - disk["flushes"]) / n
        return out


class Few(Mail):
    """The same with so few messages that it only shows that it works."""
    most = 50


class Idle:
    """Sessions that say nothing."""
    kind = report.MEMORY
    group = "idle"
    mode = "discard"

    def __init__(self, sessions):
        self.sessions = sessions
        self.title = "%d open SMTP sessions" % sessions

    def suits(self, peer):
        return "discard" in peer.modes and peer.name != "bound"

    def greeted(self, peer):
        s = socket.create_connection((servers.HOST, peer.port), 60)
        s.settimeout(60)
        s.recv(1000)
        return s

    def run(self, peer_class, env, counted):
        with env.scratch.place() as place:
            peer = peer_class(place, "discard")
            try:
                self.greeted(peer).close()
                return {self.title: load.cost_of_sessions(
                    peer, self.sessions, lambda _: self.greeted(peer))}
            finally:
                peer.cage.kill()
