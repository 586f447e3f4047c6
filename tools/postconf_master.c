/* SPDX-License-Identifier: Apache-2.0 */
/* Showing and changing master.cf.  Fields are kept as written ("-" stays
 * "-"), which lib/conf's reader does not do. */
#include <errno.h>
#include <string.h>

#include "base/ascii.h"
#include "conf/lines.h"
#include "conf/mastercf.h"
#include "tools/postconf.h"

static const char *const	field_names[8] = {
	"service", "type", "private", "unprivileged", "chroot", "wakeup",
	"process_limit", "command"
};

static char *
dup(struct postconf *pc, struct slice s)
{
	return arena_strndup(pc->mem, (const char *)s.p, s.len);
}

/* A word; braces protect white space. */
static bool
take_word(struct slice *s, struct slice *out)
{
	size_t	i = 0, level = 0;

	*s = slice_trim(*s);
	for (; i < s->len; i++) {
		if (s->p[i] == '{')
			level++;
		else if (s->p[i] == '}' && level > 0)
			level--;
		else if (level == 0 && (ascii_is_blank(s->p[i]) ||
		    s->p[i] == '\r' || s->p[i] == '\n'))
			break;
	}
	*out = slice_first(*s, i);
	*s = slice_from(*s, i);
	return i > 0;
}

static bool
parse_service(struct postconf *pc, struct slice line, struct pc_service *out)
{
	struct slice	word;

	for (size_t i = 0; i < COUNT(out->field); i++) {
		if (!take_word(&line, &word))
			return false;
		out->field[i] = dup(pc, word);
	}
	out->arg = arena_array(pc->mem, line.len / 2 + 2, sizeof(char *));
	out->nargs = 0;
	while (take_word(&line, &word))
		out->arg[out->nargs++] = dup(pc, word);
	return true;
}

int
pc_read_master(struct postconf *pc, struct pc_master *out)
{
	const char		*path = arena_printf(pc->mem, "%s/master.cf",
				    pc->dir);
	struct conf_lines	 l;
	struct buf		 text;
	struct slice		 line;
	struct error		 err;
	size_t			 room = 0;

	*out = (struct pc_master){ NULL, 0 };
	buf_init(&text, CONF_FILE_MAX);
	if (conf_read_file(path, &text, &err) < 0) {
		buf_clear(&text);
		return -1;
	}
	conf_lines_init(&l, buf_slice(&text));
	while (conf_lines_next(&l, &line)) {
		if (out->n == room) {
			struct pc_service	*more;

			room = room * 2 + 32;
			more = arena_array(pc->mem, room, sizeof(*more));
			if (out->n > 0)
				memcpy(more, out->service,
				    out->n * sizeof(*more));
			out->service = more;
		}
		if (!parse_service(pc, line, &out->service[out->n]))
			pc_fatal("%s, line %d: bad field count", path,
			    l.first);
		out->service[out->n++].line = l.first;
	}
	conf_lines_clear(&l);
	buf_clear(&text);
	return 0;
}

/* "name=value" or "{ name = value }". */
static bool
split_assignment(struct postconf *pc, const char *text, const char **name_out,
    const char **value_out)
{
	struct slice	rest = slice_trim(slice_str(text)), name;

	if (rest.len > 1 && rest.p[0] == '{' && slice_ends(rest, "}"))
		rest = slice_of(rest.p + 1, rest.len - 2);
	if (!slice_cut(&rest, '=', &name))
		return false;
	*name_out = dup(pc, slice_trim(name));
	*value_out = dup(pc, slice_trim(rest));
	return true;
}

/* How many words the option at `at` takes, 0: no options from here on. */
static size_t
option_words(const struct pc_service *s, size_t at)
{
	const char	*a = s->arg[at];

	if (a[0] != '-' || a[1] == '\0')
		return 0;
	return a[2] == '\0' && strchr("oimnrst", a[1]) != NULL &&
	    at + 1 < s->nargs ? 2 : 1;
}

