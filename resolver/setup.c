/* SPDX-License-Identifier: Apache-2.0 */
/* libunbound's defaults are for a program that asks now and then; here they
 * are raised.  Its configuration freezes with the first query or the first
 * local zone that is removed, so that comes last.  Files are read as root
 * and handed over as text: libunbound itself opens nothing, it starts behind
 * the chroot. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unbound-event.h>
#include <unbound.h>

#include "base/hash.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "resolver/hosts.h"
#include "resolver/resolver.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/loop.h"

#define FILE_MAX	((size_t)16 << 20)

static const char *
read_text(struct arena *a, const char *path, struct error *err)
{
	struct buf	 b;
	const char	*text = NULL;

	buf_init(&b, FILE_MAX);
	if (file_read_all(AT_FDCWD, path, &b, err) == 0) {
		text = slice_cstr(a, buf_slice(&b));
		if (text == NULL)
			error_set(err, "%s: not a text file", path);
	}
	buf_clear(&b);
	return text;
}

/* A trust anchor file that is named but cannot be read is an error: without
 * it forged answers would pass.  Only the default may be absent. */
static int
read_anchors(struct daemon *d, struct resolver *r, struct error *err)
{
	struct arena	*a = daemon_arena(d);
	struct slice	 rest = slice_str(r->conf->trust_anchor_files), word;
	bool		 is_default = conf_raw(daemon_conf(d),
			    "resolver_trust_anchor_files") == NULL;
	const char	*text;

	r->anchors = "";
	while (slice_word(&rest, " \t\r\n,", &word)) {
		text = read_text(a, slice_cstr(a, word), err);
		if (text == NULL && !is_default)
			return -1;
		if (text == NULL) {
			log_warn("%s -- answers are not validated; install "
			    "the package dns-root-data", err->text);
			continue;
		}
		r->anchors = arena_printf(a, "%s%s\n", r->anchors, text);
	}
	return 0;
}

int
resolver_open(struct daemon *d, struct error *err)
{
	struct arena	*a = daemon_arena(d);
	struct resolver	*r = arena_alloc(a, sizeof(*r));
	const char	*text = "";

	r->conf = daemon_params(d);
	daemon_set_state(d, r);
	if (read_anchors(d, r, err) < 0)
		return -1;
	if (r->conf->hosts_file[0] != '\0') {
		text = read_text(a, r->conf->hosts_file, err);
		if (text == NULL) {
			log_warn("%s", err->text);
			text = "";
		}
	}
	r->hosts = hosts_parse(a, slice_str(text));
	r->queries = hash_new();
	return 0;
}

static int
unbound_error(struct error *err, const char *what, const char *value, int e)
{
	return error_set(err, "%s %s: %s", what, value, ub_strerror(e));
}

static int
option(struct ub_ctx *ctx, const char *name, const char *value,
    struct error *err)
{
	int	e = ub_ctx_set_option(ctx, name, value);

	return e == 0 ? 0 : unbound_error(err, name, value, e);
}

static int
option_number(struct ub_ctx *ctx, const char *name, int64_t n,
    struct error *err)
{
	char	text[32];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	return option(ctx, name, text, err);
}

/* Leave descriptors for TCP and for our clients. */
static int64_t
ports(const struct resolver_conf *c)
{
	struct rlimit	r;
	int64_t		n = c->outgoing_ports;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY &&
	    n > (int64_t)r.rlim_cur / 2)
		n = (int64_t)r.rlim_cur / 2;
	return n;
}

static int
set_options(struct ub_ctx *ctx, const struct resolver_conf *c,
    const char *protocols, struct error *err)
{
	bool	all = strstr(protocols, "all") != NULL;
	bool	six = all || strstr(protocols, "ipv6") != NULL;
	bool	four = all || strstr(protocols, "ipv4") != NULL;
	int64_t	cache = c->cache_size / 8;

	if (option_number(ctx, "outgoing-range:", ports(c), err) < 0 ||
	    option_number(ctx, "num-queries-per-thread:", c->query_limit,
	    err) < 0 ||
	    option_number(ctx, "outgoing-num-tcp:", c->outgoing_tcp,
	    err) < 0 ||
	    option_number(ctx, "rrset-cache-size:", cache * 4, err) < 0 ||
	    option_number(ctx, "msg-cache-size:", cache * 2, err) < 0 ||
	    option_number(ctx, "key-cache-size:", cache, err) < 0 ||
	    option_number(ctx, "neg-cache-size:", cache, err) < 0)
		return -1;
	if (option(ctx, "prefetch:", "yes", err) < 0 ||
	    option(ctx, "do-ip6:", six ? "yes" : "no", err) < 0 ||
	    option(ctx, "do-ip4:", four || !six ? "yes" : "no", err) < 0)
		return -1;
	return 0;
}

