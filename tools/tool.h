/* SPDX-License-Identifier: Apache-2.0 */
/* tool.h - what the queue's commands share: configuration, complaints. */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <sysexits.h>

#include "base/arena.h"
#include "base/attr.h"
#include "conf/common.h"

struct stat;

struct tool {
	struct arena		*mem;
	struct conf		*conf;
	struct conf_common	 common;
};

/* First of all: name for complaints; descriptors 0 to 2 are open afterwards and
 * nothing above them is. */
void	 tool_begin(const char *name);

/* Read main.cf in dir (NULL: $MAIL_CONFIG, else the built-in place).  Ends
 * the program with EX_CONFIG if it cannot.  In a set-gid program only the
 * built-in directory and those that its main.cf lists in
 * alternate_config_directories are accepted. */
void	 tool_open(struct tool *t, const char *dir);

void	 tool_close(struct tool *t);

/* The same words for every command: "name: fatal: text". */
void	 tool_fatal(int status, const char *fmt, ...) NORETURN PRINTF(2, 3);
void	 tool_warn(const char *fmt, ...) PRINTF(1, 2);

/* root goes on in the name of this file's owner, and becomes root again. */
void	 tool_act_as(const struct stat *st);
void	 tool_act_as_self(void);

/* chdir to $queue_directory. */
void	 tool_chdir(const struct tool *t);

/* Become `command` of $command_directory.  argv[0] is its name. */
void	 tool_exec(const struct tool *t, const char *command,
	    char *const argv[]) NORETURN;

#endif
