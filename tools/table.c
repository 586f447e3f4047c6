/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "codec/base64.h"
#include "conf/lines.h"
#include "map/map.h"
#include "map/map_write.h"

/* A table being made or changed. */
struct job {
	const struct tool		*t;
	const struct table_kind		*kind;
	const struct table_options	*o;
	const char			*path;		/* source */
	struct map_writer		*w;
};

static struct error	err;

/* "type:path" of a table that can be written. */
static void
split_spec(const struct tool *t, const char *spec, const char **type_out,
    const char **path_out)
{
	struct slice	rest = slice_str(spec), type;

	if (!slice_cut(&rest, ':', &type)) {
		*type_out = t->common.default_database_type;
		*path_out = spec;
		return;
	}
	*type_out = arena_strndup(t->mem, (const char *)type.p, type.len);
	*path_out = (const char *)rest.p;
	if ((*path_out)[0] == '\0')
		tool_fatal(1, "%s: expected type:file", spec);
}

static char *
folded(const struct tool *t, struct slice key, bool fold)
{
	char	*k = arena_strndup(t->mem, (const char *)key.p, key.len);

	for (char *p = k; fold && *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return k;
}

/* -F: the values are names of files; what is stored is their content. */
static struct slice
file_content(const struct tool *t, struct slice names)
{
	struct buf	text, out;
	struct slice	name, result;

	buf_init(&text, CONF_FILE_MAX);
	buf_init(&out, 2 * CONF_FILE_MAX);
	while (slice_word(&names, ", \t\r\n", &name)) {
		const char	*path = arena_strndup(t->mem,
				    (const char *)name.p, name.len);

		if (conf_read_file(path, &text, &err) < 0)
			tool_fatal(1, "%s", err.text);
	}
	base64_put(&out, buf_slice(&text));
	if (out.overflow)
		tool_fatal(1, "files larger than %zu bytes", CONF_FILE_MAX);
	result = slice_dup(t->mem, buf_slice(&out));
	buf_clear(&text);
	buf_clear(&out);
	return result;
}

static void
put(struct job *j, struct slice key, struct slice value)
{
	const char	*k = folded(j->t, key, j->o->fold);
	int		 rc;

	if (j->o->from_files)
		value = file_content(j->t, value);
	rc = map_write_put(j->w, slice_str(k), value, j->o->replace, &err);
	if (rc < 0) {
		map_write_abort(&j->w);
		tool_fatal(1, "%s", err.text);
	}
	if (rc == 1 && !j->o->quiet)
		tool_warn("%s.db: duplicate entry: \"%s\"", j->path, k);
}

static void
put_lines(struct job *j, struct slice text, const char *name)
{
	struct conf_lines	l;
	struct slice		line, key, value;

	conf_lines_init(&l, text);
	while (conf_lines_next(&l, &line)) {
		const char	*wrong = j->kind->split(line, j->t->mem, &key,
				    &value);

		if (wrong != NULL) {
			tool_warn("%s, line %d: %s", name, l.first, wrong);
			continue;
		}
		if (key.len > 0 && key.p[key.len - 1] == ':')
			tool_warn("%s, line %d: record is in \"key: value\" "
			    "format; is this an alias file?", name, l.first);
		put(j, key, value);
	}
	conf_lines_clear(&l);
}

/* The mode of the new file: who may read the source may read the table. */
static mode_t
mode_like(const struct stat *st, const struct table_options *o)
{
	return o->inherit_mode && st != NULL ? st->st_mode & 0666 : 0644;
}

static void
warn_if_text(const char *type)
{
	static const char *const	text[] = { "texthash", "inline",
	    "regexp", "pcre", "cidr", "static", "unionmap", "pipemap",
	    "fail", "unix" };

	for (size_t i = 0; i < COUNT(text); i++)
		if (strcmp(type, text[i]) == 0)
			tool_fatal(1, "table type \"%s\" needs no compiled "
			    "file; postmap makes hash and btree", type);
}

/* Copy one record of the old table into the new one. */
static int
copy_record(void *arg, struct slice key, struct slice value)
{
	struct job	*j = arg;

	return map_write_put(j->w, key, value, true, &err) < 0 ? -1 : 0;
}

static void
start(struct job *j, const char *type, mode_t mode)
{
	if (map_write_open(type, j->path, mode,
	    j->o->no_nul ? MAP_WRITE_NO_NUL : 0, &j->w, &err) < 0)
		tool_fatal(1, "%s", err.text);
}

/* Begin a new file that holds what the old one does. */
static void
start_copy(struct job *j, const char *type)
{
	struct stat	 st;
	const char	*file = arena_printf(j->t->mem, "%s.db", j->path);
	bool		 exists = stat(file, &st) == 0;

	start(j, type, exists ? st.st_mode & 0666 : 0644);
	if (exists && map_read_all(type, j->path, copy_record, j, &err) < 0) {
		map_write_abort(&j->w);
		tool_fatal(1, "%s", err.text);
	}
}

static void
finish(struct job *j)
{
	if (map_write_commit(&j->w, &err) < 0)
		tool_fatal(1, "%s", err.text);
}

void
table_create(const struct tool *t, const struct table_kind *kind,
    const struct table_options *o, const char *spec)
{
	struct job	 j = { .t = t, .kind = kind, .o = o };
	const char	*type;
	struct stat	 st;
	struct buf	 text;
	int		 fd;

	split_spec(t, spec, &type, &j.path);
	warn_if_text(type);
	buf_init(&text, CONF_FILE_MAX);
	fd = open(j.path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		tool_fatal(1, "open %s: %s", j.path, strerror(errno));
	if (fstat(fd, &st) < 0)
		tool_fatal(1, "stat %s: %s", j.path, strerror(errno));
	if (conf_read_fd(fd, j.path, &text, &err) < 0)
		tool_fatal(1, "%s", err.text);
	close(fd);
	/* So that a user's directory cannot lead root astray. */
	if (!o->keep_root)
		tool_act_as(&st);
	start(&j, type, mode_like(&st, o));
	put_lines(&j, buf_slice(&text), j.path);
	finish(&j);
	tool_act_as_self();
	buf_clear(&text);
}

/* -i: add what standard input says. */
static void
table_add(const struct tool *t, const struct table_kind *kind,
    const struct table_options *o, const char *spec)
{
	struct job	 j = { .t = t, .kind = kind, .o = o };
	const char	*type;
	struct buf	 text;

	split_spec(t, spec, &type, &j.path);
	warn_if_text(type);
	buf_init(&text, CONF_FILE_MAX);
	if (conf_read_fd(STDIN_FILENO, "standard input", &text, &err) < 0)
		tool_fatal(1, "%s", err.text);
	start_copy(&j, type);
	put_lines(&j, buf_slice(&text), "standard input");
	finish(&j);
	buf_clear(&text);
}

/* -d: 1 if the key was there. */
static bool
delete_key(struct job *j, const char *key)
{
	int	rc = map_write_delete(j->w,
		    slice_str(folded(j->t, slice_str(key), j->o->fold)), &err);

	if (rc < 0) {
		map_write_abort(&j->w);
		tool_fatal(1, "%s", err.text);
	}
	return rc == 0;
}

static bool
table_delete(const struct tool *t, const struct table_kind *kind,
    const struct table_options *o, const char *spec)
{
	struct job	 j = { .t = t, .kind = kind, .o = o };
	const char	*type;
	char		 line[8192];
	bool		 found = false;

	split_spec(t, spec, &type, &j.path);
	warn_if_text(type);
	start_copy(&j, type);
	if (strcmp(o->delete_key, "-") != 0)
		found = delete_key(&j, o->delete_key);
	else
		while (fgets(line, sizeof(line), stdin) != NULL) {
			line[strcspn(line, "\r\n")] = '\0';
			found |= delete_key(&j, line);
		}
	if (found)
		finish(&j);
	else
		map_write_abort(&j.w);
	return found;
}

static void
print_json(struct slice s)
{
	putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			printf("\\%c", s.p[i]);
		else if (ascii_is_cntrl(s.p[i]))
			printf("\\u%04x", (unsigned int)s.p[i]);
		else
			putchar(s.p[i]);
	}
	putchar('"');
}

/* with_key: "key<TAB>value"; else the value alone. */
static void
print_record(const struct table_kind *kind, const struct table_options *o,
    bool with_key, struct slice key, struct slice value)
{
	struct buf	plain;

	buf_init(&plain, CONF_FILE_MAX);
	if (o->from_files && base64_get(value, &plain))
		value = buf_slice(&plain);
	if (o->json) {
		putchar('{');
		print_json(key);
		fputs(": ", stdout);
		print_json(value);
		fputs("}\n", stdout);
	} else if (with_key)
		printf("%.*s%s%.*s\n", SLICE_ARG(key), kind->query_sep,
		    SLICE_ARG(value));
	else
		printf("%.*s\n", SLICE_ARG(value));
	buf_clear(&plain);
}

struct dump {
	const struct table_kind		*kind;
	const struct table_options	*o;
};

static int
dump_record(void *arg, struct slice key, struct slice value)
{
	const struct dump	*d = arg;

	print_record(d->kind, d->o, true, key, value);
	return 0;
}

static bool
ask(const struct tool *t, const struct table_kind *kind,
    const struct table_options *o, struct map **maps, int n, const char *key,
    bool with_key)
{
	const char	*value;

	for (int i = 0; i < n; i++)
		switch (map_get(maps[i], slice_str(key), t->mem, &value,
		    &err)) {
		case MAP_FOUND:
			print_record(kind, o, with_key, slice_str(key),
			    slice_str(value));
			return true;
		case MAP_NONE:
			break;
		case MAP_WAIT:
		case MAP_ERROR:
			tool_fatal(1, "%s", err.text);
		}
	return false;
}

static bool
query(const struct tool *t, const struct table_kind *kind,
    const struct table_options *o, char **specs, int n)
{
	struct map_env	 env = { .default_type =
			    t->common.default_database_type };
	struct map	**maps = arena_array(t->mem, (size_t)n, sizeof(*maps));
	char		 line[8192];
	bool		 found = false;

	for (int i = 0; i < n; i++)
		if (map_open(specs[i], &env, &maps[i], &err) < 0)
			tool_fatal(1, "%s", err.text);
	if (strcmp(o->query_key, "-") != 0)
		found = ask(t, kind, o, maps, n, o->query_key, false);
	else
		while (fgets(line, sizeof(line), stdin) != NULL) {
			line[strcspn(line, "\r\n")] = '\0';
			found |= ask(t, kind, o, maps, n, line, true);
		}
	for (int i = 0; i < n; i++)
		map_close(&maps[i]);
	return found;
}

static bool
run(const struct tool *t, const struct table_kind *kind,
    const struct table_options *o, char **specs, int n)
{
	bool	found = o->delete_key == NULL && o->query_key == NULL;

	if (o->query_key != NULL)
		return query(t, kind, o, specs, n);
	for (int i = 0; i < n; i++) {
		struct dump	 d = { kind, o };
		const char	*type, *path;

		if (o->delete_key != NULL)
			found |= table_delete(t, kind, o, specs[i]);
		else if (o->dump) {
			split_spec(t, specs[i], &type, &path);
			if (map_read_all(type, path, dump_record, &d,
			    &err) < 0)
				tool_fatal(1, "%s", err.text);
		} else if (o->incremental)
			table_add(t, kind, o, specs[i]);
		else
			table_create(t, kind, o, specs[i]);
	}
	return found;
}

static void
usage(const struct table_kind *kind)
{
	fprintf(stderr, "usage: %s [-Nfinoprvw%s] [-c config_dir] [-d key] "
	    "[-q key] [-s] [type:]file...\n", kind->name,
	    strchr(kind->options, 'F') != NULL ? "Fj" : "j");
	exit(1);
}

static void
take_option(const struct table_kind *kind, int ch, struct table_options *o,
    const char **dir)
{
	switch (ch) {
	case 'c':
		*dir = optarg;
		break;
	case 'd':
		o->delete_key = optarg;
		break;
	case 'q':
		o->query_key = optarg;
		break;
	case 's':
		o->dump = true;
		break;
	case 'f':
		o->fold = false;
		break;
	case 'F':
		o->from_files = true;
		break;
	case 'i':
		o->incremental = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'n':
		o->no_nul = true;
		break;
	case 'N':
		o->no_nul = false;
		break;
	case 'o':
		o->keep_root = true;
		break;
	case 'p':
		o->inherit_mode = false;
		break;
	case 'r':
		o->replace = true;
		break;
	case 'w':
		o->quiet = true;
		break;
	case 'u':		/* UTF-8 is always passed as it is */
	case 'U':
	case 'v':
		break;
	default:
		usage(kind);
	}
}

int
table_main(const struct table_kind *kind, int argc, char **argv)
{
	struct table_options	 o = TABLE_DEFAULTS;
	struct tool		 t;
	const char		*dir = NULL;
	int			 ch;
	bool			 found;

	tool_begin(kind->name);
	while ((ch = getopt(argc, argv, kind->options)) != -1)
		take_option(kind, ch, &o, &dir);
	tool_open(&t, dir);
	if ((o.delete_key != NULL) + (o.query_key != NULL) + o.dump > 1)
		tool_fatal(1, "use only one of -d, -q and -s");
	if (optind == argc)
		usage(kind);
	found = run(&t, kind, &o, argv + optind, argc - optind);
	conf_free(&t.conf);
	arena_free(&t.mem);
	if (fflush(stdout) != 0)
		return 1;
	return found ? 0 : 1;
}
