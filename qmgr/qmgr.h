/* SPDX-License-Identifier: Apache-2.0 */
/* qmgr.h - the queue manager's own types.
 *
 *	msg		one queued message; small while it waits
 *	active		what a message has in memory while it is worked on
 *	transport	a delivery service of master.cf
 *	site		where deliveries compete: an MX set, or one recipient
 *	dest		a (transport, nexthop); knows its hosts and its site
 *	job		recipients of one message for one dest, to be delivered
 *
 * A recipient is pending, in a job, or settled.  A message whose recipients
 * are all out of jobs is finished: notified about, removed or put off. */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/times.h"
#include "conf/conf.h"
#include "conf/mastercf.h"
#include "daemon/daemon.h"
#include "ipc/deliver_msg.h"
#include "ipc/dns_msg.h"
#include "ipc/ipc.h"
#include "ipc/queue_msg.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "route/route.h"

struct qmgr_conf {
	usec_t		 minimal_backoff, maximal_backoff;
	usec_t		 maximal_lifetime, bounce_lifetime;
	usec_t		 delay_warning, transport_retry;
	int64_t		 active_limit, recipient_limit;
	int64_t		 dest_concurrency, initial_concurrency;
	int64_t		 dest_recipients, transport_concurrency;
	int64_t		 mx_limit, mx_address_limit;
	const char	*defer_transports, *proxy_interfaces, *smtp_tcp_port;
	bool		 ignore_mx_lookup_error;
};
extern const struct param	qmgr_params[];
extern const size_t		qmgr_nparams;

enum msg_state {
	MSG_ACTIVE, MSG_INCOMING, MSG_DEFERRED, MSG_HOLD, MSG_STATES
};
extern const char *const	msg_state_names[MSG_STATES];

/* What an administrator asked of a message that was busy. */
enum msg_wish { WISH_NONE, WISH_DELETE, WISH_HOLD, WISH_REQUEUE };

/* There may be hundreds of thousands that wait: no byte more than it takes. */
struct msg {
	struct msg	*next;		/* in the table of all (msg.c) */
	struct list	 link;		/* in q->by_state[state] */
	struct heap_node due;		/* deferred: clock_mono() */
	uint64_t	 serial;	/* order of arrival here */
	struct journal_rec	*rec;	/* it is in the journal and has no
					 * file */
	struct active	*act;		/* MSG_ACTIVE only */
	uint16_t	 attempts;	/* so far, at most UINT16_MAX */
	uint8_t		 state;		/* enum msg_state */
	uint8_t		 dir;		/* enum queue_dir: of its file */
	uint8_t		 wish;		/* enum msg_wish */
	bool		 was_locked : 1; /* another process had it */
	bool		 fresh : 1;	/* committed in our time */
	bool		 settled : 1;	/* its file could not be removed */
	bool		 converting : 1; /* a thread writes its file: it waits */
	char		 id[];
};

struct msg_table {
	struct msg	**chains;
	size_t		 size, count;	/* size: a power of two, or 0 */
};

enum rcpt_state {
	RS_PENDING,		/* not routed yet */
	RS_QUEUED,		/* in a job */
	RS_DONE,		/* settled for good */
	RS_DEFERRED		/* this attempt failed */
};

struct rcpt {
	enum rcpt_state	 state;
	struct queue_rcpt	*q;	/* in act->file.env */
	size_t		 index;
	const char	*why_dsn, *why;	/* RS_DEFERRED; in act->mem */
};

struct active {
	struct qmgr	*q;
	struct msg	*m;
	struct arena	*mem;
	struct queue_msg file;
	struct rcpt	*rcpts;		/* as many as env has */
	size_t		 next_route;	/* first RS_PENDING to be routed */
	size_t		 jobs;		/* waiting or under way */
	size_t		 under_way;	/* with an agent, or being settled */
	usec_t		 since;		/* wall clock */
	bool		 crashed;	/* an agent died: try again soon */
	bool		 finishing;	/* a notice is being written */
	bool		 has_log;	/* the delivery log may owe a notice */
	bool		 inflight;	/* we have the lock (inflight.h) */
	bool		 spilling;	/* the journal's copy is being written */
	bool		 let_go;	/* left to the next queue manager */
	uint64_t	 marks_batch;	/* durable.c: has our descriptor */
	struct list	 link;		/* waiting for tables (ROUTE_WAIT) */
};

