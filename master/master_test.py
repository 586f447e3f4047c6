#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""master with small real services, run as an ordinary user.

Run by `make check` in the build directory.  As root it runs master as nobody:
what needs root is tested by the system tests under test/."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.getcwd()
WAIT = 120.0            # seconds; what goes well does not wait
ROOT = os.getuid() == 0
UID = 65534 if ROOT else os.getuid()
GID = 65534 if ROOT else os.getgid()
AS = {"user": UID, "group": GID, "extra_groups": []} if ROOT else {}

POSTFIX_MASTER_CF = """\
smtp      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Fail(Exception):
    pass


def wait_for(what, fn, pause=0.02):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        v = fn()
        if v:
            return v
        time.sleep(pause)
    raise Fail("timed out waiting for " + what)


def equal(got, want, what):
    if got != want:
        raise Fail("%s: got %r, want %r" % (what, got, want))


kept = []


def free_port():
    """One that the kernel gives to nobody else: it stays bound, by a socket
    that does not listen and lets master bind it as well."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    kept.append(s)
    return s.getsockname()[1]


class Instance:
    def __init__(self, master_cf, **main):
        # Not TMPDIR: nobody may be unable to get there.
        self.dir = tempfile.mkdtemp(prefix="ph-master-", dir="/tmp")
        for sub in ("bin", "etc"):
            os.mkdir(os.path.join(self.dir, sub))
        for prog in ("master/master", "lib/daemon/testd", "anvil/anvil",
                     "tools/posthouse"):
            shutil.copy(os.path.join(BUILD, prog),
                        os.path.join(self.dir, "bin"))
        os.chmod(self.dir, 0o755)
        if ROOT:
            os.chown(self.dir, UID, GID)
        self.port = free_port()
        self.log = os.path.join(self.dir, "log")
        self.main = {
            "queue_directory": self.dir + "/q",
            "data_directory": self.dir + "/data",
            "daemon_directory": self.dir + "/bin",
            "command_directory": self.dir + "/bin",
            "maillog_file": self.log, "inet_interfaces": "127.0.0.1",
            "test_value": "one", "master_stop_time": "3s",
        }
        self.main.update(main)
        self.write(master_cf)
        self.process = None

    def write(self, master_cf=None, **main):
        self.main.update(main)
        with open(self.dir + "/etc/main.cf", "w") as f:
            for k, v in self.main.items():
                f.write("%s = %s\n" % (k, v))
        if master_cf is not None:
            with open(self.dir + "/etc/master.cf", "w") as f:
                f.write(master_cf.format(port=self.port))

    def tool(self, name, *args):
        return subprocess.run([self.dir + "/bin/" + name, "-c",
                               self.dir + "/etc"] + list(args),
                              stdout=subprocess.PIPE, timeout=WAIT,
                              stderr=subprocess.STDOUT, **AS)

    def text(self):
        try:
            with open(self.log) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def start(self):
        self.process = subprocess.Popen(
            [self.dir + "/bin/master", "-i", "-c", self.dir + "/etc"], **AS)
        wait_for("start", lambda: "daemon started" in self.text())
        return self

    def signal(self, signo):
        self.process.send_signal(signo)

    def logged(self, what, n=1):
        wait_for("%r in the log" % what, lambda: self.text().count(what) >= n)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), WAIT)
        s.settimeout(WAIT)
        return s

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(WAIT)
        shutil.rmtree(self.dir)


def ask(s, byte):
    s.sendall(byte)
    out = b""
    while not out.endswith(b"\n"):
        more = s.recv(100)
        if not more:
            raise Fail("connection lost")
        out += more
    return out.decode().strip()


TESTD = "{port} inet n n n - 2 testd\n"


