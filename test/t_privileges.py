# SPDX-License-Identifier: Apache-2.0
"""What each process may do, on a running instance: the table of
doc/architecture.md.  What cannot be read in /proc is tried from inside the
process itself, as if it had been taken over."""
import errno
import grp
import os
import pwd
import re
import socket
import stat
import subprocess

import inject
import instance
from scenario import (Raw, Skip, check, equal, imap, pop, send, wait_for,
                      wait_inbox)

READ_SEARCH = 1 << 2		# CAP_DAC_READ_SEARCH

# program: (user, root below the queue directory or None, writable files)
# None as user: keeps root; its powers are checked apart.
TABLE = {
    "smtpd": ("posthouse", "", ("journal/",)),
    "pickup": ("posthouse", "", ("journal/",)),
    "qmgr": ("posthouse", "", ("cur/", "new/", "hold/", "log/",
                                "journal/")),
    "bounce": ("posthouse", "", ("journal/",)),
    "smtp-client": ("posthouse-net", "empty", ()),
    "resolver": ("posthouse-net", "empty", ()),
    "login": ("posthouse-login", "login", ()),
    "authd": ("posthouse-auth", None, ()),
    "anvil": ("posthouse", "", ()),
    "imapd": (None, None, ()),
    "popd": (None, None, ()),
    "local-delivery": (None, None, ()),
}


class Process:
    def __init__(self, pid):
        self.pid = pid
        base = "/proc/%d/" % pid
        with open(base + "status") as f:
            self.status = dict(line.rstrip("\n").split(":\t", 1)
                               for line in f if ":\t" in line)
        self.exe = os.path.basename(os.readlink(base + "exe"))
        self.root = os.readlink(base + "root")
        self.cwd = os.readlink(base + "cwd")
        self.parent = int(self.status["PPid"])
        with open(base + "cmdline") as f:
            self.args = f.read().split("\0")
        with open(base + "environ") as f:
            self.env = [e for e in f.read().split("\0") if e]

    def ids(self, what):
        return {int(x) for x in self.status[what].split()}

    def caps(self, what):
        return int(self.status[what], 16)

    def files(self):
        """(number, name, flags) of what is open."""
        base = "/proc/%d/" % self.pid
        try:
            numbers = os.listdir(base + "fd")
        except FileNotFoundError:
            return              # ended meanwhile
        for n in numbers:
            try:
                name = os.readlink(base + "fd/" + n)
                with open(base + "fdinfo/" + n) as f:
                    flags = int(re.search(r"flags:\s*(\d+)", f.read())
                                .group(1), 8)
            except OSError:
                continue
            yield int(n), name, flags

    def __str__(self):
        return "%s[%d]" % (self.exe, self.pid)


def processes(i):
    """All below master, by pid; without threads' noise."""
    found = {}
    for n in i.family():
        try:
            found[n] = Process(n)
        except (OSError, KeyError):
            pass                # ended meanwhile
    return found


def kind(p, all_of):
    """daemon, zygote or worker (of the programs that keep root)."""
    if TABLE[p.exe][0] is not None:
        return "daemon"
    up = all_of.get(p.parent)
    if up is None or up.exe != p.exe:
        return "parent" if up is not None else None
    return "zygote" if all_of[up.parent].exe != p.exe else "worker"


