# SPDX-License-Identifier: Apache-2.0
"""Bars: a group per case, a panel per figure; each group its own scale."""
from xml.sax.saxutils import escape

COLOURS = {"posthouse": "#2b6cb0", "posthouse-file": "#63b3ed",
           "posthouse-b": "#805ad5",
           "postfix": "#c05621", "dovecot": "#2f855a", "bound": "#a0aec0"}
BAR, LABEL, WIDTH, GAP, TOP = 16, 430, 250, 190, 40


def panel(rows, column, left, out):
    out.append('<text x="%d" y="20" font-weight="bold">%s (%s is better)'
               '</text>' % (left, escape(column.heading),
                            "more" if column.better > 0 else "less"))
    y = TOP
    for _, by in rows:
        most = max(v.get(column.key, 0) for v in by.values()) or 1.0
        for name, v in by.items():
            if column.key in v:
                w = max(1.0, v[column.key] / most * WIDTH)
                out.append('<rect x="%d" y="%d" width="%.1f" height="%d" '
                           'fill="%s"/>' % (left, y, w, BAR - 3,
                                            COLOURS.get(name, "#888")))
                out.append('<text x="%.1f" y="%d">%s %s</text>' % (
                    left + w + 4, y + BAR - 6, escape(v["label"]),
                    column.form % v[column.key]))
            y += BAR
        y += BAR // 2


def svg(rows, columns):
    out, y = [], TOP
    for title, by in rows:
        out.append('<text x="8" y="%d">%s</text>' % (y + BAR - 6,
                                                     escape(title)))
        y += BAR * len(by) + BAR // 2
    for n, c in enumerate(columns):
        panel(rows, c, LABEL + n * (WIDTH + GAP), out)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'font-family="sans-serif" font-size="12">\n'
            '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n'
            % (LABEL + len(columns) * (WIDTH + GAP), y + 10, "\n".join(out)))
