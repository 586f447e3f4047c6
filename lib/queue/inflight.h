/* SPDX-License-Identifier: Apache-2.0 */
/* inflight.h - locks on messages that are with delivery agents. */
#ifndef QUEUE_INFLIGHT_H
#define QUEUE_INFLIGHT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "queue/queue.h"

/* A file to be locked by the queue manager that begins deliveries. */
int	 leader_open(struct queue *q, struct error *err) MUST_USE;
/* Does not wait.  -1 with errno: another one has it. */
int	 leader_lock(int fd) MUST_USE;
void	 leader_unlock(int fd);

/* A set of locks of our own; the descriptor.  Duplicates share it. */
int	 inflight_open(struct queue *q, struct error *err) MUST_USE;

/* -1 with errno. */
int	 inflight_add(int fd, const char *id) MUST_USE;
void	 inflight_remove(int fd, const char *id);

/* Does another set hold this message? */
bool	 inflight_elsewhere(int fd, const char *id);

#endif
