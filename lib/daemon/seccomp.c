/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of what is denied, not of what is allowed: an allow-list is tied to
 * one version of the C library and of OpenSSL, and breaks a mail system on the
 * day one of them is updated.  What is listed has no use in a daemon that
 * serves, and is what an intruder needs to get further than the daemon may:
 * into another process, into the kernel, or to a program of his own.  Denied
 * calls fail with EPERM and do not kill, so that a library that tries one
 * carries on.
 */
#include "daemon/seccomp.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>

#include "base/attr.h"
#include "config.h"

/* By name: a C library older than the kernel does not know all numbers. */
static const char *const	denied[] = {
	/* other programs */
	"execve", "execveat", "uselib",
	/* other processes */
	"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd",
	"process_madvise", "kcmp",
	/* mounts and roots */
	"mount", "umount", "umount2", "pivot_root", "chroot", "move_mount",
	"open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
	"mount_setattr", "open_by_handle_at", "name_to_handle_at",
	/* name spaces; clone's flags are below */
	"unshare", "setns",
	/* the kernel itself */
	"init_module", "finit_module", "delete_module", "create_module",
	"kexec_load", "kexec_file_load", "bpf", "perf_event_open",
	"userfaultfd", "io_uring_setup", "io_uring_enter",
	"io_uring_register", "lookup_dcookie", "syslog", "_sysctl", "vmsplice",
	"modify_ldt", "iopl", "ioperm", "personality",
	/* keys */
	"add_key", "request_key", "keyctl",
	/* the machine */
	"reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd",
	"settimeofday", "clock_settime", "clock_settime64", "stime",
	"adjtimex", "clock_adjtime", "clock_adjtime64", "sethostname",
	"setdomainname", "vhangup", "nfsservctl",
};

static const unsigned int	spaces[] = {
	CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUTS,
	CLONE_NEWIPC, CLONE_NEWCGROUP,
};

static int
fill(scmp_filter_ctx f)
{
	int	 r = 0;

	for (size_t i = 0; i < COUNT(denied) && r == 0; i++) {
		int	 nr = seccomp_syscall_resolve_name(denied[i]);

		/* Below 0: unknown, or not a call of this machine. */
		if (nr >= 0)
			r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	for (size_t i = 0; i < COUNT(spaces) && r == 0; i++)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM),
		    SCMP_SYS(clone), 1, SCMP_CMP(0, SCMP_CMP_MASKED_EQ,
		    (scmp_datum_t)spaces[i], (scmp_datum_t)spaces[i]));
	/* Its flags are behind a pointer, which a filter cannot follow.  The C
	 * library takes this as an old kernel and uses clone. */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(clone3), 0);
	return r;
}

static int
load(scmp_filter_ctx f)
{
	int	 r;

	/* The caller has decided about no_new_privs. */
	r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	/* Kernel's own error numbers; old libraries cannot, no matter. */
	(void)seccomp_attr_set(f, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (r == 0)
		r = fill(f);
	if (r == 0)
		r = seccomp_load(f);
	return r;
}

int
seccomp_deny(struct error *err)
{
	scmp_filter_ctx	 f;
	int		 r;

#ifdef WITH_SANITIZERS
	return 0;
#endif
	f = seccomp_init(SCMP_ACT_ALLOW);
	if (f == NULL)
		return 0;
	r = load(f);
	seccomp_release(f);
	if (r == 0)
		return 1;
	if (r == -ENOSYS || r == -EINVAL || r == -EOPNOTSUPP)
		return 0;
	errno = r < 0 ? -r : r;
	return error_sys(err, "load the seccomp filter");
}
