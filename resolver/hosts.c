/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/hosts.h"

#include <arpa/inet.h>

#include "resolver/answer.h"
#include "base/ascii.h"
#include "base/hash.h"

struct hosts {
	struct hash	*names;		/* lower case -> struct hosts_addr */
	struct hash	*addresses;	/* normal form -> first name */
};

/* The one spelling of an address; NULL: it is none. */
static const char *
normal(struct arena *a, const char *ip, int *family_out)
{
	unsigned char	addr[16];
	char		text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, ip, addr) == 1)
		*family_out = AF_INET;
	else if (inet_pton(AF_INET6, ip, addr) == 1)
		*family_out = AF_INET6;
	else
		return NULL;
	return arena_strdup(a, inet_ntop(*family_out, addr, text,
	    sizeof(text)));
}

static char *
lower(struct arena *a, struct slice s)
{
	char	*out = slice_cstr(a, s);

	for (char *p = out; p != NULL && *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return out;
}

static void
add_name(struct hosts *h, struct arena *a, const char *name, const char *ip,
    int family)
{
	struct hosts_addr	*new = arena_alloc(a, sizeof(*new)), *last;

	new->ip = ip;
	new->family = family;
	last = hash_gets(h->names, name);
	if (last == NULL) {
		hash_puts(h->names, name, new);
		return;
	}
	while (last->next != NULL)
		last = last->next;
	last->next = new;
}

static void
parse_line(struct hosts *h, struct arena *a, struct slice line)
{
	struct slice	 before, word;
	const char	*ip, *name;
	int		 family;
	bool		 first = true;

	if (slice_cut(&line, '#', &before))
		line = before;
	if (!slice_word(&line, " \t\r", &word))
		return;
	ip = slice_cstr(a, word);
	if (ip == NULL || (ip = normal(a, ip, &family)) == NULL)
		return;
	while (slice_word(&line, " \t\r", &word)) {
		if ((name = lower(a, word)) == NULL || !answer_name_ok(name))
			continue;
		if (first && hash_gets(h->addresses, ip) == NULL)
			hash_puts(h->addresses, ip,
			    slice_cstr(a, word));
		first = false;
		add_name(h, a, name, ip, family);
	}
}

struct hosts *
hosts_parse(struct arena *a, struct slice text)
{
	struct hosts	*h = arena_alloc(a, sizeof(*h));
	struct slice	 line;

	h->names = hash_new();
	h->addresses = hash_new();
	while (slice_cut(&text, '\n', &line))
		parse_line(h, a, line);
	parse_line(h, a, text);
	return h;
}

void
hosts_clear(struct hosts *h)
{
	hash_free(&h->names);
	hash_free(&h->addresses);
}

const struct hosts_addr *
hosts_find(const struct hosts *h, const char *name)
{
	struct arena		*scratch = arena_new();
	const struct hosts_addr	*found;

	found = hash_gets(h->names, lower(scratch, slice_str(name)));
	arena_free(&scratch);
	return found;
}

const char *
hosts_name(const struct hosts *h, const char *ip)
{
	struct arena	*scratch = arena_new();
	const char	*key, *found = NULL;
	int		 family;

	if ((key = normal(scratch, ip, &family)) != NULL)
		found = hash_gets(h->addresses, key);
	arena_free(&scratch);
	return found;
}
