#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# postconf, as an administrator and his scripts use it.
set -u
b=$(pwd)/tools
d=$(mktemp -d) || exit 99
trap 'rm -rf "$d"' EXIT
cd "$d" || exit 99
failed=0

is() {
	label=$1 want=$2
	shift 2
	got=$("$@" 2>&1)
	got="$got [$?]"
	if [ "$got" != "$want" ]; then
		printf '%s:\n  want %s\n  got  %s\n' "$label" "$want" "$got"
		failed=1
	fi
}

export MAIL_CONFIG="$d" POSTHOUSE_PARAMS="$d/params.tsv"
printf 'smtpd\tsmtpd_banner\traw\t$myhostname ESMTP $mail_name\t0\t0\t\t\tThe greeting.\n' >params.tsv
printf 'smtpd\tsmtpd_recipient_restrictions\tstr\t\t0\t0\t\t\tRestrictions.\n' >>params.tsv
printf 'qmgr\tdefault_destination_concurrency_limit\tint\t20\t1\t1000\t\t\tLimit.\n' >>params.tsv

main='# The first comment
myhostname = mail.example.com
smtpd_recipient_restrictions =
    permit_mynetworks,
    # inside
    reject_unauth_destination

mine = abc
relayhost = [$mine]:25
typo_parameter = 1
slow_destination_concurrency_limit = 3
'
printf '%s' "$main" >main.cf
cat >master.cf <<'EOF'
# service
smtp      inet  n       -       n       -       -       smtpd
submission inet n - y - 10 smtpd
  -o syslog_name=x/submission
  # comment
  -o { mine = a b }
  -o typo_too=1 -v
slow unix - - n - 5 smtp
p unix - n n - - pipe flags=R argv=/bin/x -o foo=bar
EOF

warn='postconf: warning: '"$d"'/main.cf: unused parameter: typo_parameter=1
postconf: warning: '"$d"'/master.cf: unused parameter: typo_too=1'
is n 'mine = abc
myhostname = mail.example.com
relayhost = [$mine]:25
slow_destination_concurrency_limit = 3
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
'"$warn"' [0]' "$b/postconf" -n
is nx 'relayhost = [abc]:25
'"$warn"' [0]' "$b/postconf" -nx relayhost
is name 'myorigin = $myhostname
'"$warn"' [0]' "$b/postconf" myorigin
is h '$myhostname
'"$warn"' [0]' "$b/postconf" -h myorigin
is x 'mail.example.com
'"$warn"' [0]' "$b/postconf" -xh myorigin
is raw '$myhostname ESMTP $mail_name
'"$warn"' [0]' "$b/postconf" -xh smtpd_banner
is H 'myorigin
'"$warn"' [0]' "$b/postconf" -H myorigin
is empty 'relay_domains =
'"$warn"' [0]' "$b/postconf" relay_domains
is d 'relayhost = [0]' "$b/postconf" -d relayhost
is d_host "myhostname = $(hostname | grep -q '\.' && hostname || echo "$(hostname).localdomain") [0]" \
	"$b/postconf" -d myhostname
is unknown 'postconf: warning: nonsense: unknown parameter
'"$warn"' [0]' "$b/postconf" nonsense
is j '{"relayhost": "[$mine]:25"}
'"$warn"' [0]' "$b/postconf" -j relayhost
is o 'zzz
'"$warn"' [0]' "$b/postconf" -o myorigin=zzz -h myorigin
is fold 'parent_domain_matches_subdomains =
    debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps [0]' \
	"$b/postconf" -df parent_domain_matches_subdomains
is user 'mine = abc
'"$warn"' [0]' "$b/postconf" -n -C user
is service 'slow_destination_concurrency_limit = 3
'"$warn"' [0]' "$b/postconf" -n -C service
is maps 'btree
cidr
fail
hash
inline
pcre
pipemap
proxy
regexp
static
texthash
unionmap
unix [0]' "$b/postconf" -m
is all_has '1 [0]' sh -c '"$1" 2>/dev/null | grep -c "^mydomain = example.com$"' - "$b/postconf"

is edit ' [0]' "$b/postconf" -e 'relayhost = [new]' mail_name=X 'mine='
is edited '# The first comment
myhostname = mail.example.com
smtpd_recipient_restrictions =
    permit_mynetworks,
    # inside
    reject_unauth_destination

