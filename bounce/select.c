/* SPDX-License-Identifier: Apache-2.0 */
#include "bounce/bounce.h"

#include <string.h>

#include "base/hash.h"
#include "ipc/deliver_msg.h"

/* RFC 3461 4.1: does this recipient want to be reported?  What was not said
 * means failures and delays. */
static bool
wanted(enum notice_kind kind, unsigned int notify)
{
	switch (kind) {
	case NOTICE_BOUNCE:
		return notify == 0 || (notify & NOTIFY_FAILURE) != 0;
	case NOTICE_DELAY:
		return notify == 0 || (notify & NOTIFY_DELAY) != 0;
	case NOTICE_SUCCESS:
		return (notify & NOTIFY_SUCCESS) != 0;
	case NOTICE_DOUBLE:
		return true;
	}
	return false;
}

/* Where the records begin that no earlier notice has settled. */
static size_t
first_open(enum notice_kind kind, const struct queue_log_rec *log, size_t n)
{
	size_t	from = 0;

	for (size_t i = 0; i < n; i++)
		if (log[i].kind == QLOG_NOTICED && log[i].about == (int)kind)
			from = i + 1;
	return from;
}

static size_t
select_kind(enum notice_kind kind, enum queue_log_kind want,
    const struct queue_log_rec *log, size_t n, struct queue_log_rec *out)
{
	size_t	count = 0;

	for (size_t i = first_open(kind, log, n); i < n; i++)
		if (log[i].kind == want && log[i].address != NULL &&
		    wanted(kind, log[i].notify))
			out[count++] = log[i];
	return count;
}

/* One record for each recipient that still waits: its latest delay, or a
 * bare one, as delays are not synced and a crash may have taken them. */
static size_t
select_delayed(const struct queue_env *env, const struct queue_log_rec *log,
    size_t n, struct queue_log_rec *out)
{
	struct hash	*latest = hash_new();
	size_t		 count = 0;

	for (size_t i = 0; i < n; i++)
		if (log[i].kind == QLOG_DELAY && log[i].address != NULL)
			(void)hash_puts(latest, log[i].address,
			    (void *)(uintptr_t)(i + 1));
	for (size_t i = 0; i < env->nrcpts; i++) {
		const struct queue_rcpt	*r = &env->rcpts[i];
		uintptr_t		 at;

		if (r->status != RCPT_TODO || !wanted(NOTICE_DELAY, r->notify))
			continue;
		at = (uintptr_t)hash_gets(latest, r->address);
		out[count] = at != 0 ? log[at - 1] : (struct queue_log_rec){
			.diagnostic = "delivery is delayed",
		};
		out[count].address = r->address;
		out[count].original = r->original;
		out[count].dsn_orcpt = r->dsn_orcpt;
		count++;
	}
	hash_free(&latest);
	return count;
}

size_t
select_records(enum notice_kind kind, const struct queue_env *env,
    const struct queue_log_rec *log, size_t nlog, struct arena *a,
    struct queue_log_rec **out)
{
	*out = arena_array(a, nlog + env->nrcpts + 1, sizeof(**out));
	switch (kind) {
	case NOTICE_DELAY:
		return select_delayed(env, log, nlog, *out);
	case NOTICE_SUCCESS:
		return select_kind(kind, QLOG_SUCCESS, log, nlog, *out);
	case NOTICE_BOUNCE:
	case NOTICE_DOUBLE:
		return select_kind(kind, QLOG_BOUNCE, log, nlog, *out);
	}
	return 0;
}

bool
select_is_double(const char *address, const char *local, const char *host)
{
	struct slice	s = slice_str(address), head;

	if (slice_iis(s, local))
		return true;
	return slice_cut(&s, '@', &head) && slice_iis(head, local) &&
	    slice_iis(s, host);
}

bool
select_class(const char *classes, const char *word)
{
	struct slice	s = slice_str(classes), w;

	while (slice_word(&s, ", \t\n", &w))
		if (slice_iis(w, word))
			return true;
	return false;
}
