# SPDX-License-Identifier: Apache-2.0
# sample.awk - from params.tsv (sorted) to a main.cf with every parameter as
# a comment.
function wrap(text, prefix,	n, i, words, line) {
	n = split(text, words, " ")
	line = prefix
	for (i = 1; i <= n; i++) {
		if (length(line) + 1 + length(words[i]) > 78) {
			print line
			line = prefix
		}
		line = line " " words[i]
	}
	print line
}
BEGIN {
	FS = "\t"
	print "# main.cf.sample - every parameter with its default.  Made from the"
	print "# programs' own tables; copy what you change to main.cf."
}
$2 != last {
	last = $2
	print ""
	wrap($9, "#")
	if ($8 != "")
		wrap("One of: " $8 ".", "#")
	if ($7 != "")
		wrap("A time; the unit of a bare number is " $7 ".", "#")
	print "#" $2 " =" ($4 == "" ? "" : " " $4)
}