def busy(s):
    """An instance with at least one of everything running."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    sink = socket.create_server((s.address(), 0))
    i = s.posthouse(start=False,
                    main={"relayhost": "[%s]:%d" % sink.getsockname()})
    i.put("aliases", "gone no-such-user-here\n")
    i.start()
    a, b = ("%s@%s" % (u, i.domains[0]) for u in ("alice", "bob"))
    send(i, a, [b], service="submission")
    send(i, a, ["somebody@elsewhere.example"], service="submission")
    send(i, a, ["gone@" + i.myhostname], service="submission")
    wait_inbox(i, b, 1)
    wait_inbox(i, a, 1)		# the bounce
    i.held = [imap(i, a), pop(i, b), Raw(i), sink]
    i.held[0].select()
    equal(i.held[2].reply()[0], 220, "greeting")
    wait_for("the client to connect", lambda: any(
        p.exe == "smtp-client" for p in processes(i).values()))
    sink.settimeout(instance.PATIENCE * instance.SLOW)
    i.held.append(sink.accept()[0])
    return i


def release(i):
    """Not inbox.logout(): the instance stops anyway."""
    for h in i.held:
        try:
            (h.shutdown if hasattr(h, "shutdown") and not isinstance(
                h, socket.socket) else h.close)()
        except (OSError, AttributeError):
            pass


def daemons(i):
    def all_programs():
        found = processes(i)
        known = [p for p in found.values() if p.exe in TABLE]
        kinds = [(p, kind(p, found)) for p in known]
        # One that was forked while we looked may have no parent here.
        return kinds if not set(TABLE) - {p.exe for p in known} and \
            all(k for _, k in kinds) else None
    return wait_for("all programs to run", all_programs)


def sanitized(i):
    with open(i.tool("smtpd"), "rb") as f:
        return b"__asan_init" in f.read()


def test_ids_and_roots(s):
    i = busy(s)
    filtered = 0 if sanitized(i) else 2
    mail = pwd.getpwnam("posthouse-mail")
    for p, k in daemons(i):
        user, root, _ = TABLE[p.exe]
        who = "%s (%s)" % (p, k)
        if k in ("parent", "zygote"):
            equal(p.ids("Uid"), {0}, who + ": uid")
            equal(p.ids("Groups") - {0}, set(), who + ": groups")
        else:
            u = mail if k == "worker" else pwd.getpwnam(user)
            equal(p.ids("Uid"), {u.pw_uid}, who + ": uid")
            equal(p.ids("Gid"), {u.pw_gid}, who + ": gid")
            equal(p.ids("Groups"), {u.pw_gid}, who + ": groups")
            for c in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                equal(p.caps(c), 0, "%s: %s" % (who, c))
        if k == "parent":
            for c in ("CapPrm", "CapEff"):
                equal(p.caps(c) & ~READ_SEARCH, 0, "%s: %s" % (who, c))
        # The process that forks workers does nothing else.
        commands = p.exe == "local-delivery" and k == "worker" and \
            "virtual" not in p.args[0]
        if k != "zygote" and not commands:
            equal(p.status["NoNewPrivs"], "1", who + ": no_new_privs")
            equal(p.status["Seccomp"], str(filtered), who + ": seccomp")
        want = "/" if root is None else os.path.join(i.queue, root)
        equal(os.path.realpath(p.root), os.path.realpath(want),
              who + ": root")
        cwd = i.queue if root is None else want
        equal(os.path.realpath(p.cwd), os.path.realpath(cwd), who + ": cwd")
        equal(os.sched_getscheduler(p.pid), os.SCHED_BATCH
              if p.exe == "qmgr" else os.SCHED_OTHER, who + ": scheduling")
    release(i)


def test_descriptors_and_environment(s):
    i = busy(s)
    for p, k in daemons(i):
        for n, name, flags in p.files():
            mode = flags & os.O_ACCMODE
            if not name.startswith("/") or name == "/dev/null" or \
                    flags & os.O_PATH or mode == os.O_RDONLY:
                continue
            if name in (i.log, os.path.join(i.dir, "console")):
                check(flags & os.O_APPEND or n < 3,
                      "%s can overwrite %s" % (p, name))
                continue
            if name.startswith("/memfd:") or " (deleted)" in name:
                continue
            if k == "worker" and name.startswith(i.mail + "/"):
                continue
            below = os.path.relpath(name, i.queue)
            check(any(below.startswith(w) for w in TABLE[p.exe][2]),
                  "%s (%s) has %s open for writing" % (p, k, name))
        names = {e.split("=", 1)[0] for e in p.env}
        check(names <= {"PATH", "LANG", "TZ", "MAIL_CONFIG",
                        "POSTHOUSE_MASTER", "GLIBC_TUNABLES",
                        # the C library cuts that apart where it stands
                        "glibc.malloc.hugetlb",
                        "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"},
              "%s has in its environment: %s" % (p, names))
    release(i)


def put_secret(i):
    """A queue file that everybody in the suite may look at by its mode."""
    u = pwd.getpwnam("posthouse")
    path = os.path.join(i.queue, "cur", "secret")
    with open(path, "w") as f:
        f.write("x")
    os.chmod(path, 0o644)
    os.chown(path, u.pw_uid, u.pw_gid)
    return path


def landlocked():
    return inject.libc.syscall(444, None, 0, 1) >= 2


EVERYBODY = (
    ("execve", (b"/bin/true", 0, 0)),
    ("ptrace", (16, 1, 0, 0)),
    ("chroot", (b"/",)),
    ("mount", (b"none", b"/mnt", b"tmpfs", 0, 0)),
    ("unshare", (0x10000000,)),
    ("bpf", (0, 0, 0)),
    ("keyctl", (0, 0, 0)),
    ("setresuid", (0, 0, 0)),
)


def test_taken_over(s):
    """Calls that must fail, made inside the processes."""
    if not inject.usable():
        raise Skip("needs root on x86-64")
    i = busy(s)
    if sanitized(i):
        raise Skip("no seccomp filter under sanitizers")
    secret = put_secret(i)
    outside = os.path.join(i.dir, "tls", "chain.pem")
    for p, k in daemons(i):
        if k == "zygote":
            continue
        root = TABLE[p.exe][1]
        seen = "/cur/secret" if root is not None else secret
        with inject.Taken(p.pid) as t:
            for name, args in EVERYBODY:
                if k == "parent" and name == "setresuid":
                    args = (12345, 12345, 12345)
                got = t.call(name, *args)
                equal(got, -errno.EPERM, "%s (%s): %s" % (p, k, name))

            def opens(path, flags=os.O_RDONLY):
                fd = t.call("openat", -100, path.encode(), flags, 0o600)
                if fd >= 0:
                    equal(t.call("close", fd), 0, "close")
                return fd

            if p.exe not in ("qmgr", "pickup", "bounce") and landlocked() \
                    or p.exe in ("smtp-client", "resolver", "login"):
                if not (p.exe == "local-delivery" or p.exe == "anvil"):
                    check(opens(seen) < 0, "%s (%s) reads the queue" % (p, k))
                    check(opens(seen.replace("cur/secret",
                                             "journal/inflight")) < 0,
                          "%s (%s) reads the journal" % (p, k))
            if root is not None:
                equal(opens(outside), -errno.ENOENT
                      if p.exe != "smtpd" or not landlocked()
                      else opens(outside), "%s sees the key" % p)
            check(k == "parent" and p.exe == "local-delivery" or
                  opens(outside) < 0, "%s (%s) reads the key" % (p, k))
            made = opens("/made" if root is not None else
                         os.path.join(i.dir, "made"),
                         os.O_WRONLY | os.O_CREAT)
            if p.exe not in ("qmgr", "pickup", "bounce"):
                check(made < 0, "%s (%s) makes a file" % (p, k))
            check(opens(os.path.join(i.data, "users.db"),
                        os.O_RDWR) < 0, "%s (%s) writes accounts" % (p, k))
            if p.exe != "authd" and k != "parent":
                check(opens(os.path.join(i.data, "users.db")) < 0,
                      "%s (%s) reads accounts" % (p, k))
    os.unlink(secret)
    # They all go on as if nothing had been.
    a, b = ("%s@%s" % (u, i.domains[0]) for u in ("alice", "bob"))
    send(i, a, [b], service="submission")
    wait_inbox(i, b, 2)
    equal(i.held[0].noop()[0], "OK", "NOOP of the session")
    equal(i.held[2].ask(b"NOOP")[0], 250, "NOOP of smtpd")
    release(i)


MODES = (
    ("spool", 0o755), ("spool/private", 0o700), ("spool/public", 0o710),
    ("spool/login", 0o750), ("spool/maildrop", 0o730), ("spool/tmp", 0o700),
    ("spool/new", 0o700), ("spool/cur", 0o700), ("spool/hold", 0o700),
    ("spool/corrupt", 0o700), ("spool/log", 0o700), ("spool/journal", 0o700),
    ("spool/empty", 0o755),
    ("spool/pid", 0o755), ("data", 0o755), ("data/users.db", 0o600),
    ("data/users.lock", 0o600), ("data/mailboxes.db", 0o644),
    ("tls/chain.pem", 0o600), ("etc/main.cf", 0o644),
)


def test_modes(s):
    i = busy(s)
    for name, most in MODES:
        st = os.lstat(os.path.join(i.dir, name))
        equal(stat.S_IMODE(st.st_mode) & ~most, 0, "mode of " + name)
    equal(os.listdir(os.path.join(i.queue, "empty")), [], "empty/")
    for name in ("empty", "login", "pid", ""):
        equal(os.lstat(os.path.join(i.queue, name)).st_uid, 0,
              "owner of spool/" + name)
    for top in ("new", "cur", "hold", "log", "tmp", "journal"):
        for at, _, files in os.walk(os.path.join(i.queue, top)):
            for f in files:
                st = os.lstat(os.path.join(at, f))
                check(stat.S_IMODE(st.st_mode) & 0o077 == 0,
                      "%s/%s may be read by others" % (at, f))
    for at, dirs, files in os.walk(os.path.join(i.mail, i.domains[0])):
        for f in files + dirs:
            st = os.lstat(os.path.join(at, f))
            check(stat.S_IMODE(st.st_mode) & 0o077 == 0,
                  "%s/%s may be read by others" % (at, f))
    equal(sorted(os.listdir(os.path.join(i.queue, "login"))),
          ["anvil", "auth", "imap-session", "pop3-session", "resolver"],
          "sockets that login may reach")
    release(i)


# -- what a local user can do with the sockets in public/ --------------------

def as_user(name, code, *args, group=None):
    """Run code (Python) as that user, optionally in a group."""
    u = pwd.getpwnam(name)
    gid = u.pw_gid if group is None else grp.getgrnam(group).gr_gid

    def drop():
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(u.pw_uid, u.pw_uid, u.pw_uid)
    r = subprocess.run(["/usr/bin/python3", "-c", code] + list(args),
                       preexec_fn=drop, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, cwd="/",
                       timeout=5 * instance.PATIENCE * instance.SLOW)
    return r.returncode, r.stdout.decode(errors="replace")


CONNECT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except PermissionError:
    print("refused")
else:
    print("connected")
"""

