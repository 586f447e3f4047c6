/* SPDX-License-Identifier: Apache-2.0 */
/* sasl.h - the messages of the SASL mechanisms PLAIN and SCRAM.
 * A SASL message arrives whole (its carrier frames it), so these functions
 * answer yes or no, never "more".  Results are parts of the input. */
#ifndef PROTO_SASL_H
#define PROTO_SASL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

/* RFC 4616: [authzid] NUL authcid NUL passwd. */
struct sasl_plain {
	struct slice	 authzid;	/* empty: none */
	struct slice	 authcid, passwd;	/* not empty */
};
int	 sasl_plain_parse(struct slice in, struct sasl_plain *out,
	    struct error *err) MUST_USE;

/* What the client says about channel binding (RFC 5802 6). */
enum scram_bind {
	SCRAM_BIND_NO,		/* n: it has none */
	SCRAM_BIND_UNUSED,	/* y: it has, and thinks that we have none */
	SCRAM_BIND_USED		/* p=name */
};

/* client-first-message */
struct scram_first {
	enum scram_bind	 bind;
	struct slice	 bind_name;	/* of p=, else empty */
	struct slice	 gs2;		/* "n,," and the like, for c= */
	struct slice	 authzid;	/* "=2C" and "=3D" not undone */
	struct slice	 bare;		/* client-first-message-bare */
	struct slice	 user;		/* "=2C" and "=3D" not undone */
	struct slice	 nonce;
};
int	 scram_first_parse(struct slice in, struct scram_first *out,
	    struct error *err) MUST_USE;

/* client-final-message; binding and proof are still in base64. */
struct scram_final {
	struct slice	 binding, nonce, proof;
	struct slice	 without_proof;
};
int	 scram_final_parse(struct slice in, struct scram_final *out,
	    struct error *err) MUST_USE;

/* Undo =2C and =3D.  NULL: another "=" or a NUL in it, or empty. */
char	*scram_name_decode(struct arena *a, struct slice name) MUST_USE;

/* server-first-message: r=<client nonce><server nonce>,s=<salt>,i=<n> */
void	 scram_server_first(struct buf *out, struct slice client_nonce,
	    struct slice server_nonce, struct slice salt_base64,
	    unsigned int iterations);

#endif
