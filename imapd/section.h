/* SPDX-License-Identifier: Apache-2.0 */
/* section.h - from a section of FETCH BODY[...] to bytes of the message. */
#ifndef IMAPD_SECTION_H
#define IMAPD_SECTION_H

#include "proto/imap_fetch.h"
#include "store/view.h"

/* One message: its file and its structure, each once it is needed. */
struct section_source {
	struct arena		*mem;	/* reset it after each message */
	bool			 open, parsed;
	struct view_body	 body;
	struct mime_message	 mime;
};

/* Octets of the answer: in text, or (text.p NULL) a range of the file. */
struct section {
	struct slice	 text;
	uint64_t	 offset, size;
};

void	 section_init(struct section_source *src);
int	 section_open(struct section_source *src, struct view *v,
	    uint32_t seq, enum store_fail *fail_out, struct error *err)
	    MUST_USE;
int	 section_structure(struct section_source *src, struct view *v,
	    uint32_t seq, struct error *err) MUST_USE;

/* Close the file, forget the structure; the arena is left as it is. */
void	 section_close(struct section_source *src);

/* Partial is applied.  False: there is no such part; the answer is NIL. */
bool	 section_find(struct section_source *src, struct view *v,
	    uint32_t seq, const struct imap_section *want,
	    struct section *out);

/* The fields that are asked for and an empty line. */
struct slice	 section_filter(const struct imap_section *want,
		    struct slice header, struct arena *mem);
struct slice	 section_partial(const struct imap_section *want,
		    struct slice text);

/* Up to max octets of the file at offset; for headers. */
struct slice	 section_read(struct section_source *src, uint64_t offset,
		    uint64_t size, size_t max);

#endif