bool
pc_next_override(struct postconf *pc, const struct pc_service *s, size_t *at,
    const char **name_out, const char **value_out)
{
	while (*at < s->nargs) {
		size_t		 words = option_words(s, *at), here = *at;
		const char	*text;

		if (words == 0)
			return false;
		*at += words;
		if (s->arg[here][1] != 'o')
			continue;
		text = words == 2 ? s->arg[here + 1] : s->arg[here] + 2;
		if (split_assignment(pc, text, name_out, value_out))
			return true;
	}
	return false;
}

static bool
part_matches(struct slice pattern, const char *text)
{
	return slice_is(pattern, "*") || slice_is(pattern, text);
}

/* "service/type[/rest]": rest_out is "" if there is none. */
static bool
service_matches(const struct pc_service *s, const char *pattern,
    const char **rest_out)
{
	struct slice	rest = slice_str(pattern), name, type;

	*rest_out = "";
	if (!slice_cut(&rest, '/', &name))
		return part_matches(rest, s->field[0]);
	if (!slice_cut(&rest, '/', &type))
		type = rest;
	else
		*rest_out = (const char *)rest.p;
	return part_matches(name, s->field[0]) &&
	    part_matches(type, s->field[1]);
}

/* One option with its value per line when folded. */
static void
put_service(struct buf *b, const struct pc_service *s, bool fold)
{
	bool	joined = false;

	buf_addf(b, "%-10s %-5s %-7s %-7s %-7s %-7s %-7s %s", s->field[0],
	    s->field[1], s->field[2], s->field[3], s->field[4], s->field[5],
	    s->field[6], s->field[7]);
	for (size_t i = 0; i < s->nargs; i++) {
		buf_adds(b, fold && !joined ? "\n    " : " ");
		buf_adds(b, s->arg[i]);
		joined = !joined && option_words(s, i) == 2;
	}
	buf_addc(b, '\n');
}

static void
show_service(const struct postconf *pc, const struct pc_service *s)
{
	struct buf	b;

	buf_init(&b, CONF_FILE_MAX);
	put_service(&b, s, pc->fold);
	fputs(buf_cstr(&b), stdout);
	buf_clear(&b);
}

static void
show_named(struct postconf *pc, const struct pc_service *s, const char *name,
    const char *value)
{
	struct error	 err;
	const char	*text = value;

	if (pc->expand) {
		text = conf_expand(pc->conf, pc->mem, value, &err);
		if (text == NULL)
			pc_fatal("%s/%s/%s: expected %s", s->field[0],
			    s->field[1], name, err.text);
	}
	pc_print(pc, arena_printf(pc->mem, "%s/%s/%s", s->field[0],
	    s->field[1], name), text);
}

/* The command field of -F has the arguments with it, as in Postfix. */
static const char *
field_value(struct postconf *pc, const struct pc_service *s, size_t i)
{
	const char	*text = s->field[i];

	for (size_t k = 0; i == 7 && k < s->nargs; k++)
		text = arena_printf(pc->mem, "%s %s", text, s->arg[k]);
	return text;
}

static void
show_one(struct postconf *pc, const struct pc_service *s, const char *rest)
{
	const char	*name, *value;
	size_t		 at = 0;

	if (pc->what == PC_SERVICES)
		show_service(pc, s);
	for (size_t i = 0; pc->what == PC_FIELDS && i < 8; i++)
		if (rest[0] == '\0' ||
		    part_matches(slice_str(rest), field_names[i]))
			show_named(pc, s, field_names[i],
			    field_value(pc, s, i));
	while (pc->what == PC_OVERRIDES &&
	    pc_next_override(pc, s, &at, &name, &value))
		if (rest[0] == '\0' || part_matches(slice_str(rest), name))
			show_named(pc, s, name, value);
}

