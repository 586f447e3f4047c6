/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/msg.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/panic.h"

#define FIELDS_MAX	64
#define NAME_MAX_	32
#define DEPTH_MAX	8

/*
 * Little-endian integers of n bytes.
 */
static void
put_int(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static void
add_int(struct buf *out, uint64_t v, size_t n)
{
	unsigned char	b[8];

	put_int(b, v, n);
	buf_add(out, b, n);
}

static uint64_t
get_int(const unsigned char *p, int n)
{
	uint64_t	v = 0;

	for (int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* Overwrite the u32 at this offset of the content. */
static void
patch_u32(struct buf *out, size_t at, uint32_t v)
{
	put_int(out->mem + out->from + at, v, 4);
}

static const void *
member(const void *msg, const struct ipc_field *f)
{
	return (const char *)msg + f->offset;
}

static int	encode_struct(const struct ipc_desc *d, const void *msg,
		    struct buf *out, struct ipc_fds *fds, struct error *err);

static int
encode_list(const struct ipc_field *f, const struct ipc_list *l,
    struct buf *out, struct ipc_fds *fds, struct error *err)
{
	if (l->count > f->max)
		return error_set(err, "%s: %zu items, limit %zu", f->name,
		    l->count, f->max);
	add_int(out, l->count, 4);
	for (size_t i = 0; i < l->count; i++) {
		const char	*item = (const char *)l->items +
		    i * f->sub->size;
		size_t		 at = buf_len(out);

		add_int(out, 0, 4);
		if (encode_struct(f->sub, item, out, fds, err) < 0)
			return -1;
		if (!out->overflow)
			patch_u32(out, at, (uint32_t)(buf_len(out) - at - 4));
	}
	return 0;
}

static int
encode_fd(const struct ipc_field *f, int fd, struct buf *out,
    struct ipc_fds *fds, struct error *err)
{
	if (fds->n == IPC_FDS_MAX)
		return error_set(err, "%s: too many descriptors", f->name);
	fds->fd[fds->n] = fd;
	add_int(out, fds->n++, 1);
	return 0;
}

static int
encode_bytes(const struct ipc_field *f, struct slice s, struct buf *out,
    struct error *err)
{
	if (s.len > f->max)
		return error_set(err, "%s: %zu bytes, limit %zu", f->name,
		    s.len, f->max);
	buf_add_slice(out, s);
	return 0;
}

static int
encode_value(const struct ipc_field *f, const void *p, struct buf *out,
    struct ipc_fds *fds, struct error *err)
{
	switch (f->type) {
	case IPC_STR:
		return encode_bytes(f, slice_str(*(const char *const *)p), out,
		    err);
	case IPC_BYTES:
		return encode_bytes(f, *(const struct slice *)p, out, err);
	case IPC_U64:
		add_int(out, *(const uint64_t *)p, 8);
		return 0;
	case IPC_I64:
		add_int(out, (uint64_t)*(const int64_t *)p, 8);
		return 0;
	case IPC_BOOL:
		add_int(out, *(const bool *)p, 1);
		return 0;
	case IPC_FD:
		return encode_fd(f, *(const int *)p, out, fds, err);
	case IPC_LIST:
		return encode_list(f, p, out, fds, err);
	}
	panic("ipc: field %s has type %d", f->name, (int)f->type);
}

/* Fields that need not be sent: optional and not set. */
static bool
absent(const struct ipc_field *f, const void *p)
{
	if (f->type == IPC_STR)
		return *(const char *const *)p == NULL;
	if (f->type == IPC_FD)
		return *(const int *)p < 0;
	return f->optional && f->type == IPC_BYTES &&
	    ((const struct slice *)p)->len == 0;
}

static int
encode_field(const struct ipc_field *f, const void *p, struct buf *out,
    struct ipc_fds *fds, struct error *err)
{
	size_t		name_len = strlen(f->name), at;
	unsigned char	head[1 + NAME_MAX_ + 1 + 4];

	ASSERT(name_len > 0 && name_len <= NAME_MAX_);
	put_int(head, name_len, 1);
	memcpy(head + 1, f->name, name_len);
	put_int(head + 1 + name_len, f->type, 1);
	put_int(head + 2 + name_len, 0, 4);
	buf_add(out, head, 6 + name_len);
	at = buf_len(out) - 4;
	if (encode_value(f, p, out, fds, err) < 0)
		return -1;
	if (!out->overflow)
		patch_u32(out, at, (uint32_t)(buf_len(out) - at - 4));
	return 0;
}

static int
encode_struct(const struct ipc_desc *d, const void *msg, struct buf *out,
    struct ipc_fds *fds, struct error *err)
{
	for (size_t i = 0; i < d->nfields; i++) {
		const struct ipc_field	*f = &d->fields[i];
		const void		*p = member(msg, f);

		if (absent(f, p)) {
			if (f->optional)
				continue;
			return error_set(err, "%s: %s is not set", d->name,
			    f->name);
		}
		if (encode_field(f, p, out, fds, err) < 0)
			return -1;
	}
	return 0;
}

int
ipc_encode(const struct ipc_desc *d, const void *msg, struct buf *out,
    struct ipc_fds *fds, struct error *err)
{
	ASSERT(d->nfields <= FIELDS_MAX);
	*fds = (struct ipc_fds){ .n = 0 };
	if (encode_struct(d, msg, out, fds, err) < 0)
		return -1;
	if (out->overflow)
		return error_set(err, "%s: message is too long", d->name);
	return 0;
}

/*
 * Decoding.  Nothing is taken on trust: every length is checked against what
 * is there before it is used.
 */
struct decoder {
	struct ipc_fds	*fds;
	bool		 taken[IPC_FDS_MAX];
	struct arena	*a;
	struct error	*err;
};

static bool
take(struct slice *in, size_t n, struct slice *out)
{
	if (in->len < n)
		return false;
	*out = slice_first(*in, n);
	*in = slice_from(*in, n);
	return true;
}

static bool
take_int(struct slice *in, int n, uint64_t *out)
{
	struct slice	s;

	if (!take(in, (size_t)n, &s))
		return false;
	*out = get_int(s.p, n);
	return true;
}

static int	decode_struct(struct decoder *d, const struct ipc_desc *desc,
		    struct slice in, void *msg, int depth);

static int
decode_list(struct decoder *d, const struct ipc_field *f, struct slice v,
    struct ipc_list *out, int depth)
{
	uint64_t	count, len;
	struct slice	item;
	char		*items;

	/* An item costs at least its length: the count cannot make us
	 * allocate more than a multiple of what was sent. */
	if (!take_int(&v, 4, &count) || count > f->max || count > v.len / 4)
		return error_set(d->err, "%s: bad item count", f->name);
	items = arena_array(d->a, count > 0 ? (size_t)count : 1, f->sub->size);
	for (uint64_t i = 0; i < count; i++) {
		if (!take_int(&v, 4, &len) || !take(&v, (size_t)len, &item))
			return error_set(d->err, "%s: truncated item", f->name);
		if (decode_struct(d, f->sub, item,
		    items + (size_t)i * f->sub->size, depth + 1) < 0)
			return error_in(d->err, "%s", f->name);
	}
	if (v.len != 0)
		return error_set(d->err, "%s: trailing bytes", f->name);
	*out = (struct ipc_list){ items, (size_t)count };
	return 0;
}

static int
decode_str(struct decoder *d, const struct ipc_field *f, struct slice v,
    const char **out)
{
	if (v.len > f->max)
		return error_set(d->err, "%s: %zu bytes, limit %zu", f->name,
		    v.len, f->max);
	if ((*out = slice_cstr(d->a, v)) == NULL)
		return error_set(d->err, "%s: NUL byte", f->name);
	return 0;
}

static int
decode_fd(struct decoder *d, const struct ipc_field *f, struct slice v,
    int *out)
{
	uint64_t	i;

	if (!take_int(&v, 1, &i) || v.len != 0 || i >= d->fds->n ||
	    d->taken[i])
		return error_set(d->err, "%s: no such descriptor", f->name);
	d->taken[i] = true;
	*out = d->fds->fd[i];
	return 0;
}

static int
decode_number(struct decoder *d, const struct ipc_field *f, struct slice v,
    void *p)
{
	uint64_t	n;

	if (f->type == IPC_BOOL) {
		if (v.len != 1 || v.p[0] > 1)
			return error_set(d->err, "%s: not a boolean", f->name);
		*(bool *)p = v.p[0] == 1;
		return 0;
	}
	if (v.len != 8)
		return error_set(d->err, "%s: not a number", f->name);
	n = get_int(v.p, 8);
	if (f->type == IPC_U64)
		*(uint64_t *)p = n;
	else
		*(int64_t *)p = (int64_t)n;
	return 0;
}

static int
decode_value(struct decoder *d, const struct ipc_field *f, struct slice v,
    void *p, int depth)
{
	switch (f->type) {
	case IPC_STR:
		return decode_str(d, f, v, p);
	case IPC_BYTES:
		if (v.len > f->max)
			return error_set(d->err, "%s: %zu bytes, limit %zu",
			    f->name, v.len, f->max);
		*(struct slice *)p = slice_dup(d->a, v);
		return 0;
	case IPC_U64:
	case IPC_I64:
	case IPC_BOOL:
		return decode_number(d, f, v, p);
	case IPC_FD:
		return decode_fd(d, f, v, p);
	case IPC_LIST:
		return decode_list(d, f, v, p, depth);
	}
	panic("ipc: field %s has type %d", f->name, (int)f->type);
}

/* Senders keep the order of the table: the search begins behind the field
 * before this one. */
static const struct ipc_field *
find_field(const struct ipc_desc *desc, struct slice name, size_t *index)
{
	size_t	at = *index;

	for (size_t i = 0; i < desc->nfields; i++, at++) {
		if (at >= desc->nfields)
			at = 0;
		if (slice_is(name, desc->fields[at].name)) {
			*index = at;
			return &desc->fields[at];
		}
	}
	return NULL;
}

/* What was found of one struct so far. */
struct found {
	uint64_t	 seen;		/* a bit per field */
	size_t		 next;		/* probably */
};

/* Take the next field off *in and store it. */
static int
decode_field(struct decoder *d, const struct ipc_desc *desc, struct slice *in,
    void *msg, struct found *was, int depth)
{
	const struct ipc_field	*f;
	struct slice		 name, value;
	uint64_t		 n, type, len;
	size_t			 index = was->next;

	if (!take_int(in, 1, &n) || !take(in, (size_t)n, &name) ||
	    !take_int(in, 1, &type) || !take_int(in, 4, &len) ||
	    !take(in, (size_t)len, &value))
		return error_set(d->err, "truncated");
	if ((f = find_field(desc, name, &index)) == NULL)
		return error_set(d->err, "unknown field \"%.*s\"",
		    (int)(name.len > NAME_MAX_ ? NAME_MAX_ : name.len),
		    (const char *)name.p);
	if (type != f->type)
		return error_set(d->err, "%s: wrong type", f->name);
	if (was->seen & (uint64_t)1 << index)
		return error_set(d->err, "%s: repeated", f->name);
	was->seen |= (uint64_t)1 << index;
	was->next = index + 1;
	return decode_value(d, f, value, (char *)msg + f->offset, depth);
}

static int
decode_struct(struct decoder *d, const struct ipc_desc *desc, struct slice in,
    void *msg, int depth)
{
	struct found	was = { 0, 0 };

	if (depth > DEPTH_MAX)
		return error_set(d->err, "nested too deeply");
	memset(msg, 0, desc->size);
	for (size_t i = 0; i < desc->nfields; i++) {
		if (desc->fields[i].type == IPC_FD)
			*(int *)(void *)((char *)msg +
			    desc->fields[i].offset) = -1;
	}
	while (in.len > 0) {
		if (decode_field(d, desc, &in, msg, &was, depth) < 0)
			return -1;
	}
	for (size_t i = 0; i < desc->nfields; i++) {
		if (!desc->fields[i].optional && !(was.seen & (uint64_t)1 << i))
			return error_set(d->err, "%s: missing",
			    desc->fields[i].name);
	}
	return 0;
}

int
ipc_decode(const struct ipc_desc *desc, struct slice in, struct ipc_fds *fds,
    struct arena *a, void *msg, struct error *err)
{
	struct error	 ignored;
	struct decoder	 d = {
		.fds = fds, .a = a, .err = err != NULL ? err : &ignored
	};

	if (decode_struct(&d, desc, in, msg, 0) < 0)
		return error_in(err, "%s", desc->name);
	for (size_t i = 0; i < fds->n; i++) {
		if (d.taken[i])
			fds->fd[i] = -1;
	}
	return 0;
}
