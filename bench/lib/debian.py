# SPDX-License-Identifier: Apache-2.0
"""The peers' programs: Debian's packages, unpacked and not installed."""
import fcntl
import glob
import os
import re
import tempfile

import instance

PACKAGES = ["postfix", "dovecot-core", "dovecot-lmtpd", "dovecot-imapd",
            "dovecot-pop3d", "libexttextcat-2.0-0", "liblua5.4-0",
            "libwrap0"]


def root():
    """A directory with their usr/; fetched by the first who asks."""
    at = os.path.join(tempfile.gettempdir(), "posthouse-bench-peers")
    debs, done = os.path.join(at, "deb"), os.path.join(at, "done")
    if os.path.exists(done):
        return at
    os.makedirs(debs, exist_ok=True)
    with open(os.path.join(at, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(done):
            instance.run(["apt-get", "update", "-qq"])
            instance.run(["apt-get", "download", "-qq"] + PACKAGES, cwd=debs)
            for deb in glob.glob(os.path.join(debs, "*.deb")):
                instance.run(["dpkg", "-x", deb, at])
            with open(done, "w"):
                pass
    return at


def version(package):
    found = glob.glob(os.path.join(root(), "deb", package + "_*.deb"))
    m = re.match(r"[^_]*_([^_]*)_", os.path.basename(found[0])) if found \
        else None
    return m.group(1).replace("%3a", ":") if m else "unknown"


def overlay():
    """Shell command: their usr/ over ours, in this mount namespace."""
    return "mount -t overlay overlay -o lowerdir=%s/usr:/usr /usr" % root()
