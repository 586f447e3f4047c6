/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check_run.h"
#include "base/mem.h"
#include "net/dial.h"
#include "net/stream.h"
#include "net/tls.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/sock.h"

static struct loop	*loop;
static char		 dir[64], pem[96];

/* One end of a connection and what it has heard. */
struct end {
	struct stream	*s;
	struct buf	 got;
	size_t		 take_most;	/* per input(); 0: all */
	bool		 leave;		/* take nothing */
	bool		 close_on_input;
	bool		 finish_on_input;
	bool		 inside;
	int		 inputs, drained, secured, eofs, errors, timeouts;
	int		 file_done, file_result;
	char		 why[256];
	/* a bulk sender: bytes yet to be put, from on_drained() */
	size_t		 to_send, sent;
};

static unsigned char
pattern(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 11));
}

/* One check for all: each has the cost of a system call. */
static bool
is_pattern(const unsigned char *p, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(from + i))
			return false;
	return true;
}

static void
on_input(void *arg)
{
	struct end	*e = arg;
	struct slice	 in = stream_in(e->s);
	size_t		 n = in.len;

	ck_assert(!e->inside);
	e->inputs++;
	if (e->close_on_input) {
		stream_close(&e->s);
		return;
	}
	if (e->leave)
		return;
	if (e->take_most > 0 && n > e->take_most)
		n = e->take_most;
	ck_assert(buf_put(&e->got, in.p, n));
	e->inside = true;
	stream_take(e->s, n);
	/* What is left is asked for again by a pause and resumption. */
	if (n < in.len) {
		stream_pause(e->s);
		stream_resume(e->s);
	}
	e->inside = false;
	if (e->finish_on_input) {
		ck_assert(buf_put(stream_out(e->s), "bye", 3));
		stream_finish(&e->s, SECS(5));
	}
}

static void
send_more(struct end *e)
{
	struct buf	*out = stream_out(e->s);

	while (e->to_send > 0 && buf_room(out) > 0) {
		unsigned char	c = pattern(e->sent);

		buf_add(out, &c, 1);
		e->sent++;
		e->to_send--;
	}
	e->inside = true;
	stream_flush(e->s);
	e->inside = false;
}

static void
on_drained(void *arg)
{
	struct end	*e = arg;

	ck_assert(!e->inside);
	ck_assert_uint_eq(stream_out_len(e->s), 0);
	e->drained++;
	if (e->to_send > 0)
		send_more(e);
}

static void
on_secured(void *arg)
{
	struct end	*e = arg;

	ck_assert(!e->inside);
	ck_assert(stream_is_tls(e->s));
	e->secured++;
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	struct end	*e = arg;

	ck_assert(!e->inside);
	switch (end) {
	case STREAM_EOF:
		e->eofs++;
		break;
	case STREAM_ERROR:
		e->errors++;
		break;
	case STREAM_TIMEOUT:
		e->timeouts++;
		break;
	}
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static void
on_file(void *arg, int result)
{
	struct end	*e = arg;

	ck_assert(!e->inside);
	e->file_done++;
	e->file_result = result;
}

static const struct stream_ops	ops = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.ended = on_ended,
};

static void
end_init(struct end *e, int fd, size_t in_max, size_t out_max)
{
	memset(e, 0, sizeof(*e));
	buf_init(&e->got, 16 << 20);
	e->s = stream_new(loop, fd, in_max, out_max, &ops, e);
}

static void
end_clear(struct end *e)
{
	stream_close(&e->s);
	buf_clear(&e->got);
}

