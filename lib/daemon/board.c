/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/board.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/panic.h"
#include "base/slice.h"

_Static_assert(sizeof(struct board_slot) <= BOARD_SLOT_SIZE,
    "a slot is one page");

void
board_place_put(const struct board_place *p, char *out, size_t size)
{
	int	 n;

	n = snprintf(out, size, "%d:%d:%u:%llu", p->control_fd,
	    p->board_fd + 1, p->slot, (unsigned long long)p->generation);
	ASSERT(n > 0 && (size_t)n < size);
}

int
board_place_get(const char *text, struct board_place *out)
{
	struct slice	 s = slice_str(text), word;
	uint64_t	 v[4];

	for (size_t i = 0; i < COUNT(v); i++) {
		if (i == COUNT(v) - 1)
			word = s;
		else if (!slice_cut(&s, ':', &word))
			return -1;
		if (!slice_u64(word, i == 3 ? UINT64_MAX : 1 << 20, &v[i]))
			return -1;
	}
	*out = (struct board_place){
		.control_fd = (int)v[0], .board_fd = (int)v[1] - 1,
		.slot = (unsigned int)v[2], .generation = v[3],
	};
	return 0;
}

int
board_create(unsigned int nslots, int *fd_out, struct error *err)
{
	int	 fd;

	fd = memfd_create(BOARD_MEMFD_NAME, MFD_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "scoreboard: memfd_create");
	if (ftruncate(fd, (off_t)nslots * BOARD_SLOT_SIZE) < 0) {
		error_sys(err, "scoreboard: ftruncate");
		close(fd);
		return -1;
	}
	*fd_out = fd;
	return 0;
}

static void *
map(int fd, size_t size, off_t at, int writable, struct error *err)
{
	void	*p;

	p = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
	    MAP_SHARED, fd, at);
	if (p == MAP_FAILED) {
		error_sys(err, "scoreboard: mmap");
		return NULL;
	}
	return p;
}

void *
board_map(int fd, unsigned int nslots, int writable, struct error *err)
{
	return map(fd, (size_t)nslots * BOARD_SLOT_SIZE, 0, writable, err);
}

struct board_slot *
board_map_slot(int fd, unsigned int slot, struct error *err)
{
	return map(fd, BOARD_SLOT_SIZE, (off_t)slot * BOARD_SLOT_SIZE, 1, err);
}

struct board_slot *
board_slot(void *all, unsigned int slot)
{
	return (void *)((char *)all + (size_t)slot * BOARD_SLOT_SIZE);
}
