/* SPDX-License-Identifier: Apache-2.0 */
/* Making a log: collect what is known of each message (item), sort by UID,
 * write append records.  Sources in order of trust: the old log's good frames,
 * dovecot-uidlist, the files.  One process at a time: a lock on the directory
 * itself, and the old log's lock if there is one, so that nobody adds to a
 * log that is about to be replaced. */
#include "store/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/record.h"
#include "store/scan.h"
#include "store/snapshot.h"
#include "store/uidlist.h"
#include "sys/clock.h"
#include "sys/file.h"

#define FRAME_SIZE	((size_t)4 << 20)

struct item {
	uint32_t	 uid;		/* 0: not yet */
	struct box_msg	 m;
	bool		 from_log;
};

struct making {
	struct box	*b;
	struct arena	*mem;
	struct uidlist	 list;
	struct scan	 scan;
	struct item	*items;
	size_t		 n, size;
	struct log_header header;
	uint32_t	 uidnext, reserved;
	bool		 fresh;		/* nothing was there */
};

uint32_t
rebuild_uidvalidity(const char *root)
{
	char		 text[16] = "";
	int64_t		 now = clock_wall() / USEC_PER_SEC;
	uint32_t	 last = 0, next;
	int		 dir, fd;

	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -1 : openat(dir, "dovecot-uidvalidity", O_RDWR |
	    O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dir >= 0)
		close(dir);
	if (fd >= 0 && file_lock(fd, true, true) == 0 &&
	    file_pread(fd, text, sizeof(text) - 1, 0) > 0)
		last = (uint32_t)strtoul(text, NULL, 16);
	next = (uint32_t)now;
	if (next <= last)
		next = last + 1;
	if (next == 0)
		next = 1;
	if (fd >= 0) {
		(void)snprintf(text, sizeof(text), "%08x", next);
		(void)!file_pwrite(fd, text, 8, 0);
		close(fd);
	}
	return next;
}

static struct item *
new_item(struct making *k)
{
	if (k->n == k->size) {
		k->size = k->size == 0 ? 64 : k->size * 2;
		k->items = mem_grow(k->items, k->size, sizeof(*k->items));
	}
	k->items[k->n] = (struct item){ .uid = 0 };
	return &k->items[k->n++];
}

/* What the log knew of record i of the box. */
static bool
item_from_log(struct making *k, size_t i, struct slice name)
{
	const struct rec	*r = box_rec(k->b, i);
	struct log_append	 a;
	struct slice		 old, headers, structure;
	struct item		*it;

	if (!box_append_rec(k->b, i, &a, &old, &headers, &structure))
		return false;
	it = new_item(k);
	it->uid = r->uid;
	it->from_log = true;
	it->m = (struct box_msg){
		.flags = r->flags & STORE_FLAGS_ALL,
		.keywords = r->keywords, .modseq = r->modseq,
		.internaldate = r->internaldate, .savedate = a.savedate,
		.disk_size = r->disk_size, .wire_size = r->wire_size,
		.name = slice_dup(k->mem, name),
		.headers = slice_dup(k->mem, headers),
		.structure = slice_dup(k->mem, structure),
		.partial = (a.partial & LOG_PARTIAL) != 0,
		.unread = (r->flags & REC_UNREAD) != 0,
		.undated = (r->flags & REC_UNDATED) != 0,
	};
	return true;
}

static int
read_whole(struct box *b, const char *name, struct arena *a,
    struct box_msg *m, struct error *err)
{
	struct slice	message;
	bool		mapped;
	struct stat	st;
	int		r, fd = openat(b->dirfd, name, O_RDONLY | O_CLOEXEC |
			    O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 1 :
		    error_sys(err, "open %s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return 1;
	}
	r = record_read(fd, &message, &mapped, &m->internaldate, err);
	close(fd);
	if (r < 0)
		return -1;
	record_of_bytes(message, a, m);
	record_unread(&message, mapped);
	return 0;
}

/* Fill m for a file.  A Maildir of ten thousand messages is met in one command:
 * if the name says how large it is, the file is not looked at until a client
 * asks for what only it can tell (view_lazy.c).  1: it is gone meanwhile. */
static int
read_file(struct box *b, const struct scan_file *f, struct arena *a,
    struct box_msg *m, struct error *err)
{
	uint64_t	letters;
	int		r;

