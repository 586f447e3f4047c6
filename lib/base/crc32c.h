/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c.h - CRC-32C (Castagnoli; RFC 3720 B.4), the checksum of every file
 * format of ours. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of the bytes that gave crc, followed by these n.  Begin with
 * 0.  crc32c(0, "123456789", 9) is 0xe3069283. */
uint32_t	 crc32c(uint32_t crc, const void *p, size_t n);

/* The same without the processor's instruction; for tests. */
uint32_t	 crc32c_portable(uint32_t crc, const void *p, size_t n);

#endif
