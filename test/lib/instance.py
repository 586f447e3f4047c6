# SPDX-License-Identifier: Apache-2.0
"""An instance of Posthouse in one directory: laid out, started, stopped.

./quickstart and the system tests use the same code, so that what a person
gets to see is what the tests run.
"""
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3",
            "pop3s")
BASE_PORTS = {"smtp": 2525, "submission": 2587, "submissions": 2465,
              "imap": 2143, "imaps": 2993, "pop3": 2110, "pop3s": 2995}
MAIL_USER = "posthouse-mail"
# All patience is multiplied by this; builds with sanitizers are slow.
SLOW = float(os.environ.get("POSTHOUSE_SLOW", "1"))
# Nobody gives up before that, in seconds: a machine may be ten times slower
# than ours, and what goes well does not wait.
PATIENCE = 120


class Failed(Exception):
    pass


def wait_for(what, condition, timeout=60.0, step=0.05):
    """Poll until condition() is true; its value.  Never a fixed sleep."""
    timeout = max(timeout, PATIENCE) * SLOW
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("timed out after %.0f s waiting for %s"
                         % (timeout, what))
        time.sleep(step)


reserved = []


def reserve(name):
    """True: until this process ends nobody else gets that name."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        s.bind("\0posthouse-" + name)
    except OSError:
        s.close()
        return False
    reserved.append(s)
    return True


def port_is_free(host, port, kinds=(socket.SOCK_STREAM,)):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in kinds:
        with socket.socket(family, kind) as s:
            if kind == socket.SOCK_STREAM:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
            except OSError:
                return False
    return True


def port_numbers():
    """Those that the kernel does not give to outgoing connections; each
    process begins elsewhere."""
    low, high = 10000, 32768
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            high = min(high, int(f.read().split()[0]))
    except (OSError, ValueError):
        pass
    if high < low + 2000:
        high = 32768
    begin = os.getpid() * 61
    while True:
        for n in range(high - low):
            yield low + (begin + n) % (high - low)


numbers = port_numbers()


def free_port(*hosts):
    """A port that is free on all of them for TCP and UDP, and that no other
    user of this function gets as long as this process lives."""
    hosts = hosts or ("127.0.0.1",)
    for _ in range(50000):
        port = next(numbers)
        if all(port_is_free(h, port, (socket.SOCK_STREAM, socket.SOCK_DGRAM))
               for h in hosts) and \
                all(reserve("port-%s-%d" % (h, port)) for h in hosts):
            return port
    raise Failed("no free port on " + ", ".join(hosts))


def choose_address():
    """127.x.y, and nobody else gets addresses below it."""
    for n in range(os.getpid(), os.getpid() + 32000):
        net = "127.%d.%d" % (64 + n // 250 % 128, n % 250)
        if reserve("net-" + net):
            return net
    raise Failed("no free loopback addresses")


def choose_ports(host):
    """The well-known high ports, or the same some thousands further on."""
    for offset in range(0, 30000, 1000):
        ports = {n: p + offset for n, p in BASE_PORTS.items()}
        if all(port_is_free(host, p) for p in ports.values()) and \
                reserve("ports-%d" % offset):
            return ports
    return {n: free_port(host) for n in SERVICES}


libc = ctypes.CDLL(None)


def die_with_parent():
    """To be called in a new process: SIGTERM when the thread that made it
    ends, so that nothing is left behind by what was killed."""
    libc.prctl(1, signal.SIGTERM, 0, 0, 0)


def run(args, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    r = subprocess.run(args, **kw)
    if r.returncode != 0:
        raise Failed("%s: exit %d\n%s%s" % (
            " ".join(args), r.returncode,
            (r.stdout or b"").decode(errors="replace"),
            (r.stderr or b"").decode(errors="replace")))
    return r


def make_certificates(directory, names, addresses):
    """A certificate authority and one server certificate signed by it."""
    os.makedirs(directory, exist_ok=True)
    ca_key = os.path.join(directory, "ca.key")
    ca = os.path.join(directory, "ca.pem")
    key = os.path.join(directory, "server.key")
    csr = os.path.join(directory, "server.csr")
    cert = os.path.join(directory, "server.pem")
    chain = os.path.join(directory, "chain.pem")
    ext = os.path.join(directory, "server.ext")
    if os.path.exists(chain):
        return ca, chain
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca_key, "-out", ca,
         "-days", "3650", "-subj", "/CN=Posthouse demo authority"])
    run(["openssl", "req", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr,
         "-subj", "/CN=" + names[0]])
    alt = ["DNS:" + n for n in names] + ["IP:" + a for a in addresses]
    with open(ext, "w") as f:
        f.write("subjectAltName=%s\nextendedKeyUsage=serverAuth\n"
                % ",".join(alt))
    run(["openssl", "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key,
         "-CAcreateserial", "-out", cert, "-days", "3650", "-extfile", ext])
    with open(chain + ".new", "w") as out:
        for part in (key, cert, ca):
            with open(part) as f:
                out.write(f.read())
    os.chmod(chain + ".new", 0o600)
    os.chmod(ca_key, 0o600)
    os.chmod(key, 0o600)
    os.rename(chain + ".new", chain)
    return ca, chain


MASTER_CF = """\
# service   type  private unpriv chroot wakeup maxproc command + args
{smtp}
{submission}
{submissions}
{imap}
{imaps}
{pop3}
{pop3s}
pickup      unix  n       -       y       60      1       pickup
qmgr        unix  n       -       y       300     1       qmgr
bounce      unix  -       -       y       -       0       bounce
defer       unix  -       -       y       -       0       bounce
trace       unix  -       -       y       -       0       bounce
smtp        unix  -       -       y       -       -       smtp
relay       unix  -       -       y       -       -       smtp
lmtp        unix  -       -       y       -       -       lmtp
local       unix  -       n       n       -       1       local
virtual     unix  -       n       n       -       1       virtual
resolver    unix  -       -       y       -       1       resolver
auth        unix  -       -       n       -       1       authd
anvil       unix  -       -       y       -       1       anvil
imap-session unix -       n       n       -       1       imapd
pop3-session unix -       n       n       -       1       popd
"""

INET = {
    "smtp": "smtpd",
    "submission": "smtpd -o syslog_name=posthouse/submission "
                  "-o smtpd_tls_security_level=encrypt "
                  "-o smtpd_sasl_auth_enable=yes "
                  "-o {{ smtpd_relay_restrictions = "
                  "permit_sasl_authenticated, reject }}",
    "submissions": "smtpd -o syslog_name=posthouse/submissions "
                   "-o smtpd_tls_wrappermode=yes "
                   "-o smtpd_sasl_auth_enable=yes "
                   "-o {{ smtpd_relay_restrictions = "
                   "permit_sasl_authenticated, reject }}",
    "imap": "login -o login_protocol=imap",
    "imaps": "login -o login_protocol=imap -o login_tls_wrappermode=yes",
    "pop3": "login -o login_protocol=pop3",
    "pop3s": "login -o login_protocol=pop3 -o login_tls_wrappermode=yes",
}


class Instance:
    """prefix: where `make install` put things (sbin, libexec/posthouse)."""

    def __init__(self, directory, prefix, host="127.0.0.1", ports=None,
                 myhostname="mail.demo.test", domains=("demo.test",),
                 main=None, master_extra="", more_hosts=(), services=None):
        self.dir = os.path.abspath(directory)
        self.prefix = prefix
        self.host = host
        self.more_hosts = list(more_hosts)
        self.ports = ports or choose_ports(host)
        self.myhostname = myhostname
        self.domains = list(domains)
        self.main = dict(main or {})
        self.master_extra = master_extra
        self.services = services or list(SERVICES)
        self.config = os.path.join(self.dir, "etc")
        self.queue = os.path.join(self.dir, "spool")
        self.data = os.path.join(self.dir, "data")
        self.mail = os.path.join(self.dir, "mail")
        self.tls = os.path.join(self.dir, "tls")
        self.log = os.path.join(self.dir, "mail.log")
        self.ca = None
        self.accounts = []
        self.process = None
        self.environment = {}

    # -- layout ----------------------------------------------------------

    def tool(self, name):
        for sub in ("sbin", "bin", "libexec/posthouse"):
            path = os.path.join(self.prefix, sub, name)
            if os.path.exists(path):
                return path
        raise Failed("no program %s under %s" % (name, self.prefix))

    def lay_out(self):
        for d in (self.dir, self.config, self.data, self.mail, self.queue):
            os.makedirs(d, exist_ok=True)
        # Daemons that gave up root must get in.
        for d in (self.dir, self.config, self.data, self.mail):
            os.chmod(d, 0o755)
        self.ca, chain = make_certificates(
            self.tls, [self.myhostname, "localhost"] + self.domains,
            [self.host] + self.more_hosts)
        os.chmod(self.tls, 0o755)
        if os.geteuid() == 0:
            self.own_directories()
        self.write_config(chain)

    def own_directories(self):
        auth = pwd.getpwnam("posthouse-auth")
        mail = pwd.getpwnam(MAIL_USER)
        os.chown(self.data, auth.pw_uid, auth.pw_gid)
        os.chown(self.mail, mail.pw_uid, mail.pw_gid)

    def write_config(self, chain):
        main = {
            "compatibility_level": "3.9",
            "config_directory": self.config,
            "queue_directory": self.queue,
            "data_directory": self.data,
            "daemon_directory":
                os.path.join(self.prefix, "libexec", "posthouse"),
            "command_directory": os.path.join(self.prefix, "sbin"),
            "maillog_file": self.log,
            "myhostname": self.myhostname,
            "mydestination": "$myhostname, localhost",
            "mynetworks": "",
            "inet_interfaces": ", ".join(
                [self.host] + ["[%s]" % h if ":" in h else h
                               for h in self.more_hosts]),
            "virtual_mailbox_domains": ", ".join(self.domains),
            "virtual_mailbox_maps": "hash:%s/mailboxes" % self.data,
            "virtual_transport": "virtual",
            "alias_maps": "texthash:%s/aliases" % self.config,
            "alias_database": "",
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": chain,
            "smtpd_tls_received_header": "yes",
            "login_tls_chain_files": chain,
            "smtp_tls_security_level": "may",
            "mailbox_base": self.mail,
        }
        if os.geteuid() == 0:
            main["mailbox_owner"] = MAIL_USER
        main.update(self.main)
        self.put("main.cf", "".join("%s = %s\n" % kv for kv in main.items()))
        self.put("master.cf", self.master_cf())
        if not os.path.exists(os.path.join(self.config, "aliases")):
            self.put("aliases", "postmaster root\n")

    def put(self, name, text):
        path = os.path.join(self.config, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)

    def master_cf(self):
        lines = {}
        for name in SERVICES:
            if name not in self.services:
                lines[name] = "# no " + name
                continue
            command = INET[name].format()
            lines[name] = "\n".join(
                "%s:%d inet n - y - - %s" % (
                    "[%s]" % h if ":" in h else h, self.ports[name], command)
                for h in [self.host] + self.more_hosts)
        return MASTER_CF.format(**lines) + self.master_extra

    # -- life ------------------------------------------------------------

    def start(self, timeout=60.0):
        out = open(os.path.join(self.dir, "console"), "ab")
        self.process = subprocess.Popen(
            [self.tool("posthouse"), "-c", self.config, "start-fg"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env=dict(os.environ, **self.environment),
            start_new_session=True, preexec_fn=die_with_parent)
        out.close()

        def up():
            if self.process.poll() is not None:
                raise Failed("posthouse did not start:\n%s%s" % (
                    self.console(), self.log_text()[-3000:]))
            return all(self.answers(n) for n in self.services)
        wait_for("all services to listen", up, timeout)

    def answers(self, service):
        try:
            with socket.create_connection((self.host, self.ports[service]),
                                          timeout=PATIENCE):
                return True
        except OSError:
            return False

    def stop(self, timeout=PATIENCE):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout * SLOW)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise Failed("posthouse did not stop in %.0f s" %
                             (timeout * SLOW))
            finally:
                self.process = None
        self.process = None

    def posthouse(self, *args, **kw):
        return run([self.tool("posthouse"), "-c", self.config] + list(args),
                   **kw)

    def command(self, name, *args, **kw):
        return run([self.tool(name), "-c", self.config] + list(args),
                   **kw).stdout.decode(errors="replace")

    def command_both(self, name, *args, **kw):
        """Standard output and error together."""
        r = run([self.tool(name), "-c", self.config] + list(args), **kw)
        return (r.stdout + r.stderr).decode(errors="replace")

    def add_account(self, user, password, *options):
        self.posthouse("user", "add", user, "--password-stdin", *options,
                       input=(password + "\n").encode())
        self.accounts.append({"user": user, "password": password})

    # -- looking ---------------------------------------------------------

    def family(self):
        """{pid: parent} of master and all below it."""
        parents = {}
        for n in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % n) as f:
                    parents[int(n)] = int(f.read().rpartition(")")[2]
                                          .split()[1])
            except (OSError, IndexError):
                pass            # ended meanwhile
        ours = {self.process.pid}
        while True:
            more = {p for p, up in parents.items()
                    if up in ours and p not in ours}
            if not more:
                return {p: parents.get(p, 0) for p in ours}
            ours |= more

    def cpu_seconds(self, program):
        """What the processes of this program that live have used."""
        ticks = 0
        for pid in self.family():
            try:
                if os.path.basename(os.readlink("/proc/%d/exe" % pid)) != \
                        program:
                    continue
                with open("/proc/%d/stat" % pid) as f:
                    fields = f.read().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
            except (OSError, IndexError):
                pass
        return ticks / os.sysconf("SC_CLK_TCK")

    def console(self):
        try:
            with open(os.path.join(self.dir, "console"),
                      errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_text(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def queue_list(self):
        text = self.command("postqueue", "-j")
        return [json.loads(line) for line in text.splitlines() if line]

    def wait_queue_empty(self, timeout=120.0):
        wait_for("an empty queue", lambda: not self.queue_list(), timeout,
                 0.2)

    def write_access(self, name="access.json"):
        with open(os.path.join(self.dir, name + ".new"), "w") as f:
            json.dump({
                "host": self.host, **self.ports, "ca": self.ca,
                "accounts": self.accounts,
                "config_directory": self.config,
            }, f, indent=2)
            f.write("\n")
        os.rename(os.path.join(self.dir, name + ".new"),
                  os.path.join(self.dir, name))


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)
