/* SPDX-License-Identifier: Apache-2.0 */
/* `subscriptions` in the user's root: version 2 has "V<TAB>2", an empty line,
 * then a mailbox a line, its components parted by TAB and tab-escaped; version
 * 1 has plain names.  Names are in modified UTF-7 as on disk.  Both are read; 1
 * is kept as long as it is there, so that going back stays possible.
 *
 * `posthouse.special` has lines "<bits> <directory>". */
#include "store/subs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/store_int.h"
#include "sys/file.h"

#define FILE_NAME	"subscriptions"
#define SPECIAL		"posthouse.special"
#define MAX_FILE	(1 << 20)

struct subs {
	bool	 version2;
	char	**dirs;
	size_t	 n;
};

static int
root_fd(const struct store_user *u, struct error *err)
{
	int	fd = open(u->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		error_sys(err, "open %s", u->path);
	return fd;
}

/* Changes are read, modify, replace: one at a time. */
static int
lock_root(int root, struct error *err)
{
	int	fd = openat(root, "posthouse.lock", O_RDWR | O_CREAT |
		    O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && file_lock(fd, true, true) == 0)
		return fd;
	error_sys(err, "lock posthouse.lock");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One line as a directory name, NULL: not a name that can be. */
static char *
line_dir(struct slice line, bool version2, char sep, struct arena *a)
{
	struct buf	b;
	char		*dir = NULL;

	line = slice_rtrim(line);
	if (line.len == 0 || line.len > 250)
		return NULL;
	if (slice_iis(line, "INBOX"))
		return arena_strdup(a, "");
	buf_init(&b, 600);
	buf_addc(&b, '.');
	for (size_t i = 0; i < line.len; i++) {
		int	c = line.p[i];

		if ((version2 && c == '\t') ||
		    (!version2 && (c == sep || c == '/')))
			c = '.';
		if (c == '\0' || c == '/' || c == '\001')
			c = '_';
		buf_addc(&b, c);
	}
	if (!b.overflow)
		dir = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return dir;
}

static int
read_subs(int root, char sep, struct arena *a, struct subs *out,
    struct error *err)
{
	struct buf	b;
	struct slice	text, line;
	size_t		lines = 0;

	*out = (struct subs){ .version2 = true };
	buf_init(&b, MAX_FILE);
	if (faccessat(root, FILE_NAME, F_OK, 0) < 0) {
		out->dirs = arena_array(a, 2, sizeof(*out->dirs));
		return 0;
	}
	if (file_read_all(root, FILE_NAME, &b, err) < 0) {
		buf_clear(&b);
		return -1;
	}
	text = buf_slice(&b);
	out->version2 = slice_starts(text, "V\t2\n");
	if (out->version2)
		(void)slice_cut(&text, '\n', &line);
	for (size_t i = 0; i < text.len; i++)
		lines += text.p[i] == '\n' ? 1 : 0;
	out->dirs = arena_array(a, lines + 2, sizeof(*out->dirs));
	while (slice_cut(&text, '\n', &line)) {
		char	*dir = line_dir(line, out->version2, sep, a);

		if (dir != NULL)
			out->dirs[out->n++] = dir;
	}
	buf_clear(&b);
	return 0;
}

int
subs_read(const struct store_user *u, struct arena *a, char ***out,
    size_t *n_out, struct error *err)
{
	int		root = root_fd(u, err), r;
	struct subs	s;

	if (root < 0)
		return -1;
	r = read_subs(root, u->store->conf.separator, a, &s, err);
	close(root);
	*out = s.dirs;
	*n_out = s.n;
	return r;
}

static void
put_dir(struct buf *out, const char *dir, bool version2, char sep)
{
	if (dir[0] == '\0') {
		buf_adds(out, "INBOX\n");
		return;
	}
	for (const char *p = dir + 1; *p != '\0'; p++)
		buf_addc(out, *p != '.' ? *p : version2 ? '\t' : sep);
	buf_addc(out, '\n');
}

static int
write_subs(int root, const struct subs *s, char sep, struct error *err)
{
	struct buf	b;
	int		r;

	buf_init(&b, MAX_FILE);
	if (s->version2)
		buf_adds(&b, "V\t2\n\n");
	for (size_t i = 0; i < s->n; i++)
		put_dir(&b, s->dirs[i], s->version2, sep);
	r = b.overflow ? error_set(err, "too many subscriptions") :
	    file_replace(root, FILE_NAME, 0600, buf_slice(&b).p,
	    buf_len(&b), err);
	buf_clear(&b);
	return r;
}

int
subs_change(const struct store_user *u, const char *dir, bool on,
    struct error *err)
{
	int		 root = root_fd(u, err), lock, r = -1;
	char		 sep = u->store->conf.separator;
	struct arena	*a;
	struct subs	 s;
	size_t		 n = 0;

	if (root < 0)
		return -1;
	if ((lock = lock_root(root, err)) < 0) {
		close(root);
		return -1;
	}
	a = arena_new();
	r = read_subs(root, sep, a, &s, err);
	if (r == 0) {
		size_t	before = s.n;

		for (size_t i = 0; i < s.n; i++)
			if (strcmp(s.dirs[i], dir) != 0)
				s.dirs[n++] = s.dirs[i];
		if (on)
			s.dirs[n++] = arena_strdup(a, dir);
		s.n = n;
		if (n != before || on)
			r = write_subs(root, &s, sep, err);
	}
	arena_free(&a);
	close(lock);
	close(root);
	return r;
}

/* Look for a line of posthouse.special; true: *use_out. */
static bool
special_find(struct slice text, const char *dir, unsigned int *use_out)
{
	struct slice	line, word;
	uint64_t	use;

	while (slice_cut(&text, '\n', &line)) {
		if (!slice_word(&line, " ", &word) ||
		    !slice_u64(word, 255, &use) ||
		    !slice_is(slice_trim(line), dir))
			continue;
		*use_out = (unsigned int)use;
		return true;
	}
	return false;
}

static bool
special_read(const struct store_user *u, struct buf *b)
{
	int	root = root_fd(u, NULL), r;

	if (root < 0)
		return false;
	r = faccessat(root, SPECIAL, F_OK, 0) < 0 ? -1 :
	    file_read_all(root, SPECIAL, b, NULL);
	close(root);
	return r == 0;
}

void
subs_special(const struct store_user *u, struct buf *out)
{
	buf_init(out, MAX_FILE);
	if (!special_read(u, out))
		buf_reset(out);
}

unsigned int
subs_use(const struct store_user *u, struct slice special, const char *dir)
{
	const struct store	*s = u->store;
	struct arena		*a;
	unsigned int		 use = 0;

	if (special_find(special, dir, &use))
		return use;
	a = arena_new();
	for (size_t i = 0; i < s->conf.nspecial; i++) {
		const char	*d = names_to_dir(s, s->conf.special[i].name,
				    a);

		if (d != NULL && strcmp(d, dir) == 0)
			use = s->conf.special[i].use;
	}
	arena_free(&a);
	return use;
}

/* Replace the line of dir; use 0: no line. */
int
subs_set_use(const struct store_user *u, const char *dir, unsigned int use,
    struct error *err)
{
	struct buf	old, new;
	struct slice	text, line;
	unsigned int	was;
	int		root, r;

	buf_init(&old, MAX_FILE);
	buf_init(&new, MAX_FILE);
	(void)special_read(u, &old);
	text = buf_slice(&old);
	if (use == 0 && !special_find(text, dir, &was)) {
		buf_clear(&old);
		return 0;
	}
	while (slice_cut(&text, '\n', &line)) {
		struct slice	rest = line, word;

		if (slice_word(&rest, " ", &word) &&
		    slice_is(slice_trim(rest), dir))
			continue;
		buf_add_slice(&new, line);
		buf_addc(&new, '\n');
	}
	if (use != 0)
		buf_addf(&new, "%u %s\n", use, dir);
	root = root_fd(u, err);
	r = root < 0 ? -1 : file_replace(root, SPECIAL, 0600,
	    buf_slice(&new).p, buf_len(&new), err);
	if (root >= 0)
		close(root);
	buf_clear(&old);
	buf_clear(&new);
	return r;
}

int
subs_move_use(const struct store_user *u, const char *from, const char *to,
    struct error *err)
{
	struct buf	b;
	unsigned int	use;
	bool		found;

	buf_init(&b, MAX_FILE);
	found = special_read(u, &b) &&
	    special_find(buf_slice(&b), from, &use);
	buf_clear(&b);
	if (!found)
		return 0;
	if (subs_set_use(u, to, use, err) < 0)
		return -1;
	return subs_set_use(u, from, 0, err);
}
