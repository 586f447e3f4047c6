/* SPDX-License-Identifier: Apache-2.0 */
/* submit.h - hand a message to postdrop. */
#ifndef TOOLS_SUBMIT_H
#define TOOLS_SUBMIT_H

#include "base/slice.h"
#include "queue/maildrop.h"
#include "tools/tool.h"

struct submit;

/* Start postdrop.  Its complaints go to our standard error.  Ends the program
 * if it cannot be started. */
struct submit	*submit_begin(const struct tool *t);

/* An envelope record, in the order of maildrop.h; the M record is made by the
 * first piece of content.  Failures show in submit_end(). */
void	 submit_record(struct submit *s, enum maildrop_type type,
	    struct slice value);
void	 submit_content(struct submit *s, struct slice piece);

/* Wait for postdrop: its exit status, EX_OK when the message is safe.  *s is
 * gone. */
int	 submit_end(struct submit **s);

/* Let it forget everything. */
void	 submit_abort(struct submit **s);

#endif
