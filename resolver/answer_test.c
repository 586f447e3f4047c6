/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/check_run.h"
#include "base/mem.h"
#include "resolver/answer.h"
#include "resolver/hosts.h"

static struct arena	*mem;
static struct buf	 pkt;

static void
setup(void)
{
	mem = arena_new();
	buf_init(&pkt, 65535);
}

static void
teardown(void)
{
	buf_clear(&pkt);
	arena_free(&mem);
}

static void
put16(unsigned int n)
{
	buf_addc(&pkt, (int)(n >> 8));
	buf_addc(&pkt, (int)(n & 255));
}

/* "a.b" and, with ->N at the end, a pointer to offset N. */
static void
put_name(const char *name)
{
	struct slice	rest = slice_str(name), label;
	uint64_t	to;

	while (slice_word(&rest, ".", &label)) {
		if (slice_starts(label, "->")) {
			ck_assert(slice_u64(slice_from(label, 2), 16383, &to));
			put16(0xc000u | (unsigned int)to);
			return;
		}
		buf_addc(&pkt, (int)label.len);
		buf_add_slice(&pkt, label);
	}
	buf_addc(&pkt, 0);
}

/* The question is at offset 12. */
static void
begin(int rcode, const char *question, unsigned int type, unsigned int answers,
    unsigned int authorities)
{
	buf_reset(&pkt);
	put16(1);
	put16(0x8180u | (unsigned int)rcode);
	put16(1);
	put16(answers);
	put16(authorities);
	put16(0);
	put_name(question);
	put16(type);
	put16(1);
}

static void
record(const char *name, unsigned int type, unsigned int ttl,
    const void *data, size_t len)
{
	put_name(name);
	put16(type);
	put16(1);
	put16(ttl >> 16);
	put16(ttl & 65535);
	put16((unsigned int)len);
	buf_add(&pkt, data, len);
}

/* rdata that is `pref` (if >= 0) and a name */
static void
name_record(const char *name, unsigned int type, unsigned int ttl, int pref,
    const char *target)
{
	size_t		 at, end;

	record(name, type, ttl, "", 0);
	at = buf_len(&pkt);
	if (pref >= 0)
		put16((unsigned int)pref);
	put_name(target);
	end = buf_len(&pkt);
	pkt.mem[pkt.from + at - 2] = (unsigned char)((end - at) >> 8);
	pkt.mem[pkt.from + at - 1] = (unsigned char)(end - at);
}

static void
soa(unsigned int ttl, unsigned int minimum)
{
	static const char	zero[16];
	size_t			at, end;

	record("example", 6, ttl, "", 0);
	at = buf_len(&pkt);
	put_name("ns.->12");
	put_name("hostmaster.->12");
	buf_add(&pkt, zero, 16);
	put16(minimum >> 16);
	put16(minimum & 65535);
	end = buf_len(&pkt);
	pkt.mem[pkt.from + at - 1] = (unsigned char)(end - at);
}

static struct answer
parsed(const char *name, uint16_t type)
{
	struct answer	ans;

	ck_assert_int_eq(answer_parse(buf_slice(&pkt), name, type, mem, &ans),
	    0);
	return ans;
}

/* Whatever is cut off, the answer does not parse; and no byte of it, changed
 * to anything, does harm. */
static void
torture(const char *name, uint16_t type)
{
	struct slice	 all = buf_slice(&pkt);
	struct answer	 ans;
	unsigned char	*copy;

	for (size_t n = 0; n < all.len; n++) {
		struct arena	*a = arena_new();

		copy = mem_new(n + 1, 1);
		memcpy(copy, all.p, n);
		ck_assert_int_eq(answer_parse(slice_of(copy, n), name, type, a,
		    &ans), -1);
		mem_free(&copy);
		arena_free(&a);
	}
	for (size_t n = 0; n < all.len * 256; n++) {
		struct arena	*a = arena_new();

		copy = mem_new(all.len, 1);
		memcpy(copy, all.p, all.len);
		copy[n / 256] = (unsigned char)n;
		(void)!answer_parse(slice_of(copy, all.len), name, type, a,
		    &ans);
		mem_free(&copy);
		arena_free(&a);
	}
}

