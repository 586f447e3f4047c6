# SPDX-License-Identifier: Apache-2.0
"""Cases in which mail is sent to a peer."""
import socket
import time

import load
import report
import servers
from cage import Counter

COUNTED = 400           # messages of the second load, or 4 per session


class Mail:
    """Messages by SMTP: accepted, and delivered if the mode says so."""
    kind = report.MAIL

    def __init__(self, group, title, mode, count, options, users=1):
        self.group, self.title, self.mode = group, title, mode
        self.count, self.options, self.users = count, options, users
        # Every mailbox has been delivered to before it counts.
        self.warm_up = max(min(50, count), users)

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

    def send(self, peer, messages, *more):
        return load.send(peer.port, messages, *self.options, *more)

    def measure(self, peer):
        self.send(peer, self.warm_up, "-s", 2)
        peer.wait_removed(self.warm_up)
        cpu, begun = peer.cage.cpu(), time.monotonic()
        got = self.send(peer, self.count)
        took = got["seconds"]
        pss = peer.cage.pss() if self.mode == "discard" else 0
        peer.wait_removed(self.warm_up + self.count)
        if self.mode != "discard":
            took = time.monotonic() - begun
            pss = peer.cage.pss()
        return {"per_second": self.count / took,
                "cpu_ms": (peer.cage.cpu() - cpu) * 1000 / self.count,
                "median_ms": got["median_ms"], "p99_ms": got["p99_ms"],
                "pss_mib": pss / 1024}

    def count_calls(self, peer, place):
        """A second, untimed load: calls, syncs and bytes per message."""
        sessions = self.options[self.options.index("-s") + 1]
        n = min(self.count, max(COUNTED, 4 * sessions))
        place.settle()
        disk, written = place.disk(), peer.cage.written()
        with Counter(peer.cage) as counter:
            self.send(peer, n)
            peer.wait_removed(self.warm_up + self.count + n)
        place.settle()
        out = {k: v / n for k, v in counter.found.items()}
        if disk is None:
            out["kib"] = (peer.cage.written() - written) / 1024 / n
        else:
            after = place.disk()
            out["kib"] = (after["bytes"] - disk["bytes"]) / 1024 / n
            out["flushes"] = (after["flushes"] - disk["flushes"]) / n
        return out


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
        held = []
        with env.scratch.place() as place:
            peer = peer_class(place, "discard")
            try:
                self.greeted(peer).close()
                pss, cpu = peer.cage.pss(), peer.cage.cpu()
                for _ in range(self.sessions):
                    held.append(self.greeted(peer))
                cpu = peer.cage.cpu() - cpu
                return {self.title: {
                    "kib_per_session": (peer.cage.pss() - pss) /
                    self.sessions,
                    "open_cpu_ms": cpu * 1000 / self.sessions,
                    "label": peer.label, "durability": ""}}
            finally:
                for s in held:
                    s.close()
                peer.cage.kill()