static int
tcp_listener(void)
{
	struct sock_addr	a;
	struct error		err;
	int			fd;

	ck_assert_int_eq(sock_parse("127.0.0.1", 0, &a, &err), 0);
	fd = sock_listen(&a, 8, &err);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
tcp_pair_at(int listener, int fds[2])
{
	struct sock_addr	a;
	struct error		err;
	struct pollfd		p = { .fd = listener, .events = POLLIN };

	ck_assert_int_eq(sock_local(p.fd, &a), 0);
	ck_assert_int_eq(sock_connect(&a, NULL, &fds[0], &err), 0);
	ck_assert_int_eq(poll(&p, 1, 60000), 1);
	fds[1] = sock_accept(p.fd, NULL);
	ck_assert_int_ge(fds[1], 0);
}

static void
tcp_pair(int fds[2])
{
	int	listener = tcp_listener();

	tcp_pair_at(listener, fds);
	close(listener);
}

/* A fresh pair each: [0] and [1]. */
static void
ends(struct end e[2], size_t in_max, size_t out_max)
{
	int	fds[2];

	tcp_pair(fds);
	end_init(&e[0], fds[0], in_max, out_max);
	end_init(&e[1], fds[1], in_max, out_max);
}

#define UNTIL(cond) do {						\
	usec_t	until_ = clock_mono() + SECS(60);			\
	while (!(cond)) {						\
		ck_assert_msg(clock_mono() < until_, "waited for " #cond); \
		loop_once(loop, MSECS(50));				\
	}								\
} while (0)

static void
say(struct end *e, const char *text)
{
	ck_assert(buf_put(stream_out(e->s), text, strlen(text)));
	e->inside = true;
	stream_flush(e->s);
	e->inside = false;
}

static X509 *
new_cert(EVP_PKEY *key)
{
	X509		*x = X509_new();
	X509_NAME	*name = X509_get_subject_name(x);
	X509_EXTENSION	*ext;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"mx.example.com", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
	    "DNS:mx.example.com");
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
	return x;
}

static void
write_cert(void)
{
	EVP_PKEY	*key = EVP_EC_gen("P-256");
	X509		*x = new_cert(key);
	FILE		*f = fopen(pem, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL,
	    NULL), 1);
	ck_assert_int_eq(PEM_write_X509(f, x), 1);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
