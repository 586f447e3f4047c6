/* SPDX-License-Identifier: Apache-2.0 */
/* imapd.h - what the files of imapd share.
 *
 * Lifetimes: worker (process), session (connection), mailbox (the view, from
 * SELECT to CLOSE), command.  A session runs one command at a time; while one
 * runs or waits, no input is taken (IDLE excepted). */
#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "conf/conf.h"
#include "daemon/session_broker.h"
#include "net/stream.h"
#include "proto/imap_args.h"
#include "proto/imap_frame.h"
#include "proto/imap_set.h"
#include "store/store.h"
#include "store/view.h"
#include "sys/loop.h"

struct syncer;

struct imapd_conf {
	usec_t		 timeout, idle_notify, output_timeout;
	int64_t		 command_max, literal_max, bad_max, userip_max;
	const char	*separator;
	const char	*hello;		/* imapd_id_name: name in ID */
};

#define IMAPD_NPARAMS	9
extern const struct param	imapd_params[IMAPD_NPARAMS];

/* A process that serves one user id. */
struct worker {
	struct list			 sessions;
	struct loop			*loop;
	struct store			*store;
	const struct imapd_conf		*conf;
	uint64_t			 message_max;
	/* A session is over: its lease, or the arg of session_begin(). */
	void				(*closed)(void *arg);
};

enum state { ST_AUTH, ST_SELECTED };

enum run {
	RUN_DONE,
	RUN_WAIT_OUTPUT,	/* call more() when output is written */
	RUN_WAIT_EVENT		/* somebody will call command_continue() */
};

enum reply { REPLY_OK, REPLY_NO, REPLY_BAD };

enum command_flag {
	USES_SEQS     = 1,	/* means sequence numbers: no EXPUNGE with it */
	BREAKS_SEQS   = 2,	/* may change them: EXPUNGE is expected */
	NEEDS_MAILBOX = 4,	/* there is a view to bring up to date */
	WRITES        = 8,	/* not in a read-only mailbox */
	HAS_UID       = 16,	/* UID form exists */
	ONLY_UID      = 32	/* ... and no other */
};

struct session;

struct command_row {
	const char	*name;
	enum run	(*run)(struct session *s);
	unsigned	 states;
	unsigned	 flags;
	bool		 args;		/* arguments follow; a space is taken */
};

struct command {
	struct arena			*mem;	/* this struct lives there */
	const struct command_row	*row;
	bool				 uid;
	const char			*tag, *name;
	struct imap_in			 in;	/* until the frame moves on */
	enum run			(*more)(struct session *s);
	void				*data;	/* of the command's file */
	void				(*cancel)(struct session *s);
	enum reply			 reply;
	const char			*text;
	bool				 no_sync;
	bool				 waits_output;
};

/* Untagged answers about what changed, on their way out. */
struct sync {
	struct arena		*mem;
	struct view_changes	 changes;
	bool			 uid;
	int			 stage;
	size_t			 next;
};

struct append;

struct session {
	struct list		 link;		/* in worker->sessions */
	struct worker		*worker;
	struct arena		*mem;		/* ids and names */
	struct stream		*stream;
	struct buf		 ahead;		/* read by login, not by us */
	struct imap_frame	 frame;
	struct store_user	*user;
	enum state		 state;
	struct view		*view;		/* ST_SELECTED */
	bool			 view_dead;	/* deleted under us */
	struct command		*cmd;
	struct sync		*sync;
	struct append		*append;	/* APPEND under way */
	bool			 idling, changed;
	bool			 condstore;
	bool			 sends;		/* a file, by the stream */
	uint64_t		 sent;		/* bytes when last looked at */
	bool			 stalled;	/* commands wait for output */
	bool			 closing;	/* freed when ops is 0 */
	int			 ops;		/* store operations under way */
	int			 busy;		/* inside an entry point */
	unsigned		 bad;
	const char		*why;		/* of the end, for the log */
	const char		*user_name, *session_id, *remote_ip;
	struct loop_timer	*timer;		/* stall, or IDLE's notices */
	void			*closed_arg;
	struct {
		uint64_t	 deleted, expunged, hdr_count, hdr_bytes;
		uint64_t	 body_count, body_bytes, ahead;
	}			 stats;
};

/* worker.c */
struct worker	*worker_new(struct loop *l, struct syncer *sy,
		    const struct imapd_conf *conf, uint64_t message_max,
		    const char *hostname) MUST_USE;

/* stop: end all sessions with BYE. */
void	 worker_drain(void *worker, bool stop);

/* session.c: the connection */

/* Begin.  tag NULL: greet with PREAUTH (tests).  closed_arg goes to
 * worker->closed when the session is over.  -1: *err, the client is still
 * the caller's. */
int	 session_begin(struct worker *w, const struct session_start *start,
	    void *closed_arg, struct error *err) MUST_USE;

/* Every callback is bracketed by these; leave may free the session. */
void	 session_enter(struct session *s);
void	 session_leave(struct session *s);

/* The end: after output is written. why: for the log; static. */
void	 session_end(struct session *s, const char *why);

/* "* BYE text" and the end. */
void	 session_bye(struct session *s, const char *text, const char *why);

/* Go on with input once nothing runs. */
void	 session_process(struct session *s);
struct buf	*session_out(struct session *s);

