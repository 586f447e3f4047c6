/* SPDX-License-Identifier: Apache-2.0 */
/* queue_id.h - names of queue files, for those who need nothing else. */
#ifndef QUEUE_QUEUE_ID_H
#define QUEUE_QUEUE_ID_H

#include <stdint.h>

#include "base/times.h"
#include "queue/queue.h"

/* A new id.  Differs from every other one made on this machine, also when
 * the clock steps back. */
void	 queue_id_make(char out[QUEUE_ID_MAX]);

/* The same from given numbers; for tests. */
void	 queue_id_format(usec_t wall, uint64_t slot, char out[QUEUE_ID_MAX]);

#endif
