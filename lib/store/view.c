/* SPDX-License-Identifier: Apache-2.0 */
#include "store/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/rebuild.h"
#include "store/record.h"
#include "store/uidlist.h"
#include "store/view_int.h"
#include "sys/clock.h"
#include "sys/loop.h"

/* Own changes of a directory since it was last read might hide a foreign one
 * of the same instant: read again after this long. */
#define RESCAN	SECS(600)

void
view_list_put(struct idxs *x, size_t i)
{
	if (x->n == x->size) {
		x->size = x->size == 0 ? 16 : x->size * 2;
		x->v = mem_grow(x->v, x->size, sizeof(*x->v));
	}
	x->v[x->n++] = (uint32_t)i;
}

static int
compare(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
sort_unique(struct idxs *x)
{
	size_t	n = 0;

	if (x->n > 1)
		qsort(x->v, x->n, sizeof(*x->v), compare);
	for (size_t i = 0; i < x->n; i++)
		if (n == 0 || x->v[n - 1] != x->v[i])
			x->v[n++] = x->v[i];
	x->n = n;
}

/* How many entries of the sorted list are below i. */
static size_t
below(const struct idxs *x, size_t i)
{
	size_t	low = 0, high = x->n;

	while (low < high) {
		size_t	mid = low + (high - low) / 2;

		if (x->v[mid] < i)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool
contains(const struct idxs *x, size_t i)
{
	size_t	at = below(x, i);

	return at < x->n && x->v[at] == i;
}

size_t
view_index(const struct view *v, uint32_t seq)
{
	size_t	want = seq - 1, low = 0, high = v->gone.n;

	ASSERT(seq >= 1 && seq <= view_count(v));
	/* The first gone entry whose distance to its place is beyond. */
	while (low < high) {
		size_t	mid = low + (high - low) / 2;

		if (v->gone.v[mid] - mid <= want)
			low = mid + 1;
		else
			high = mid;
	}
	return want + low;
}

uint32_t
view_seq_of(const struct view *v, size_t i)
{
	if (i >= v->visible || contains(&v->gone, i))
		return 0;
	return (uint32_t)(i - below(&v->gone, i) + 1);
}

/* Records were numbered anew: translate by UID. */
void
view_remap(struct view *v)
{
	struct box	*b = &v->box;
	struct idxs	 gone = { NULL, 0, 0 };
	size_t		 k = 0, visible;

	if (!b->reloaded)
		return;
	b->reloaded = false;
	if (b->old_uids == NULL)
		return;
	visible = v->visible == 0 ? 0 :
	    box_find(b, b->old_uids[v->visible - 1]) + 1;
	for (size_t i = 0; i < visible; i++) {
		uint32_t	uid = box_rec(b, i)->uid;

		while (k < v->visible && b->old_uids[k] < uid)
			k++;
		/* What was not there before cannot squeeze in now. */
		if (k == v->visible || b->old_uids[k] != uid ||
		    contains(&v->gone, k))
			view_list_put(&gone, i);
	}
	mem_free(&v->gone.v);
	v->gone = gone;
	v->visible = visible;
	mem_free(&b->old_uids);
	b->nold = 0;
	if (b->log.header.uidvalidity != v->uidvalidity)
		v->dead = true;
}

static bool
scan_is_old(struct box *b)
{
	int64_t	now = clock_wall() * 1000, t = b->totals.scan_ns;

	return now - t > RESCAN * 1000 &&
	    (b->totals.new_ns > t || b->totals.cur_ns > t);
}

static void
look_now(void *arg)
{
	struct view	*v = arg;

	if (v->watch.notify != NULL)
		v->watch.notify(v->watch.arg);
}

/* Nothing else might come that makes a watching session look. */
static void
look_later(struct view *v)
{
	struct loop	*l = v->user->store->loop;

	if (v->watch.notify == NULL || l == NULL)
		return;
	if (v->later == NULL)
		v->later = loop_timer_new(l, look_now, v);
	loop_timer_set(v->later, BOX_TICK_NS / 1000 + MSECS(5));
}

int
view_merge(struct view *v, bool force, struct error *err)
{
	int	r;

	view_remap(v);
	if (!force && !box_foreign(&v->box))
		return 0;
	if (!force && box_too_fresh(&v->box)) {
		look_later(v);
		return 0;
	}
	r = rebuild_scan(&v->box, err);
	view_remap(v);
	return r;
}

int
view_begin(struct view *v, struct error *err)
{
	int	r;

	if (v->readonly)
		return error_set(err, "mailbox is read-only");
	r = box_begin(&v->box, err);
	view_remap(v);
	return r;
}

static void
add_recent(struct view *v, uint32_t from, uint32_t to)
{
	if (v->nrecent > 0 && v->recent[v->nrecent - 1].to + 1 == from) {
		v->recent[v->nrecent - 1].to = to;
		return;
	}
	v->recent = mem_grow(v->recent, v->nrecent + 1, sizeof(*v->recent));
	v->recent[v->nrecent++] = (struct uid_range){ from, to };
}

/* This session takes \Recent of all that nobody took. */
static void
claim_recent(struct view *v)
{
	struct log_totals	*t = &v->box.totals;
	uint32_t		 first = t->first_recent;

	if (t->uidnext <= first)
		return;
	if (v->readonly) {
		/* Show it without taking it. */
		if (v->nrecent > 0)
			first = v->recent[v->nrecent - 1].to + 1 > first ?
			    v->recent[v->nrecent - 1].to + 1 : first;
		if (first < t->uidnext)
			add_recent(v, first, t->uidnext - 1);
		return;
	}
	if (view_begin(v, NULL) < 0)
		return;
	first = t->first_recent;
	if (t->uidnext > first) {
		uint32_t	last = t->uidnext - 1;

		box_put_recent(&v->box, t->uidnext);
		if (box_commit(&v->box, NULL) == 0)
			add_recent(v, first, last);
	} else {
		box_abort(&v->box);
	}
	view_remap(v);
}

static bool
is_recent(const struct view *v, uint32_t uid)
{
	for (size_t i = 0; i < v->nrecent; i++)
		if (uid >= v->recent[i].from && uid <= v->recent[i].to)
			return true;
	return false;
}

uint32_t
view_recent(const struct view *v)
{
	uint32_t	n = 0;

	for (size_t i = 0; i < v->nrecent; i++)
		for (size_t k = box_find(&v->box, v->recent[i].from);
		    k < v->visible &&
		    box_rec(&v->box, k)->uid <= v->recent[i].to; k++)
			n += contains(&v->gone, k) ? 0 : 1;
	return n;
}

/* All records there are become visible; dead ones among the new are never
 * shown. */
static void
reveal(struct view *v)
{
	size_t	n = box_count(&v->box);

	for (size_t i = v->visible; i < n; i++)
		if ((box_rec(&v->box, i)->flags & REC_DEAD) != 0)
			view_list_put(&v->gone, i);
	v->visible = n;
}

int
view_open(struct store_user *u, const char *mailbox, bool readonly,
    struct view **out, enum store_fail *fail_out, struct error *err)
{
	struct arena	*a = arena_new();
	struct view	*v = NULL;
	const char	*dir = names_to_dir(u->store, mailbox, a);
	int		 r;

	if (dir == NULL) {
		*fail_out = STORE_BAD_NAME;
		arena_free(&a);
		return error_set(err, "bad mailbox name");
	}
	v = mem_new(1, sizeof(*v));
	v->readonly = readonly;
	r = box_open(&v->box, names_path(u, dir, a), u->store->host, false,
	    err);
	if (r < 0) {
		*fail_out = errno == ENOENT ? STORE_NO_MAILBOX :
		    store_fail_of(errno);
		mem_free(&v);
		arena_free(&a);
		return -1;
	}
	v->user = u;
	u->refs++;
	v->name = mem_strdup(mailbox);
	v->uidvalidity = v->box.log.header.uidvalidity;
	if (view_merge(v, scan_is_old(&v->box), err) < 0) {
		*fail_out = STORE_TEMP;
		arena_free(&a);
		view_close(&v);
		return -1;
	}
	claim_recent(v);
	reveal(v);
	v->box.track = true;
	v->box.reloaded = false;
	v->told_recent = view_recent(v);
	v->told_keywords = v->box.nkeywords;
	v->uidvalidity = v->box.log.header.uidvalidity;
	arena_free(&a);
	*out = v;
	return 0;
}

void
view_close(struct view **vp)
{
	struct view		*v = *vp;
	struct store_user	*u;

	*vp = NULL;
	if (v == NULL)
		return;
	u = v->user;
	watch_off(u->store, &v->watch);
	v->watch.notify = NULL;
	if (v->later != NULL)
		loop_timer_free(&v->later);
	if (v->holds > 0) {
		v->closing = true;
		return;
	}
	view_lazy_write(v, true);
	view_lazy_drop(v);
	if (v->touched.n > 0)
		view_sync_names(v);
	v->box.track = false;
	if (!v->dead)
		box_tidy(&v->box);
	box_close(&v->box);
	mem_free(&v->touched.v);
	mem_free(&v->gone.v);
	mem_free(&v->recent);
	mem_free(&v->name);
	mem_free(&v);
	store_user_close(&u);
}

void
view_release(struct view *v)
{
	if (--v->holds == 0 && v->closing)
		view_close(&v);
}

bool
view_readonly(const struct view *v)
{
	return v->readonly;
}

struct store_user *
view_user(const struct view *v)
{
	return v->user;
}

const char *
view_mailbox(const struct view *v)
{
	return v->name;
}

uint32_t
view_count(const struct view *v)
{
	return (uint32_t)(v->visible - v->gone.n);
}

uint32_t
view_uidvalidity(const struct view *v)
{
	return v->uidvalidity;
}

uint32_t
view_uidnext(const struct view *v)
{
	return v->box.totals.uidnext;
}

uint64_t
view_highestmodseq(const struct view *v)
{
	return v->box.totals.modseq > 0 ? v->box.totals.modseq : 1;
}

static bool
counts(const struct view *v, size_t i, uint32_t *unseen)
{
	if ((box_rec(&v->box, i)->flags & (STORE_SEEN | REC_DEAD)) != 0 ||
	    contains(&v->gone, i))
		return false;
	(*unseen)++;
	return true;
}

uint32_t
view_first_unseen(const struct view *v)
{
	uint32_t	n = 0;

	for (size_t i = 0; i < v->visible; i++)
		if (counts(v, i, &n))
			return view_seq_of(v, i);
	return 0;
}

uint32_t
view_unseen(const struct view *v)
{
	uint32_t	n = 0;

	for (size_t i = 0; i < v->visible; i++)
		(void)counts(v, i, &n);
	return n;
}

const unsigned char *
view_guid(const struct view *v)
{
	return v->box.log.header.guid;
}

const char *
view_keyword(const struct view *v, unsigned int n)
{
	return n < v->box.nkeywords ? v->box.keywords[n] : NULL;
}

bool
view_keyword_find(const struct view *v, struct slice name,
    unsigned int *n_out)
{
	for (unsigned int n = 0; n < v->box.nkeywords; n++)
		if (slice_iis(name, v->box.keywords[n])) {
			*n_out = n;
			return true;
		}
	return false;
}

static bool
keyword_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= 32 || name.p[i] >= 127 ||
		    strchr("(){%*\"\\]", name.p[i]) != NULL)
			return false;
	return name.len > 0 && name.len <= STORE_KEYWORD_LEN;
}

bool
view_keyword_make(struct view *v, struct slice name, unsigned int *n_out)
{
	bool	made = false;

	if (view_keyword_find(v, name, n_out))
		return true;
	if (!keyword_ok(name) || view_begin(v, NULL) < 0)
		return false;
	if (!view_keyword_find(v, name, n_out) &&
	    v->box.nkeywords < STORE_KEYWORDS_MAX) {
		box_put_keyword(&v->box, v->box.nkeywords, name);
		made = true;
	}
	if (box_commit(&v->box, NULL) < 0)
		made = false;
	view_remap(v);
	if (made)
		(void)!uidlist_keywords_write(&v->box, NULL);
	return view_keyword_find(v, name, n_out);
}

void
view_get(const struct view *v, uint32_t seq, struct view_msg *out)
{
	size_t			 i = view_index(v, seq);
	const struct rec	*r = box_rec(&v->box, i);

	*out = (struct view_msg){
		.uid = r->uid, .flags = r->flags & STORE_FLAGS_ALL,
		.recent = is_recent(v, r->uid),
		.expunged = (r->flags & REC_DEAD) != 0,
		.keywords = r->keywords, .modseq = r->modseq,
		.size = r->wire_size, .disk_size = r->disk_size,
	};
}

uint32_t
view_uid(const struct view *v, uint32_t seq)
{
	return box_rec(&v->box, view_index(v, seq))->uid;
}

uint32_t
view_seq_at_least(const struct view *v, uint32_t uid)
{
	size_t	i = box_find(&v->box, uid);

	if (i > v->visible)
		i = v->visible;
	return (uint32_t)(i - below(&v->gone, i) + 1);
}

uint32_t
view_seq(const struct view *v, uint32_t uid)
{
	size_t	i = box_find(&v->box, uid);

	if (i >= v->visible || box_rec(&v->box, i)->uid != uid)
		return 0;
	return view_seq_of(v, i);
}

/* Expunges that the session may hear now. */
static void
tell_expunged(struct view *v, struct arena *a, struct view_changes *out)
{
	struct idxs	*dead = &v->box.dead;
	size_t		 n = 0;

	sort_unique(dead);
	out->expunged = arena_array(a, dead->n + 1, sizeof(uint32_t));
	out->expunged_uids = arena_array(a, dead->n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < dead->n; i++) {
		uint32_t	seq = view_seq_of(v, dead->v[i]);

		if (seq == 0)
			continue;
		out->expunged[n] = seq - (uint32_t)n;
		out->expunged_uids[n++] = box_rec(&v->box, dead->v[i])->uid;
	}
	out->nexpunged = n;
	for (size_t i = 0; i < dead->n; i++)
		if (dead->v[i] < v->visible)
			view_list_put(&v->gone, dead->v[i]);
	sort_unique(&v->gone);
	mem_free(&dead->v);
	*dead = (struct idxs){ NULL, 0, 0 };
}

static void
tell_flags(struct view *v, size_t was_visible, struct arena *a,
    struct view_changes *out)
{
	struct idxs	*c = &v->box.changed;

	sort_unique(c);
	out->flags = arena_array(a, c->n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < c->n && c->v[i] < was_visible; i++) {
		uint32_t	seq = view_seq_of(v, c->v[i]);

		if (seq != 0 &&
		    (box_rec(&v->box, c->v[i])->flags & REC_DEAD) == 0)
			out->flags[out->nflags++] = seq;
	}
	mem_free(&c->v);
	*c = (struct idxs){ NULL, 0, 0 };
}

static bool
mailbox_is_there(const struct view *v)
{
	struct stat	here, there;

	return fstat(v->box.dirfd, &here) == 0 &&
	    stat(v->box.path, &there) == 0 && here.st_ino == there.st_ino &&
	    here.st_dev == there.st_dev;
}

int
view_sync(struct view *v, bool expunges, struct arena *a,
    struct view_changes *out, struct error *err)
{
	size_t		was_visible;
	ino_t		log_ino = v->box.log.ino;
	struct idxs	none = { NULL, 0, 0 }, keep;

	*out = (struct view_changes){ .count_before = view_count(v),
	    .count = view_count(v), .recent = v->told_recent };
	view_lazy_write(v, false);
	/* Mostly nothing happened: then the log alone says so. */
	if (v->dead || !box_is_current(&v->box)) {
		if (v->dead || !mailbox_is_there(v)) {
			out->gone = v->dead = true;
			return 0;
		}
		if (box_refresh(&v->box, err) < 0)
			return -1;
	}
	if (view_merge(v, false, err) < 0)
		return -1;
	if (v->dead) {
		out->gone = true;
		return 0;
	}
	claim_recent(v);
	was_visible = v->visible;
	if (expunges) {
		tell_expunged(v, a, out);
	} else {
		keep = v->box.dead;
		v->box.dead = none;
		tell_expunged(v, a, out);
		v->box.dead = keep;
	}
	reveal(v);
	out->count_before -= (uint32_t)out->nexpunged;
	out->count = view_count(v);
	tell_flags(v, was_visible, a, out);
	out->recent = view_recent(v);
	out->recent_changed = out->recent != v->told_recent;
	v->told_recent = out->recent;
	out->keywords_changed = v->told_keywords != v->box.nkeywords;
	v->told_keywords = v->box.nkeywords;
	/* Another log file now: watch that one. */
	if (v->watch.notify != NULL && log_ino != v->box.log.ino)
		(void)!watch_on(v->user->store, &v->watch, v->box.path, NULL);
	return 0;
}

int
view_watch(struct view *v, void (*notify)(void *arg), void *arg,
    struct error *err)
{
	watch_off(v->user->store, &v->watch);
	v->watch.notify = notify;
	v->watch.arg = arg;
	if (notify == NULL)
		return 0;
	return watch_on(v->user->store, &v->watch, v->box.path, err);
}
