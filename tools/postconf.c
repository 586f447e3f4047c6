/* SPDX-License-Identifier: Apache-2.0 */
/* postconf - show and change the configuration. */
#include "tools/postconf.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "map/map.h"

#define COLUMNS	80
#define INDENT	4

void
pc_fatal(const char *fmt, ...)
{
	va_list	ap;

	fflush(stdout);
	fputs("postconf: fatal: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
pc_warn(const char *fmt, ...)
{
	va_list	ap;

	fflush(stdout);
	fputs("postconf: warning: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
pc_print_words(const struct postconf *pc, const char *text, size_t column)
{
	struct slice	s = slice_str(text), word;

	while (slice_word(&s, " \t\r\n", &word)) {
		if (column > 0 && pc->fold &&
		    column + 1 + word.len > COLUMNS) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > 0) {
			putchar(' ');
			column++;
		}
		printf("%.*s", SLICE_ARG(word));
		column += word.len;
	}
	putchar('\n');
}

static void
print_json_string(const char *s)
{
	putchar('"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (ascii_is_cntrl((unsigned char)*s))
			printf("\\u%04x", (unsigned int)(unsigned char)*s);
		else
			putchar(*s);
	}
	putchar('"');
}

void
pc_print(const struct postconf *pc, const char *name, const char *value)
{
	size_t	column = 0;

	if (pc->json) {
		putchar('{');
		print_json_string(name);
		fputs(": ", stdout);
		print_json_string(value);
		fputs("}\n", stdout);
		return;
	}
	if (pc->no_value) {
		printf("%s\n", name);
		return;
	}
	if (!pc->no_name) {
		printf("%s =", name);
		column = strlen(name) + 2;
	}
	pc_print_words(pc, value, column);
}

static void
usage(void)
{
	fputs("usage: postconf [-dfhHjnpx] [-c config_dir] [-C class] "
	    "[-o name=value] [name...]\n"
	    "       postconf [-e] name=value...\n"
	    "       postconf -X|-# name...\n"
	    "       postconf -M[efX#]|-F[efhHx]|-P[efhHxX] [service/type...]\n"
	    "       postconf -a|-A|-l|-m\n", stderr);
	exit(1);
}

static unsigned int
parse_class(const char *text)
{
	struct slice	s = slice_str(text), word;
	unsigned int	classes = 0;

	while (slice_word(&s, ", ", &word)) {
		if (slice_iis(word, "builtin"))
			classes |= PC_BUILTIN;
		else if (slice_iis(word, "service"))
			classes |= PC_SERVICE;
		else if (slice_iis(word, "user"))
			classes |= PC_USER;
		else if (slice_iis(word, "all"))
			classes |= PC_ALL;
		else
			pc_fatal("-C %s: expected builtin, service, user or "
			    "all", text);
	}
	return classes;
}

static void
list_and_exit(const char *const *names)
{
	for (; *names != NULL; names++)
		puts(*names);
	exit(fflush(stdout) != 0);
}

static void
take_list_option(int ch)
{
	static const char *const	locks[] = { "fcntl", NULL };
	static const char *const	server[] = { "dovecot", NULL };
	static const char *const	client[] = { NULL };

	switch (ch) {
	case 'a':
		list_and_exit(server);
		break;
	case 'A':
		list_and_exit(client);
		break;
	case 'l':
		list_and_exit(locks);
		break;
	case 'm':
		list_and_exit(map_types);
		break;
	default:
		usage();
	}
}

static void
take_show_option(struct postconf *pc, int ch)
{
	switch (ch) {
	case 'd':
		pc->show_defaults = true;
		break;
	case 'f':
		pc->fold = true;
		break;
	case 'h':
		pc->no_name = true;
		break;
	case 'H':
		pc->no_value = true;
		break;
	case 'j':
		pc->json = true;
		break;
	case 'n':
		pc->only_set = true;
		break;
	case 'p':
	case 'v':
		break;
	case 'x':
		pc->expand = true;
		break;
	default:
		take_list_option(ch);
	}
}

static void
take_option(struct postconf *pc, int ch, const char **overrides, size_t *n)
{
	switch (ch) {
	case 'c':
		pc->dir = optarg;
		break;
	case 'C':
		pc->classes = parse_class(optarg);
		break;
	case 'e':
		pc->edit = PC_EDIT;
		break;
	case 'X':
		pc->edit = PC_DELETE;
		break;
	case '#':
		pc->edit = PC_COMMENT;
		break;
	case 'M':
		pc->what = PC_SERVICES;
		break;
	case 'F':
		pc->what = PC_FIELDS;
		break;
	case 'P':
		pc->what = PC_OVERRIDES;
		break;
	case 'o':
		overrides[(*n)++] = optarg;
		break;
	default:
		take_show_option(pc, ch);
	}
}

static void
load(struct postconf *pc, const char **overrides, size_t n)
{
	struct error	err;

	pc->defaults = conf_new();
	/* Defaults can be shown where there is no configuration yet. */
	if (pc->show_defaults && pc->what == PC_MAIN)
		pc->conf = conf_new();
	else if (conf_load(pc->dir, &pc->conf, &err) < 0)
		pc_fatal("%s", err.text);
	for (size_t i = 0; i < n; i++)
		if (conf_override(pc->conf, overrides[i], &err) < 0)
			pc_fatal("%s", err.text);
	pc_load_rows(pc);
}

static void
run(struct postconf *pc, char **args)
{
	if (pc->edit != PC_SHOW && args[0] == NULL)
		usage();
	if (pc->what == PC_MAIN && pc->edit != PC_SHOW)
		pc_edit_main(pc, args);
	else if (pc->what == PC_MAIN)
		pc_show_main(pc, args);
	else if (pc->edit != PC_SHOW)
		pc_edit_master(pc, args);
	else
		pc_show_master(pc, args);
}

int
main(int argc, char **argv)
{
	struct postconf	 pc = { .classes = PC_ALL };
	const char	**overrides;
	size_t		 n = 0;
	int		 ch;

	pc.mem = arena_new();
	overrides = arena_array(pc.mem, (size_t)argc, sizeof(*overrides));
	pc.dir = getenv("MAIL_CONFIG");
	if (pc.dir == NULL || pc.dir[0] == '\0')
		pc.dir = PH_CONFDIR;
	while ((ch = getopt(argc, argv, "aAc:C:deFfhHjlmMno:pPvxX#")) != -1)
		take_option(&pc, ch, overrides, &n);
	if (pc.show_defaults && pc.only_set)
		pc_fatal("use only one of -d and -n");
	/* "postconf name=value" means -e. */
	if (pc.edit == PC_SHOW && argv[optind] != NULL &&
	    strchr(argv[optind], '=') != NULL)
		pc.edit = PC_EDIT;
	/* An edit may be what makes the configuration readable again. */
	if (pc.edit == PC_SHOW)
		load(&pc, overrides, n);
	run(&pc, argv + optind);
	if (pc.edit == PC_SHOW && !pc.show_defaults)
		pc_warn_unused(&pc);
	conf_free(&pc.conf);
	conf_free(&pc.defaults);
	arena_free(&pc.mem);
	return fflush(stdout) != 0;
}
