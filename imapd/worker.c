/* SPDX-License-Identifier: Apache-2.0 */
#include "imapd/imapd.h"

#include "base/mem.h"

/* What users expect to find; made only when they create them. */
static const struct store_special	special[] = {
	{ "Drafts", STORE_USE_DRAFTS, false },
	{ "Sent", STORE_USE_SENT, false },
	{ "Junk", STORE_USE_JUNK, false },
	{ "Trash", STORE_USE_TRASH, false },
	{ "Archive", STORE_USE_ARCHIVE, false },
};

struct worker *
worker_new(struct loop *l, struct syncer *sy, const struct imapd_conf *conf,
    uint64_t message_max, const char *hostname)
{
	struct worker		*w = mem_new(1, sizeof(*w));
	struct store_conf	 sc = {
		.hostname = hostname,
		.separator = conf->separator[0],
		.special = special,
		.nspecial = COUNT(special),
	};

	list_init(&w->sessions);
	w->loop = l;
	w->conf = conf;
	w->message_max = message_max;
	w->store = store_new(l, sy, &sc);
	return w;
}

void
worker_drain(void *worker, bool stop)
{
	struct worker	*w = worker;

	LIST_EACH(l, &w->sessions) {
		struct session	*s = LIST_ENTRY(l, struct session, link);

		if (!stop)
			continue;
		session_enter(s);
		session_bye(s, "Server shutting down.",
		    "Server shutting down.");
		session_leave(s);
	}
}
