# SPDX-License-Identifier: Apache-2.0
# fill.awk - put the parameters of a program (-v prog=NAME; all of them for
# "*") in the place of a line "@PARAMETERS@".  -v tsv=params.tsv
function esc(s) {
	gsub(/\\/, "\\e", s)
	gsub(/-/, "\\-", s)
	sub(/^\./, "\\\\\\&.", s)
	return s
}
function parameters(	line, c, seen) {
	while ((getline line < tsv) > 0) {
		split(line, c, "\t")
		if ((prog != "*" && c[1] != prog) || (c[2] in seen))
			continue
		seen[c[2]] = 1
		print ".TP"
		print ".B " esc(c[2]) (c[4] == "" ? " (empty)" : \
		    " (" esc(c[4]) ")")
		print esc(c[9])
		if (c[8] != "")
			print "One of: " esc(c[8]) "."
		if (c[7] != "")
			print "A time; the unit of a bare number is " c[7] "."
	}
	close(tsv)
}
$0 == "@PARAMETERS@" { parameters(); next }
{ gsub(/@VERSION@/, version); print }
