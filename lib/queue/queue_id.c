/* SPDX-License-Identifier: Apache-2.0 */
/* Ids have the shape of Postfix's long ones, which log analysers and people
 * know: seconds (six or more digits), microseconds (four), `z`, and where
 * Postfix has the inode a number of our own.  That number begins at a random
 * place in each process and counts up, and time never goes back within a
 * process; so ids do not repeat whatever the clock does, and no file has to
 * exist before its name is known. */
#include "queue/queue_id.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/panic.h"
#include "sys/clock.h"

static const char	digits[] =
    "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

#define BASE		52	/* of the times */
#define SLOT_BASE	51	/* without z, which separates */
#define SLOT_DIGITS	6
#define SLOTS		17596287801ULL		/* 51^6 */

/* At least `width` digits of v. */
static char *
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

void
queue_id_make(char out[QUEUE_ID_MAX])
{
	static pid_t	 owner;
	static usec_t	 last;
	static uint64_t	 slot;
	usec_t		 now = clock_wall();

	if (owner != getpid()) {
		if (getrandom(&slot, sizeof(slot), 0) != sizeof(slot))
			panic("getrandom failed");
		owner = getpid();
	}
	last = now > last ? now : last + 1;
	slot = (slot + 1) % SLOTS;
	queue_id_format(last, slot, out);
}
