/* SPDX-License-Identifier: Apache-2.0 */
#include "authd/authd.h"

#define S	struct authd_conf
const struct param authd_params[] = {
	P_INT(S, worker_threads, "auth_worker_threads", "4", 1, 64,
	    "How many passwords are hashed at a time."),
	P_INT(S, queue_limit, "auth_queue_limit", "1000", 1, 1000000,
	    "How many password checks may wait; more get a temporary "
	    "failure."),
	P_INT(S, exchange_limit, "auth_exchange_limit", "20000", 1, 1000000,
	    "How many authentications may be under way at a time."),
	P_TIME(S, failure_delay, "auth_failure_delay", "2s", 's', 0, 60,
	    "How long the answer to a failed authentication is held back; it "
	    "doubles with each further failure of the same address, up to "
	    "15s."),
	P_TIME(S, cookie_lifetime, "auth_cookie_lifetime", "60s", 's', 1, 600,
	    "How long a session process may wait before it claims a login."),
	P_TIME(S, cache_ttl, "auth_cache_ttl", "1h", 's', 0, 86400,
	    "How long a password that was right need not be hashed again; "
	    "0s: always hash."),
	P_TIME(S, client_timeout, "auth_client_timeout", "180s", 's', 1, 3600,
	    "How long a client may take for one step of an authentication."),
};
#undef S
const size_t	authd_nparams = COUNT(authd_params);
