/* SPDX-License-Identifier: Apache-2.0 */
/* queue_msg.h - talk about the queue: new mail, notices, forwards, admin. */
#ifndef IPC_QUEUE_MSG_H
#define IPC_QUEUE_MSG_H

#include "ipc/msg.h"

/* To qmgr (private/qmgr): a committed message is in new/, or a segment of the
 * journal holds messages up to `end`.  No reply. */
struct queue_new {
	const char	*queue_id;	/* NULL: in the journal */
	const char	*segment;	/* NULL: in new/ */
	uint64_t	 end;
};

/* To qmgr (public/qmgr), by anyone who may (postqueue). */
struct queue_flush {
	const char	*queue_id;	/* NULL: all deferred mail */
	const char	*site;		/* NULL; or mail for this domain */
};

/* One page of the queue, in the order active, incoming, deferred, hold. */
struct queue_list_req {
	const char	*after;		/* cursor from the last page; NULL: begin */
	uint64_t	 most;		/* 1..1000 messages */
};
struct queue_list_rcpt {
	const char	*address, *original;
	const char	*reason;	/* why it waits; NULL */
};
struct queue_list_item {
	const char	*queue_name;	/* "active", "deferred", ... */
	const char	*queue_id;
	int64_t		 arrival;	/* wall */
	uint64_t	 size;		/* of the content */
	const char	*sender;
	struct ipc_list	 rcpts;		/* struct queue_list_rcpt: unfinished */
};
struct queue_list_res {
	struct ipc_list	 items;		/* struct queue_list_item */
	const char	*next;		/* cursor; NULL: that was all */
};

/* postsuper: root only (peer uid is checked). */
struct queue_admin {
	const char	*op;		/* "delete", "hold", "release", "requeue" */
	const char	*queue_id;	/* "ALL" for all */
	const char	*queue_name;	/* limit to one queue; NULL: any */
};
struct queue_done {
	bool		 ok;
	uint64_t	 count;		/* messages touched */
	const char	*reason;	/* not ok; NULL */
};

/* qmgr to bounce: write the notification that the delivery log of this message
 * calls for, and tell qmgr of the new message.  Reply: queue_notice_res. */
enum notice_kind {
	NOTICE_BOUNCE,		/* failures: to the sender */
	NOTICE_DELAY,		/* delay warning */
	NOTICE_SUCCESS,		/* NOTIFY=SUCCESS, relayed, expanded */
	NOTICE_DOUBLE		/* a bounce that bounced: to postmaster */
};
struct queue_notice {
	uint64_t	 kind;		/* enum notice_kind */
	const char	*queue_id;
	const char	*directory;	/* "cur" */
};
struct queue_notice_res {
	bool		 ok;		/* committed (or nothing to report) */
	const char	*notice_id;	/* NULL if nothing was to report */
	const char	*reason;	/* not ok: try again later */
};

/* local-delivery to pickup: a message goes on to other recipients
 * (aliases, .forward). */
struct queue_forward_rcpt {
	const char	*address;
	const char	*original;	/* recipient the message came for */
	const char	*dsn_orcpt;	/* NULL */
	uint64_t	 notify;
};
struct queue_forward {
	int		 content;	/* of the message as it was delivered */
	uint64_t	 offset, size;
	const char	*prepend;	/* header lines with CRLF, "" for none */
	const char	*sender;
	const char	*dsn_envid;	/* NULL */
	uint64_t	 dsn_ret;
	bool		 smtputf8;
	int64_t		 arrival;	/* kept: a forward is not younger */
	struct ipc_list	 rcpts;		/* struct queue_forward_rcpt */
};
struct queue_forward_res {
	bool		 ok;		/* committed */
	const char	*queue_id;	/* NULL if not ok */
	const char	*reason;
};

extern const struct ipc_desc	queue_new_desc, queue_flush_desc,
				queue_list_req_desc, queue_list_res_desc,
				queue_admin_desc, queue_done_desc,
				queue_notice_desc, queue_notice_res_desc,
				queue_forward_desc, queue_forward_res_desc;

#endif