# A frame: length, number, flags, length of the kind, descriptors, zero; a
# field: what lib/ipc/msg.c says.  Only the frame matters here.
ABUSE = """
import select, socket, struct, sys, time
PATIENCE = 120
def new():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(PATIENCE)
    s.connect(sys.argv[1])
    return s
def frame(kind, body, length=None):
    n = len(kind) + len(body) if length is None else length
    return struct.pack("<IIBBBB", n, 1, 0, len(kind), 0, 0) + kind + body
def closed(s):
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True
for data in (frame(b"queue-list", b"", 0xffffffff),
             frame(b"queue-list", b"", 8 << 20),
             frame(b"no-such-kind", b""), frame(b"queue-new", b"\\xff" * 99),
             b"\\xff" * 64, struct.pack("<IIBBBB", 4, 1, 0, 200, 0, 0) +
             b"abcd", struct.pack("<IIBBBB", 4, 1, 0, 4, 9, 0) + b"abcd"):
    s = new()
    s.sendall(data)
    if not closed(s):
        sys.exit("not closed after %r" % data[:40])
# slow: the frame is never finished
slow = new()
slow.sendall(frame(b"queue-list", b"", 4000)[:9])
begun = time.monotonic()
if not closed(slow):
    sys.exit("slow frame")
if time.monotonic() - begun > PATIENCE:
    sys.exit("slow frame was waited for")
# many
many = [new() for n in range(200)]
poll = select.poll()
for s in many:
    poll.register(s, select.POLLIN)
begun = time.monotonic()
refused = []
while len(refused) < 150:
    for fd, _ in poll.poll(1000):
        refused.append(fd)
        poll.unregister(fd)
    if time.monotonic() - begun > PATIENCE:
        sys.exit("only %d of 200 were refused" % len(refused))
for s in many:
    if s.fileno() in refused and not closed(s):
        sys.exit("not refused, but answered")
print("fine")
"""