START_TEST(addresses)
{
	struct answer	ans;

	begin(0, "mx.Example.com", DNS_A, 2, 0);
	record("->12", DNS_A, 300, "\xc0\x00\x02\x01", 4);
	record("MX.example.COM", DNS_A, 200, "\xc0\x00\x02\x02", 4);
	ans = parsed("mx.example.com", DNS_A);
	ck_assert_int_eq(ans.result, DNS_OK);
	ck_assert_uint_eq(ans.nrr, 2);
	ck_assert_str_eq(ans.rr[0].text, "192.0.2.1");
	ck_assert_str_eq(ans.rr[1].text, "192.0.2.2");
	ck_assert_uint_eq(ans.ttl, 200);
	torture("mx.example.com", DNS_A);
	begin(0, "a", DNS_AAAA, 1, 0);
	record("a", DNS_AAAA, 0x80000001u, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0"
	    "\0\0\0\1", 16);
	ans = parsed("a", DNS_AAAA);
	ck_assert_str_eq(ans.rr[0].text, "2001:db8::1");
	ck_assert_uint_eq(ans.ttl, 0);
	begin(0, "a", DNS_A, 1, 0);
	record("a", DNS_A, 1, "\1\2\3", 3);
	ck_assert_int_eq(answer_parse(buf_slice(&pkt), "a", DNS_A, mem, &ans),
	    -1);
}
END_TEST

START_TEST(mail_exchangers)
{
	struct answer	ans;

	begin(0, "example.com", DNS_MX, 2, 0);
	name_record("->12", DNS_MX, 60, 10, "mx1.->12");
	name_record("->12", DNS_MX, 60, 65535, "mx2.other.example");
	ans = parsed("example.com", DNS_MX);
	ck_assert_uint_eq(ans.nrr, 2);
	ck_assert_uint_eq(ans.rr[0].preference, 10);
	ck_assert_str_eq(ans.rr[0].text, "mx1.example.com");
	ck_assert_uint_eq(ans.rr[1].preference, 65535);
	ck_assert_str_eq(ans.rr[1].text, "mx2.other.example");
	torture("example.com", DNS_MX);
	/* RFC 7505: null MX */
	begin(0, "example.com", DNS_MX, 1, 0);
	name_record("->12", DNS_MX, 60, 0, "");
	ans = parsed("example.com", DNS_MX);
	ck_assert_int_eq(ans.result, DNS_OK);
	ck_assert_str_eq(ans.rr[0].text, "");
	/* Too short for its fixed part; a byte behind the name. */
	begin(0, "e", DNS_MX, 1, 0);
	record("e", DNS_MX, 60, "\0\1", 2);
	ck_assert_int_eq(answer_parse(buf_slice(&pkt), "e", DNS_MX, mem,
	    &ans), -1);
	begin(0, "e", DNS_MX, 1, 0);
	record("e", DNS_MX, 60, "\0\1\1a\0x", 6);
	ck_assert_int_eq(answer_parse(buf_slice(&pkt), "e", DNS_MX, mem,
	    &ans), -1);
}
END_TEST

START_TEST(text_and_tlsa)
{
	struct answer	ans;

	begin(0, "t", DNS_TXT, 1, 0);
	record("t", DNS_TXT, 60, "\3v=s\0\3pf1", 9);
	ans = parsed("t", DNS_TXT);
	ck_assert(slice_is(ans.rr[0].data, "v=spf1"));
	torture("t", DNS_TXT);
	begin(0, "t", DNS_TXT, 1, 0);
	record("t", DNS_TXT, 60, "\4v=s", 4);
	ck_assert_int_eq(answer_parse(buf_slice(&pkt), "t", DNS_TXT, mem,
	    &ans), -1);
	begin(0, "_25._tcp.mx", DNS_TLSA, 1, 0);
	record("->12", DNS_TLSA, 60, "\3\1\1\xab\xcd", 5);
	ans = parsed("_25._tcp.mx", DNS_TLSA);
	ck_assert_uint_eq(ans.rr[0].data.len, 5);
	ck_assert_int_eq(memcmp(ans.rr[0].data.p, "\3\1\1\xab\xcd", 5), 0);
	begin(0, "t", DNS_TLSA, 1, 0);
	record("t", DNS_TLSA, 60, "\3\1\1", 3);
	ck_assert_int_eq(answer_parse(buf_slice(&pkt), "t", DNS_TLSA, mem,
	    &ans), -1);
}
END_TEST

