/* SPDX-License-Identifier: Apache-2.0 */
/* work_msg.h - what the root parent asks of a worker that acts as one user. */
#ifndef LOCAL_DELIVERY_WORK_MSG_H
#define LOCAL_DELIVERY_WORK_MSG_H

#include "ipc/msg.h"

#define WORK_ITEMS_MAX	1000

/* The message as all requests carry it. */
struct work_store {
	int		 content;
	uint64_t	 offset, size;
	const char	*prefix;	/* header lines, CRLF */
	const char	*maildir;	/* absolute */
	uint64_t	 quota_bytes;
};

struct work_string {
	const char	*text;
};

/* Run a program with the message as its standard input (LF line ends). */
struct work_command {
	int		 content;
	uint64_t	 offset, size;
	const char	*prefix;	/* header lines, CRLF; may begin with
					 * a "From " line */
	struct ipc_list	 argv;		/* struct work_string */
	struct ipc_list	 env;		/* "NAME=value" */
	const char	*directory;	/* "": stay */
	const char	*display;	/* the command, for messages */
	const char	*done;		/* what is said of success */
	int64_t		 time_limit;
	uint64_t	 flags;		/* WORK_... */
};
enum {
	WORK_BLANK_END = 1,	/* B: an empty line at the end */
	WORK_FROM_QUOTE = 2,	/* >: "From " lines get '>' in front */
	WORK_DOT_STUFF = 4,	/* .: lines that begin with '.' get another */
	WORK_CRLF = 8		/* eol=\r\n */
};

struct work_result {
	uint64_t	 status;	/* enum deliver_status */
	const char	*dsn, *text;
};

/* Look into the message's Delivered-To fields, and read the first of these
 * files that exists as a list of destinations. */
struct work_look {
	int		 content;
	uint64_t	 offset, size;
	const char	*address;	/* "": do not look for it */
	struct ipc_list	 paths;		/* struct work_string */
	bool		 must_exist;	/* :include: */
};

struct work_item {
	uint64_t	 kind;		/* enum alias_kind */
	const char	*text;
};
enum work_found { LOOK_NOTHING, LOOK_LIST, LOOK_LOOP, LOOK_ERROR };
struct work_looked {
	uint64_t	 found;		/* enum work_found */
	const char	*path;		/* LOOK_LIST: the file; "" */
	const char	*text;		/* LOOK_ERROR; or a warning to log; "" */
	struct ipc_list	 items;		/* struct work_item */
};

extern const struct ipc_desc	work_store_desc, work_command_desc,
				work_result_desc, work_look_desc,
				work_looked_desc;

#endif