/* Enough output waits: producers return RUN_WAIT_OUTPUT. */
bool	 session_full(struct session *s);

/* A file is being sent: watch that the client reads it. */
void	 session_sends(struct session *s);

/* Run session_process() / the command's more() from the loop, after others
 * had their turn. */
void	 session_defer(struct session *s);

/* command.c */
void	 command_line(struct session *s);	/* the frame is complete */
void	 command_literal(struct session *s);	/* it has a literal */
void	 command_continue(struct session *s);	/* an event came */
void	 command_abort(struct session *s);

/* The answer is set: send what changed and it. */
void	 command_finish(struct session *s);

/* Begin a command whose first literal has come.  NULL: it may not run, its
 * answer is set. */
struct command	*command_for_literal(struct session *s);
const char	*capabilities(void);

/* The tagged answer; text with its response code, never empty.  reply_bad
 * counts as a client's mistake. */
enum run reply_ok(struct session *s, const char *fmt, ...) PRINTF(2, 3);
enum run reply_no(struct session *s, const char *fmt, ...) PRINTF(2, 3);
enum run reply_bad(struct session *s, const char *text);

/* NO with the response code and words for it. */
enum run reply_fail(struct session *s, enum store_fail fail,
	    const struct error *err);

/* The error that the argument parser found. */
enum run reply_syntax(struct session *s);

/* Take arguments.  name_out is UTF-8.  False: a reply is set. */
bool	 take_mailbox(struct session *s, const char **name_out);
bool	 mailbox_name(struct session *s, struct slice raw,
	    const char **name_out);

/* Sequence numbers or UIDs of the command (by cmd->uid) as seqs of the view,
 * ascending, in *set_out.  False: a reply is set. */
bool	 take_seqs(struct session *s, struct imap_set *set_out);

/* mailbox.c: the selected mailbox */
void	 mailbox_open(struct session *s, struct view *v);
void	 mailbox_close(struct session *s);

/* Collect changes into s->sync; then sync_more() until RUN_DONE. */
void	 sync_begin(struct session *s, bool expunges, bool uid);
enum run sync_more(struct session *s);
void	 sync_free(struct session *s);
void	 mailbox_flags_untagged(struct session *s);

/* "FLAGS (...)" of a message, \Seen added if seen. */
void	 add_msg_flags(struct session *s, const struct view_msg *m, bool seen,
	    struct buf *out);

/* Client's flags as the store's; keywords are made (create) or only found.
 * False: a keyword cannot be made. */
bool	 flags_to_store(struct view *v, const struct imap_flags *f,
	    bool create, unsigned *flags_out, uint64_t *keywords_out,
	    bool *made_out);
unsigned flags_from_imap(unsigned system);
unsigned flags_to_imap(unsigned flags);

/* A name as it goes out: modified UTF-7, astring. */
void	 add_mailbox(struct buf *out, const char *name);
bool	 name_to_utf7(const char *name, struct buf *out);

/* fetch.c: also answers STORE */
struct imap_fetch;
enum run fetch_start(struct session *s, const struct imap_set *seqs,
	    struct imap_fetch *f, const char *ok_text);

/* idle.c */
void	 idle_line(struct session *s);
void	 idle_notify(void *session);
void	 idle_more(struct session *s);
void	 idle_timer(struct session *s);

/* append.c */
void	 append_literal(struct session *s);
size_t	 append_feed(struct session *s, struct slice in);
void	 append_line(struct session *s);
void	 append_free(struct session *s);
bool	 append_wants(const struct session *s);

/* match.c */
struct matcher;
struct imap_search;

/* The program is prepared in place; the matcher lives in mem. */
struct matcher	*matcher_new(struct session *s,
		    struct imap_search *program, struct arena *mem) MUST_USE;
bool	 matcher_run(struct matcher *m, uint32_t seq,
	    struct view_msg *msg_out);

/* Handlers, one per row of the table. */
enum run cmd_capability(struct session *s);
enum run cmd_noop(struct session *s);
enum run cmd_logout(struct session *s);
enum run cmd_id(struct session *s);
enum run cmd_enable(struct session *s);
enum run cmd_namespace(struct session *s);
enum run cmd_login(struct session *s);
enum run cmd_select(struct session *s);
enum run cmd_examine(struct session *s);
enum run cmd_close(struct session *s);
enum run cmd_unselect(struct session *s);
enum run cmd_create(struct session *s);
enum run cmd_delete(struct session *s);
enum run cmd_rename(struct session *s);
enum run cmd_subscribe(struct session *s);
enum run cmd_unsubscribe(struct session *s);
enum run cmd_list(struct session *s);
enum run cmd_lsub(struct session *s);
enum run cmd_status(struct session *s);
enum run cmd_append(struct session *s);
enum run cmd_idle(struct session *s);
enum run cmd_expunge(struct session *s);
enum run cmd_search(struct session *s);
enum run cmd_fetch(struct session *s);
enum run cmd_store(struct session *s);
enum run cmd_copy(struct session *s);
enum run cmd_move(struct session *s);

/* "(MESSAGES 3 ...)" behind "* STATUS name ". */
void	 add_status(struct buf *out, unsigned items,
	    const struct store_status *st);

#endif
