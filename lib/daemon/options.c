/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/panic.h"
#include "daemon/daemon_int.h"

#define OPTIONS_MASTER	"cdDi:lm:n:o:s:St:uvVz"
#define OPTIONS_HAND	"c:dDi:KlL:m:n:o:Ps:St:uvVz"

static int
number(const char *text, uint64_t max, int64_t *out, int c, struct error *err)
{
	uint64_t	 v;

	if (!slice_u64(slice_str(text), max, &v))
		return error_set(err, "option -%c: \"%s\" is not a number", c,
		    text);
	*out = (int64_t)v;
	return 0;
}

static int
one(struct options *o, int c, const char *arg, struct error *err)
{
	int64_t	 n = 0;

	switch (c) {
	case 'i':
		return number(arg, INT32_MAX, &o->max_idle, c, err);
	case 'm':
		return number(arg, INT32_MAX, &o->max_use, c, err);
	case 's':
		if (number(arg, 1000, &n, c, err) < 0)
			return -1;
		o->nsockets = (int)n;
		break;
	case 'c':
		if (o->by_master)
			o->chroot = true;
		else
			o->config_dir = arg;
		break;
	case 'l':
		o->alone = true;
		break;
	case 'n':
		o->service = arg;
		break;
	case 'K':
		o->check_config = true;
		break;
	case 'P':
		o->print_params = true;
		break;
	case 't':
		o->type = arg;
		break;
	case 'u':
		o->unpriv = true;
		break;
	case 'v':
		o->verbose++;
		break;
	case 'd':		/* accepted as Postfix's daemons do; */
	case 'D':		/* they say nothing to us */
	case 'S':
	case 'V':
	case 'z':
		break;
	default:
		return error_set(err, "unknown option");
	}
	return 0;
}

/* Each list can be at most argc long. */
static const char **
list_new(struct arena *a, int argc)
{
	return arena_array(a, (size_t)argc + 1, sizeof(const char *));
}

static int
master_place(struct options *o, struct error *err)
{
	const char	*env = getenv(BOARD_ENV);

	if (env == NULL)
		return 0;
	if (board_place_get(env, &o->place) < 0)
		return error_set(err, BOARD_ENV ": malformed");
	o->by_master = true;
	unsetenv(BOARD_ENV);
	return 0;
}

int
options_parse(struct daemon *d, int argc, char **argv, struct error *err)
{
	struct options	*o = &d->opt;
	size_t		 noverrides = 0, nlisten = 0, nargs = 0;
	int		 c;

	o->max_use = o->max_idle = -1;
	o->overrides = list_new(d->mem, argc);
	o->listen = list_new(d->mem, argc);
	o->args = list_new(d->mem, argc);
	if (master_place(o, err) < 0)
		return -1;
	optind = 1;
	while ((c = getopt(argc, argv,
	    o->by_master ? OPTIONS_MASTER : OPTIONS_HAND)) != -1) {
		if (c == 'o')
			o->overrides[noverrides++] = optarg;
		else if (c == 'L')
			o->listen[nlisten++] = optarg;
		else if (one(o, c, optarg, err) < 0)
			return -1;
	}
	for (int i = optind; i < argc; i++)
		o->args[nargs++] = argv[i];
	if (o->config_dir == NULL)
		o->config_dir = getenv("MAIL_CONFIG");
	if (o->config_dir == NULL)
		o->config_dir = PH_CONFDIR;
	return 0;
}
