# SPDX-License-Identifier: Apache-2.0
"""Peers that behave in ways no real program can be asked to."""
import socket
import threading


class Listener(threading.Thread):
    """A port of its own; serve(c) is called in a thread for each client."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.listener = socket.socket()
        self.listener.bind((host, 0))
        self.listener.listen(20)
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,),
                             daemon=True).start()

    def stop(self):
        self.listener.close()


class SlowServer(Listener):
    """Takes messages and answers the final dot only when it is told to."""

    def __init__(self, host):
        self.received, self.release = [], threading.Event()
        super().__init__(host)

    def serve(self, c):
        f = c.makefile("rwb", 0)
        f.write(b"220 slow ESMTP\r\n")
        for line in f:
            verb = line[:4].upper()
            if verb == b"DATA":
                f.write(b"354 go\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += f.readline()
                self.received.append(text)
                # Longer than any test has patience.
                self.release.wait(500)
                f.write(b"250 2.0.0 Ok\r\n")
            elif verb == b"QUIT":
                f.write(b"221 Bye\r\n")
                return
            else:
                f.write(b"250 Ok\r\n")


def held_up(s, **main):
    """An instance, and the SlowServer that all mail for far.ph.example goes
    to; s: the scenario."""
    far = s.address()
    slow = SlowServer(far)
    d = s.dns(["far MX 10 mx.far", "mx.far A " + far])
    i = s.posthouse("a", main={
        "smtp_tcp_port": str(slow.port), "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s", "smtp_data_done_timeout": "600s",
        **d.main_cf(), **main})
    return i, slow
