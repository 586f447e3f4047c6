#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# postmap, postalias and newaliases, as an administrator uses them.
set -u
b=$(pwd)/tools
d=$(mktemp -d) || exit 99
trap 'rm -rf "$d"' EXIT
cd "$d" || exit 99
failed=0

# is LABEL WANT COMMAND...: its output (both streams) and its exit status
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

from() {	# from TEXT COMMAND...: TEXT on standard input
	text=$1
	shift
	printf "$text" | "$@"
}

export MAIL_CONFIG="$d"
cat >main.cf <<EOF
myhostname = mail.example.com
alias_database = hash:$d/al, btree:$d/al2
EOF

printf '# c\nFoo bar  baz\n\na@b x\n  y\n"q r"@s t\nbad\nfoo again\n' >t
chmod 640 t
is create 'postmap: warning: t, line 7: expected format: key whitespace value
postmap: warning: t.db: duplicate entry: "foo" [0]' "$b/postmap" hash:t
is mode '640 [0]' stat -c %a t.db
is query 'bar  baz [0]' "$b/postmap" -q FOO hash:t
is continued 'x  y [0]' "$b/postmap" -q a@b hash:t
is quoted 't [0]' "$b/postmap" -q '"q r"@s' hash:t
is none ' [1]' "$b/postmap" -q nothing hash:t
is default_type 'bar  baz [0]' "$b/postmap" -q foo t
is stdin 'foo	bar  baz
a@b	x  y [0]' from 'foo\nno\na@b\n' "$b/postmap" -q - hash:t
is stdin_none ' [1]' from 'no\n' "$b/postmap" -q - hash:t
is several 'bar  baz [0]' "$b/postmap" -q foo inline:{x=y} hash:t
is json '{"foo": "bar  baz"} [0]' "$b/postmap" -jq foo hash:t
is add ' [0]' from 'new value\n' "$b/postmap" -i hash:t
is added 'value [0]' "$b/postmap" -q new hash:t
is kept 'bar  baz [0]' "$b/postmap" -q foo hash:t
is warn 'postmap: warning: t.db: duplicate entry: "new" [0]' \
	from 'new 2\n' "$b/postmap" -i hash:t
is quiet ' [0]' from 'new 2\n' "$b/postmap" -wi hash:t
is not_replaced 'value [0]' "$b/postmap" -q new hash:t
is replace ' [0]' from 'new 2\n' "$b/postmap" -ri hash:t
is replaced '2 [0]' "$b/postmap" -q new hash:t
is delete ' [0]' "$b/postmap" -d new hash:t
is delete_none ' [1]' "$b/postmap" -d new hash:t
is deleted ' [1]' "$b/postmap" -q new hash:t
printf 'b 2\na 1\n' >bt
is btree ' [0]' "$b/postmap" btree:bt
is dump 'a	1
b	2 [0]' "$b/postmap" -s btree:bt
is fold_off ' [0]' from 'UP x\n' "$b/postmap" -fi btree:bt
is fold_off_seen 'UP	x
a	1
b	2 [0]' "$b/postmap" -s btree:bt
printf 'content\n' >f
printf 'k f\n' >ft
is files ' [0]' "$b/postmap" -F hash:ft
is files_stored 'Y29udGVudAo= [0]' "$b/postmap" -q k hash:ft
is files_read 'content [0]' "$b/postmap" -Fq k hash:ft
is nul ' [0]' "$b/postmap" -n hash:bt
is nul_query '1 [0]' "$b/postmap" -q a hash:bt
is regexp 'hit [0]' "$b/postmap" -q xyz 'regexp:{{/y/ hit}}'
is text 'postmap: fatal: table type "texthash" needs no compiled file; postmap makes hash and btree [1]' \
	"$b/postmap" texthash:t
is missing 'postmap: fatal: open none: No such file or directory [1]' \
	"$b/postmap" hash:none
is missing_db 'postmap: fatal: table hash:none: open database none.db: No such file or directory [1]' \
	"$b/postmap" -q x hash:none
is type 'postmap: fatal: table type "lmdb" is not one that can be written; expected hash or btree [1]' \
	"$b/postmap" lmdb:t
is both 'postmap: fatal: use only one of -d, -q and -s [1]' \
	"$b/postmap" -q a -d b hash:t

printf 'postmaster: root\n"a b": c, d,\n  |"/bin/x y"\nLIST: :include:/l\nx@y: z\nplain\n' >al
printf 'one: two\n' >al2
is alias 'postalias: warning: al, line 5: name must be local
postalias: warning: al, line 6: expected format: name: value [0]' \
	"$b/postalias" hash:al
is alias_query 'root [0]' "$b/postalias" -q Postmaster hash:al
is alias_quoted 'c, d,  |"/bin/x y" [0]' "$b/postalias" -q 'a b' hash:al
is alias_stdin 'list: :include:/l [0]' from 'list\n' "$b/postalias" -q - hash:al
is looks_like_alias 'postmap: warning: al2, line 1: record is in "key: value" format; is this an alias file? [0]' \
	"$b/postmap" hash:al2
rm -f al.db al2.db
is newaliases 'newaliases: warning: '"$d"'/al, line 5: name must be local
newaliases: warning: '"$d"'/al, line 6: expected format: name: value [0]' \
	"$b/newaliases"
is newaliases_made 'two [0]' "$b/postalias" -q one "btree:$d/al2"

# What is left: sources and tables, no temporary file.
is clean 'al
al.db
al2
al2.db
bt
bt.db
f
ft
ft.db
main.cf
t
t.db [0]' ls
exit $failed
