# SPDX-License-Identifier: Apache-2.0
"""File systems without a free block, or without a free inode."""
import errno
import os

CHUNKS = (64 << 20, 8 << 20, 1 << 20, 64 << 10, 4 << 10)


class Full:
    refuses, restarts = False, False

    def __init__(self, where):
        self.where = where
        self.refuses = where == "queue"
        self.name = "%s of %s" % (self.what, where)

    def begin(self, w):
        self.disk = w.disks[self.where]
        self.directory = os.path.join(self.disk.at, "full")
        os.mkdir(self.directory)
        self.deferred = self.count_deferred(w)
        self.go_on(w)

    def go_on(self, w):
        """What was freed meanwhile is taken, too."""
        try:
            self.fill()
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise

    @staticmethod
    def count_deferred(w):
        return w.s.i.log_text().count("status=deferred")

    def check(self, w):
        if self.where == "mail" and self.count_deferred(w) == self.deferred:
            raise AssertionError("nothing was put off")

    def end(self, w):
        for name in os.listdir(self.directory):
            os.unlink(os.path.join(self.directory, name))
        os.rmdir(self.directory)


class Bytes(Full):
    what = "all bytes"

    def fill(self):
        fd = os.open(os.path.join(self.directory, "bytes"),
                     os.O_RDWR | os.O_CREAT)
        try:
            for chunk in CHUNKS:
                self.fill_with(fd, chunk)
        finally:
            os.close(fd)

    @staticmethod
    def fill_with(fd, chunk):
        while True:
            try:
                os.posix_fallocate(fd, os.fstat(fd).st_size, chunk)
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise
                return


class Inodes(Full):
    what = "all inodes"

    def fill(self):
        n = len(os.listdir(self.directory))
        while True:
            os.close(os.open(os.path.join(self.directory, str(n)),
                             os.O_CREAT | os.O_EXCL))
            n += 1
