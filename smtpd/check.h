/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - restriction lists: parsed at start, run step by step. */
#ifndef SMTPD_CHECK_H
#define SMTPD_CHECK_H

#include "smtpd/smtpd.h"

#define CHECK_DEPTH	20

enum restriction_arg { ARG_NONE, ARG_TABLE, ARG_TEXT };

/* How one restriction answers. */
enum check_result {
	CHECK_DUNNO, CHECK_OK, CHECK_REJECT,
	CHECK_WAIT,		/* repeat it when what it waits for is there */
	CHECK_SKIP		/* the whole list is over without a result */
};

struct restriction {
	const char	*name;
	const struct restriction_type {
		const char		*name;
		enum restriction_arg	 arg;
		enum check_result	(*run)(struct check *k,
					    const struct restriction *r);
		int			 what;	/* for run() */
	}		*type;
	const char	*arg;		/* text or name of the table */
	struct map_list	*table;
	const struct rlist	*sub;	/* a restriction class */
};

struct rlist {
	const char		*param;		/* where it is written */
	struct restriction	*items;
	size_t			 n;
};

/* A run over the lists of one point. */
struct check {
	struct conn	*c;
	struct arena	*mem;
	enum stage	 at;		/* what the client asked for */
	enum stage	 stages[8];	/* lists to run, in order */
	size_t		 nstages, stage;
	const char	*sender, *recipient;
	size_t		 rcpt;		/* END: which recipient's turn it is */
	struct frame {
		const struct rlist	*list;
		size_t			 next;
	}		 stack[CHECK_DEPTH];
	size_t		 depth;
	bool		 warn;		/* warn_if_reject is in force */
	bool		 unlisted_done;	/* recipient was looked at */
	bool		 implicit_done;	/* smtpd_reject_unlisted_... */
	bool		 waiting;
	struct list	 table_wait;
	struct verdict	 v;
	struct verdict	 defer_if_permit, defer_if_reject;
	void		(*then)(struct conn *c, const struct verdict *v);
};

/* check_parse.c: words of `text` (a value of param).  With tables closed to us
 * (a == run time), restrictions that need one are errors.  -1: *err. */
int	 check_parse(struct smtpd *s, const char *param, const char *text,
	    enum stage stage, bool tables, struct arena *a,
	    const struct rlist **out, struct error *err) MUST_USE;

/* Parse all lists and classes; as root, before chroot. */
int	 check_open(struct smtpd *s, struct error *err) MUST_USE;
void	 check_close(struct smtpd *s);
bool	 check_changed(struct smtpd *s);

/* check_list.c */
extern const struct restriction_type	restriction_types[];
extern const size_t			restriction_ntypes;

/* check.c: results for the functions in check_list.c ... */
enum check_result	 check_reject(struct check *k, int code,
			    const char *dsn, const char *fmt, ...)
			    PRINTF(4, 5);
enum check_result	 check_defer_if_permit(struct check *k, int code,
			    const char *dsn, const char *fmt, ...)
			    PRINTF(4, 5);
enum check_result	 check_lookup_failed(struct check *k,
			    const char *name, const struct error *err);

/* Continue with another list inside this one. */
enum check_result	 check_push(struct check *k, const struct rlist *l);

/* A table waits for its server. */
enum check_result	 check_wait_table(struct check *k);

/* "Client host", "Recipient address": for texts of this stage. */
const char	*check_class(const struct check *k);
const char	*check_name(const struct check *k);
const char	*stage_where(enum stage s);

/* check_access.c, check_dns.c */
enum check_result	 check_access(struct check *k,
			    const struct restriction *r);
enum check_result	 check_rbl(struct check *k,
			    const struct restriction *r);
enum check_result	 check_domain(struct check *k,
			    const struct restriction *r);
enum check_result	 check_unknown_helo(struct check *k,
			    const struct restriction *r);

#endif
