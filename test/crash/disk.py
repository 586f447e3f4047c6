# SPDX-License-Identifier: Apache-2.0
"""A file system in a file, which can lose its power."""
import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time

from instance import Failed, run
from loopdisk import program

MKFS = {"ext4": ["-q", "-F"], "xfs": ["-q", "-f"], "btrfs": ["-q", "-f"]}
FS_IOC_SHUTDOWN = 0x8004587D		# _IOR('X', 125, __u32)
NOLOGFLUSH = 2
# Enough for the mail of a hundred cuts; what nobody writes takes no room.
SIZE = 2 << 30
MS_RDONLY, MS_REMOUNT = 1, 32
LIBC = ctypes.CDLL(None, use_errno=True)


def image_directory():
    """Memory if there is enough: it is the loss that counts, not the disk."""
    st = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    if st and st.f_bavail * st.f_frsize > 3 << 30:
        return "/dev/shm"
    return None


class Disk:
    """kind at the directory `at`.  cut() is the power cut; what the disk
    holds then is what restore() mounts."""

    def __init__(self, kind, at, size=SIZE, more=()):
        """more: arguments for mkfs."""
        self.kind, self.at = kind, at
        self.dir = tempfile.mkdtemp(prefix="ph-disk-",
                                    dir=image_directory())
        self.image = os.path.join(self.dir, "image")
        self.mounted = False
        self.loop = None
        with open(self.image, "wb") as f:
            f.truncate(size)
        run([program("mkfs." + kind)] + MKFS[kind] + list(more) +
            [self.image])
        os.makedirs(at, exist_ok=True)
        self.mount()
        os.chmod(at, 0o755)

    def mount(self):
        r = run(["losetup", "--find", "--show", self.image])
        self.loop = r.stdout.decode().strip()
        args = ["mount", "-t", self.kind]
        if self.kind == "xfs":		# the same again, see restore()
            args += ["-o", "nouuid"]
        run(args + [self.loop, self.at])
        self.mounted = True
        self.fd = os.open(self.at, os.O_RDONLY | os.O_DIRECTORY)

    def umount(self):
        if self.mounted:
            os.close(self.fd)
            for _ in range(100):
                r = subprocess.run(["umount", self.at],
                                   stderr=subprocess.PIPE)
                if r.returncode == 0:
                    break
                time.sleep(0.05)
            else:
                raise Failed("umount %s: %s" % (self.at, r.stderr))
            self.mounted = False
        if self.loop:
            run(["losetup", "-d", self.loop])
            self.loop = None

    def can_shut_down(self):
        return self.kind in ("ext4", "xfs")

    def shut_down(self):
        """Now: nothing reaches the image any more, log included."""
        fcntl.ioctl(self.fd, FS_IOC_SHUTDOWN,
                    struct.pack("I", NOLOGFLUSH))

    def writes(self):
        name = os.path.basename(self.loop)
        with open("/sys/block/%s/stat" % name) as f:
            return f.read().split()[4]

    def copy(self):
        """What was submitted to the disk so far; nothing may write while we
        copy, so that it is one moment's image."""
        for _ in range(50):
            before = self.writes()
            run(["cp", "--sparse=always", self.image, self.image + ".cut"])
            if self.writes() == before:
                return
        raise Failed("the disk does not come to rest")

    def restore(self, copied):
        """On a file of its own: the old mount may live on for a while in a
        name space of somebody else's."""
        self.umount()
        if not copied:
            run(["cp", "--sparse=always", self.image, self.image + ".cut"])
        os.rename(self.image + ".cut", self.image)
        self.mount()

    def remount(self, how):
        """"ro" or "rw".  False: the kernel refuses because files are open for
        writing.  The system call, for one must be quick to meet a moment in
        which there are none."""
        flags = MS_REMOUNT | (MS_RDONLY if how == "ro" else 0)
        if LIBC.mount(b"none", self.at.encode(), None, flags, None) == 0:
            return True
        if ctypes.get_errno() != errno.EBUSY:
            raise Failed("remount %s: %s" % (
                self.at, os.strerror(ctypes.get_errno())))
        return False

    def repair(self):
        """As after an error: unmount, check, mount."""
        self.umount()
        r = subprocess.run([program("e2fsck"), "-fy", self.image], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        if r.returncode & ~1:
            raise Failed("e2fsck: %d: %r" % (r.returncode, r.stdout))
        self.mount()

    def close(self):
        try:
            self.umount()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