struct transport {
	char		*name;
	bool		 remote;	/* smtp-client: wants hosts */
	bool		 lmtp;		/* no MX look-up */
	bool		 known;		/* master.cf has it */
	struct ipc_client	*client;
	int64_t		 dest_recipients, dest_concurrency, initial;
	size_t		 under_way;
	usec_t		 dead_until;	/* mono; service could not be reached */
	struct list	 ready;		/* sites with work and room */
};

struct site {
	char		*key;
	struct transport *transport;
	double		 window;
	size_t		 under_way;
	double		 failures;	/* since the last success */
	usec_t		 dead_until;	/* mono */
	char		*dead_why;
	struct list	 jobs;		/* struct job, waiting */
	struct list	 link;		/* in transport->ready */
};

enum dest_state { DEST_NEW, DEST_ASKING, DEST_READY, DEST_FAILED };

struct dest {
	char		*key;
	struct transport *transport;
	char		*nexthop;
	enum dest_state	 state;
	struct lookup	*lookup;	/* DEST_ASKING */
	usec_t		 good_until;	/* mono: of the answer */
	struct arena	*mem;		/* of the hosts; jobs that wait at a site
					 * use them while we ask again */
	struct ipc_list	 hosts;		/* struct deliver_host */
	struct arena	*fail_mem;	/* of the words below */
	uint64_t	 port;
	char		*site_key;
	bool		 fail_hard;	/* DEST_FAILED: bounce, not defer */
	const char	*fail_dsn, *fail_text;
	struct list	 waiting;	/* jobs for the answer */
	size_t		 users;		/* jobs that point here */
};

struct job {
	struct qmgr	*q;
	struct list	 link;
	struct active	*act;
	struct dest	*dest;
	struct site	*site;		/* once known */
	struct rcpt	**rcpts;	/* in act->mem */
	size_t		 n;
};

struct qmgr {
	struct daemon	*d;
	struct loop	*loop;
	const struct qmgr_conf	*conf;
	const struct conf_common *common;
	struct queue	*queue;
	struct journal	*journal;
	bool		 retire_set;	/* its timer */
	int		 inflight;	/* the journal's */
	struct route	*route;
	struct arena	*services_mem;
	struct master_cf services;	/* read while we may */
	struct msg_table msgs;
	struct list	 by_state[MSG_STATES];
	size_t		 count[MSG_STATES];
	uint64_t	 next_serial;
	struct heap	 due;
	struct loop_timer	*due_timer, *pump_timer, *lead_timer,
			*tidy_timer, *retire_timer, *sweep_timer;
	struct hash	*transports, *sites, *dests;
	struct ipc_client	*resolver, *bounce;
	struct ipc_client	*successor;	/* who serves our socket next */
	struct list	 waiting;	/* active, for tables */
	struct scan	*scan;		/* what was here at start; NULL: known */
	size_t		 active_limit;
	size_t		 settling;	/* jobs in the syncer */
	struct durable	*durable;
	struct convert	*convert;
	struct list	 for_scan;	/* requests that wait (admin.c) */
	struct hash	*owed;		/* owed.c; empty if all is well */
	struct list	 lists;		/* the same of listings (list.c) */
	struct list	 sweeps;	/* wishes about all messages (sweep.c) */
	int		 leader;	/* held while we may begin deliveries */
	bool		 leading;
	bool		 draining;
};

/* msg.c: messages as a whole.  The id must not be known yet. */
struct msg	*msg_new(struct qmgr *q, const char *id, enum queue_dir dir,
		    enum msg_state state);
