# SPDX-License-Identifier: Apache-2.0
# prepare.sh - what quickstart and runtests do before anything else: install
# packages, create users, build.  Sourced by /bin/sh; $top is the source tree.

# Tools of the administrator are not in everybody's path; and no proxy or
# locale of the caller's decides what a test sees.
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C.UTF-8
export PATH LC_ALL

say() {
	printf '%s\n' "==> $*"
}

die() {
	printf '%s\n' "$0: $*" >&2
	exit 1
}

# packages KIND...: the list of tools/packages
packages() {
	for kind; do
		sed -n "s/^$kind //p" "$top/tools/packages"
	done
}

missing_packages() {
	for p in $(packages "$@"); do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
		    grep -qx installed || printf '%s ' "$p"
	done
}

apt_get() {
	apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

install_packages() {
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		die "these Debian packages are missing: $missing
Install them as root:  apt-get install $missing"
	fi
	say "installing Debian packages: $missing"
	export DEBIAN_FRONTEND=noninteractive
	# Daemons of test packages are started by the tests, not by Debian.
	policy=/usr/sbin/policy-rc.d
	made=no
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
		made=yes
	fi
	log=$(mktemp)
	rc=1
	# A mirror may have a bad moment, and another apt may be at work.
	for pause in 5 20 0; do
		apt_get update >"$log" 2>&1 &&
		    apt_get install -y --no-install-recommends $missing \
		    >>"$log" 2>&1 </dev/null && rc=0 && break
		sleep $pause
	done
	[ $made = no ] || rm -f $policy
	if [ $rc -ne 0 ]; then
		tail -20 "$log" >&2
		die "installing packages failed"
	fi
	rm -f "$log"
}

# The accounts of conf/common.h, and the owner of mailboxes.
create_users() {
	[ "$(id -u)" -eq 0 ] || return 0
	# useradd gives up when another one is at work, so: one at a time.
	exec 8</etc
	flock 8
	for g in posthouse-drop; do
		getent group $g >/dev/null || groupadd --system $g ||
		    die "cannot make the group $g"
	done
	for u in posthouse posthouse-net posthouse-auth posthouse-login \
	    posthouse-mail; do
		getent passwd $u >/dev/null ||
		    useradd --system --user-group --no-create-home \
		    --home-dir /nonexistent --shell /usr/sbin/nologin $u ||
		    die "cannot make the user $u"
	done
	exec 8<&-
}

# build DIR CONFIGURE-ARGUMENTS...: configure once, make, install below DIR
build() {
	dir=$1
	shift
	mkdir -p "$dir"
	log=$dir/build.log
	# One at a time; and what did not change stays where it is, because an
	# instance may be running from there.
	exec 9>"$dir/.lock"
	flock 9
	if [ ! -x "$top/configure" ] ||
	    [ "$top/configure.ac" -nt "$top/configure" ]; then
		say "making ./configure"
		"$top/autogen.sh" >"$log" 2>&1 || { tail -20 "$log" >&2
		    die "autogen.sh failed (log: $log)"; }
	fi
	if [ ! -f "$dir/Makefile" ]; then
		say "configuring in $dir"
		(cd "$dir" && "$top/configure" --prefix="$dir/inst" \
		    --sysconfdir="$dir/inst/etc" \
		    --localstatedir="$dir/inst/var" "$@") >"$log" 2>&1 ||
		    { tail -20 "$log" >&2
		    die "configure failed (log: $log)"; }
	fi
	say "compiling (this takes about two minutes the first time)"
	make -C "$dir" -j"$(nproc)" >"$log" 2>&1 || {
		grep -E 'error|Error' "$log" | head -20 >&2
		tail -20 "$log" >&2
		die "compiling failed (log: $log)"; }
	make -C "$dir" -j"$(nproc)" install \
	    INSTALL="$(command -v install) -C" >"$log" 2>&1 || {
		tail -20 "$log" >&2
		die "make install failed (log: $log)"; }
	# Daemons that gave up root must be able to run what is below.
	chmod 755 "$dir" "$dir/inst"
	exec 9>&-
}
