/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.h - system calls that a daemon never needs once it serves. */
#ifndef DAEMON_SECCOMP_H
#define DAEMON_SECCOMP_H

#include "base/attr.h"
#include "base/error.h"

/* From now on this process and what it forks get EPERM from calls that reach
 * into other processes or into the kernel (ptrace, mount, modules, bpf, keys,
 * name spaces, devices ...) and from running programs.  Call it with
 * no_new_privs set, or as root.  1 done, 0 the kernel cannot or this is a
 * sanitizer build (the leak checker is a ptracer), -1 with *err. */
int	 seccomp_deny(struct error *err) MUST_USE;

#endif
