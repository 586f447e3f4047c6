# SPDX-License-Identifier: Apache-2.0
"""A server that starts on a queue full of deferred mail."""
import smtplib
import subprocess
import time

import instance
import load
import report
import servers

SIZE = 2048


class Deferred:
    """From the start of the server, caches cold, until new mail has been
    accepted and has arrived elsewhere; then the listing of the queue."""
    kind = report.QUEUE
    group = "queue"
    mode = "deferred"

    def __init__(self, messages):
        self.messages = messages
        self.title = "start with %d deferred messages" % messages

    def suits(self, peer):
        return "deferred" in peer.modes

    def run(self, peer_class, env, counted):
        with env.scratch.place() as place:
            watch = load.Watch()
            peer = None
            try:
                peer = peer_class(place, "deferred", 1, watch.port)
                self.fill(peer)
                peer.stop()
                place.forget()
                figures = self.start(peer, watch)
                figures.update(self.listing(peer))
                figures["label"] = peer.label
                figures["durability"] = peer.durability["mail"]
                return {self.title: figures}
            finally:
                if peer is not None:
                    peer.cage.kill()
                watch.stop()

    def fill(self, peer):
        load.send(peer.port, self.messages, "-s", 20, "-l", SIZE,
                  "-t", "user%d@" + servers.DEFERRED, "-u", 1000)
        peer.wait_logged("status=deferred", self.messages, 7200)
        instance.wait_for("the deferred queue", lambda: peer.deferred() ==
                          self.messages, 600, 1)

    def start(self, peer, watch):
        begun = time.monotonic()
        peer.start(0.002)
        answered = time.monotonic() - begun
        with smtplib.SMTP(servers.HOST, peer.port, timeout=600) as c:
            c.sendmail("a@elsewhere.test", ["b@far.test"],
                       b"Subject: new\r\n\r\nnew\r\n")
        instance.wait_for("the new message", lambda: watch.arrived, 120,
                          0.002)
        return {"answered_s": answered,
                "start_s": watch.arrived[0] - begun,
                "start_cpu_s": peer.cage.cpu()}

    def listing(self, peer):
        # The new message may not be gone yet, and qmgr may still be reading.
        peer.wait_logged(": removed", 1)
        cpu, begun = peer.cage.cpu(), time.monotonic()
        r = subprocess.run(peer.postqueue(), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        took = time.monotonic() - begun
        last = r.stdout.decode(errors="replace").strip().split("\n")[-1]
        if " in %d Request" % self.messages not in last:
            raise instance.Failed("postqueue -p ends with %r %r" % (
                last, r.stderr[-200:]))
        return {"list_s": took, "list_cpu_s": peer.cage.cpu() - cpu,
                "pss_mib": peer.cage.pss() / 1024}