void
pc_show_master(struct postconf *pc, char **patterns)
{
	struct pc_master	 m;
	const char		*rest;

	if (pc_read_master(pc, &m) < 0)
		pc_fatal("open %s/master.cf: %s", pc->dir, strerror(errno));
	if (patterns[0] == NULL) {
		for (size_t i = 0; i < m.n; i++)
			show_one(pc, &m.service[i], "");
		return;
	}
	for (; *patterns != NULL; patterns++) {
		bool	found = false;

		for (size_t i = 0; i < m.n; i++) {
			if (!service_matches(&m.service[i], *patterns, &rest))
				continue;
			found = true;
			show_one(pc, &m.service[i], rest);
		}
		if (!found)
			pc_warn("unmatched request: \"%s\"", *patterns);
	}
}

/* A value that must stay one word. */
static const char *
quoted_assignment(struct postconf *pc, const char *name, const char *value)
{
	if (strpbrk(value, " \t") != NULL || value[0] == '\0')
		return arena_printf(pc->mem, "{ %s = %s }", name, value);
	return arena_printf(pc->mem, "%s=%s", name, value);
}

/* Replace, remove or (value not NULL) add the -o of this name. */
static void
set_override(struct postconf *pc, struct pc_service *s, const char *name,
    const char *value)
{
	const char	**arg = arena_array(pc->mem, s->nargs + 3,
			    sizeof(*arg));
	size_t		 n = 0, at = 0, options = 0;
	bool		 done = value == NULL;

	while (at < s->nargs) {
		size_t		 from = at, words = option_words(s, at);
		const char	*have, *ignored;

		if (words == 0)
			break;
		at += words;
		if (s->arg[from][1] == 'o' && split_assignment(pc,
		    words == 2 ? s->arg[from + 1] : s->arg[from] + 2, &have,
		    &ignored) && strcmp(have, name) == 0) {
			if (!done) {
				arg[n++] = "-o";
				arg[n++] = quoted_assignment(pc, name, value);
			}
			done = true;
			continue;
		}
		for (size_t k = from; k < at; k++)
			arg[n++] = s->arg[k];
	}
	options = at;
	if (!done) {
		arg[n++] = "-o";
		arg[n++] = quoted_assignment(pc, name, value);
	}
	for (size_t k = options; k < s->nargs; k++)
		arg[n++] = s->arg[k];
	s->arg = arg;
	s->nargs = n;
}

static void
set_field(struct postconf *pc, struct pc_service *s, const char *name,
    const char *value)
{
	struct slice	rest, word;

	for (size_t i = 0; i < 8; i++) {
		if (strcmp(name, field_names[i]) != 0)
			continue;
		if (i < 7) {
			s->field[i] = value;
			return;
		}
		rest = slice_str(value);
		if (!take_word(&rest, &word))
			pc_fatal("%s: expected a command", name);
		s->field[7] = dup(pc, word);
		s->arg = arena_array(pc->mem, rest.len / 2 + 2,
		    sizeof(char *));
		s->nargs = 0;
		while (take_word(&rest, &word))
			s->arg[s->nargs++] = dup(pc, word);
		return;
	}
	pc_fatal("%s: expected one of service type private unprivileged "
	    "chroot wakeup process_limit command", name);
}

/* One request: "pattern=value" or "pattern". */
static void
split_request(struct postconf *pc, const char *text, const char **pattern_out,
    const char **value_out)
{
	struct slice	rest = slice_str(text), pattern;

	*value_out = NULL;
	if (pc->edit != PC_EDIT)
		*pattern_out = text;
	else if (slice_cut(&rest, '=', &pattern)) {
		*pattern_out = dup(pc, slice_trim(pattern));
		*value_out = dup(pc, slice_trim(rest));
	} else
		pc_fatal("%s: expected service/type%s=value", text,
		    pc->what == PC_SERVICES ? "" : "/name");
}

/* Apply a request to an entry.  False: the entry goes (-X) or becomes a
 * comment (-#). */
