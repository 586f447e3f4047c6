# SPDX-License-Identifier: Apache-2.0
"""The processes of one peer, by themselves: what they cost, and their end."""
import os
import shutil
import signal
import subprocess
import tempfile

import instance

TICKS = os.sysconf("SC_CLK_TCK")
# Ends with us, and everything in it with it.
NAMESPACE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid",
             "--fork", "--kill-child"]
SERIAL = iter(range(1 << 30))


def group_root():
    """Where control groups of version 2 can be made; None if nowhere."""
    with open("/proc/mounts") as f:
        for line in f:
            _, at, kind = line.split()[:3]
            if kind == "cgroup2" and os.access(at, os.W_OK):
                return at
    return None


class Group:
    """A control group: it counts CPU exactly, and for the dead as well."""

    def __init__(self, root):
        self.name = "ph-bench-%d-%d" % (os.getpid(), next(SERIAL))
        self.path = os.path.join(root, self.name)
        os.mkdir(self.path)

    def cpu(self):
        with open(os.path.join(self.path, "cpu.stat")) as f:
            v = dict(line.split() for line in f)
        return int(v["usage_usec"]) / 1e6

    def remove(self):
        """Kill who is left; gone when the last one is."""
        try:
            with open(os.path.join(self.path, "cgroup.kill"), "w") as f:
                f.write("1")
        except OSError:         # an older kernel
            pass
        instance.wait_for("the end of " + self.name, self.removed, 60, 0.01)

    def removed(self):
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def sweep(root):
    """Groups of runs that were killed."""
    for name in os.listdir(root):
        if name.startswith("ph-bench-") and \
                not os.path.exists("/proc/" + name.split("-")[2]):
            try:
                os.rmdir(os.path.join(root, name))
            except OSError:     # in use after all: the pid is of elsewhere
                pass


def new_group():
    root = group_root()
    if root:
        sweep(root)
    try:
        return Group(root) if root else None
    except OSError:
        return None


class Cage:
    """A command in namespaces of its own for processes and mounts."""

    def __init__(self, args, log, cwd=None):
        self.log = open(log, "ab")
        self.group = new_group()
        if self.group:
            args = ["sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"',
                    self.group.path] + NAMESPACE + args
        else:
            args = NAMESPACE + args
        self.p = subprocess.Popen(args, stdout=self.log, stderr=self.log,
                                  stdin=subprocess.DEVNULL, cwd=cwd)
        self.first_pid = self.ns = None

    def first(self):
        """The process whom all others descend from; None before it runs."""
        if self.first_pid is None:
            self.look_for_first()
        return self.first_pid

    def look_for_first(self):
        kids = subprocess.run(["pgrep", "-P", str(self.p.pid)],
                              stdout=subprocess.PIPE).stdout.split()
        try:
            ns = os.readlink("/proc/%s/ns/pid" % kids[0].decode())
        except (IndexError, OSError):
            return
        if ns != os.readlink("/proc/self/ns/pid"):      # unshare got there
            self.first_pid, self.ns = kids[0].decode(), ns

    def pids(self):
        if self.first() is None:
            return []
        out = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink("/proc/%s/ns/pid" % pid) == self.ns:
                    os.readlink("/proc/%s/exe" % pid)   # zombies have none
                    out.append(pid)
            except OSError:
                pass
        return out

    def each(self, name):
        """The text of a file of /proc for every process."""
        for pid in self.pids():
            try:
                with open("/proc/%s/%s" % (pid, name)) as f:
                    yield f.read()
            except OSError:
                pass

    def cpu(self):
        """Seconds, user and system."""
        if self.group:
            return self.group.cpu()
        return sum(int(x) for text in self.each("stat")
                   for x in text.rsplit(")", 1)[1].split()[11:15]) / TICKS

    def pss(self):
        """KiB: shared pages count for their part."""
        return sum(int(line.split()[1]) for text in self.each("smaps_rollup")
                   for line in text.splitlines() if line.startswith("Pss:"))

    def written(self):
        """Bytes that have to go to a disk, as the kernel charges them."""
        return sum(int(line.split()[1]) for text in self.each("io")
                   for line in text.splitlines()
                   if line.startswith("write_bytes"))

    def terminate(self):
        """In order, as an administrator would."""
        first = self.first()
        if first:
            os.kill(int(first), signal.SIGTERM)
            # As process 1 Postfix's master does not die of its own SIGTERM.
            instance.wait_for("the processes to end",
                              lambda: set(self.pids()) <= {first}, 60)
        self.kill()

    def kill(self):
        # Not only unshare: its hold on the child (PR_SET_PDEATHSIG) is lost
        # when the child changes its user id.
        for pid in self.pids():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass
        self.p.kill()
        self.p.wait()
        self.log.close()
        if self.group:
            self.group.remove()


# -- system calls ----------------------------------------------------------

SYNCS = ["fsync", "fdatasync", "sync_file_range", "syncfs", "msync"]
EVENTS = dict({"raw_syscalls:sys_enter": "calls"},
              **{"syscalls:sys_enter_" + n: "syncs" for n in SYNCS})


class Counter:
    """System calls and syncs of a cage, from enter to exit, in .found;
    empty without perf.  Costs time: never around what is timed."""

    def __init__(self, cage):
        self.cage, self.found = cage, {}

    def who(self, events):
        if self.cage.group is None:
            return ["-e", ",".join(events), "-p", ",".join(self.cage.pids())]
        out = ["-a"]
        for e in events:
            out += ["-e", e, "-G", self.cage.group.name]
        return out

    def __enter__(self):
        self.p = None
        if shutil.which("perf") is None:
            return self
        self.dir = tempfile.mkdtemp(prefix="ph-bench-perf-")
        names = [os.path.join(self.dir, n) for n in ("ctl", "ack")]
        for n in names:
            os.mkfifo(n)
        fds = [os.open(n, os.O_RDWR) for n in names]
        self.p = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-D", "-1", "--control",
             "fifo:" + ",".join(names)] + self.who(EVENTS),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.write(fds[0], b"enable\n")
        self.wait_ack(fds[1])
        for fd in fds:
            os.close(fd)
        return self

    def wait_ack(self, fd):
        """perf says "ack" when it counts; it may also have refused to."""
        os.set_blocking(fd, False)
        while self.p.poll() is None:
            try:
                os.read(fd, 100)
                return
            except BlockingIOError:
                try:
                    self.p.wait(0.01)
                except subprocess.TimeoutExpired:
                    pass

    def __exit__(self, *unused):
        if self.p is None:
            return
        self.p.send_signal(signal.SIGINT)
        text = self.p.communicate()[1].decode()
        shutil.rmtree(self.dir, ignore_errors=True)
        found = {"calls": 0, "syncs": 0}
        for line in text.splitlines():
            f = line.split(",")
            if len(f) > 2 and f[2] in EVENTS and f[0].isdigit():
                found[EVENTS[f[2]]] += int(f[0])
        if found["calls"]:
            self.found = found
