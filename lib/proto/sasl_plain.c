/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sasl.h"

int
sasl_plain_parse(struct slice in, struct sasl_plain *out, struct error *err)
{
	if (!slice_cut(&in, '\0', &out->authzid) ||
	    !slice_cut(&in, '\0', &out->authcid))
		return error_set(err, "PLAIN: fewer than two NULs");
	if (slice_find(in, '\0') >= 0)
		return error_set(err, "PLAIN: more than two NULs");
	if (out->authcid.len == 0)
		return error_set(err, "PLAIN: empty user name");
	if (in.len == 0)
		return error_set(err, "PLAIN: empty password");
	out->passwd = in;
	return 0;
}