setup(void)
{
	loop = loop_new();
	snprintf(dir, sizeof(dir), "/tmp/ph-net-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(pem, sizeof(pem), "%s/pem", dir);
}

static void
teardown(void)
{
	unlink(pem);
	rmdir(dir);
	loop_free(&loop);
}

static struct tls_ctx *
server_ctx(const char *protocols)
{
	struct tls_server_conf	 c = { .chain_file = pem,
				    .protocols = protocols };
	struct error		 err;
	struct tls_ctx		*t;

	write_cert();
	t = tls_server_new(&c, &err);
	ck_assert_msg(t != NULL, "%s", err.text);
	return t;
}

static struct tls_ctx *
client_ctx(const char *ca, const char *protocols, bool opportunistic)
{
	struct tls_client_conf	 c = { .ca_file = ca, .protocols = protocols,
				    .opportunistic = opportunistic };
	struct error		 err;
	struct tls_ctx		*t = tls_client_new(&c, &err);

	ck_assert_msg(t != NULL, "%s", err.text);
	return t;
}

static void
start_tls(struct end e[2], enum tls_level level, const char *host,
    const char *ca)
{
	struct tls_ctx	*sc = server_ctx(NULL), *cc = client_ctx(ca, NULL,
			    false);

	ck_assert_int_eq(stream_tls_accept(e[1].s, sc), 0);
	ck_assert_int_eq(stream_tls_connect(e[0].s, cc, level, host), 0);
	tls_ctx_free(&sc);
	tls_ctx_free(&cc);
}

START_TEST(words_and_eof)
{
	struct end	e[2];

	ends(e, 100, 100);
	say(&e[0], "hello");
	UNTIL(buf_len(&e[1].got) == 5 && e[0].drained == 1);
	ck_assert_uint_eq(stream_bytes_in(e[1].s), 5);
	ck_assert_uint_eq(stream_bytes_out(e[0].s), 5);
	ck_assert(buf_put(stream_out(e[0].s), "last", 4));
	stream_finish(&e[0].s, SECS(60));
	ck_assert_ptr_null(e[0].s);
	UNTIL(e[1].eofs == 1);
	ck_assert(slice_is(buf_slice(&e[1].got), "hellolast"));
	loop_once(loop, MSECS(10));
	ck_assert_int_eq(e[1].eofs + e[1].errors, 1);
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

/* The same result however small the buffers are and however little is taken
 * at a time, with and without TLS. */
/* Who is told by the call itself hears nothing more. */
START_TEST(flushed_now)
{
	struct end	e[2];

	ends(e, 100, 16 << 20);
	ck_assert(buf_put(stream_out(e[0].s), "hello", 5));
	ck_assert(stream_flush_now(e[0].s));
	UNTIL(buf_len(&e[1].got) == 5);
	loop_once(loop, MSECS(10));
	ck_assert_int_eq(e[0].drained, 0);

	/* More than the system takes. */
	e[1].leave = true;
	while (buf_room(stream_out(e[0].s)) > 0)
		buf_addc(stream_out(e[0].s), 'x');
	ck_assert(!stream_flush_now(e[0].s));
	ck_assert_uint_gt(stream_out_len(e[0].s), 0);
	e[1].leave = false;
	stream_pause(e[1].s);
	stream_resume(e[1].s);
	UNTIL(e[0].drained == 1);
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

START_TEST(bulk)
{
	static const size_t	sizes[] = { 1, 7, 100, 1000, 16384, 70000 };
	size_t			total;

	for (size_t i = 0; i < COUNT(sizes) * 4; i++) {
		struct end	e[2];
		size_t		size = sizes[i / 4];
		bool		tls = (i & 1) != 0, little = (i & 2) != 0;
		struct slice	got;

		total = size < 1000 || little ? size * 20 + 200 : 1000000;
		ends(e, size, size);
		if (tls)
			start_tls(e, TLS_MAY, NULL, NULL);
		e[1].take_most = little ? size / 2 + 1 : 0;
		e[0].to_send = total;
		send_more(&e[0]);
		UNTIL(buf_len(&e[1].got) == total);
		UNTIL(stream_out_len(e[0].s) == 0);
		got = buf_slice(&e[1].got);
		ck_assert(is_pattern(got.p, total, 0));
		end_clear(&e[0]);
		end_clear(&e[1]);
	}
}
END_TEST

/* A text cut at every place arrives whole. */
START_TEST(every_split)
{
	static const char	text[] = "EHLO a.example\r\nQUIT\r\n";
	size_t			len = sizeof(text) - 1;

	for (size_t cut = 0; cut <= len; cut++) {
		struct end	e;
		int		fds[2];

		tcp_pair(fds);
		end_init(&e, fds[1], 64, 64);
		if (cut > 0)
			ck_assert_int_eq(send(fds[0], text, cut, 0), cut);
		loop_once(loop, MSECS(1));
		if (cut < len)
			ck_assert_int_eq(send(fds[0], text + cut, len - cut,
			    0), len - cut);
		close(fds[0]);
		UNTIL(e.eofs == 1);
		ck_assert(slice_is(buf_slice(&e.got), text));
		end_clear(&e);
	}
}
END_TEST

START_TEST(full_buffer_stops_reading)
{
	struct end	e[2];

	ends(e, 10, 100);
	e[1].leave = true;
	say(&e[0], "0123456789abcdef");
	UNTIL(stream_in(e[1].s).len == 10);
	loop_once(loop, MSECS(20));
	ck_assert_uint_eq(stream_in(e[1].s).len, 10);
	e[1].leave = false;
	stream_take(e[1].s, 9);
	UNTIL(buf_len(&e[1].got) == 7);
	ck_assert(slice_is(buf_slice(&e[1].got), "9abcdef"));
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

/* Paused, the end of input waits behind the input. */
START_TEST(pause_keeps_order)
{
	struct end	e[2];

	ends(e, 100, 100);
	stream_pause(e[1].s);
	say(&e[0], "abc");
	stream_finish(&e[0].s, SECS(1));
	loop_once(loop, MSECS(20));
	loop_once(loop, MSECS(20));
	ck_assert_int_eq(e[1].inputs + e[1].eofs, 0);
	stream_resume(e[1].s);
	ck_assert_int_eq(e[1].inputs, 0);
	UNTIL(e[1].eofs == 1);
	ck_assert(slice_is(buf_slice(&e[1].got), "abc"));
	end_clear(&e[1]);
}
END_TEST

START_TEST(close_inside_callbacks)
{
	struct end	e[2];

	for (int i = 0; i < 4; i++) {
		ends(e, 100, 100);
		if ((i & 1) != 0) {
			start_tls(e, TLS_MAY, NULL, NULL);
			UNTIL(e[0].secured == 1 && e[1].secured == 1);
		}
		e[1].close_on_input = (i & 2) == 0;
		e[1].finish_on_input = (i & 2) != 0;
		say(&e[0], "x");
		UNTIL(e[1].s == NULL && e[0].eofs == 1);
		ck_assert_uint_eq(buf_len(&e[0].got), (i & 2) != 0 ? 3 : 0);
		end_clear(&e[0]);
		end_clear(&e[1]);
	}
}
END_TEST

/* What the peer said before it went away is heard although we failed to
 * write. */
START_TEST(last_words_before_reset)
{
	struct end	e;
	int		fds[2];
	static char	junk[1 << 20];
	size_t		n;

	tcp_pair(fds);
	end_init(&e, fds[0], 1000, sizeof(junk));
	ck_assert(buf_put(stream_out(e.s), junk, sizeof(junk)));
	stream_flush(e.s);
	ck_assert_int_eq(send(fds[1], "552 too big\r\n", 13, 0), 13);
	n = 0;
	ck_assert_int_ge(recv(fds[1], &n, 1, 0), 0);
	close(fds[1]);
	UNTIL(e.errors == 1);
	ck_assert(slice_is(buf_slice(&e.got), "552 too big\r\n"));
	end_clear(&e);
}
END_TEST

/* The same when the write that fails is made inside a callback. */
START_TEST(last_words_to_a_sender)
{
	struct end	e;
	int		fds[2];
	char		c;

	for (int i = 0; i < 20; i++) {
		tcp_pair(fds);
		end_init(&e, fds[0], 1000, 3000);
		e.to_send = 50000000;
		send_more(&e);
		for (int k = 0; k < 20; k++)
			loop_once(loop, 0);
		ck_assert_int_eq(recv(fds[1], &c, 1, 0), 1);
		ck_assert_int_eq(send(fds[1], "552 too big\r\n", 13, 0), 13);
		close(fds[1]);
		UNTIL(e.errors + e.eofs == 1);
		ck_assert(slice_is(buf_slice(&e.got), "552 too big\r\n"));
		end_clear(&e);
	}
}
END_TEST

/* Input begins the timeout anew.  False: the machine was away for so long
 * that it was over before. */
static bool
input_is_in_time(void)
{
	struct end	e[2];
	usec_t		began, said;
	bool		good;

	ends(e, 100, 100);
	began = clock_mono();
	stream_timeout(e[1].s, MSECS(80));
	loop_once(loop, MSECS(40));
	said = clock_mono();
	say(&e[0], "a");
	UNTIL(e[1].timeouts + e[1].inputs > 0);
	good = e[1].timeouts == 0;
	UNTIL(e[1].timeouts == 1);
	ck_assert_int_ge(clock_mono() - (good ? said : began), MSECS(79));
	end_clear(&e[0]);
	end_clear(&e[1]);
	return good;
}

START_TEST(timeouts)
{
	struct end	e[2];
	usec_t		began;
	int		tries = 0;

	while (!input_is_in_time())
		ck_assert_int_lt(++tries, 100);
	ends(e, 100, 100);
	stream_timeout(e[1].s, MSECS(80));
	UNTIL(e[1].timeouts == 1);
	/* Usable still. */
	say(&e[1], "421");
	UNTIL(buf_len(&e[0].got) == 3);
	began = clock_mono();
	stream_deadline(e[1].s, MSECS(60));
	stream_timeout(e[1].s, SECS(50));
	while (e[1].timeouts == 1) {
		ck_assert_int_lt(clock_mono() - began, SECS(60));
		say(&e[0], "a");
		loop_once(loop, MSECS(5));
	}
	ck_assert_int_ge(clock_mono() - began, MSECS(60));
	stream_timeout(e[1].s, MSECS(10));
	stream_timeout(e[1].s, 0);
	loop_once(loop, MSECS(40));
	ck_assert_int_eq(e[1].timeouts, 2);
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

static int
big_file(size_t n)
{
	int		 fd;
	unsigned char	*p = mem_new(n, 1);

	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i);
	fd = open(dir, O_TMPFILE | O_RDWR, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write(fd, p, n), 0);
	mem_free(&p);
	return fd;
}

START_TEST(files)
{
	size_t	n = 1500000, from = 77;
	int	fd = big_file(n);

	for (int tls = 0; tls < 2; tls++) {
		struct end	e[2];
		struct slice	got;

		ends(e, 5000, 100);
		if (tls)
			start_tls(e, TLS_MAY, NULL, NULL);
		ck_assert(buf_put(stream_out(e[0].s), "<", 1));
		stream_send_file(e[0].s, fd, (off_t)from, n - from, on_file,
		    &e[0]);
		ck_assert_int_eq(e[0].file_done, 0);
		ck_assert(buf_put(stream_out(e[0].s), ">", 1));
		stream_flush(e[0].s);
		UNTIL(buf_len(&e[1].got) == n - from + 2);
		got = buf_slice(&e[1].got);
		ck_assert_int_eq(got.p[0], '<');
		ck_assert_int_eq(got.p[got.len - 1], '>');
		ck_assert(is_pattern(got.p + 1, n - from, from));
		UNTIL(e[0].file_done == 1);
		ck_assert_int_eq(e[0].file_result, 0);
		ck_assert_uint_eq(stream_bytes_out(e[0].s), n - from + 2);
		/* A file that is shorter than was said. */
		stream_send_file(e[0].s, fd, (off_t)n - 10, 11, on_file,
		    &e[0]);
		UNTIL(e[0].file_done == 2);
		ck_assert_int_eq(e[0].file_result, -1);
		/* Nothing of a file is a file, too. */
		stream_send_file(e[0].s, fd, 0, 0, on_file, &e[0]);
		UNTIL(e[0].file_done == 3);
		ck_assert_int_eq(e[0].file_result, 0);
		end_clear(&e[0]);
		end_clear(&e[1]);
	}
	close(fd);
}
END_TEST

START_TEST(tls_tells_what_it_is)
{
	struct end			 e[2];
	unsigned char			 a[32], b[32];
	const struct tls_info		*info;

	ends(e, 1000, 1000);
	/* Output before TLS goes out in clear, in order. */
	ck_assert(buf_put(stream_out(e[1].s), "220 go\r\n", 8));
	stream_flush(e[1].s);
	UNTIL(buf_len(&e[0].got) == 8);
	start_tls(e, TLS_VERIFY, "mx.example.com", pem);
	say(&e[0], "early");
	UNTIL(e[0].secured == 1 && e[1].secured == 1);
	info = stream_tls_info(e[0].s);
	ck_assert_str_eq(info->protocol, "TLSv1.3");
	ck_assert_str_eq(info->peer_name, "mx.example.com");
	ck_assert(info->verified && info->peer_cert);
	ck_assert_int_ge(info->bits_used, 128);
	ck_assert_str_eq(stream_tls_info(e[1].s)->sni, "mx.example.com");
	ck_assert(!stream_tls_info(e[1].s)->peer_cert);
	ck_assert(stream_tls_exporter(e[0].s, a));
	ck_assert(stream_tls_exporter(e[1].s, b));
	ck_assert_int_eq(memcmp(a, b, 32), 0);
	UNTIL(buf_len(&e[1].got) == 5);
	ck_assert_int_eq(stream_tls_accept(e[1].s, NULL), -1);
	/* Its end is the end: nothing is read in clear afterwards. */
	stream_close(&e[0].s);
	UNTIL(e[1].eofs == 1);
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

static const struct {
	const char	*label, *host;
	bool		 ca;
	enum tls_level	 level;
	bool		 works, verified;
} checks[] = {
	{ "right name", "mx.example.com", true, TLS_VERIFY, true, true },
	{ "wrong name", "mx2.example.com", true, TLS_VERIFY, false, false },
	{ "no CA", "mx.example.com", false, TLS_VERIFY, false, false },
	{ "no CA, may", "mx.example.com", false, TLS_MAY, true, false },
	{ "wrong name, encrypt", "x.example", true, TLS_ENCRYPT, true, false },
	{ "address", "127.0.0.1", true, TLS_MAY, true, false },
	{ "no name", NULL, true, TLS_MAY, true, true },
};

START_TEST(tls_levels)
{
	for (size_t i = 0; i < COUNT(checks); i++) {
		struct end	e[2];

		ends(e, 1000, 1000);
		write_cert();
		start_tls(e, checks[i].level, checks[i].host, NULL);
		end_clear(&e[0]);
		end_clear(&e[1]);
		ends(e, 1000, 1000);
		if (checks[i].ca) {
			struct tls_ctx	*sc = server_ctx(NULL), *cc;

			cc = client_ctx(pem, NULL, false);
			ck_assert_int_eq(stream_tls_accept(e[1].s, sc), 0);
			ck_assert_int_eq(stream_tls_connect(e[0].s, cc,
			    checks[i].level, checks[i].host), 0);
			tls_ctx_free(&sc);
			tls_ctx_free(&cc);
		} else
			start_tls(e, checks[i].level, checks[i].host, NULL);
		UNTIL(e[0].secured + e[0].errors + e[0].eofs > 0);
		ck_assert_msg(e[0].secured == checks[i].works, "%s: %s",
		    checks[i].label, e[0].why);
		if (e[0].secured)
			ck_assert_msg(stream_tls_info(e[0].s)->verified ==
			    checks[i].verified, "%s", checks[i].label);
		end_clear(&e[0]);
		end_clear(&e[1]);
	}
}
END_TEST

static const struct {
	const char	*server, *client;
	bool		 opportunistic;
	const char	*result;	/* NULL: no agreement */
} versions[] = {
	{ ">=TLSv1.2", ">=TLSv1.2", false, "TLSv1.3" },
	{ ">=TLSv1.2, <=TLSv1.2", ">=TLSv1", true, "TLSv1.2" },
	{ "TLSv1.3", "!TLSv1.3", false, NULL },
	{ "!SSLv2, !SSLv3, !TLSv1.3", ">=TLSv1", false, "TLSv1.2" },
	{ "TLSv1.1", ">=TLSv1", true, "TLSv1.1" },
	{ "TLSv1.1", ">=TLSv1.2", true, NULL },
};

/* A connection to the listener, up to some words behind the handshake.  Was
 * the session one of before? */
static bool
resumes(int listener, struct tls_ctx *sc, struct tls_ctx *cc,
    enum tls_level level, const char *host)
{
	struct end	e[2];
	int		fds[2];
	bool		result;

	tcp_pair_at(listener, fds);
	end_init(&e[0], fds[0], 1000, 1000);
	end_init(&e[1], fds[1], 1000, 1000);
	ck_assert_int_eq(stream_tls_accept(e[1].s, sc), 0);
	ck_assert_int_eq(stream_tls_connect(e[0].s, cc, level, host), 0);
	UNTIL(e[0].secured == 1 && e[1].secured == 1);
	say(&e[1], "hello");
	UNTIL(buf_len(&e[0].got) == 5);
	ck_assert(stream_tls_info(e[0].s)->peer_cert);
	result = stream_tls_info(e[0].s)->resumed;
	ck_assert(result == stream_tls_info(e[1].s)->resumed);
	ck_assert(!result || stream_tls_offered(e[0].s));
	end_clear(&e[0]);
	end_clear(&e[1]);
	return result;
}

static void
check_sessions(const char *protocols)
{
	static const char	mx[] = "mx.example.com";
	int			here = tcp_listener(), there = tcp_listener();
	struct tls_server_conf	s = { .chain_file = pem, .session_id = "x",
				    .protocols = protocols, .tickets = 1 };
	struct tls_client_conf	c = { .ca_file = pem,
				    .session_life = SECS(3600) };
	struct error		err;
	struct tls_ctx		*sc, *cc, *other;

	write_cert();
	sc = tls_server_new(&s, &err);
	cc = tls_client_new(&c, &err);
	other = client_ctx(pem, NULL, false);
	ck_assert(!resumes(here, sc, cc, TLS_ENCRYPT, mx));
	ck_assert(resumes(here, sc, cc, TLS_ENCRYPT, mx));
	ck_assert(resumes(here, sc, cc, TLS_ENCRYPT, mx));
	ck_assert(!resumes(here, sc, cc, TLS_VERIFY, mx));
	ck_assert(resumes(here, sc, cc, TLS_VERIFY, mx));
	ck_assert(!resumes(here, sc, cc, TLS_ENCRYPT, "mx2.example.com"));
	ck_assert(!resumes(there, sc, cc, TLS_ENCRYPT, mx));
	ck_assert(!resumes(here, sc, other, TLS_ENCRYPT, mx));
	ck_assert(!resumes(here, sc, other, TLS_ENCRYPT, mx));
	tls_ctx_free(&other);
	tls_ctx_free(&sc);
	/* The server has forgotten it. */
	sc = tls_server_new(&s, &err);
	ck_assert(!resumes(here, sc, cc, TLS_ENCRYPT, mx));
	ck_assert(resumes(here, sc, cc, TLS_ENCRYPT, mx));
	tls_ctx_free(&sc);
	tls_ctx_free(&cc);
	close(here);
	close(there);
}

START_TEST(tls_sessions_stand_for_the_same_checks)
{
	check_sessions("TLSv1.3");
	check_sessions("TLSv1.2");
}
END_TEST

START_TEST(tls_versions)
{
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct end	e[2];
		struct tls_ctx	*sc, *cc;

		ends(e, 1000, 1000);
		sc = server_ctx(versions[i].server);
		cc = client_ctx(NULL, versions[i].client,
		    versions[i].opportunistic);
		ck_assert_int_eq(stream_tls_accept(e[1].s, sc), 0);
		ck_assert_int_eq(stream_tls_connect(e[0].s, cc, TLS_MAY,
		    NULL), 0);
		tls_ctx_free(&sc);
		tls_ctx_free(&cc);
		UNTIL(e[0].secured + e[0].errors + e[0].eofs > 0);
		if (versions[i].result == NULL) {
			ck_assert_int_eq(e[0].secured, 0);
			ck_assert_int_eq(strncmp(e[0].why,
			    "SSL_connect error: ", 19), 0);
		} else
			ck_assert_str_eq(stream_tls_info(e[0].s)->protocol,
			    versions[i].result);
		end_clear(&e[0]);
		end_clear(&e[1]);
	}
}
END_TEST

/* RFC 3207 4.2: what was sent in clear behind STARTTLS is never taken for a
 * command under TLS. */
START_TEST(no_injection)
{
	struct end	 e[2];
	struct tls_ctx	*sc = server_ctx(NULL);

	ends(e, 1000, 1000);
	e[1].take_most = 10;
	e[1].leave = true;
	say(&e[0], "STARTTLS\r\nRSET\r\n");
	UNTIL(e[1].inputs == 1);
	stream_take(e[1].s, 10);
	ck_assert_int_eq(stream_tls_accept(e[1].s, sc), -1);
	ck_assert(!stream_is_tls(e[1].s));
	end_clear(&e[0]);
	end_clear(&e[1]);

	/* Not yet read when TLS began: no handshake comes of it. */
	ends(e, 1000, 1000);
	ck_assert_int_eq(stream_tls_accept(e[1].s, sc), 0);
	say(&e[0], "RSET\r\nMAIL FROM:<>\r\n");
	UNTIL(e[1].errors == 1);
	ck_assert_int_eq(e[1].inputs, 0);
	ck_assert_int_eq(strncmp(e[1].why, "SSL_accept error: ", 18), 0);
	end_clear(&e[0]);
	end_clear(&e[1]);
	tls_ctx_free(&sc);
}
END_TEST

/* Cleartext in the middle of TLS ends it. */
START_TEST(no_cleartext_after_tls)
{
	struct end	e[2];

	ends(e, 1000, 1000);
	start_tls(e, TLS_MAY, NULL, NULL);
	UNTIL(e[0].secured == 1 && e[1].secured == 1);
	ck_assert_int_eq(send(stream_fd(e[0].s), "QUIT\r\n", 6, 0), 6);
	UNTIL(e[1].errors == 1);
	ck_assert_int_eq(e[1].inputs, 0);
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

START_TEST(tls_configuration_errors)
{
	struct tls_server_conf	s = { .chain_file = "/nonexistent/pem" };
	struct tls_client_conf	c = { .protocols = ">=TLSv7" };
	struct error		err;

	ck_assert_ptr_null(tls_server_new(&s, &err));
	ck_assert_str_eq(err.text, "cannot load certificate from "
	    "/nonexistent/pem: No such file or directory");
	s.chain_file = NULL;
	ck_assert_ptr_null(tls_server_new(&s, &err));
	ck_assert_str_eq(err.text, "no TLS certificate is configured");
	ck_assert_ptr_null(tls_client_new(&c, &err));
	ck_assert_str_eq(err.text, "unknown TLS protocol: >=TLSv7");
	c.protocols = NULL;
	c.ciphers = "nonsense";
	ck_assert_ptr_null(tls_client_new(&c, &err));
}
END_TEST

START_TEST(detach)
{
	struct end	e[2];
	struct buf	rest;
	int		fd;

	ends(e, 100, 100);
	buf_init(&rest, 100);
	e[1].leave = true;
	say(&e[0], "ahead");
	UNTIL(e[1].inputs == 1);
	ck_assert(buf_put(stream_out(e[1].s), "x", 1));
	ck_assert_int_eq(stream_detach(&e[1].s, &rest), -1);
	buf_reset(stream_out(e[1].s));
	fd = stream_detach(&e[1].s, &rest);
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_null(e[1].s);
	ck_assert(slice_is(buf_slice(&rest), "ahead"));
	ck_assert_int_eq(send(fd, "hi", 2, 0), 2);
	UNTIL(buf_len(&e[0].got) == 2);
	close(fd);
	buf_clear(&rest);
	end_clear(&e[0]);
	end_clear(&e[1]);
}
END_TEST

static int		dialed, dialed_sys;
static int		dialed_fd;
static struct dial	*dial;

static void
on_dial(void *arg UNUSED, int fd, const struct error *err)
{
	dialed++;
	dialed_fd = fd;
	dialed_sys = err->sys;
	dial = NULL;
}

START_TEST(dialing)
{
	struct sock_addr	a;
	struct error		err;
	int			l, fill[8], bound;

	ck_assert_int_eq(sock_parse("127.0.0.1", 0, &a, &err), 0);
	l = sock_listen(&a, 0, &err);
	ck_assert_int_eq(sock_local(l, &a), 0);
	dial = dial_tcp(loop, &a, NULL, SECS(60), on_dial, NULL);
	ck_assert_int_eq(dialed, 0);
	UNTIL(dialed == 1);
	ck_assert_int_ge(dialed_fd, 0);
	close(dialed_fd);
	/* Nobody accepts: soon the next connection hangs. */
	for (size_t i = 0; i < COUNT(fill); i++)
		ck_assert_int_eq(sock_connect(&a, NULL, &fill[i], &err), 0);
	dial = dial_tcp(loop, &a, NULL, MSECS(50), on_dial, NULL);
	UNTIL(dialed == 2);
	ck_assert_int_eq(dialed_fd, -1);
	ck_assert_int_eq(dialed_sys, ETIMEDOUT);
	dial = dial_tcp(loop, &a, NULL, MSECS(20), on_dial, NULL);
	dial_cancel(&dial);
	loop_once(loop, MSECS(50));
	ck_assert_int_eq(dialed, 2);
	for (size_t i = 0; i < COUNT(fill); i++)
		close(fill[i]);
	close(l);
	/* A port that nobody else can begin to listen on. */
	bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(sock_parse("127.0.0.1", 0, &a, &err), 0);
	ck_assert_int_eq(bind(bound, (struct sockaddr *)&a.ss, a.len), 0);
	ck_assert_int_eq(sock_local(bound, &a), 0);
	dial = dial_tcp(loop, &a, NULL, SECS(60), on_dial, NULL);
	ck_assert_int_eq(dialed, 2);
	UNTIL(dialed == 3);
	ck_assert_int_eq(dialed_sys, ECONNREFUSED);
	close(bound);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("net");
	TCase	*t = tcase_create("net");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, words_and_eof);
	tcase_add_test(t, flushed_now);
	tcase_add_test(t, bulk);
	tcase_add_test(t, every_split);
	tcase_add_test(t, full_buffer_stops_reading);
	tcase_add_test(t, pause_keeps_order);
	tcase_add_test(t, close_inside_callbacks);
	tcase_add_test(t, last_words_before_reset);
	tcase_add_test(t, last_words_to_a_sender);
	tcase_add_test(t, timeouts);
	tcase_add_test(t, files);
	tcase_add_test(t, tls_tells_what_it_is);
	tcase_add_test(t, tls_levels);
	tcase_add_test(t, tls_sessions_stand_for_the_same_checks);
	tcase_add_test(t, tls_versions);
	tcase_add_test(t, no_injection);
	tcase_add_test(t, no_cleartext_after_tls);
	tcase_add_test(t, tls_configuration_errors);
	tcase_add_test(t, detach);
	tcase_add_test(t, dialing);
	suite_add_tcase(s, t);
	return check_run(s);
}
