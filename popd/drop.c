/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "popd/popd.h"

int
drop_open(struct drop *d, struct store *s, const char *maildir,
    struct error *err)
{
	enum store_fail	 fail;

	if (store_user_open(s, maildir, true, &d->user, &fail, err) < 0)
		return -1;
	if (view_open(d->user, "INBOX", false, &d->view, &fail, err) < 0) {
		store_user_close(&d->user);
		return -1;
	}
	d->count = view_count(d->view);
	d->msgs = mem_new(d->count + 1, sizeof(*d->msgs));
	for (uint32_t n = 1; n <= d->count; n++) {
		struct view_msg	 m;

		view_get(d->view, n, &m);
		d->msgs[n - 1].size = m.size;
		d->size += m.size;
	}
	return 0;
}

void
drop_close(struct drop *d)
{
	if (d->view != NULL)
		view_close(&d->view);
	if (d->user != NULL)
		store_user_close(&d->user);
	mem_free(&d->msgs);
}

void
drop_stat(const struct drop *d, uint32_t *count_out, uint64_t *size_out)
{
	*count_out = 0;
	*size_out = 0;
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->msgs[i].deleted) {
			*count_out += 1;
			*size_out += d->msgs[i].size;
		}
}

void
drop_reset(struct drop *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		d->msgs[i].deleted = false;
}

uint32_t
drop_deleted(const struct drop *d)
{
	uint32_t	 n = 0;

	for (uint32_t i = 0; i < d->count; i++)
		n += d->msgs[i].deleted;
	return n;
}

static void
hex(const unsigned char *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	out[2 * n] = '\0';
}

int
drop_uidl(struct drop *d, const char *format, uint32_t n,
    char out[POP3_UIDL_MAX + 1])
{
	struct arena		*a = arena_new();
	char			 guid[33];
	struct pop3_uidl	 u = {
		.uid = view_uid(d->view, n),
		.uidvalidity = view_uidvalidity(d->view),
		.guid = guid,
		.name = "",
	};
	int			 r;

	hex(view_guid(d->view), 16, guid);
	if (strstr(format, "f") != NULL)
		u.name = view_filename(d->view, n, a);
	if (u.name == NULL)
		u.name = "";
	r = pop3_uidl_format(format, &u, out);
	arena_free(&a);
	return r;
}

int
drop_mark_seen(struct drop *d, struct error *err)
{
	const struct view_store	 op = { .op = VIEW_FLAGS_ADD,
				    .flags = STORE_SEEN,
				    .unchanged_since = UINT64_MAX };
	uint32_t		*seqs = mem_new(d->count + 1, sizeof(*seqs));
	size_t			 n = 0;
	struct view_msg		 m;
	int			 r = 0;

	for (uint32_t i = 0; i < d->count; i++) {
		if (!d->msgs[i].retrieved || d->msgs[i].deleted)
			continue;
		view_get(d->view, i + 1, &m);
		if (!m.expunged && (m.flags & STORE_SEEN) == 0)
			seqs[n++] = i + 1;
	}
	if (n > 0)
		r = view_store(d->view, seqs, n, &op, NULL, NULL, err);
	mem_free(&seqs);
	return r;
}

int
drop_expunge(struct drop *d, struct error *err)
{
	uint32_t	*uids = mem_new(d->count + 1, sizeof(*uids));
	size_t		 n = 0;
	int		 r = 0;

	for (uint32_t i = 0; i < d->count; i++)
		if (d->msgs[i].deleted)
			uids[n++] = view_uid(d->view, i + 1);
	if (n > 0)
		r = view_expunge(d->view, uids, n, err);
	mem_free(&uids);
	return r;
}
