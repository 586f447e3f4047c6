/* SPDX-License-Identifier: Apache-2.0 */
/* journal_write.h - group commit, behind queue_file_commit(). */
#ifndef QUEUE_JOURNAL_WRITE_H
#define QUEUE_JOURNAL_WRITE_H

#include "queue/queue_int.h"

struct journal_writer;

struct journal_writer	*journal_writer_new(struct queue *q);
void	 journal_writer_free(struct journal_writer **j);

/* c's image is whole and in memory; it is answered by commit_report(). */
void	 journal_commit(struct journal_writer *j, struct commit *c);

#endif
