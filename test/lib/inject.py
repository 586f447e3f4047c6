# SPDX-License-Identifier: Apache-2.0
"""System calls made by another process, as if somebody had taken it over.

The process is stopped with ptrace in its event loop (that is: behind a
`syscall` instruction), made to execute that instruction again with other
registers, and put back as it was.  x86-64, root.
"""
import ctypes
import os
import platform
import signal
import time

NR = {"open": 2, "socket": 41, "connect": 42, "execve": 59, "kill": 62,
      "unlink": 87, "ptrace": 101, "setresuid": 117, "chroot": 161,
      "mount": 165, "openat": 257, "unshare": 272, "bpf": 321, "close": 3,
      "keyctl": 250}
(ATTACH, DETACH, GETREGS, SETREGS, SINGLESTEP, PEEK, POKE, CONT) = (
    16, 17, 12, 13, 9, 2, 5, 7)
WALL = 0x40000000


class Regs(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax "
        "rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]


def usable():
    return os.geteuid() == 0 and platform.machine() == "x86_64"


def ptrace(request, pid, addr=0, data=0):
    ctypes.set_errno(0)
    r = libc.ptrace(request, pid, addr, data)
    if r == -1 and ctypes.get_errno() != 0:
        raise OSError(ctypes.get_errno(), "ptrace %d" % request)
    return r


class Taken:
    """with Taken(pid) as t: t.call("openat", -100, b"/etc/passwd", 0)"""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        for _ in range(500):
            ptrace(ATTACH, self.pid)
            self.signals = []
            while True:
                _, status = os.waitpid(self.pid, WALL)
                if not os.WIFSTOPPED(status):
                    raise OSError("process %d is gone" % self.pid)
                if os.WSTOPSIG(status) == signal.SIGSTOP:
                    break
                # Another one was there first; it gets through below.
                ptrace(CONT, self.pid, 0, os.WSTOPSIG(status))
            self.old = Regs()
            ptrace(GETREGS, self.pid, 0, ctypes.addressof(self.old))
            word = ptrace(PEEK, self.pid, self.old.rip - 2)
            if word & 0xffff == 0x050f and self.old.orig_rax < 1 << 32:
                return self
            ptrace(DETACH, self.pid)
            time.sleep(0.01)
        raise OSError("process %d is never in a system call" % self.pid)

    def __exit__(self, *_):
        ptrace(SETREGS, self.pid, 0, ctypes.addressof(self.old))
        ptrace(DETACH, self.pid)
        for s in self.signals:
            os.kill(self.pid, s)

    def poke(self, at, data):
        data += b"\0" * (8 - len(data) % 8)
        for i in range(0, len(data), 8):
            ptrace(POKE, self.pid, at + i,
                   int.from_bytes(data[i:i + 8], "little"))

    def call(self, name, *args):
        """The result; -errno on failure."""
        r = Regs.from_buffer_copy(self.old)
        at = self.old.rsp - 4096        # below the red zone
        values = []
        for a in args:
            if isinstance(a, bytes):
                at -= len(a) + 16
                at &= ~15
                self.poke(at, a + b"\0")
                a = at
            values.append(a & 0xffffffffffffffff)
        r.rax, r.orig_rax, r.rip = NR[name], 2 ** 64 - 1, self.old.rip - 2
        for reg, v in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values):
            setattr(r, reg, v)
        ptrace(SETREGS, self.pid, 0, ctypes.addressof(r))
        while True:
            ptrace(SINGLESTEP, self.pid)
            _, status = os.waitpid(self.pid, WALL)
            if not os.WIFSTOPPED(status):
                raise OSError("process %d: status %#x" % (self.pid, status))
            if os.WSTOPSIG(status) == signal.SIGTRAP:
                break
            # A signal of its own life came before the step was made.
            self.signals.append(os.WSTOPSIG(status))
        ptrace(GETREGS, self.pid, 0, ctypes.addressof(r))
        return ctypes.c_long(r.rax).value
