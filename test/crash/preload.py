# SPDX-License-Identifier: Apache-2.0
"""Libraries that daemons load before all others.  Master hands LD_PRELOAD on
because import_environment names it."""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def preload(s, name):
    """Build name.c for the instance of this system, before it is started.
    Why not, if that cannot be done here."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        return "no compiler for %s.c" % name
    out = os.path.join(s.dir, name + ".so")
    subprocess.run([cc, "-shared", "-fPIC", "-O", "-Wall", "-o", out,
                    os.path.join(HERE, name + ".c")], check=True)
    os.chmod(out, 0o755)
    s.i.environment["LD_PRELOAD"] = out
    # A build with sanitizers wants to be the first library.
    s.i.environment["ASAN_OPTIONS"] = ":".join(filter(None, (
        os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    return ""
