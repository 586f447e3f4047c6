/* SPDX-License-Identifier: Apache-2.0 */
/* mem holds size bytes and one more, so that buf_cstr() always has a place
 * for its NUL.  Content is moved to the front only when room is short. */
#include "base/buf.h"

#include <string.h>

#include "base/fmt.h"
#include "base/mem.h"
#include "base/panic.h"

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_clear(struct buf *b)
{
	mem_free(&b->mem);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->from = b->to = 0;
	b->overflow = false;
}

size_t
buf_len(const struct buf *b)
{
	return b->to - b->from;
}

size_t
buf_room(const struct buf *b)
{
	return b->max - buf_len(b);
}

struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->mem == NULL ? (const unsigned char *)"" :
	    b->mem + b->from, buf_len(b));
}

static void
make_room(struct buf *b, size_t n)
{
	size_t	len = buf_len(b), size = b->size;

	if (size - b->to >= n && b->mem != NULL)
		return;
	if (b->from > 0) {
		memmove(b->mem, b->mem + b->from, len);
		b->from = 0;
		b->to = len;
	}
	if (size - len >= n && b->mem != NULL)
		return;
	if (size < 256)
		size = 256;
	while (size - len < n)
		size *= 2;
	if (size > b->max)
		size = b->max;
	b->mem = mem_grow(b->mem, size + 1, 1);
	b->size = size;
}

unsigned char *
buf_space(struct buf *b, size_t n)
{
	if (n > buf_room(b))
		return NULL;
	make_room(b, n);
	return b->mem + b->to;
}

void
buf_added(struct buf *b, size_t n)
{
	ASSERT(n <= b->size - b->to);
	b->to += n;
}

void
buf_lend(struct buf *b, unsigned char *mem, size_t size)
{
	ASSERT(b->mem == NULL && size <= b->max);
	b->mem = mem;
	b->size = size;
	b->from = b->to = 0;
}

unsigned char *
buf_yield(struct buf *b)
{
	unsigned char	*mem = b->mem;
	size_t		 len = buf_len(b);

	b->mem = NULL;
	if (len > 0) {
		b->mem = mem_new(len + 1, 1);
		memcpy(b->mem, mem + b->from, len);
	}
	b->size = b->to = len;
	b->from = 0;
	return mem;
}

bool
buf_put(struct buf *b, const void *p, size_t n)
{
	unsigned char	*to;

	if (n == 0)
		return true;
	/* Mostly there is room: size is never more than max. */
	if (n <= b->size - b->to && b->mem != NULL) {
		memcpy(b->mem + b->to, p, n);
		b->to += n;
		return true;
	}
	if ((to = buf_space(b, n)) == NULL)
		return false;
	memcpy(to, p, n);
	b->to += n;
	return true;
}

bool
buf_put_slice(struct buf *b, struct slice s)
{
	return buf_put(b, s.p, s.len);
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (b->overflow || !buf_put(b, p, n))
		b->overflow = true;
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, int c)
{
	unsigned char	byte = (unsigned char)c;

	if (b->to < b->size && !b->overflow)
		b->mem[b->to++] = byte;
	else
		buf_add(b, &byte, 1);
}

void
buf_addu(struct buf *b, uint64_t v)
{
	char	 text[FMT_DIGITS];
	char	*p = fmt_digits(text + sizeof(text), v);

	buf_add(b, p, (size_t)(text + sizeof(text) - p));
}

void
buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.len);
}

/* Mostly there is room already: then once is enough. */
void
buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list	 again;
	size_t	 room = b->mem == NULL || b->overflow ? 0 : b->size - b->to;
	size_t	 len;
	void	*to;

	va_copy(again, ap);
	len = fmt_put(room > 0 ? (char *)b->mem + b->to : NULL,
	    room > 0 ? room + 1 : 0, fmt, ap);
	if (room > 0 && len <= room)
		b->to += len;
	else if (b->overflow || (to = buf_space(b, len)) == NULL)
		b->overflow = true;
	else {
		(void)fmt_put(to, len + 1, fmt, again);
		b->to += len;
	}
	va_end(again);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void
buf_consume(struct buf *b, size_t n)
{
	ASSERT(n <= buf_len(b));
	b->from += n;
	if (b->from == b->to)
		b->from = b->to = 0;
}

void
buf_truncate(struct buf *b, size_t n)
{
	ASSERT(n <= buf_len(b));
	b->to = b->from + n;
}

const char *
buf_cstr(struct buf *b)
{
	if (b->mem == NULL)
		return "";
	b->mem[b->to] = '\0';
	return (const char *)b->mem + b->from;
}
