# SPDX-License-Identifier: Apache-2.0
"""The peers: Posthouse, Postfix, Dovecot, and the bound.

A peer is a class; an object of it is a running server in a cage of its own.
`modes` says what it can be asked to do:
	discard   accept mail by SMTP and throw it away once it is queued
	relay     accept mail and hand it to the sink
	local     accept mail and deliver it to mailboxes
	deferred  mail for deferred.test is put off, all other goes to the sink
	mailbox   serve mailboxes by IMAP and POP3
"""
import os
import shutil
import socket
import subprocess

import debian
import dovecot
import instance
from cage import Cage

TOOLS = os.environ.get("BENCH_TOOLS", "")
PREFIX = os.environ.get("POSTHOUSE_PREFIX", "")
DOMAIN = "bench.test"
PASSWORD = "x"
HOST = "127.0.0.1"
SMTP_MODES = ("discard", "relay", "local", "deferred")
DEFERRED = "deferred.test"
# (retry: would not do, Postfix's smtpd refuses such recipients.)
PUT_OFF = {
    "transport_maps": "inline:{ { %s = relay:[%s]:1 } }" % (DEFERRED, HOST),
    "defer_transports": "relay",
    "minimal_backoff_time": "10d", "maximal_backoff_time": "10d",
    "maximal_queue_lifetime": "30d",
}


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o644)


def free_ports(n):
    return [instance.free_port(HOST) for _ in range(n)]


def greets(port):
    try:
        with socket.create_connection((HOST, port), 2) as s:
            s.settimeout(10)
            return s.recv(3) != b""
    except OSError:
        return False


class Server:
    """What all peers have."""
    name = label = durability = ""
    modes = ()
    cage = None

    def __init__(self, place, mode, users=1, sink=None):
        self.dir, self.mode, self.users = place.dir, mode, users
        self.sink = sink
        self.log_path = os.path.join(place.dir, "mail.log")
        self.log_seen = 0
        self.logged = {": removed": 0, "status=deferred": 0}
        self.lay_out()
        self.start()

    @classmethod
    def why_not(cls):
        """Why this peer cannot take part; empty if it can."""
        return ""

    def start(self, step=0.02):
        self.cage = Cage(self.command(), os.path.join(self.dir, "console"))
        try:
            instance.wait_for(self.name, self.up, 60, step)
        except instance.Failed:
            self.cage.kill()
            raise

    def up(self):
        return greets(self.port)

    def stop(self):
        self.cage.terminate()

    def read_log(self):
        """Count what came to the log since the last call."""
        try:
            with open(self.log_path, "rb") as f:
                f.seek(self.log_seen)
                text = f.read()
        except FileNotFoundError:
            return
        whole = text.rfind(b"\n") + 1
        self.log_seen += whole
        for mark in self.logged:
            self.logged[mark] += text[:whole].count(mark.encode())

    def wait_logged(self, mark, n, timeout=600.0):
        def there():
            self.read_log()
            return self.logged[mark] >= n
        instance.wait_for("%s: %d times %r in the log" % (
            self.name, n, mark), there, timeout, 0.01)

    def wait_removed(self, n):
        """n messages were accepted and are done with."""
        self.wait_logged(": removed", n)


