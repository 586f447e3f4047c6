# SPDX-License-Identifier: Apache-2.0
"""A real authoritative server (nsd) with a signed zone, on a free port."""
import os
import shutil
import socket
import subprocess
import time

import instance

ZONE = "ph.example"


class Dns:
    """records: zone file lines below ph.example; unsigned and signed copies
    of nothing else.  anchor: DS file for resolver_trust_anchor_files."""

    def __init__(self, directory, records, host="127.0.0.1", signed=True):
        self.dir = os.path.abspath(directory)
        self.host = host
        self.port = instance.free_port(host)
        self.signed = signed
        self.process = None
        os.makedirs(self.dir, exist_ok=True)
        self.zone = os.path.join(self.dir, ZONE + ".zone")
        self.anchor = None
        self.serial = int(time.time())
        self.key = self.make_keys() if signed else None
        self.write(records)

    def make_keys(self):
        r = instance.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", ZONE],
                         cwd=self.dir)
        name = r.stdout.decode().strip()
        self.anchor = os.path.join(self.dir, name + ".ds")
        return os.path.join(self.dir, name)

    def write(self, records):
        self.serial += 1
        with open(self.zone, "w") as f:
            f.write("$ORIGIN %s.\n$TTL 60\n"
                    "@ SOA ns hostmaster %d 3600 600 86400 1\n"
                    "@ NS ns\nns A 127.0.0.1\n%s\n"
                    % (ZONE, self.serial, "\n".join(records)))
        if self.signed:
            instance.run(["ldns-signzone", "-n", "-f",
                          self.zone + ".signed", self.zone, self.key])

    def served(self):
        return self.zone + (".signed" if self.signed else "")

    def start(self):
        conf = os.path.join(self.dir, "nsd.conf")
        with open(conf, "w") as f:
            f.write("""server:
  server-count: 1
  ip-address: %s@%d
  username: ""
  database: ""
  zonesdir: "%s"
  pidfile: "%s/nsd.pid"
  xfrdfile: "%s/xfrd"
  zonelistfile: "%s/zones"
remote-control:
  control-enable: no
zone:
  name: %s
  zonefile: "%s"
""" % (self.host, self.port, self.dir, self.dir, self.dir, self.dir, ZONE,
                self.served()))
        nsd = shutil.which("nsd", path="/usr/sbin:/usr/bin")
        log = open(os.path.join(self.dir, "nsd.log"), "ab")
        self.process = subprocess.Popen([nsd, "-d", "-c", conf], stdout=log,
                                        stderr=log,
                                        preexec_fn=instance.die_with_parent)
        log.close()
        instance.wait_for("nsd to answer", self.answers, 20)

    def answers(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "nsd.log")) as f:
                raise instance.Failed("nsd did not start: " + f.read())
        labels = b"".join(bytes([len(x)]) + x.encode()
                          for x in ZONE.split("."))
        query = (b"\0\7\0\0\0\1\0\0\0\0\0\0" + labels +
                 b"\0\0\6\0\1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            try:
                s.sendto(query, (self.host, self.port))
                answer = s.recv(2048)
            except OSError:
                return False
        # The same id, no error, an answer.
        return answer[:2] == b"\0\7" and answer[3] & 15 == 0 and \
            answer[7] > 0

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def main_cf(self):
        main = {"resolver_stub_zones":
                "%s=%s@%d" % (ZONE, self.host, self.port)}
        if self.signed:
            main["resolver_trust_anchor_files"] = self.anchor
        return main
