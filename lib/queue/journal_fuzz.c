/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a segment of the journal.  Built by
 *	clang -fsanitize=fuzzer,address,undefined
 * with LLVMFuzzerTestOneInput as the entry; as a check program it runs over
 * segments with some good frames and random damage, which additionally must
 * not cost a message that was not hit. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/panic.h"
#include "queue/journal_int.h"
#include "sys/file.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define SIZE	((size_t)64 << 10)

/* Every frame that a walk finds is inside, behind the last one, and its image
 * can be looked at. */
static void
walk(int fd, uint64_t size, bool search)
{
	static struct seg_walk	 w;
	struct seg_frame	 f;
	struct arena		*a = arena_new();
	uint64_t		 at, last = SEG_BLOCK;

	memset(&w, 0, sizeof(w));
	w.fd = fd;
	w.next = SEG_BLOCK;
	w.end = size;
	w.search = search;
	if (seg_generation(fd, &w.generation) == 1) {
		while (seg_walk(&w, &f, &at) > 0) {
			struct queue_msg	m = QUEUE_MSG_NONE;

			ASSERT(at >= last + SEG_FRAME &&
			    at + f.length <= size && queue_id_ok(f.id));
			last = at + f.length;
			if (queue_image_read(fd, at, f.length,
			    seg_walk_has(&w, at, f.length), true, f.id, a,
			    &m, NULL) == QUEUE_OK)
				ASSERT(m.content_offset + m.content_size <=
				    at + f.length && m.status_offset +
				    m.env.nrcpts <= at + f.length);
		}
	}
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int	fd = memfd_create("segment", MFD_CLOEXEC);

	ASSERT(fd >= 0 && file_write(fd, p, n) == 0);
	walk(fd, n, false);
	walk(fd, n, true);
	(void)seg_mend(fd);
	walk(fd, n, true);
	(void)close(fd);
	return 0;
}

#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

static uint32_t	state = 1;