class Posthouse(Server):
    name = label = "posthouse"
    modes = SMTP_MODES + ("mailbox",)
    prefix = PREFIX
    queue_sync = None           # None: the default
    line_end = b"\r\n"
    durability = {
        "mail": "queue_sync = journal, the default: shared sync before 250",
        "mailbox": "mail and EXPUNGE synced before OK, flags not",
    }

    @classmethod
    def why_not(cls):
        if cls.queue_sync is None or cls.knows("queue_sync"):
            return ""
        return "this Posthouse has no parameter queue_sync"

    @classmethod
    def knows(cls, parameter):
        path = os.path.join(cls.prefix, "sbin", "postconf")
        r = subprocess.run([path, "-d"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL)
        return any(line.startswith(parameter.encode() + b" =")
                   for line in r.stdout.splitlines())

    @classmethod
    def version(cls):
        r = subprocess.run(["git", "-C", os.path.dirname(__file__),
                            "describe", "--always", "--dirty"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return "source tree at " + (r.stdout.decode().strip() or "unknown")

    def parameters(self):
        main = {"mynetworks": "127.0.0.0/8",
                "smtpd_client_connection_count_limit": "100000",
                "login_client_connection_count_limit": "100000",
                "imapd_max_userip_connections": "100000",
                "popd_user_address_limit": "100000",
                "login_tls_auth_only": "no",
                "auth_password_scheme": "PLAIN",
                "smtpd_peername_lookup": "no",
                "message_size_limit": "50000000"}
        if self.queue_sync:
            main["queue_sync"] = self.queue_sync
        if self.sink:
            main["relayhost"] = "[%s]:%d" % (HOST, self.sink)
            main["smtp_tls_security_level"] = "none"
        if self.mode == "discard":
            main["default_transport"] = "discard:"
            main["virtual_mailbox_domains"] = ""
        elif self.mode == "deferred":
            main.update(PUT_OFF)
        return main

    def lay_out(self):
        names = instance.SERVICES
        self.i = instance.Instance(
            self.dir, self.prefix, main=self.parameters(),
            myhostname="mx." + DOMAIN, domains=(DOMAIN,),
            ports=dict(zip(names, free_ports(len(names)))))
        self.i.lay_out()
        if self.mode in ("local", "mailbox"):
            for n in range(self.users):
                self.i.add_account("user%d@%s" % (n, DOMAIN), PASSWORD)
        self.port = self.i.ports["smtp"]
        self.ports = self.i.ports
        self.queue = self.i.queue

    def command(self):
        return [self.i.tool("posthouse"), "-c", self.i.config, "start-fg"]

    def up(self):
        if self.mode == "mailbox":
            return all(greets(self.ports[n]) for n in ("imap", "pop3"))
        return greets(self.port)

    def deferred(self):
        return len(os.listdir(os.path.join(self.queue, "cur")))

    def postqueue(self):
        return [self.i.tool("postqueue"), "-c", self.i.config, "-p"]

    def maildir(self, user):
        return os.path.join(self.i.mail, DOMAIN, "user%d" % user, "Maildir")

    def mail_owner(self):
        return instance.MAIL_USER


class PosthouseFile(Posthouse):
    name = label = "posthouse-file"
    queue_sync = "file"
    durability = dict(Posthouse.durability,
                      mail="queue_sync = file: 1 fsync per message before "
                      "250")


class PosthouseOther(Posthouse):
    """Another build, to see what a change is worth: alternating rounds are
    the only fair comparison on a machine that others use."""
    name = label = "posthouse-b"
    prefix = os.environ.get("POSTHOUSE_PREFIX_B", "")

    @classmethod
    def why_not(cls):
        return "" if cls.prefix else "POSTHOUSE_PREFIX_B is not set"

    @classmethod
    def version(cls):
        return "what is installed in POSTHOUSE_PREFIX_B"


class Postfix(Server):
    name = label = "postfix"
    modes = SMTP_MODES
    durability = {"mail": "1 fsync per message before 250"}
    with_dovecot = {"mail": "1 fsync per message before 250; Dovecot "
                    "mail_fsync = optimized"}

    @classmethod
    def version(cls):
        return debian.version("postfix")

    def lay_out(self):
        self.port = instance.free_port(HOST)
        self.queue = os.path.join(self.dir, "queue")
        self.etc = os.path.join(self.dir, "etc")
        self.data = os.path.join(self.dir, "data")
        for d in (self.queue, self.etc, self.data):
            os.makedirs(d, exist_ok=True)
        shutil.chown(self.data, "posthouse")
        self.spool()
        _, chain = instance.make_certificates(
            os.path.join(self.dir, "tls"), ["mx." + DOMAIN], [HOST])
        main = dict(self.parameters(), smtpd_tls_chain_files=chain)
        write(os.path.join(self.etc, "main.cf"), "".join(
            "%s = %s\n" % kv for kv in main.items()))
        write(os.path.join(self.etc, "master.cf"), POSTFIX_MASTER % self.port)
        for f in ("postfix-files", "dynamicmaps.cf"):
            write(os.path.join(self.etc, f), "")
        if self.mode == "local":
            self.label = "postfix + dovecot-lmtp"
            self.durability = self.with_dovecot
            self.lmtp = dovecot.lay_out(self.dir, self.users, DOMAIN,
                                        PASSWORD)

    def parameters(self):
        main = {
            "compatibility_level": "3.6", "queue_directory": self.queue,
            "data_directory": self.data,
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "meta_directory": self.etc,
            "shlib_directory": "/usr/lib/postfix",
            "mail_owner": "posthouse", "setgid_group": "posthouse-drop",
            "default_privs": "nobody", "myhostname": "mx." + DOMAIN,
            "mynetworks": "127.0.0.0/8", "mydestination": "",
            "inet_interfaces": HOST, "inet_protocols": "ipv4",
            "alias_maps": "", "alias_database": "",
            "smtpd_peername_lookup": "no",
            "smtpd_client_connection_count_limit": "100000",
            "smtpd_tls_security_level": "may",
            "maillog_file": self.log_path,
            "maillog_file_prefixes": os.path.dirname(self.dir),
            "default_process_limit": "1200",
            "message_size_limit": "50000000", "mailbox_size_limit": "0",
            "smtp_tls_security_level": "none",
        }
        if self.sink:
            main["relayhost"] = "[%s]:%d" % (HOST, self.sink)
        if self.mode == "discard":
            main["default_transport"] = "discard:"
        elif self.mode == "local":
            main["virtual_mailbox_domains"] = DOMAIN
            main["virtual_mailbox_maps"] = "static:all"
            main["virtual_transport"] = "lmtp:unix:%s" % dovecot.lmtp_socket(
                self.dir)
        elif self.mode == "deferred":
            main.update(PUT_OFF)
        return main

    def spool(self):
        """What Postfix's installation script makes of postfix-files."""
        for name in ("active", "bounce", "corrupt", "defer", "deferred",
                     "flush", "hold", "incoming", "private", "saved",
                     "trace"):
            os.mkdir(os.path.join(self.queue, name), 0o700)
            shutil.chown(os.path.join(self.queue, name), "posthouse")
        os.mkdir(os.path.join(self.queue, "pid"), 0o755)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            path = os.path.join(self.queue, name)
            os.mkdir(path)
            shutil.chown(path, "posthouse", "posthouse-drop")
            os.chmod(path, mode)

    def command(self):
        script = [debian.overlay()]
        if self.mode == "local":
            script.append("/usr/sbin/dovecot -c " + self.lmtp)
        script.append("exec /usr/lib/postfix/sbin/master -c %s -d" % self.etc)
        return ["sh", "-c", "; ".join(script)]

    def deferred(self):
        return sum(len(files) for _, _, files in
                   os.walk(os.path.join(self.queue, "deferred")))

    def postqueue(self):
        # Its showq does the work, in the cage; the overlay is there too.
        return ["nsenter", "-t", self.cage.first(), "-m", "-p",
                "/usr/sbin/postqueue", "-c", self.etc, "-p"]


POSTFIX_MASTER = """\
127.0.0.1:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
smtp unix - - n - 100 smtp
relay unix - - n - 100 smtp
lmtp unix - - n - 100 lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Dovecot(Server):
    name = label = "dovecot"
    modes = ("mailbox",)
    line_end = b"\n"
    durability = {"mailbox": "mail_fsync = optimized: mail synced before OK, "
                  "EXPUNGE, flags and index not"}

    @classmethod
    def version(cls):
        return debian.version("dovecot-core")

    def lay_out(self):
        self.ports = dict(zip(("imap", "imaps", "pop3"),
                              free_ports(3)))
        self.conf = dovecot.lay_out(self.dir, self.users, DOMAIN, PASSWORD,
                                    self.ports)

    def command(self):
        return ["sh", "-c", "%s; exec /usr/sbin/dovecot -F -c %s" % (
            debian.overlay(), self.conf)]

    def up(self):
        return all(greets(self.ports[n]) for n in ("imap", "pop3"))

    def maildir(self, user):
        return os.path.join(dovecot.mail(self.dir), "user%d" % user,
                            "Maildir")

    def mail_owner(self):
        return instance.MAIL_USER


class Bound(Server):
    """Not a mail system: what the disk and one event loop allow."""
    name = label = "bound"
    modes = ("discard",)
    durability = {"mail": "shared fdatasync of a journal before 250"}

    @classmethod
    def version(cls):
        return "bench/smtpsink -j"

    def lay_out(self):
        self.port = instance.free_port(HOST)
        _, self.chain = instance.make_certificates(
            os.path.join(self.dir, "tls"), ["mx." + DOMAIN], [HOST])

    def command(self):
        return [os.path.join(TOOLS, "smtpsink"), "-p", str(self.port),
                "-j", os.path.join(self.dir, "journal"), "-S", "256",
                "-C", self.chain]

    def wait_removed(self, n):
        pass


PEERS = {c.name: c for c in (Posthouse, PosthouseFile, PosthouseOther, Postfix,
                             Dovecot, Bound)}