START_TEST(aliases)
{
	struct answer	ans;

	begin(0, "a", DNS_A, 3, 0);
	record("c", DNS_A, 300, "\1\2\3\4", 4);
	name_record("b", DNS_CNAME, 50, -1, "C");
	name_record("->12", DNS_CNAME, 100, -1, "b");
	ans = parsed("a", DNS_A);
	ck_assert_int_eq(ans.result, DNS_OK);
	ck_assert_str_eq(ans.rr[0].text, "1.2.3.4");
	ck_assert_uint_eq(ans.ttl, 50);
	torture("a", DNS_A);
	ans = parsed("a", DNS_CNAME);
	ck_assert_str_eq(ans.rr[0].text, "b");
	/* To nowhere, in a circle, and to another type. */
	begin(3, "a", DNS_A, 1, 1);
	name_record("a", DNS_CNAME, 100, -1, "gone");
	soa(900, 30);
	ans = parsed("a", DNS_A);
	ck_assert_int_eq(ans.result, DNS_NXDOMAIN);
	ck_assert_uint_eq(ans.ttl, 30);
	begin(0, "a", DNS_A, 2, 0);
	name_record("a", DNS_CNAME, 100, -1, "b");
	name_record("b", DNS_CNAME, 100, -1, "a");
	ans = parsed("a", DNS_A);
	ck_assert_int_eq(ans.result, DNS_NODATA);
	begin(0, "a", DNS_A, 2, 0);
	name_record("a", DNS_CNAME, 100, -1, "b");
	record("b", DNS_TXT, 10, "\1x", 2);
	ans = parsed("a", DNS_A);
	ck_assert_int_eq(ans.result, DNS_NODATA);
	/* An address of a name that nobody asked for does not count. */
	begin(0, "a", DNS_A, 1, 0);
	record("b", DNS_A, 10, "\1\2\3\4", 4);
	ck_assert_int_eq(parsed("a", DNS_A).result, DNS_NODATA);
}
END_TEST

START_TEST(denials)
{
	struct answer	ans;

	begin(3, "no.example", DNS_MX, 0, 1);
	soa(900, 600);
	ans = parsed("no.example", DNS_MX);
	ck_assert_int_eq(ans.result, DNS_NXDOMAIN);
	ck_assert_uint_eq(ans.ttl, 600);
	torture("no.example", DNS_MX);
	begin(0, "no.example", DNS_MX, 0, 1);
	soa(20, 600);
	ans = parsed("no.example", DNS_MX);
	ck_assert_int_eq(ans.result, DNS_NODATA);
	ck_assert_uint_eq(ans.ttl, 20);
	begin(0, "no.example", DNS_MX, 0, 0);
	ck_assert_uint_eq(parsed("no.example", DNS_MX).ttl, 0);
	begin(2, "no.example", DNS_MX, 0, 0);
	ans = parsed("no.example", DNS_MX);
	ck_assert_int_eq(ans.result, DNS_TEMPFAIL);
	ck_assert_str_eq(ans.why, "server failure");
	begin(9, "no.example", DNS_MX, 0, 0);
	ck_assert_int_eq(parsed("no.example", DNS_MX).result, DNS_TEMPFAIL);
}
END_TEST

