# SPDX-License-Identifier: Apache-2.0
"""strace: counts the system calls of a program, or makes one of them fail."""
import collections
import re
import signal
import subprocess
import time

from system import Failed, wait_for


def command(out, inject):
    """strace with threads and children; inject: (call, nth, fault); nth
    as strace has it, 3 or "1+"."""
    args = ["strace", "-f", "-qq", "-o", out]
    if inject:
        call, nth, fault = inject
        what = "signal=KILL" if fault == "KILL" else "error=" + fault
        args += ["-e", "trace=" + call,
                 "-e", "inject=%s:%s:when=%s" % (call, what, nth)]
    return args


class Trace:
    """What it wrote to its file.  A command can be run with before=."""

    def __init__(self, out, inject=None):
        self.out, self.before = out, command(out, inject)

    def stop(self):
        pass

    def calls(self):
        """{name: the most calls of it that one thread made}"""
        per = collections.Counter()
        with open(self.out, errors="replace") as f:
            for line in f:
                m = re.match(r"(\d+) +([a-z0-9_]+)\(", line)
                if m:
                    per[m.group(1), m.group(2)] += 1
        most = {}
        for (_, name), n in per.items():
            most[name] = max(most.get(name, 0), n)
        return most

    def injected(self):
        with open(self.out, errors="replace") as f:
            text = f.read()
        return "INJECTED" in text or "killed by SIGKILL" in text


class Tracer(Trace):
    """On all processes of one program that runs."""

    def __init__(self, pids, out, inject=None):
        super().__init__(out)
        self.before = ()
        args = command(out, inject)
        for p in pids:
            args += ["-p", str(p)]
        self.p = subprocess.Popen(args, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL)
        self.attached(pids)

    def attached(self, pids):
        def seen():
            if self.p.poll() is not None:
                if self.injected():	# sooner than the action
                    return True
                raise Failed("strace: %r" % self.p.stderr.read())
            for pid in pids:
                try:
                    with open("/proc/%d/status" % pid) as f:
                        if re.search(r"^TracerPid:\s+0$", f.read(), re.M):
                            return False
                except OSError:
                    return True
            return True
        wait_for("strace to attach", seen, 20, 0.01)
        time.sleep(0.05)		# the other threads

    def stop(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGINT)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.p.stderr.close()