static uint32_t
rnd(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

struct good {
	char		id[QUEUE_ID_MAX];
	size_t		at, end;	/* of the frame */
	bool		hit;
};

#define MESSAGES	12

/* One message as its file has it. */
static size_t
make_image(struct queue *q, char id[QUEUE_ID_MAX], unsigned char *out,
    size_t room)
{
	struct queue_rcpt	 r = { .address = "a@b" };
	struct queue_env	 e = { .sender = "s@t", .rcpts = &r,
				    .nrcpts = 1 };
	struct queue_file	*f;
	static char		 text[2000];
	struct error		 err;
	ssize_t			 n;
	int			 fd;

	memset(text, 'x', sizeof(text));
	queue_file_new(q, &f);
	(void)snprintf(id, QUEUE_ID_MAX, "%s", queue_file_id(f));
	if (queue_file_write(f, text, rnd(sizeof(text)), &err) < 0 ||
	    queue_file_commit_now(&f, &e, false, &err) < 0)
		panic("%s", err.text);
	fd = openat(q->dirs[QUEUE_NEW], id, O_RDONLY);
	n = file_pread(fd, out, room, 0);
	ASSERT(n > 0 && (size_t)n < room);
	(void)close(fd);
	(void)unlinkat(q->dirs[QUEUE_NEW], id, 0);
	return (size_t)n;
}

static void
make_segment(struct queue *q, unsigned char *out, struct good *g)
{
	uint64_t	generation = 0x1122334455667788;
	size_t		at = SEG_BLOCK;

	memset(out, 0, SIZE);
	memcpy(out, "PHjrnl2\n", 8);
	queue_put64(out + 8, generation);
	queue_put32(out + 16, crc32c(0, out, 16));
	for (size_t i = 0; i < MESSAGES; i++) {
		size_t	n = make_image(q, g[i].id, out + at + SEG_FRAME,
			    SIZE - at - SEG_FRAME);

		seg_frame_put(generation, g[i].id, (uint32_t)n, out + at);
		g[i].at = at;
		g[i].end = at + SEG_FRAME + n;
		at += (size_t)seg_frame_room(n);
		if (rnd(3) == 0)
			at = (at + SEG_BLOCK - 1) / SEG_BLOCK * SEG_BLOCK;
	}
}

/* Not in the first frame if the head is hit: that is then all there is to
 * mend it with. */
static void
damage(unsigned char *p, struct good *g)
{
	for (uint32_t k = rnd(6) + 1; k > 0; k--) {
		uint32_t	n = rnd(4) == 0 ? rnd(5000) + 1 : 1;
		uint32_t	at = (uint32_t)SEG_BLOCK + rnd((uint32_t)(SIZE -
				    SEG_BLOCK - n));

		if (rnd(3) == 0)		/* where it hurts */
			at = (uint32_t)g[rnd(MESSAGES)].at + rnd(600);
		for (uint32_t i = at; i < at + n && i < SIZE; i++)
			p[i] = (unsigned char)rnd(256);
		for (size_t i = 0; i < MESSAGES; i++)
			g[i].hit |= at < g[i].end && at + n > g[i].at;
	}
}

static size_t	nfound;

static void
found(void *arg, struct journal_rec *r)
{
	(void)arg;
	(void)r;
	nfound++;
}

/* Recovery takes all that was not hit, and nothing that never was. */
static void
recover(struct queue *q, const unsigned char *p, struct good *g)
{
	struct journal		*j;
	struct journal_recovery	 got;
	struct arena		*a = arena_new();
	struct error		 err;
	int			 fd = openat(q->journal, "4jXKSw6x0PzNJJNWG",
				    O_WRONLY | O_CREAT, 0600);

	ASSERT(fd >= 0 && file_write(fd, p, SIZE) == 0);
	(void)close(fd);
	nfound = 0;
	if (journal_open(q, found, NULL, &j, &err) < 0 ||
	    journal_start(j, &got, &err) < 0)
		panic("%s", err.text);
	for (size_t i = 0; i < MESSAGES; i++) {
		struct queue_msg	m;

		if (queue_msg_open(q, QUEUE_NEW, g[i].id, false, true, a, &m,
		    &err) == QUEUE_OK) {
			queue_msg_close(&m);
			(void)unlinkat(q->dirs[QUEUE_NEW], g[i].id, 0);
		} else if (!g[i].hit)
			panic("message %zu is lost: %s", i, err.text);
	}
	ASSERT(nfound == 0);
	journal_close(&j);
	arena_free(&a);
}

static int
rm(const char *path, const struct stat *st, int what, struct FTW *f)
{
	(void)st;
	(void)what;
	(void)f;
	return remove(path);
}

int
main(void)
{
	char			 dir[] = "/tmp/journal-fuzz-XXXXXX";
	struct queue_conf	 c = { .dir = dir };
	struct queue		*q;
	unsigned char		*good = mem_new(1, SIZE), *p = mem_new(1, SIZE);
	struct good		 g[MESSAGES];
	struct error		 err;

	if (mkdtemp(dir) == NULL || queue_open(&c, true, NULL, &q, &err) < 0)
		return EXIT_FAILURE;
	make_segment(q, good, g);
	for (int i = 0; i < 3000; i++) {
		memcpy(p, good, SIZE);
		for (size_t k = 0; k < MESSAGES; k++)
			g[k].hit = false;
		damage(p, g);
		if (i % 100 == 0)
			recover(q, p, g);
		p[rnd(30)] ^= (unsigned char)(rnd(3) == 0 ? rnd(256) : 0);
		(void)LLVMFuzzerTestOneInput(p, rnd(3) == 0 ?
		    rnd((uint32_t)SIZE) : SIZE);
	}
	queue_close(&q);
	mem_free(&good);
	mem_free(&p);
	return nftw(dir, rm, 16, FTW_DEPTH | FTW_PHYS) == 0 ? EXIT_SUCCESS :
	    EXIT_FAILURE;
}

#endif