/* fn for each word of a list. */
static int
each_word(const char *list, struct ub_ctx *ctx,
    int (*fn)(struct ub_ctx *ctx, char *word, struct error *err),
    struct error *err)
{
	struct slice	 rest = slice_str(list), word;
	char		*text;
	int		 result = 0;

	while (result == 0 && slice_word(&rest, " \t\r\n,", &word)) {
		text = mem_printf("%.*s", SLICE_ARG(word));
		result = fn(ctx, text, err);
		mem_free(&text);
	}
	return result;
}

static int
add_stub(struct ub_ctx *ctx, char *word, struct error *err)
{
	char	*is = strchr(word, '=');
	int	 e;

	if (is == NULL || is == word || is[1] == '\0')
		return error_set(err, "resolver_stub_zones: \"%s\" is not "
		    "zone=address", word);
	*is = '\0';
	e = ub_ctx_set_stub(ctx, word, is + 1, 0);
	return e == 0 ? 0 : unbound_error(err, "resolver_stub_zones",
	    is + 1, e);
}

static int
add_forwarder(struct ub_ctx *ctx, char *word, struct error *err)
{
	int	e = ub_ctx_set_fwd(ctx, word);

	return e == 0 ? 0 : unbound_error(err, "resolver_forwarders", word, e);
}

static int
add_root(struct ub_ctx *ctx, char *word, struct error *err)
{
	int	e = ub_ctx_set_stub(ctx, ".", word, 1);

	return e == 0 ? 0 : unbound_error(err, "resolver_root_servers", word,
	    e);
}

static int
add_insecure(struct ub_ctx *ctx, char *word, struct error *err)
{
	return option(ctx, "domain-insecure:", word, err);
}

static int
remove_local(struct ub_ctx *ctx, char *word, struct error *err)
{
	int	e = ub_ctx_zone_remove(ctx, word);

	return e == 0 ? 0 : unbound_error(err, "resolver_unblock_local_zones",
	    word, e);
}

/* A built-in zone at or above a stub zone would answer before it. */
static int
unblock_stub(struct ub_ctx *ctx, char *word, struct error *err)
{
	char	*is = strchr(word, '=');

	if (is != NULL)
		*is = '\0';
	for (char *z = word; z != NULL && *z != '\0'; z = strchr(z, '.')) {
		if (*z == '.')
			z++;
		if (*z != '\0' && remove_local(ctx, z, err) < 0)
			return -1;
	}
	return 0;
}

static int
add_anchors(struct ub_ctx *ctx, const char *lines, struct error *err)
{
	struct slice	 rest = slice_str(lines), line, text;
	char		*copy;
	int		 e;

	while (slice_cut(&rest, '\n', &line)) {
		if (slice_cut(&line, ';', &text))
			line = text;
		line = slice_trim(line);
		if (line.len == 0)
			continue;
		copy = mem_printf("%.*s", SLICE_ARG(line));
		e = ub_ctx_add_ta(ctx, copy);
		mem_free(&copy);
		if (e != 0)
			return error_set(err, "bad trust anchor: %.*s",
			    SLICE_ARG(line));
	}
	return 0;
}

int
resolver_start(struct daemon *d, struct error *err)
{
	struct resolver			*r = daemon_state(d);
	const struct resolver_conf	*c = r->conf;

	r->ctx = ub_ctx_create_event(loop_event_base(daemon_loop(d)));
	if (r->ctx == NULL)
		return error_set(err, "ub_ctx_create_event() failed");
	ub_ctx_debugout(r->ctx, NULL);
	if (set_options(r->ctx, c, daemon_common(d)->inet_protocols,
	    err) < 0 ||
	    add_anchors(r->ctx, r->anchors, err) < 0 ||
	    each_word(c->root_servers, r->ctx, add_root, err) < 0 ||
	    each_word(c->stub_zones, r->ctx, add_stub, err) < 0 ||
	    each_word(c->forwarders, r->ctx, add_forwarder, err) < 0 ||
	    each_word(c->insecure_zones, r->ctx, add_insecure, err) < 0 ||
	    each_word(c->stub_zones, r->ctx, unblock_stub, err) < 0 ||
	    each_word(c->unblock_local_zones, r->ctx, remove_local, err) < 0)
		return -1;
	return 0;
}

void
resolver_finish(struct daemon *d)
{
	struct resolver	*r = daemon_state(d);

	ub_ctx_delete(r->ctx);
	hash_free(&r->queries);
	hosts_clear(r->hosts);
}
