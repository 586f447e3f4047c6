/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs go fresh -> todo -> (a thread) -> finished -> done() in the loop; one of
 * a line that is busy waits there in front of todo.  Unless told to begin, the
 * loop hands over at the end of its turn what came up in it: threads that it
 * woke earlier would only stand in the way of the next job's lock.  They tell
 * the loop through an eventfd, once per non-empty list: when many jobs finish
 * while the loop is busy, it wakes once.  It is edge triggered, and so never
 * read. */
#include "sys/syncer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sys/loop.h"

struct job {
	struct list	 link;
	void		(*work)(void *arg);
	void		(*done)(void *arg);
	void		*arg;
	struct syncer_line	*line;	/* NULL */
};

struct syncer {
	struct loop	*loop;
	pthread_mutex_t	 lock;
	pthread_cond_t	 more;		/* todo has grown, or stop */
	struct list	 todo, finished;	/* struct job; under lock */
	struct list	 fresh;		/* the loop's own */
	struct loop_timer	*hand_over;
	int		 idle;		/* threads that wait; under lock */
	bool		 stop;		/* under lock */
	bool		 told;		/* the loop will come; under lock */
	pthread_t	*threads;
	int		 nthreads, limit;
	size_t		 pending;	/* the loop's own count */
	int		 event;
	struct loop_fd	*watch;
};

/* Without a word from us the loop would sleep over what has finished, for
 * good: so a failure is tried again now, and once more with the next job.
 * Under lock, which is given back meanwhile: the loop runs as soon as it is
 * told. */
static void
tell_loop(struct syncer *s)
{
	uint64_t	one = 1;
	bool		done = false;

	if (s->told)
		return;
	s->told = true;
	pthread_mutex_unlock(&s->lock);
	for (int tries = 0; tries < 100 && !done; tries++)
		done = write(s->event, &one, sizeof(one)) ==
		    (ssize_t)sizeof(one) || errno == EAGAIN;
	pthread_mutex_lock(&s->lock);
	if (!done)
		s->told = false;
}

/* Under lock.  False: the job waits behind another one. */
static bool
enter_line(struct job *j)
{
	if (j->line == NULL)
		return true;
	if (j->line->busy) {
		list_put_last(&j->line->waiting, &j->link);
		return false;
	}
	j->line->busy = true;
	return true;
}

/* Under lock.  The next one is for the thread that has just ended the one
 * before. */
static void
leave_line(struct syncer *s, struct syncer_line *line)
{
	struct list	*next;

	if (line == NULL)
		return;
	next = list_take(&line->waiting);
	line->busy = next != NULL;
	if (next != NULL)
		list_put_first(&s->todo, next);
}

static void *
thread_main(void *arg)
{
	struct syncer	*s = arg;
	struct list	*link;
	struct job	*j;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		while ((link = list_take(&s->todo)) == NULL && !s->stop) {
			s->idle++;
			pthread_cond_wait(&s->more, &s->lock);
			s->idle--;
		}
		if (link == NULL)
			break;
		pthread_mutex_unlock(&s->lock);
		j = LIST_ENTRY(link, struct job, link);
		j->work(j->arg);
		pthread_mutex_lock(&s->lock);
		leave_line(s, j->line);
		list_put_last(&s->finished, &j->link);
		tell_loop(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Jobs finished by now; later ones come with the next event. */
static void
run_finished(struct syncer *s)
{
	struct list	 batch, *link;
	struct job	*j;

	list_init(&batch);
	pthread_mutex_lock(&s->lock);
	s->told = false;
	while ((link = list_take(&s->finished)) != NULL)
		list_put_last(&batch, link);
	pthread_mutex_unlock(&s->lock);
	while ((link = list_take(&batch)) != NULL) {
		j = LIST_ENTRY(link, struct job, link);
		s->pending--;
		j->done(j->arg);
		mem_free(&j);
	}
}

static void
event_ready(void *arg, int what UNUSED)
{
	run_finished(arg);
}

static void	 give(void *arg);

struct syncer *
syncer_new(struct loop *l, int nthreads)
{
	struct syncer	*s = mem_new(1, sizeof(*s));

	ASSERT(nthreads >= 1 && nthreads <= 64);
	s->loop = l;
	s->limit = nthreads;
	s->threads = mem_new((size_t)nthreads, sizeof(*s->threads));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	list_init(&s->todo);
	list_init(&s->finished);
	list_init(&s->fresh);
	s->hand_over = loop_timer_new(l, give, s);
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event < 0)
		panic("eventfd: errno %d", errno);
	s->watch = loop_fd_new(l, s->event, LOOP_READ | LOOP_EDGE,
	    event_ready, s);
	return s;
}

/* Signals are the main thread's.  Without a single thread nothing could ever
 * finish; with fewer than wanted it is only slower. */
static void
start_thread(struct syncer *s)
{
	sigset_t	all, was;
	int		failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	failed = pthread_create(&s->threads[s->nthreads], NULL, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (failed == 0)
		s->nthreads++;
	else if (s->nthreads == 0)
		panic("pthread_create: errno %d", failed);
}

static void
give(void *arg)
{
	struct syncer	*s = arg;
	struct list	*link;
	int		 jobs = 0, idle;

	pthread_mutex_lock(&s->lock);
	while ((link = list_take(&s->fresh)) != NULL) {
		if (!enter_line(LIST_ENTRY(link, struct job, link)))
			continue;
		list_put_last(&s->todo, link);
		jobs++;
	}
	idle = s->idle < jobs ? s->idle : jobs;
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < idle; i++)
		pthread_cond_signal(&s->more);
	for (; idle < jobs && s->nthreads < s->limit; idle++)
		start_thread(s);
}

void
syncer_line_init(struct syncer_line *line)
{
	line->busy = false;
	list_init(&line->waiting);
}

void
syncer_begin(struct syncer *s)
{
	loop_timer_stop(s->hand_over);
	give(s);
}

void
syncer_run(struct syncer *s, void (*work)(void *), void (*done)(void *),
    void *arg)
{
	syncer_run_in(s, NULL, work, done, arg);
}

void
syncer_run_in(struct syncer *s, struct syncer_line *line,
    void (*work)(void *), void (*done)(void *), void *arg)
{
	struct job	*j = mem_new(1, sizeof(*j));

	j->work = work;
	j->done = done;
	j->arg = arg;
	j->line = line;
	s->pending++;
	if (list_empty(&s->fresh))
		loop_timer_before_wait(s->hand_over);
	list_put_last(&s->fresh, &j->link);
}

struct loop *
syncer_loop(const struct syncer *s)
{
	return s->loop;
}

size_t
syncer_pending(const struct syncer *s)
{
	return s->pending;
}

void
syncer_free(struct syncer **sp)
{
	struct syncer	*s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	give(s);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < s->nthreads; i++)
		pthread_join(s->threads[i], NULL);
	run_finished(s);
	loop_fd_free(&s->watch);
	loop_timer_free(&s->hand_over);
	close(s->event);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->more);
	mem_free(&s->threads);
	mem_free(&s);
}