def test_local_users(s):
    """public/ is for set-gid postdrop and postqueue; who gets at it all the
    same (say, through a fault in them) gets no further."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    i = s.posthouse()
    for name in ("public/qmgr", "public/pickup", "private/qmgr",
                 "private/auth", "login/auth", "private/imap-session"):
        path = os.path.join(i.queue, name)
        code, out = as_user("nobody", CONNECT, path)
        equal(out.strip(), "refused", "nobody connects to " + name)
        if not name.startswith("public/"):
            code, out = as_user("nobody", CONNECT, path,
                                group="posthouse-drop")
            equal(out.strip(), "refused", "group drop connects to " + name)
    for user, name, want in (
            ("posthouse-login", "private/auth", "refused"),
            ("posthouse-login", "login/auth", "connected"),
            ("posthouse-net", "private/qmgr", "refused"),
            ("posthouse-net", "login/auth", "refused"),
            ("posthouse-auth", "private/qmgr", "refused"),
            ("posthouse-mail", "private/qmgr", "refused"),
            ("posthouse-mail", "public/qmgr", "refused")):
        code, out = as_user(user, CONNECT, os.path.join(i.queue, name))
        equal(out.strip(), want, "%s connects to %s" % (user, name))
    for name in ("qmgr", "pickup"):
        code, out = as_user("nobody", ABUSE, os.path.join(
            i.queue, "public", name), group="posthouse-drop")
        equal((code, out.strip()), (0, "fine"), "abuse of public/" + name)
    qmgr = [p for p in processes(i).values() if p.exe == "qmgr"]
    equal(len(qmgr), 1, "qmgr processes")
    check(int(qmgr[0].status["VmHWM"].split()[0]) < 200000,
          "qmgr has grown to " + qmgr[0].status["VmHWM"])
    a, b = ("%s@%s" % (u, i.domains[0]) for u in ("alice", "bob"))
    send(i, a, [b], service="submission")
    wait_inbox(i, b, 1)


def test_admin_is_for_root(s):
    """queue_admin asked by somebody else is refused."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    i = s.posthouse()
    a = "alice@" + i.domains[0]
    send(i, a, ["x@[%s]" % s.address()], service="submission")
    wait_for("a deferred message", lambda: i.queue_list())
    tool = i.tool("postsuper")
    code, out = as_user("nobody", "import subprocess,sys;"
                        "sys.exit(subprocess.call(sys.argv[1:]))",
                        tool, "-c", i.config, "-d", "ALL",
                        group="posthouse-drop")
    check(code != 0, "postsuper as nobody: " + out)
    equal(len(i.queue_list()), 1, "messages after postsuper as nobody")