mine =
relayhost = [new]
typo_parameter = 1
slow_destination_concurrency_limit = 3
mail_name = X [0]' cat main.cf
is implicit ' [0]' "$b/postconf" smtpd_recipient_restrictions=reject
is comment ' [0]' "$b/postconf" -# mine
is delete ' [0]' "$b/postconf" -X typo_parameter mail_name
is edited2 '# The first comment
myhostname = mail.example.com
smtpd_recipient_restrictions = reject
    # inside

#mine =
relayhost = [new]
slow_destination_concurrency_limit = 3 [0]' cat main.cf
is bad_edit 'postconf: fatal: nothing: expected name=value [1]' \
	"$b/postconf" -e nothing
printf 'broken line\nrelayhost = a\n' >main.cf
chmod 640 main.cf
is broken "postconf: fatal: $d/main.cf, line 1: missing '=' after attribute name: \"broken line\"; expected name = value [1]" \
	"$b/postconf" -n
is mend ' [0]' "$b/postconf" -X broken
is mended 'relayhost = a [0]' cat main.cf
is mode '640 [0]' stat -c %a main.cf

w='postconf: warning: '"$d"'/master.cf: unused parameter: typo_too=1'
is M 'smtp       inet  n       -       n       -       -       smtpd
submission inet  n       -       y       -       10      smtpd -o syslog_name=x/submission -o { mine = a b } -o typo_too=1 -v
slow       unix  -       -       n       -       5       smtp
p          unix  -       n       n       -       -       pipe flags=R argv=/bin/x -o foo=bar
'"postconf: warning: $d/master.cf: unused parameter: mine=a b
$w"' [0]' "$b/postconf" -M
printf 'mine = 1\nrelayhost = $mine\n' >main.cf
is Mf 'submission inet  n       -       y       -       10      smtpd
    -o syslog_name=x/submission
    -o { mine = a b }
    -o typo_too=1
    -v
'"$w"' [0]' "$b/postconf" -Mf submission/inet
is F 'smtp/inet/service = smtp
smtp/inet/type = inet
smtp/inet/private = n
smtp/inet/unprivileged = -
smtp/inet/chroot = n
smtp/inet/wakeup = -
smtp/inet/process_limit = -
smtp/inet/command = smtpd
'"$w"' [0]' "$b/postconf" -F smtp/inet
is Fh '10
'"$w"' [0]' "$b/postconf" -Fh submission/inet/process_limit
is P 'submission/inet/syslog_name = x/submission
submission/inet/mine = a b
submission/inet/typo_too = 1
'"$w"' [0]' "$b/postconf" -P
is unmatched 'postconf: warning: unmatched request: "no/inet"
'"$w"' [0]' "$b/postconf" -M no/inet
is Fe ' [0]' "$b/postconf" -F -e submission/inet/process_limit=7
is Pe ' [0]' "$b/postconf" -P -e submission/inet/mine=c slow/unix/a='x y'
is PX ' [0]' "$b/postconf" -P -X submission/inet/typo_too
is Me ' [0]' "$b/postconf" -M -e 'smtp/inet=2525 inet n - n - - smtpd -v' \
	'new/unix=new unix - - n - 1 x'
is MX ' [0]' "$b/postconf" -M -X p/unix
is master '# service
2525       inet  n       -       n       -       -       smtpd
    -v
submission inet  n       -       y       -       7       smtpd
    -o syslog_name=x/submission
    -o mine=c
    -v
slow       unix  -       -       n       -       5       smtp
    -o { a = x y }
new        unix  -       -       n       -       1       x [0]' cat master.cf
is Mc ' [0]' "$b/postconf" -M -# slow/unix
is commented '#slow       unix  -       -       n       -       5       smtp
#    -o { a = x y } [0]' grep '^#[s ][l ]' master.cf
is bad_master 'postconf: fatal: new master.cf, line 2: field "private": bad value "q"; expected "y", "n" or "-" [1]' \
	"$b/postconf" -F -e 2525/inet/private=q
is clean 'main.cf
master.cf
params.tsv [0]' ls
exit $failed