static bool
apply(struct postconf *pc, struct pc_service *s, const char *rest,
    const char *value)
{
	if (pc->what == PC_SERVICES) {
		if (pc->edit != PC_EDIT)
			return false;
		if (!parse_service(pc, slice_str(value), s))
			pc_fatal("%s: expected name type private unpriv "
			    "chroot wakeup maxproc command", value);
	} else if (rest[0] == '\0')
		pc_fatal("expected service/type/name");
	else if (pc->what == PC_FIELDS)
		set_field(pc, s, rest, value);
	else
		set_override(pc, s, rest, value);
	return true;
}


/* Take one entry with its continuation lines; noise inside goes with it,
 * noise behind it does not. */
static struct slice
take_entry(struct slice *old)
{
	const unsigned char	*from = old->p, *end = NULL;
	struct slice		 line, rest = *old;

	(void)pc_line(&rest, &line);
	end = rest.p;
	for (struct slice look = rest; pc_line(&look, &line); ) {
		if (pc_is_noise(line))
			continue;
		if (!ascii_is_blank(line.p[0]))
			break;
		end = look.p;
	}
	*old = slice_from(*old, (size_t)(end - from));
	return slice_of(from, (size_t)(end - from));
}

static void
comment_out(struct buf *out, struct slice text)
{
	struct slice	line;

	while (pc_line(&text, &line))
		buf_addf(out, "%s%.*s", pc_is_noise(line) ? "" : "#",
		    SLICE_ARG(line));
}

static void
edit_entry(struct postconf *pc, struct slice text, struct buf *out,
    char **args, bool *hits)
{
	struct conf_lines	 l;
	struct slice		 line;
	struct pc_service	 s;
	bool			 changed = false, keep = true;

	conf_lines_init(&l, text);
	if (!conf_lines_next(&l, &line) || !parse_service(pc, line, &s))
		pc_fatal("%s/master.cf: bad field count: \"%.*s\"", pc->dir,
		    SLICE_ARG(slice_trim(text)));
	conf_lines_clear(&l);
	for (size_t i = 0; args[i] != NULL; i++) {
		const char	*pattern, *value, *rest;

		split_request(pc, args[i], &pattern, &value);
		if (!service_matches(&s, pattern, &rest))
			continue;
		hits[i] = changed = true;
		keep = apply(pc, &s, rest, value) && keep;
	}
	if (!changed)
		buf_add_slice(out, text);
	else if (keep)
		put_service(out, &s, true);
	else if (pc->edit == PC_COMMENT)
		comment_out(out, text);
}

static void
edit_master(struct postconf *pc, struct slice old, struct buf *out,
    char **args)
{
	size_t		 n = 0;
	bool		*hits;
	struct slice	 line, look;

	while (args[n] != NULL)
		n++;
	hits = arena_array(pc->mem, n + 1, sizeof(*hits));
	while (look = old, pc_line(&look, &line)) {
		if (pc_is_noise(line)) {
			buf_add_slice(out, line);
			old = look;
		} else
			edit_entry(pc, take_entry(&old), out, args, hits);
	}
	for (size_t i = 0; i < n; i++) {
		const char		*pattern, *value;
		struct pc_service	 s;

		if (hits[i])
			continue;
		split_request(pc, args[i], &pattern, &value);
		if (pc->what != PC_SERVICES || pc->edit != PC_EDIT)
			pc_fatal("unmatched request: \"%s\"", args[i]);
		if (!parse_service(pc, slice_str(value), &s))
			pc_fatal("%s: expected name type private unpriv "
			    "chroot wakeup maxproc command", value);
		put_service(out, &s, true);
	}
}

/* What was written must be readable by master. */
static void
edit_and_check(struct postconf *pc, struct slice old, struct buf *out,
    char **args)
{
	struct master_cf	 cf;
	struct error		 err;

	edit_master(pc, old, out, args);
	if (mastercf_parse(buf_slice(out), "new master.cf", 100, false,
	    pc->mem, &cf, &err) < 0)
		pc_fatal("%s", err.text);
}

void
pc_edit_master(struct postconf *pc, char **args)
{
	pc_rewrite(pc, "master.cf", edit_and_check, args);
}
