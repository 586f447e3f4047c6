/* SPDX-License-Identifier: Apache-2.0 */
/* queue_format.h - the bytes of a queue file (doc/queue.md), as values.
 * No I/O: the reader is given bytes and may be given any bytes. */
#ifndef QUEUE_QUEUE_FORMAT_H
#define QUEUE_QUEUE_FORMAT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "queue/queue.h"

#define QUEUE_HEAD_SIZE		512	/* one sector; content begins here */
#define QUEUE_SLOT_OFFSET	256	/* of the due slot, inside the head */
#define QUEUE_SLOT_SIZE		16
#define QUEUE_END_SIZE		40

/* Bounds that both the writer and the reader keep. */
#define QUEUE_STRING_MAX	((size_t)8192)
#define QUEUE_RCPTS_MAX		((size_t)100000)
#define QUEUE_ENV_MAX		((size_t)64 << 20)
#define QUEUE_CONTENT_MAX	((uint64_t)1 << 40)

/* The fixed header block. */
struct queue_head {
	char		 id[QUEUE_ID_MAX];
	unsigned int	 flags;
	uint32_t	 nrcpts;
	usec_t		 arrival;
	uint64_t	 content_size, env_size, file_size;
	uint64_t	 status_offset;	/* computed; also kept in the file */
};

/* Where the parts begin, from content_size, env_size and nrcpts. */
uint64_t queue_env_offset(const struct queue_head *h);
void	 queue_head_layout(struct queue_head *h);

void	 queue_head_put(const struct queue_head *h,
	    unsigned char out[QUEUE_HEAD_SIZE]);

/* -1: *err says what is wrong.  h is then not filled. */
int	 queue_head_get(struct slice in, struct queue_head *h,
	    struct error *err) MUST_USE;

/* Envelope records.  -1: a string or the whole is over its bound, or a
 * required one is missing; nothing of use is in out then. */
int	 queue_env_put(const struct queue_env *env, struct buf *out,
	    struct error *err) MUST_USE;

/* All of in, which must hold exactly nrcpts recipients.  Strings and the array
 * live in a; status bytes are not looked at. */
int	 queue_env_get(struct slice in, size_t nrcpts, struct arena *a,
	    struct queue_env *env, struct error *err) MUST_USE;

/* The end record: proof that everything before it was written. */
struct queue_end {
	uint64_t	 file_size;
	uint32_t	 nrcpts;
	uint32_t	 head_crc, content_crc, env_crc;
};
void	 queue_end_put(const struct queue_end *e,
	    unsigned char out[QUEUE_END_SIZE]);
int	 queue_end_get(struct slice in, struct queue_end *e,
	    struct error *err) MUST_USE;

/* Checksum of the head without the due slot, as the end record repeats it. */
uint32_t queue_head_crc(const unsigned char head[QUEUE_HEAD_SIZE]);

/* Everything behind the content: envelope, status bytes, end record.  tail
 * begins at queue_env_offset(h) and ends with the file. */
int	 queue_tail_get(struct slice tail, const struct queue_head *h,
	    uint32_t head_crc, struct arena *a, struct queue_env *env,
	    uint32_t *content_crc_out, struct error *err) MUST_USE;

/* Status byte this reader knows? */
bool	 queue_status_ok(char status);

/* The due slot. */
void	 queue_slot_put(usec_t due, unsigned int attempts,
	    unsigned char out[QUEUE_SLOT_SIZE]);

/* False: torn or never written; both outputs are 0 then. */
bool	 queue_slot_get(const unsigned char in[QUEUE_SLOT_SIZE],
	    usec_t *due_out, unsigned int *attempts_out);

/* Little-endian numbers and tagged strings, for the delivery log too. */
void	 queue_put32(unsigned char *p, uint32_t v);
void	 queue_put64(unsigned char *p, uint64_t v);
uint32_t queue_get32(const unsigned char *p);
uint64_t queue_get64(const unsigned char *p);

/* One record: u8 type, u32 length, bytes.  s may be NULL: nothing. */
int	 queue_rec_put(struct buf *out, int type, const char *s,
	    struct error *err) MUST_USE;
void	 queue_rec_put_num(struct buf *out, int type, uint64_t v);

/* The next record off the front of *in.  -1: it leaves the slice. */
int	 queue_rec_get(struct slice *in, int *type_out,
	    struct slice *value_out, struct error *err) MUST_USE;

/* Its value as a string in a / as a number of 8 bytes. */
int	 queue_rec_str(struct slice value, struct arena *a,
	    const char **out, struct error *err) MUST_USE;
int	 queue_rec_num(struct slice value, uint64_t max, uint64_t *out,
	    struct error *err) MUST_USE;

#endif
