/* SPDX-License-Identifier: Apache-2.0 */
/* store_fixture.h - what the store's tests share: the store of one user in a
 * temporary directory. */
#ifndef STORE_STORE_FIXTURE_H
#define STORE_STORE_FIXTURE_H

#include "base/arena.h"
#include "store/store.h"

extern char			 root[256], maildir[300];
extern struct loop		*loop;
extern struct store		*store;
extern struct store_user	*user;
extern struct arena		*mem;
extern struct error		 err;
extern enum store_fail		 fail;

void	 setup(void);
void	 teardown(void);

/* Of what setup() made; to be opened again as after a start. */
void	 open_store(void);
void	 close_store(void);

/* Let the loop run until the flag is set. */
void	 wait_for(const bool *flag);

/* A file with this text; the caller closes it. */
int	 temp_fd(const char *text, size_t len);

#endif
