# SPDX-License-Identifier: Apache-2.0
"""System users for local(8)."""
import fcntl
import os
import pwd
import subprocess

import instance
from scenario import Skip

mine = None


def make(name):
    """useradd gives up when another one is at work, so: one at a time."""
    lock = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return pwd.getpwnam(name)
        except KeyError:
            instance.run(["useradd", "--system", "--user-group",
                          "--create-home", "--home-dir", "/var/lib/" + name,
                          "--shell", "/bin/sh", name])
            return pwd.getpwnam(name)
    finally:
        os.close(lock)


def system_user():
    """A system user with an empty home that nobody else uses meanwhile;
    needs root."""
    global mine
    if os.geteuid() != 0:
        raise Skip("needs root")
    n = 1
    while mine is None:
        name = "ph-test-%d" % n
        if instance.reserve("user-" + name):
            mine = name
        n += 1
    u = make(mine)
    os.makedirs(u.pw_dir, exist_ok=True)
    subprocess.run(["find", u.pw_dir, "-mindepth", "1", "-delete"],
                   check=True)
    os.chown(u.pw_dir, u.pw_uid, u.pw_gid)
    os.chmod(u.pw_dir, 0o755)
    return u
