# SPDX-License-Identifier: Apache-2.0
"""Where peers work: a directory, on a file system made for the run.

A queue lives on the cost of creating, syncing and removing small files, and
that is the file system's.  Each peer and round gets a new one of the same kind
on the same blocks, with its journal, whatever the machine has below."""
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from instance import Failed, run
from loopdisk import program

# The blocks stay those of the image (no discard): what they cost is paid once.
MKFS = {
    "ext4": ["-q", "-F", "-i", "8192",
             "-E", "nodiscard,lazy_itable_init=1"],
    "xfs": ["-q", "-f", "-K"],
}
MOUNT = {"ext4": "noatime,noinit_itable", "xfs": "noatime"}
SECTOR = 512


class Place:
    """One directory to work in.  device: the loop device, or None."""

    def __init__(self, directory, image=None):
        self.dir, self.image = directory, image
        self.device = image and image.device

    def disk(self):
        """Bytes written to the device and flushes of it so far, or None."""
        if self.device is None:
            return None
        with open("/sys/block/%s/stat" % os.path.basename(self.device)) as f:
            v = [int(x) for x in f.read().split()]
        return {"bytes": v[6] * SECTOR, "flushes": v[15] if len(v) > 15 else 0}

    def settle(self):
        """What was written so far is not on the account of what follows."""
        subprocess.run(["sync", "-f", self.dir])

    def forget(self):
        """Nothing of it is in memory any more, as after a boot.  Nobody may
        be using it."""
        if self.image is not None:
            self.image.umount()
            self.image.mount()


class Image:
    """A file with a loop device on it, written over once: its blocks are
    allocated, and a sync below costs no file system's metadata."""

    def __init__(self, directory, number, size):
        self.path = os.path.join(directory, "image%d" % number)
        self.at = os.path.join(directory, "at%d" % number)
        os.mkdir(self.at)
        zero = bytes(1 << 20)
        with open(self.path, "wb") as f:
            for _ in range(size >> 20):
                f.write(zero)
            f.flush()
            os.fsync(f.fileno())
        self.device = self.attach()
        # File and device go when the last one who has them open is gone,
        # which is us, however we end.
        self.fd = os.open(self.device, os.O_RDONLY)
        run(["losetup", "-d", self.device])
        os.unlink(self.path)

    def attach(self):
        base = ["losetup", "--find", "--show"]
        for args in (base + ["--direct-io=on", self.path],
                     base + [self.path]):
            r = subprocess.run(args, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
            if r.returncode == 0:
                return r.stdout.decode().strip()
        raise Failed("losetup: " + r.stderr.decode())

    def make(self, kind):
        self.kind = kind
        run([program("mkfs." + kind)] + MKFS[kind] + [self.device])
        self.mount()
        os.chmod(self.at, 0o755)

    def mount(self):
        run(["mount", "-t", self.kind, "-o", MOUNT[self.kind], self.device,
             self.at])

    def umount(self):
        for _ in range(600):    # the last process of a cage may be dying
            r = subprocess.run(["umount", self.at], stderr=subprocess.PIPE)
            if r.returncode == 0:
                return
            time.sleep(0.1)
        raise Failed("umount %s: %s" % (self.at, r.stderr.decode()))

    def close(self):
        os.close(self.fd)


class Scratch:
    """Places, of one kind: "ext4", "xfs" or "none" (a plain directory)."""

    def __init__(self, kind, size=2 << 30):
        self.kind, self.size = kind, size
        self.dir = tempfile.mkdtemp(prefix="ph-bench-")
        os.chmod(self.dir, 0o755)
        self.images, self.free, self.mounted = [], [], []

    def describe(self):
        if self.kind != "none":
            return ("%s in a file of its own, written over beforehand, "
                    "through a loop device; made anew for each peer and round"
                    % self.kind)
        r = subprocess.run(["stat", "-f", "-c", "%T", self.dir],
                           stdout=subprocess.PIPE)
        return "the machine's own file system (%s) at the temporary " \
            "directory" % r.stdout.decode().strip()

    @contextlib.contextmanager
    def place(self):
        if self.kind == "none":
            d = tempfile.mkdtemp(dir=self.dir)
            os.chmod(d, 0o755)
            try:
                yield Place(d)
            finally:
                shutil.rmtree(d, ignore_errors=True)
            return
        if not self.free:
            self.images.append(Image(self.dir, len(self.images), self.size))
            self.free.append(self.images[-1])
        image = self.free.pop()
        image.make(self.kind)
        self.mounted.append(image)
        try:
            yield Place(image.at, image)
        finally:
            image.umount()
            self.mounted.remove(image)
            self.free.append(image)

    def close(self):
        for image in self.mounted:
            subprocess.run(["umount", "-l", image.at])
        for image in self.images:
            image.close()
        shutil.rmtree(self.dir, ignore_errors=True)
