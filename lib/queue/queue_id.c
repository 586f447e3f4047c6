/* SPDX-License-Identifier: Apache-2.0 */
/* Ids have the shape of Postfix's long ones, which log analysers and people
 * know: seconds (six or more digits), microseconds (four), `z`, and where
 * Postfix has the inode a number of our own.  That number begins at a random
 * place in each thread and counts up, and time never goes back within a
 * thread; so ids do not repeat whatever the clock does, and no file has to
 * exist before its name is known. */
#include "queue/queue_id.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/random.h>

#include "base/attr.h"
#include "base/panic.h"
#include "sys/clock.h"

static const char	digits[] =
    "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

#define BASE		52	/* of the times */
#define SLOT_BASE	51	/* without z, which separates */
#define SLOT_DIGITS	6
#define SLOTS		17596287801ULL		/* 51^6 */

/* At least `width` digits of v.  Inline, so that it divides by constants. */
static INLINE char *
put_number(char *out, uint64_t v, unsigned int base, int width)
{
	char	 tmp[16];
	int	 n = 0;

	do {
		tmp[n++] = digits[v % base];
		v /= base;
	} while (v > 0 || n < width);
	while (n > 0)
		*out++ = tmp[--n];
	return out;
}

void
queue_id_format(usec_t wall, uint64_t slot, char out[QUEUE_ID_MAX])
{
	char	*p = out;

	if (wall < 0)
		wall = 0;
	p = put_number(p, (uint64_t)(wall / USEC_PER_SEC), BASE, 6);
	p = put_number(p, (uint64_t)(wall % USEC_PER_SEC), BASE, 4);
	*p++ = 'z';
	p = put_number(p, slot % SLOTS, SLOT_BASE, SLOT_DIGITS);
	*p = '\0';
}

/* Of a thread, since the syncer's make ids, too. */
static _Thread_local struct {
	bool		 ready;
	usec_t		 last;
	uint64_t	 slot;
} mine;

/* A child counts from elsewhere. */
static void
in_child(void)
{
	mine.ready = false;
}

static void
watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, in_child);
}

static void
get_ready(void)
{
	static pthread_once_t	once = PTHREAD_ONCE_INIT;

	if (pthread_once(&once, watch_forks) != 0 ||
	    getrandom(&mine.slot, sizeof(mine.slot), 0) != sizeof(mine.slot))
		panic("getrandom failed");
	mine.ready = true;
}

void
queue_id_make(char out[QUEUE_ID_MAX])
{
	usec_t	 now = clock_wall();

	if (!mine.ready)
		get_ready();
	mine.last = now > mine.last ? now : mine.last + 1;
	mine.slot = (mine.slot + 1) % SLOTS;
	queue_id_format(mine.last, mine.slot, out);
}