	m->name = slice_str(f->name);
	m->unread = m->undated = f->plain &&
	    record_name_sizes(m->name, &m->disk_size, &m->wire_size);
	if (!m->unread && (r = read_whole(b, f->name, a, m, err)) != 0)
		return r;
	m->flags = record_name_flags(m->name, &letters);
	m->keywords = letters;
	m->savedate = clock_wall();
	return 0;
}

/* The old log's frames, those behind damage too.  b->log is open and locked;
 * its state ends up in the box. */
static void
salvage(struct box *b)
{
	struct slice	frame;
	uint64_t	at;
	bool		light = b->light;

	b->light = false;
	b->log.end = LOG_FIRST;
	for (;;) {
		while (log_next(&b->log, &frame))
			box_apply(b, frame, b->log.last);
		if (!log_frame_beyond(&b->log, &at))
			break;
		b->log.end = at;
	}
	b->light = light;
}

/* Items of the messages that the old log knew and that are still there. */
static void
items_from_state(struct making *k)
{
	for (size_t i = 0; i < box_count(k->b); i++) {
		const struct rec	*r = box_rec(k->b, i);
		struct slice		 name;
		struct scan_file	*f;

		if (k->uidnext <= r->uid)
			k->uidnext = r->uid + 1;
		if ((r->flags & REC_DEAD) != 0 || !box_name(k->b, i, &name))
			continue;
		f = hash_get(k->scan.by_base, record_base(name));
		if (f != NULL && !f->known &&
		    item_from_log(k, i, slice_str(f->name)))
			f->known = true;
	}
	if (k->uidnext < k->b->totals.uidnext)
		k->uidnext = k->b->totals.uidnext;
}

static int
by_uid(const void *a, const void *b)
{
	const struct item	*x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static bool
uid_taken(const struct making *k, size_t nsorted, uint32_t uid)
{
	struct item	key = { .uid = uid };

	return nsorted > 0 && bsearch(&key, k->items, nsorted,
	    sizeof(key), by_uid) != NULL;
}

/* Items of files that no log knew: UIDs from the uidlist, else new ones in
 * the order of names. */
static int
items_from_files(struct making *k, struct error *err)
{
	size_t	nsorted = k->n;

	if (k->uidnext < k->list.uidnext)
		k->uidnext = k->list.uidnext;
	for (size_t i = 0; i < k->scan.n; i++) {
		struct scan_file	*f = k->scan.files[i];
		struct uidlist_row	*row;
		struct item		*it;
		int			 r;

		if (f->known)
			continue;
		it = new_item(k);
		r = read_file(k->b, f, k->mem, &it->m, err);
		if (r < 0)
			return -1;
		if (r > 0) {
			k->n--;
			continue;
		}
		row = hash_get(k->list.uids, f->base);
		if (row != NULL && !uid_taken(k, nsorted, row->uid))
			it->uid = row->uid;
		else
			it->uid = k->uidnext++;
	}
	if (k->n > 0)
		qsort(k->items, k->n, sizeof(*k->items), by_uid);
	return 0;
}

static void
choose_header(struct making *k, bool have_old)
{
	const char	*root;
	char		*up = NULL;

	if (have_old) {
		k->header = k->b->log.header;
	} else {
		k->header = (struct log_header){
			.uidvalidity = k->list.uidvalidity,
		};
		if (k->list.has_guid)
			memcpy(k->header.guid, k->list.guid, 16);
		else
			(void)!getrandom(k->header.guid, 16, 0);
	}
	if (k->header.uidvalidity == 0) {
		/* ".../.Folder": the root is above. */
		const char	*base = strrchr(k->b->path, '/');

		root = k->b->path;
		if (base != NULL && base[1] == '.') {
			up = mem_printf("%.*s", (int)(base - k->b->path),
			    k->b->path);
			root = up;
		}
		k->header.uidvalidity = rebuild_uidvalidity(root);
		mem_free(&up);
	}
	(void)!getrandom(&k->header.generation, sizeof(k->header.generation),
	    0);
	k->header.created = clock_wall();
}

/* Write items as frames of `to`, whose totals end as t says (but for what the
 * items themselves count). */
static int
write_items(struct making *k, struct log *to, struct log_totals *t,
    struct error *err)
{
	struct box	w = { .light = true, .log = *to, .in_tx = true };
	size_t		i = 0;
	int		r = 0;

	w.totals = *t;
	w.totals.messages = w.totals.unseen = w.totals.deleted = 0;
	w.totals.size = 0;
	do {
		log_frame_begin(&w.frame);
		if (i == 0) {
			for (unsigned int n = 0; n < k->b->nkeywords; n++)
				box_put_keyword(&w, n,
				    slice_str(k->b->keywords[n]));
			box_put_note(&w);
		}
		for (; i < k->n && buf_len(&w.frame) < FRAME_SIZE; i++)
			box_put_append(&w, k->items[i].uid, &k->items[i].m);
		r = log_write(&w.log, log_frame_end(&w.log, &w.frame,
		    &w.totals), err);
		buf_clear(&w.frame);
	} while (r == 0 && i < k->n);
	*to = w.log;
	for (unsigned int n = 0; n < STORE_KEYWORDS_MAX; n++)
		mem_free(&w.keywords[n]);
	return r;
}

/* Write the new log and put it in place; the box has it open then. */
static int
make_log(struct making *k, struct log_totals *t, bool replace,
    struct error *err)
{
	struct log	to;

	if (log_new(&to, k->b->dirfd, &k->header, k->reserved, err) < 0)
		return -1;
	if (write_items(k, &to, t, err) < 0 ||
	    log_install(&to, replace, err) < 0) {
		log_close(&to);
		return -1;
	}
	log_close(&to);
	return box_load(k->b, err);
}

static void
make_clear(struct making *k)
{
	mem_free(&k->items);
	uidlist_clear(&k->list);
	scan_clear(&k->scan);
	arena_free(&k->mem);
}

static void
import_keywords(struct making *k)
{
	const char	*names[26];
	struct box	*b = k->b;

	if (b->nkeywords > 0)
		return;
	uidlist_keywords_read(b->dirfd, k->mem, names);
	for (unsigned int i = 0; i < 26; i++) {
		if (names[i] == NULL)
			continue;
		/* Letters without a name keep their place. */
		while (b->nkeywords <= i)
			b->keywords[b->nkeywords++] = NULL;
		b->keywords[i] = mem_strdup(names[i]);
	}
	for (unsigned int i = 0; i < b->nkeywords; i++)
		if (b->keywords[i] == NULL)
			b->keywords[i] = mem_printf("unknown-%u", i);
}

/* Keyword letters in names mean something only if the file with their names
 * was there. */
static void
mask_keywords(struct making *k)
{
	uint64_t	mask = k->b->nkeywords >= 64 ? UINT64_MAX :
			    (UINT64_C(1) << k->b->nkeywords) - 1;

	for (size_t i = 0; i < k->n; i++)
		k->items[i].m.keywords &= mask;
}

/* The new log was there for others to use before we came here: what they
 * appended, they could not add to a list that was still to be written.  So
 * look again, and keep them out until it is.  The list needs all records, also
 * where a delivery that loads none has made the log. */
static void
export_uidlist(struct box *b, uint32_t uidnext)
{
	bool	light = b->light;

	b->light = false;
	/* If it was replaced meanwhile, whoever did that writes the list. */
	if ((!light || box_load(b, NULL) == 0) &&
	    log_lock(&b->log, NULL) == 0) {
		if (box_refresh(b, NULL) == 0)
			(void)!uidlist_write(b, b->totals.uidnext > uidnext ?
			    b->totals.uidnext : uidnext, NULL);
		log_unlock(&b->log);
	}
	b->light = light;
	if (light)
		(void)!box_load(b, NULL);
}

/* The directory is locked; nobody else makes a log now. */
static int
make_anew(struct making *k, enum log_open o, struct error *err)
{
	struct box		*b = k->b;
	struct log_totals	 t;

	k->uidnext = 1;
	if (o == LOG_OPENED) {
		salvage(b);
		k->uidnext = log_reserved(&b->log, b->totals.uidnext);
	}
	t = b->totals;
	uidlist_read(b->dirfd, k->mem, &k->list);
	if (scan_read(&k->scan, b, err) < 0)
		return -1;
	scan_sort(&k->scan);
	if (o == LOG_OPENED)
		items_from_state(k);
	if (items_from_files(k, err) < 0)
		return -1;
	import_keywords(k);
	mask_keywords(k);
	choose_header(k, o == LOG_OPENED);
	/* Modification sequences that clients have seen never come back. */
	if (k->n > 0 || k->list.found)
		t.modseq = (t.modseq > 1 ? t.modseq : 0) +
		    ((uint64_t)(clock_wall() / USEC_PER_SEC) << 16);
	else
		t.modseq = 1;
	t.uidnext = k->uidnext;
	t.first_recent = t.first_recent > 1 || k->list.found ? k->uidnext : 1;
	t.new_ns = k->scan.new_ns;
	t.cur_ns = k->scan.cur_ns;
	t.scan_ns = k->scan.when_ns;
	k->reserved = k->uidnext;
	if (make_log(k, &t, o != LOG_MISSING, err) < 0)
		return -1;
	export_uidlist(b, b->totals.uidnext);
	if (b->nkeywords > 0)
		(void)!uidlist_keywords_write(b, NULL);
	return 0;
}

/* One process at a time makes logs in a directory.  The descriptor holds the
 * lock; -1: *err (errno EAGAIN: taken and wait is false). */
static int
lock_dir(struct box *b, bool wait, struct error *err)
{
	int	fd = openat(b->dirfd, "posthouse.lock", O_RDWR | O_CREAT |
		    O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && file_lock(fd, true, wait) == 0)
		return fd;
	error_sys(err, "lock %s/posthouse.lock", b->path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Is there anything to repair, or did somebody else do it already?  The log
 * is open and locked. */
static bool
is_whole(struct box *b, bool force, uint64_t generation)
{
	struct slice	frame;
	uint64_t	at;

	if (force && b->log.header.generation == generation)
		return false;
	while (log_next(&b->log, &frame))
		;
	return !log_frame_beyond(&b->log, &at);
}

static int
remake(struct box *b, bool force, struct error *err)
{
	struct making	k = { .b = b, .mem = NULL };
	enum log_open	o;
	uint64_t	generation = b->log.header.generation;
	int		r = -1, lock = lock_dir(b, true, err);

	if (lock < 0)
		return -1;
	box_unload(b);
	log_close(&b->log);
	o = log_attach(&b->log, b->dirfd, err);
	if (o == LOG_OPENED || o == LOG_DAMAGED)
		r = log_lock(&b->log, err);
	else if (o == LOG_MISSING)
		r = 0;
	if (r == 0 && o == LOG_OPENED && is_whole(b, force, generation)) {
		log_unlock(&b->log);
		close(lock);
		return box_load(b, err);
	}
	if (r == 0) {
		k.mem = arena_new();
		r = make_anew(&k, o, err);
		make_clear(&k);
	} else if (r > 0) {
		r = error_set(err, "%s was replaced", LOG_FILE);
	}
	log_unlock(&b->log);
	close(lock);
	return r;
}

int
rebuild(struct box *b, struct error *err)
{
	return remake(b, false, err);
}

/* Sessions that numbered their messages by the old log keep their numbers. */
int
rebuild_forced(struct box *b, struct error *err)
{
	struct rec	*old;
	size_t		 nold;
	bool		 track = b->track;
	int		 r;

	old = box_remember(b, &nold);
	b->track = false;
	r = remake(b, true, err);
	b->track = track;
	b->reloaded = true;
	box_recall(b, &old, nold);
	return r;
}

int
rebuild_compact(struct box *b, struct error *err)
{
	struct making		k = { .b = b };
	struct log_totals	t;
	struct slice		name;
	int			r, lock = lock_dir(b, false, NULL);

	if (lock < 0)
		return 0;
	r = log_lock(&b->log, err);
	if (r != 0 || box_refresh(b, err) < 0 || !b->log.locked ||
	    log_has_tail(&b->log)) {
		log_unlock(&b->log);
		close(lock);
		return r < 0 ? -1 : 0;
	}
	k.mem = arena_new();
	k.list.uids = hash_new();
	k.reserved = log_reserved(&b->log, b->totals.uidnext);
	k.header = b->log.header;
	(void)!getrandom(&k.header.generation, sizeof(k.header.generation),
	    0);
	for (size_t i = 0; i < box_count(b); i++)
		if ((box_rec(b, i)->flags & REC_DEAD) == 0 &&
		    (!box_name(b, i, &name) || !item_from_log(&k, i, name)))
			break;
	t = b->totals;
	/* A record that cannot be read: leave this to a rebuild. */
	r = k.n != t.messages ? 0 : make_log(&k, &t, true, err);
	if (r == 0 && k.n == t.messages) {
		b->reloaded = true;
		export_uidlist(b, k.reserved);
	}
	make_clear(&k);
	log_unlock(&b->log);
	close(lock);
	return r;
}

/* The name of record i on disk is f's now: take over what a foreign program
 * said by renaming. */
static void
merge_name(struct box *b, size_t i, struct slice old, struct scan_file *f)
{
	uint64_t	 was_letters, letters;
	uint32_t	 was = record_name_flags(old, &was_letters);
	uint32_t	 now = record_name_flags(slice_str(f->name), &letters);
	struct rec	*r = box_rec(b, i);
	uint64_t	 mask = (UINT64_C(1) << (b->nkeywords > 26 ? 26 :
			    b->nkeywords)) - 1;
	/* Only the difference counts: flags may be ahead of the name. */
	uint32_t	 flags = ((r->flags & STORE_FLAGS_ALL) |
			    (now & ~was)) & ~(was & ~now);
	uint64_t	 keywords = (r->keywords | (letters & ~was_letters &
			    mask)) & ~(was_letters & ~letters & mask);

	if (flags != (r->flags & STORE_FLAGS_ALL) ||
	    keywords != r->keywords) {
		box_put_flags(b, i, flags, keywords);
		if (b->track)
			box_note_change(b, i);
	}
	box_put_name(b, i, slice_str(f->name));
}

static bool
all_readable(struct box *b)
{
	struct slice	name;

	for (size_t i = 0; i < box_count(b); i++)
		if ((box_rec(b, i)->flags & REC_DEAD) == 0 &&
		    !box_name(b, i, &name))
			return false;
	return true;
}

/* Records against files: renamed ones are merged, those without a file are
 * expunged if expunge is set.  Returns how many have no file. */
static size_t
match(struct box *b, struct scan *s, bool expunge)
{
	size_t	missing = 0;

	for (size_t i = 0; i < box_count(b); i++) {
		struct slice		 name;
		struct scan_file	*f;

		if ((box_rec(b, i)->flags & REC_DEAD) != 0 ||
		    !box_name(b, i, &name))
			continue;
		f = hash_get(s->by_base, record_base(name));
		if (f == NULL) {
			missing++;
			if (expunge)
				box_put_expunge(b, i);
			continue;
		}
		if (!f->known && expunge && !slice_is(name, f->name))
			merge_name(b, i, name, f);
		f->known = true;
	}
	return missing;
}

static int
add_files(struct box *b, struct scan *s, struct error *err)
{
	uint64_t	mask = (UINT64_C(1) << (b->nkeywords > 26 ? 26 :
			    b->nkeywords)) - 1;
	struct buf	rows;
	uint32_t	n = 0, uid;
	int		r = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->files[i]->known ? 0 : 1;
	if (n == 0)
		return 0;
	if ((uid = box_uids(b, n, err)) == 0)
		return -1;
	buf_init(&rows, (size_t)1 << 30);
	for (size_t i = 0; r >= 0 && i < s->n; i++) {
		struct arena	*a;
		struct box_msg	 m = { .flags = 0 };

		if (s->files[i]->known)
			continue;
		a = arena_new();
		r = read_file(b, s->files[i], a, &m, err);
		m.keywords &= mask;
		if (r == 0) {
			uidlist_row(&rows, uid, m.name);
			box_put_append(b, uid++, &m);
		}
		arena_free(&a);
	}
	uidlist_append(b->dirfd, buf_slice(&rows));
	buf_clear(&rows);
	return r < 0 ? -1 : 0;
}

int
rebuild_scan(struct box *b, struct error *err)
{
	struct scan	s = { .mem = NULL };
	int		r;

	if (box_begin(b, err) < 0)
		return -1;
	/* A damaged record must not make its file look new. */
	if (!all_readable(b)) {
		box_abort(b);
		return rebuild_forced(b, err);
	}
	r = scan_read(&s, b, err);
	/* A file that is renamed while the directory is read may be missed:
	 * gone is what two readings do not show. */
	if (r == 0 && match(b, &s, false) > 0)
		r = scan_read(&s, b, err);
	if (r == 0) {
		for (size_t i = 0; i < s.n; i++)
			s.files[i]->known = false;
		(void)match(b, &s, true);
		scan_sort(&s);
		r = add_files(b, &s, err);
	}
	if (r == 0) {
		b->totals.new_ns = s.new_ns;
		b->totals.cur_ns = s.cur_ns;
		b->totals.scan_ns = s.when_ns;
		box_put_note(b);
		r = box_commit(b, err);
	} else {
		box_abort(b);
	}
	scan_clear(&s);
	scan_sweep(b);
	return r;
}