START_TEST(names)
{
	struct answer	ans;
	char		label[64];

	/* A dot, a NUL and a space inside labels stay what they are. */
	begin(0, "p", DNS_PTR, 1, 0);
	record("p", DNS_PTR, 60, "\3a.b\4c\0 \\\0", 10);
	ans = parsed("p", DNS_PTR);
	ck_assert_str_eq(ans.rr[0].text, "a\\046b.c\\000\\032\\092");
	/* Pointers: to itself, forward, into a label, out of the packet. */
	for (int i = 0; i < 4; i++) {
		static const char	*const to[] = { "\xc0\x20", "\xc0\x21",
			"\x40x", "\xff\xff" };

		begin(0, "p", DNS_PTR, 1, 0);
		record("p", DNS_PTR, 60, to[i], 2);
		ck_assert_int_eq(answer_parse(buf_slice(&pkt), "p", DNS_PTR,
		    mem, &ans), -1);
	}
	/* 255 bytes are the most. */
	memset(label, 'x', sizeof(label));
	for (int more = 0; more < 2; more++) {
		struct buf	d;

		buf_init(&d, 300);
		for (int i = 0; i < 4; i++) {
			size_t	n = i < 3 ? 63u : 61u + (unsigned int)more;

			buf_addc(&d, (int)n);
			buf_add(&d, label, n);
		}
		buf_addc(&d, 0);
		begin(0, "p", DNS_PTR, 1, 0);
		record("p", DNS_PTR, 60, buf_slice(&d).p, buf_len(&d));
		ck_assert_int_eq(answer_parse(buf_slice(&pkt), "p", DNS_PTR,
		    mem, &ans), -more);
		buf_clear(&d);
	}
	ck_assert(answer_name_ok("a.b-c.d_e"));
	ck_assert(!answer_name_ok(""));
	ck_assert(!answer_name_ok("a..b"));
	ck_assert(!answer_name_ok(".a"));
	ck_assert(!answer_name_ok("a."));
	ck_assert(!answer_name_ok("a b"));
	ck_assert(!answer_name_ok("a\\.b"));
	ck_assert(!answer_name_ok("\xc3\xa4"));
	ck_assert_str_eq(answer_reverse(mem, "192.0.2.1"),
	    "1.2.0.192.in-addr.arpa");
	ck_assert_str_eq(answer_reverse(mem, "2001:db8::1"), "1.0.0.0.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
	ck_assert_ptr_null(answer_reverse(mem, "example.com"));
}
END_TEST

START_TEST(hosts_file)
{
	struct hosts	*h = hosts_parse(mem, SLICE_LIT(
			    "# comment\n127.0.0.1\tlocalhost\n"
			    "192.0.2.5 Mail.Example.com mail # and more\n"
			    "2001:DB8:0::5 mail.example.com\nnonsense\n"
			    "192.0.2.6\n192.0.2.5 other bad\\name\n"
			    "192.0.2.7 last"));
	const struct hosts_addr	*a = hosts_find(h, "mail.EXAMPLE.com");

	ck_assert_ptr_nonnull(a);
	ck_assert_str_eq(a->ip, "192.0.2.5");
	ck_assert_str_eq(a->next->ip, "2001:db8::5");
	ck_assert_ptr_null(a->next->next);
	ck_assert_ptr_nonnull(hosts_find(h, "mail"));
	ck_assert_ptr_nonnull(hosts_find(h, "last"));
	ck_assert_ptr_null(hosts_find(h, "and"));
	ck_assert_ptr_null(hosts_find(h, "bad\\name"));
	ck_assert_str_eq(hosts_name(h, "192.0.2.5"), "Mail.Example.com");
	ck_assert_str_eq(hosts_name(h, "2001:db8::0:5"), "mail.example.com");
	ck_assert_ptr_null(hosts_name(h, "192.0.2.6"));
	ck_assert_ptr_null(hosts_name(h, "localhost"));
	hosts_clear(h);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("answer");
	TCase	*t = tcase_create("answer");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, addresses);
	tcase_add_test(t, mail_exchangers);
	tcase_add_test(t, text_and_tlsa);
	tcase_add_test(t, aliases);
	tcase_add_test(t, denials);
	tcase_add_test(t, names);
	tcase_add_test(t, hosts_file);
	suite_add_tcase(s, t);
	return check_run(s);
}
