# SPDX-License-Identifier: Apache-2.0
"""File systems that become read-only: by an administrator's remount and back,
and by an error, after which they are unmounted, checked and mounted again."""
import os
import time

from instance import Failed, run


def pids(s):
    return os.path.join(s.i.queue, "pid")


def set_apart(s):
    """Master keeps its pid file open for writing, and such a file forbids a
    remount: it gets a file system of its own."""
    os.makedirs(pids(s), exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", pids(s)])


def put_together(s):
    if os.path.ismount(pids(s)):
        run(["umount", pids(s)])


class Remount:
    restarts = False

    def __init__(self, where):
        self.where, self.refuses = where, where == "queue"
        self.name = "read-only " + where

    def begin(self, w):
        """The kernel wants a moment in which no file is open for writing:
        the clients hold their breath until it has come."""
        disk = w.disks[self.where]
        end = time.monotonic() + 20
        with w.quiet():
            while not disk.remount("ro"):
                if time.monotonic() > end:
                    raise Failed("%s: open for writing: %s" % (
                        self.name, writers(w.s, disk.at)))
                time.sleep(0.002)

    def go_on(self, w):
        pass

    def check(self, w):
        pass

    def end(self, w):
        if not w.disks[self.where].remount("rw"):
            raise Failed("cannot remount %s" % self.where)


class Error:
    """errors=remount-ro, as Debian mounts ext4."""
    restarts = True

    def __init__(self, where):
        self.where, self.refuses = where, True
        self.name = "file system error of " + where

    def begin(self, w):
        disk = w.disks[self.where]
        run(["mount", "-o", "remount,errors=remount-ro", disk.at])
        self.event = w.s.event("power")
        self.event.__enter__()
        with open("/sys/fs/ext4/%s/trigger_fs_error" %
                  os.path.basename(disk.loop), "w") as f:
            f.write("crash test\n")

    def go_on(self, w):
        pass

    def check(self, w):
        pass

    def end(self, w):
        with w.quiet():
            w.s.i.stop()
            self.event.__exit__(None, None, None)
            put_together(w.s)
            w.disks[self.where].repair()
            set_apart(w.s)
            w.s.i.start()


def writers(s, at):
    found = []
    for pid, name in s.processes().items():
        base = "/proc/%d/fd" % pid
        try:
            for fd in os.listdir(base):
                path = os.readlink(os.path.join(base, fd))
                with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                    flags = f.read().split("flags:")[1].split()[0]
                if path.startswith(at) and int(flags, 8) & os.O_ACCMODE:
                    found.append("%s %s" % (name, path))
        except OSError:
            continue
    return found[:10]


