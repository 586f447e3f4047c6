/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/mastercf.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/mem.h"
#include "conf/lines.h"

#define BLANKS	" \t\r\n"

/* One line being taken apart. */
struct entry {
	const char		*file;
	int			 default_process_limit;
	bool			 chroot_default;
	struct arena		*a;
	struct error		*err;
	struct slice		 rest;
	struct master_service	 s;
};

static const char *const	type_names[] = {
	[SERVICE_INET] = "inet",
	[SERVICE_UNIX] = "unix",
	[SERVICE_FIFO] = "fifo",
	[SERVICE_PASS] = "pass",
	[SERVICE_UNIX_DGRAM] = "unix-dgram",
};

const char *
mastercf_type_name(enum service_type type)
{
	return type_names[type];
}

static int
bad(struct entry *e, const char *field, struct slice value,
    const char *expected)
{
	return error_set(e->err, "%s, line %d: field \"%s\": bad value "
	    "\"%.*s\"; expected %s", e->file, e->s.line, field,
	    (int)(value.len > 100 ? 100 : value.len), (const char *)value.p,
	    expected);
}

static int
field(struct entry *e, const char *name, struct slice *out)
{
	if (slice_word(&e->rest, BLANKS, out))
		return 0;
	*out = slice_of("", 0);
	return error_set(e->err, "%s, line %d: missing \"%s\" field; expected "
	    "name type private unpriv chroot wakeup maxproc command",
	    e->file, e->s.line, name);
}

static int
field_bool(struct entry *e, const char *name, bool def, bool *out)
{
	struct slice	v;

	if (field(e, name, &v) < 0)
		return -1;
	if (!slice_is(v, "-") && !slice_is(v, "y") && !slice_is(v, "n"))
		return bad(e, name, v, "\"y\", \"n\" or \"-\"");
	*out = slice_is(v, "-") ? def : slice_is(v, "y");
	return 0;
}

static char *
dup_slice(struct entry *e, struct slice s)
{
	return arena_strndup(e->a, (const char *)s.p, s.len);
}

static int
field_type(struct entry *e)
{
	struct slice	v;

	if (field(e, "type", &v) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(type_names); i++)
		if (slice_is(v, type_names[i])) {
			e->s.type = (enum service_type)i;
			return 0;
		}
	return bad(e, "type", v, "inet, unix, fifo, pass or unix-dgram");
}

/* port, host:port, [v6]:port, :port */
static int
split_inet(struct entry *e)
{
	struct slice	name = slice_str(e->s.name), host = { NULL, 0 };
	ptrdiff_t	at;

	if (name.p[0] == '[') {
		at = slice_find(name, ']');
		if (at < 0 || (size_t)at + 2 >= name.len ||
		    name.p[at + 1] != ':')
			return bad(e, "service name", name, "[address]:port");
		host = slice_of(name.p + 1, (size_t)at - 1);
		name = slice_from(name, (size_t)at + 2);
	} else if ((at = slice_rfind(name, ':')) >= 0) {
		host = slice_first(name, (size_t)at);
		name = slice_from(name, (size_t)at + 1);
		if (slice_find(host, ':') >= 0)
			return bad(e, "service name", slice_str(e->s.name),
			    "an IPv6 address in brackets: [address]:port");
	}
	if (name.len == 0)
		return bad(e, "service name", slice_str(e->s.name),
		    "host:port or port");
	e->s.host = dup_slice(e, host);
	e->s.port = dup_slice(e, name);
	return 0;
}

static int
field_wakeup(struct entry *e)
{
	struct slice	v, digits;
	uint64_t	n = 0;

	if (field(e, "wakeup", &v) < 0)
		return -1;
	digits = v;
	if (slice_ends(digits, "?")) {
		e->s.wakeup_if_used = true;
		digits.len--;
	}
	if (!slice_is(v, "-") && !slice_u64(digits, 366 * 86400, &n))
		return bad(e, "wakeup", v,
		    "seconds, with \"?\" behind them for \"once in use\"");
	e->s.wakeup = SECS(n);
	return 0;
}

static int
field_maxproc(struct entry *e)
{
	struct slice	v;
	uint64_t	n;

	if (field(e, "maxproc", &v) < 0)
		return -1;
	if (slice_is(v, "-"))
		n = (uint64_t)e->default_process_limit;
	else if (!slice_u64(v, 1000000, &n))
		return bad(e, "maxproc", v, "a number of processes");
	e->s.maxproc = (int)n;
	return 0;
}

/* The next argument: a word, or what is between braces (which may hold white
 * space, be empty, or begin with a brace). */
static int
take_arg(struct entry *e, struct slice *out, bool *got_out)
{
	size_t	level = 0, i;

	while (e->rest.len > 0 && memchr(BLANKS, e->rest.p[0], 4) != NULL)
		e->rest = slice_from(e->rest, 1);
	*got_out = e->rest.len > 0;
	if (!*got_out)
		return 0;
	/* A brace inside a word protects white space as well, so that
	 * "-o{ a = b }" and "argv={x y}" are one argument. */
	for (i = 0; i < e->rest.len; i++) {
		if (e->rest.p[i] == '{')
			level++;
		else if (e->rest.p[i] == '}' && level > 0) {
			level--;
			if (level == 0 && e->rest.p[0] == '{') {
				i++;
				break;
			}
		} else if (level == 0 &&
		    memchr(BLANKS, e->rest.p[i], 4) != NULL)
			break;
	}
	*out = slice_first(e->rest, i);
	if (level > 0)
		return bad(e, "command", *out, "a closing \"}\"");
	e->rest = slice_from(e->rest, i);
	if (out->p[0] != '{')
		return 0;
	if (e->rest.len > 0 && memchr(BLANKS, e->rest.p[0], 4) == NULL)
		return bad(e, "command", e->rest,
		    "white space behind the closing \"}\"");
	*out = slice_trim(slice_of(out->p + 1, out->len - 2));
	return 0;
}