struct msg	*msg_find(struct qmgr *q, const char *id);
void	 msg_free(struct qmgr *q, struct msg *m);
void	 msg_set_attempts(struct msg *m, unsigned int n);
void	 msg_set_state(struct qmgr *q, struct msg *m, enum msg_state s);
void	 msg_wait_until(struct qmgr *q, struct msg *m, usec_t due);
/* Its envelope, wherever it is. */
enum queue_read	 msg_open(struct qmgr *q, struct msg *m, bool writable,
		    struct arena *a, struct queue_msg *out,
		    struct error *err) MUST_USE;

/* journal.c: mail that is in the journal. */
int	 qmgr_journal_open(struct qmgr *q, struct error *err) MUST_USE;
int	 qmgr_journal_start(struct qmgr *q, struct error *err) MUST_USE;
void	 qmgr_journal_told(struct qmgr *q, const char *segment, uint64_t end);
/* Regular work: what was not told, what is old, what is through. */
void	 qmgr_journal_tidy(struct qmgr *q);
/* There are notes to be written at the end of this turn of the loop. */
void	 qmgr_journal_noted(struct qmgr *q);
/* Nothing is left to do for it. */
void	 qmgr_journal_settle(struct qmgr *q, struct msg *m);
/* A durable file has it. */
void	 qmgr_journal_moved(struct qmgr *q, struct msg *m, enum queue_dir to);
/* Give it a file in this directory now; for administrators' wishes. */
int	 qmgr_journal_to_file(struct qmgr *q, struct msg *m,
	    enum queue_dir to, struct error *err) MUST_USE;
/* The two halves of giving an active message a file in cur/: in a thread, and
 * in the loop after it. */
struct spill {
	struct active	*a;
	struct journal_copy copy;
	int		 fd;
	struct error	 err;
	int		 result;
};
struct spill	*spill_begin(struct qmgr *q, struct active *a);
void	 spill_work(struct spill *s);
void	 spill_done(struct qmgr *q, struct spill *s);
/* Another reader had it: what became of it?  False: it is not ours now. */
bool	 qmgr_journal_take(struct qmgr *q, struct msg *m);

/* convert.c: files for what keeps segments from being used again. */
struct convert	*convert_new(struct qmgr *q);
void	 convert_go(struct convert *c);	/* if there is something to do */
/* Lock what is being converted: another queue manager may begin now. */
void	 convert_hand_over(struct convert *c);

/* scan.c: what is on disk, at start and when told. */
void	 scan_start(struct qmgr *q);
/* Begin nothing more; what runs in threads comes to its end soon. */
void	 scan_stop(struct qmgr *q);
void	 scan_again(struct qmgr *q);	/* new/ only: what nobody told us */
void	 scan_new_mail(struct qmgr *q, const char *id);
/* The message, if there is one: it may not be known yet after a start. */
struct msg	*scan_find(struct qmgr *q, const char *id);
/* How much do we know of what was there at start? */
enum known { KNOWN_LITTLE, KNOWN_NEW, KNOWN_ALL };
enum known	 scan_known(const struct qmgr *q);

/* active.c: from incoming or due to active, and out again. */
void	 active_pump(struct qmgr *q);
void	 active_wake(struct qmgr *q);		/* tables answered */
void	 active_release(struct qmgr *q, struct active *a);
void	 active_let_go(struct qmgr *q, struct active *a);

/* finish.c: after the last job of an attempt. */
void	 finish_if_idle(struct qmgr *q, struct active *a);
/* Only its file is left: once more. */
void	 finish_settled(struct qmgr *q, struct msg *m);

/* backoff.c: pure: how long to wait for the next attempt. */
usec_t	 backoff_time(const struct qmgr_conf *c, usec_t age,
	    unsigned int attempts, bool crashed);

/* dest.c: destinations, sites and transports. */
struct transport	*transport_get(struct qmgr *q, const char *name);
struct dest	*dest_get(struct qmgr *q, struct transport *t,
		    const char *nexthop);