def test_fork_on_demand(i):
    a = i.connect()
    pid = ask(a, b"p")
    # One process serves up to its client limit (3), then another begins.
    more = [i.connect() for _ in range(3)]
    pids = {ask(s, b"p") for s in more}
    equal(len(pids | {pid}), 2, "processes")
    # Two processes of three sessions: the seventh client waits.
    full = [i.connect() for _ in range(2)]
    for s in full:
        ask(s, b"p")
    i.logged("has reached its process limit")
    last = i.connect()
    last.sendall(b"p")
    last.settimeout(0.5)
    try:
        last.recv(10)
        raise Fail("more sessions than the limits allow")
    except socket.timeout:
        pass
    a.close()
    last.settimeout(WAIT)
    if not last.recv(10):
        raise Fail("the waiting client was dropped")


def test_crash_restart(i):
    before = ask(i.connect(), b"p")
    for n in range(3):
        os.kill(int(before), signal.SIGKILL)
        after = ask(i.connect(), b"p")
        if after == before:
            raise Fail("it still lives")
        before = after
    i.logged("killed by signal 9", 3)
    equal("throttling" in i.text(), False, "throttling")


def test_reload(i):
    old = i.connect()
    pid = ask(old, b"p")
    i.write(test_value="two")
    i.signal(signal.SIGHUP)
    i.logged("reload -- version")
    wait_for("the new value", lambda: ask(i.connect(), b"g") == "two")
    equal(ask(old, b"p"), pid, "the old session's process")
    equal(ask(old, b"g"), "one", "the old session's configuration")
    # Services come and go.
    other = free_port()
    i.write("127.0.0.1:%d inet n n n - 2 testd\n" % other)
    i.signal(signal.SIGHUP)
    i.logged("reload -- version", 2)
    i.port, first = other, i.port
    wait_for("the new port", lambda: can_connect(other))
    wait_for("the old port to close", lambda: not can_connect(first))
    equal(ask(old, b"p"), pid, "a session of a service that is gone")
    # A bad master.cf changes nothing.
    i.write("nonsense\n")
    i.signal(signal.SIGHUP)
    i.logged("the old configuration stays")
    ask(i.connect(), b"p")


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), WAIT).close()
        return True
    except OSError:
        return False


def test_stop_and_lock(i):
    s = i.connect()
    pid = int(ask(s, b"p"))
    second = subprocess.run([i.dir + "/bin/master", "-i", "-c",
                             i.dir + "/etc"], timeout=WAIT, **AS)
    equal(second.returncode, 1, "a second master")
    i.logged("the mail system is already running")
    status = i.tool("posthouse", "status").stdout.decode()
    equal("serving" in status and str(pid) in status, True, status)
    # An open session does not keep the system from stopping.
    i.tool("posthouse", "stop")
    i.process.wait(WAIT)
    equal(os.path.exists("/proc/%d" % pid) and
          open("/proc/%d/stat" % pid).read().split()[2] not in "ZX", False,
          "a daemon after the stop")
    equal(i.tool("posthouse", "status").returncode, 1, "status")


def test_throttle(i):
    i.write(test_fail_start="yes")
    s = i.connect()
    begun = time.monotonic()
    i.logged("bad command startup -- throttling", 2)
    n = i.text().count("exit status 1")
    if n > 4 + time.monotonic() - begun:
        raise Fail("started %d times in a few seconds" % n)
    i.write(test_fail_start="no")
    equal(len(ask(s, b"p")) > 0, True, "the client that waited")


def test_master_killed(i):
    pid = int(ask(i.connect(), b"p"))
    i.process.kill()
    i.process.wait(WAIT)
    wait_for("the orphan's end", lambda: not os.path.exists(
        "/proc/%d" % pid) or open("/proc/%d/stat" % pid).read()
        .split()[2] in "ZX")
    open(i.log, "w").close()
    i.start()
    ask(i.connect(), b"p")