static int
override(struct entry *e, struct slice text, const char **out)
{
	struct slice	name, value = text;

	if (text.len > 0 && text.p[0] == '{' && slice_ends(text, "}"))
		value = text = slice_of(text.p + 1, text.len - 2);
	if (!slice_cut(&value, '=', &name) || slice_trim(name).len == 0)
		return bad(e, "command", text, "-o name=value");
	name = slice_trim(name);
	value = slice_trim(value);
	*out = arena_printf(e->a, "%.*s=%.*s", SLICE_ARG(name),
	    SLICE_ARG(value));
	return 0;
}

/* Does this option take the following word?  Postfix's options common to all
 * daemons. */
static bool
option_with_value(struct slice arg)
{
	return arg.len == 2 && arg.p[0] == '-' &&
	    strchr("imnrst", arg.p[1]) != NULL;
}

/* -o before the first argument that is no option is ours; behind that the
 * words belong to the program (pipe's argv=, for one). */
static int
arguments(struct entry *e)
{
	size_t	max = e->rest.len / 2 + 2, nargs = 0, nover = 0;
	bool	got, options = true, value = false;

	e->s.args = arena_array(e->a, max, sizeof(char *));
	e->s.overrides = arena_array(e->a, max, sizeof(char *));
	for (;;) {
		struct slice	arg;

		if (take_arg(e, &arg, &got) < 0)
			return -1;
		if (!got)
			return 0;
		if (options && !value && slice_starts(arg, "-o")) {
			arg = slice_from(arg, 2);
			if (arg.len == 0 && take_arg(e, &arg, &got) < 0)
				return -1;
			if (override(e, arg, &e->s.overrides[nover++]) < 0)
				return -1;
			continue;
		}
		e->s.args[nargs++] = dup_slice(e, arg);
		options = options && (value || slice_starts(arg, "-"));
		value = options && !value && option_with_value(arg);
	}
}

static int
parse_entry(struct entry *e)
{
	struct slice	v;

	if (field(e, "service name", &v) < 0)
		return -1;
	if (slice_is(v, "-"))
		return bad(e, "service name", v, "a name");
	e->s.name = dup_slice(e, v);
	e->s.host = e->s.port = "";
	if (field_type(e) < 0)
		return -1;
	if (e->s.type == SERVICE_INET && split_inet(e) < 0)
		return -1;
	if (field_bool(e, "private", true, &e->s.is_private) < 0)
		return -1;
	if (e->s.type == SERVICE_INET && e->s.is_private)
		return bad(e, "private", SLICE_LIT("y"),
		    "\"n\": an inet service cannot be private");
	if (field_bool(e, "unpriv", true, &e->s.unpriv) < 0 ||
	    field_bool(e, "chroot", e->chroot_default, &e->s.chroot) < 0 ||
	    field_wakeup(e) < 0 || field_maxproc(e) < 0 ||
	    field(e, "command", &v) < 0)
		return -1;
	if (slice_is(v, "-"))
		return bad(e, "command", v, "a program name");
	e->s.command = dup_slice(e, v);
	return arguments(e);
}

static void
add(struct master_cf *out, struct hash *seen, struct arena *a,
    size_t *room, const struct master_service *s)
{
	const char		*key = arena_printf(a, "%s/%s", s->name,
				    type_names[s->type]);
	uintptr_t		 at = (uintptr_t)hash_gets(seen, key);

	if (at != 0) {
		out->services[at - 1] = *s;
		return;
	}
	if (out->count == *room) {
		struct master_service	*more;

		*room = *room * 2 + 16;
		more = arena_array(a, *room, sizeof(*more));
		if (out->count > 0)
			memcpy(more, out->services,
			    out->count * sizeof(*more));
		out->services = more;
	}
	out->services[out->count++] = *s;
	hash_puts(seen, key, (void *)(uintptr_t)out->count);
}

int
mastercf_parse(struct slice text, const char *file, int default_process_limit,
    bool chroot_default, struct arena *a, struct master_cf *out,
    struct error *err)
{
	struct conf_lines	 l;
	struct hash		*seen = hash_new();
	size_t			 room = 0;
	struct slice		 line;
	int			 rc = 0;

	*out = (struct master_cf){ NULL, 0 };
	conf_lines_init(&l, text);
	while (rc == 0 && conf_lines_next(&l, &line)) {
		struct entry	e = {
			.file = file,
			.default_process_limit = default_process_limit,
			.chroot_default = chroot_default,
			.a = a,
			.err = err,
			.rest = line,
			.s.line = l.first,
		};

		rc = parse_entry(&e);
		if (rc == 0)
			add(out, seen, a, &room, &e.s);
	}
	conf_lines_clear(&l);
	hash_free(&seen);
	return rc;
}

int
mastercf_load(const char *dir, int default_process_limit, bool chroot_default,
    struct arena *a, struct master_cf *out, struct error *err)
{
	char		*path = mem_printf("%s/master.cf", dir);
	struct buf	 text;
	int		 rc;

	buf_init(&text, CONF_FILE_MAX);
	rc = conf_read_file(path, &text, err);
	if (rc == 0)
		rc = mastercf_parse(buf_slice(&text), path,
		    default_process_limit, chroot_default, a, out, err);
	buf_clear(&text);
	mem_free(&path);
	return rc;
}