void	 dest_submit(struct qmgr *q, struct job *j);
void	 dest_done(struct qmgr *q, struct dest *d);
void	 dest_tidy(struct qmgr *q);
void	 dest_forget_failures(struct qmgr *q);

/* lookup.c: MX and addresses of one dest through the resolver. */
void	 lookup_start(struct qmgr *q, struct dest *d);
void	 lookup_answered(struct qmgr *q, struct dest *d);	/* dest.c */

/* nexthop.c: pure: "[host]:port", "domain:port", ... */
struct nexthop {
	struct slice	 host;
	struct slice	 port;		/* empty: default */
	bool		 literal;	/* in brackets: no MX look-up */
	bool		 local_socket;	/* unix:path */
};
int	 nexthop_parse(const char *text, struct nexthop *out) MUST_USE;
/* "a,b:25" of hosts in order of name; in a. */
const char	*nexthop_site_key(struct arena *a,
		    const struct deliver_host *hosts, size_t n, uint64_t port);

/* deliver.c: jobs to agents and back. */
void	 deliver_pump(struct qmgr *q, struct transport *t);
void	 job_free(struct qmgr *q, struct job *j);

/* settle.c: outcomes become log records and marks. */
struct outcome {
	struct rcpt	*rcpt;
	enum deliver_status	status;
	const char	*dsn, *action, *mta, *diag_type, *diagnostic;
};
/* Write them; then finish_if_idle().  Strings live in act->mem. */
void	 settle(struct qmgr *q, struct active *a, struct outcome *o, size_t n);
/* One verdict of our own for several recipients; logged as agents do. */
void	 settle_verdict(struct qmgr *q, struct active *a, struct rcpt **r,
	    size_t n, const char *tag, bool hard, const char *dsn,
	    const char *text);

/* durable.c: marks and removals reach the disk within a second. */
struct durable	*durable_new(struct qmgr *q);
void	 durable_marks(struct durable *d, struct active *a);
void	 durable_removal(struct durable *d);
void	 durable_journal(struct durable *d);	/* notes in the journal */
void	 durable_flush(struct durable *d);	/* now, for a stop */

/* list.c: pages of the queue for postqueue. */
void	 list_request(struct qmgr *q, struct ipc_request req,
	    const struct queue_list_req *ask);
/* More of the queue is known: go on with who has read all that was. */
void	 list_scanned(struct qmgr *q);

/* owed.c: marks that cannot be written now.  A mark of a recipient: in
 * a->file.env in any case, and in its file now or when that is possible. */
void	 owed_mark(struct qmgr *q, struct active *a, size_t index,
	    char status);
/* A message that was opened: what its file does not know. */
void	 owed_apply(struct qmgr *q, struct queue_msg *f);
void	 owed_forget(struct qmgr *q, const char *id);
void	 owed_tidy(struct qmgr *q);	/* is there room again? */

/* sweep.c: what is asked about all messages.  one: do it to this one, which may
 * free it; was it meant?  req is answered with how many were, when the last one
 * is done; those that come meanwhile are not asked. */
struct sweep_wish {
	const struct admin_op	*op;
	const char		*queue_name, *site;	/* NULL: any */
};
typedef bool	sweep_one(struct qmgr *q, struct msg *m,
		    const struct sweep_wish *wish);

void	 sweep_open(struct qmgr *q);
void	 sweep_begin(struct qmgr *q, struct ipc_request req, sweep_one *one,
	    const struct sweep_wish *wish);
/* Those under way end unfinished, and are told so. */
void	 sweep_stop(struct qmgr *q);

/* admin.c: requests of postqueue, postsuper and the daemons. */
extern const struct ipc_handler	admin_handlers[];
extern const size_t		admin_nhandlers;
/* Carry out what was wished while it was busy.  admin_grant: of an active
 * message, which is gone from that state if true. */
bool	 admin_grant(struct qmgr *q, struct msg *m);
void	 admin_grant_waiting(struct qmgr *q, struct msg *m);
/* More of the queue is known: go on with who waits for that. */
void	 admin_scanned(struct qmgr *q);

#endif
