#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the programs say about their parameters must fit together, and the
# shipped configuration must be one that nothing warns about.
set -u
src=${srcdir:-.}
d=$(mktemp -d) || exit 99
trap 'rm -rf "$d"' EXIT
failed=0

[ -s conf/params.tsv ] || { echo "conf/params.tsv is missing"; exit 1; }
awk -F '\t' '
NF != 9 { print "columns: " $0; bad = 1 }
$9 == "" { print $1 ": " $2 ": no documentation"; bad = 1 }
$2 in def && def[$2] != $4 {
	print $2 ": default \"" $4 "\" in " $1 ", \"" def[$2] "\" in " who[$2]
	bad = 1
}
$2 in type && type[$2] != $3 {
	print $2 ": type " $3 " in " $1 ", " type[$2] " in " who[$2]
	bad = 1
}
{ def[$2] = $4; type[$2] = $3; who[$2] = $1 }
END { exit bad }' conf/params.tsv || failed=1

cp "$src/conf/main.cf" "$src/conf/master.cf" "$d" || exit 99
export MAIL_CONFIG="$d" POSTHOUSE_PARAMS=conf/params.tsv
out=$(tools/postconf -n 2>&1 >/dev/null)
[ -z "$out" ] || { echo "shipped configuration: $out"; failed=1; }
# As if an administrator had taken away every comment sign of a parameter.
sed -n 's/^#\([a-z_]* = \)/\1/p' "$src/conf/main.cf" |
    if grep -q '^smtp-client' conf/params.tsv; then cat
    else grep -v '^smtp_'; fi >>"$d/main.cf"
out=$(tools/postconf -n 2>&1 >/dev/null)
[ -z "$out" ] || { echo "suggested parameters: $out"; failed=1; }
cp "$src/conf/aliases" "$d" && tools/postalias "hash:$d/aliases" || failed=1
[ "$(tools/postalias -q abuse "hash:$d/aliases")" = postmaster ] || {
	echo "aliases: abuse is not postmaster"
	failed=1
}
exit $failed
