# SPDX-License-Identifier: Apache-2.0
"""Who sends and who receives: smtpload, smtpsink, and a sink with a clock."""
import json
import os
import signal
import subprocess
import time

import instance
import peers
from servers import HOST, TOOLS


def send(port, messages, *options):
    """Run smtpload; what it says."""
    r = subprocess.run([os.path.join(TOOLS, "smtpload"), "-p", str(port),
                        "-m", str(messages)] + [str(o) for o in options],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode != 0:
        raise instance.Failed("smtpload: %s %s" % (r.stdout[-200:],
                                                   r.stderr[-300:]))
    return json.loads(r.stdout)


class Sink:
    """smtpsink: takes everything and forgets it."""

    def __init__(self):
        self.port = instance.free_port(HOST)
        self.p = subprocess.Popen(
            [os.path.join(TOOLS, "smtpsink"), "-p", str(self.port)],
            stdout=subprocess.PIPE)
        instance.wait_for("sink", lambda: not instance.port_is_free(
            HOST, self.port), 20)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        out, _ = self.p.communicate()
        return json.loads(out)


class Watch(peers.Listener):
    """A sink for single messages that says when each had arrived."""

    def __init__(self):
        self.arrived = []
        super().__init__(HOST)

    def serve(self, c):
        f = c.makefile("rwb", 0)
        f.write(b"220 watch ESMTP\r\n")
        in_data = False
        for line in f:
            verb = line[:4].upper()
            if in_data:
                if line == b".\r\n":
                    in_data = False
                    self.arrived.append(time.monotonic())
                    f.write(b"250 2.0.0 Ok\r\n")
            elif verb == b"DATA":
                in_data = True
                f.write(b"354 go\r\n")
            elif verb == b"QUIT":
                f.write(b"221 Bye\r\n")
                c.close()
                return
            else:
                f.write(b"250 Ok\r\n")


def cost_of_sessions(peer, n, begin):
    """The figures of n sessions that are open at the same time; begin(k)
    opens one."""
    held = []
    try:
        pss, cpu = peer.cage.pss(), peer.cage.cpu()
        for k in range(n):
            held.append(begin(k))
        cpu = peer.cage.cpu() - cpu
        return {"kib_per_session": (peer.cage.pss() - pss) / n,
                "open_cpu_ms": cpu * 1000 / n,
                "label": peer.label, "durability": ""}
    finally:
        for c in held:
            c.close()
