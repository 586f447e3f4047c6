# SPDX-License-Identifier: Apache-2.0
"""File systems in files: whether this machine can make and mount them."""
import os
import shutil

from instance import Failed

# mkfs and losetup are in nobody's path.
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def program(name):
    path = shutil.which(name, path=PATH)
    if path is None:
        raise Failed("no program " + name)
    return path


def why_not(kind):
    """Why this kind cannot be used here; empty if it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    with open("/proc/filesystems") as f:
        if kind not in f.read().split():
            return "this kernel has no " + kind
    for tool in ("mkfs." + kind, "losetup", "mount", "umount"):
        if shutil.which(tool, path=PATH) is None:
            return "no program " + tool
    if not os.path.exists("/dev/loop-control"):
        return "no loop devices"
    return ""