def test_postfix_master_cf(i):
    i.logged("services accepted and not started")
    line = [x for x in i.text().splitlines() if "not started" in x][0]
    for name in ("cleanup", "tlsmgr", "rewrite", "verify", "flush", "showq",
                 "scache", "error", "retry", "discard", "postlog"):
        equal(name + "/" in line, True, name)
    for path in ("public/qmgr", "public/pickup", "private/smtp",
                 "private/local", "private/virtual", "private/anvil",
                 "private/resolver", "private/auth", "login/auth",
                 "private/qmgr"):
        equal(os.path.exists(os.path.join(i.dir, "q", path)), True, path)
    equal(os.path.exists(os.path.join(i.dir, "q/public/cleanup")), False,
          "public/cleanup")


def test_user_worker(i):
    s = i.connect()
    me = "%d %d" % (UID, GID)
    equal(ask(s, b"u"), me, "a worker")
    equal(ask(s, b"k").startswith("failed"), True, "a worker that dies")
    equal(ask(s, b"u"), me, "the next worker")


def environment(i):
    """Of a daemon that serves; it does not end before the client leaves."""
    with i.connect() as s, \
            open("/proc/%s/environ" % ask(s, b"p"), "rb") as f:
        return dict(v.split(b"=", 1) for v in f.read().split(b"\0") if v)


def test_import_environment(i):
    i.signal(signal.SIGKILL)
    i.process.wait()
    os.environ.update(PH_WANTED="1", PH_OTHER="1")
    i.write(import_environment="PH_WANTED, PH_GIVEN=x PH_UNSET PATH=/bad")
    i.start()
    wait_for("the second start", lambda: can_connect(i.port))
    env = environment(i)
    equal((env.get(b"PH_WANTED"), env.get(b"PH_GIVEN"), env.get(b"LANG")),
          (b"1", b"x", b"C"), "imported")
    equal([n for n in (b"PH_OTHER", b"PH_UNSET", b"TZ") if n in env], [],
          "not imported")
    equal(b"/bad" in env[b"PATH"], False, "what master sets stays")
    # The allocator's settings are ours unless somebody gives others.
    equal(b"tcache_count" in env[b"GLIBC_TUNABLES"], True, "ours")
    # The C library cuts its list apart where it stands.
    equal(env.get(b"glibc.malloc.hugetlb"), b"1", "large pages")
    i.write(import_environment="GLIBC_TUNABLES=glibc.malloc.perturb=1")
    i.signal(signal.SIGHUP)
    wait_for("the other settings", lambda: environment(i).get(
        b"GLIBC_TUNABLES") == b"glibc.malloc.perturb=1")


def test_network_opens_last(i):
    """Whoever is let in from the network can be served: the sockets between
    the daemons are there before."""
    i.tool("posthouse", "stop")
    i.process.wait(WAIT)
    local = ["wait%d" % n for n in range(300)]
    i.write(TESTD + "".join("%s unix n n n - 0 testd\n" % n for n in local))
    i.process = subprocess.Popen(
        [i.dir + "/bin/master", "-i", "-c", i.dir + "/etc"], **AS)
    wait_for("the network", lambda: can_connect(i.port), pause=0)
    equal([n for n in local if not os.path.exists(i.dir + "/q/public/" + n)],
          [], "sockets that are missing when the network is open")


TESTS = [
    (test_network_opens_last, TESTD),
    (test_import_environment, TESTD),
    (test_fork_on_demand, TESTD), (test_crash_restart, TESTD),
    (test_reload, TESTD), (test_stop_and_lock, TESTD),
    (test_throttle, TESTD), (test_master_killed, TESTD),
    (test_user_worker, TESTD),
    (test_postfix_master_cf, POSTFIX_MASTER_CF.replace("smtp      inet",
     "{port} inet")),
]


def main():
    failed = 0
    for fn, cf in TESTS:
        i = Instance(cf)
        try:
            i.start()
            fn(i)
            print("ok   " + fn.__name__, flush=True)
        except Exception as e:  # noqa: BLE001
            failed += 1
            print("FAIL %s: %r\n%s" % (fn.__name__, e, i.text()), flush=True)
        finally:
            i.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
