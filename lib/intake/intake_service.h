/* SPDX-License-Identifier: Apache-2.0 */
/* intake_service.h - what the daemons that take mail in have in common. */
#ifndef INTAKE_INTAKE_SERVICE_H
#define INTAKE_INTAKE_SERVICE_H

#include "base/attr.h"
#include "base/error.h"
#include "intake/intake.h"

struct daemon;
struct ipc_client;

/* Open routing and intake with the daemon's configuration, as root.  Commits
 * that wait for a table go on by themselves: *intake_out must stay where it
 * is.  -1: *err. */
int	 intake_service_open(struct daemon *d, struct route **route_out,
	    struct intake **intake_out, struct error *err) MUST_USE;

/* The line "cleanup: ID: message-id=<...>", if there is an id. */
void	 intake_service_log(const struct intake_result *r);

/* The queue of the daemon; qmgr is told of what is committed to it. */
int	 intake_service_queue(struct daemon *d, struct ipc_client *qmgr,
	    bool create, struct queue **out, struct error *err) MUST_USE;

/* Tell qmgr of mail.  If qmgr cannot be told now, it finds it by itself. */
void	 intake_service_announce(struct ipc_client *qmgr,
	    const struct queue_place *where);

#endif
