/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - doubly linked lists whose links live in the elements.
 * A struct list is the head; an unlinked element has next == NULL. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

struct list {
	struct list	*next, *prev;
};

#define LIST_INIT(l)	{ &(l), &(l) }

/* The element of type s whose member m is the link at p. */
#define LIST_ENTRY(p, s, m)	CONTAINER(p, s, m)

/* for (struct list *l = head.next; l != &head; l = l->next) ...; this form
 * allows the body to remove l. */
#define LIST_EACH(l, head) \
	for (struct list *l = (head)->next, *l##_next = l->next; \
	    l != (head); l = l##_next, l##_next = l->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline bool
list_linked(const struct list *l)
{
	return l->next != NULL;
}

static inline void
list_put_after(struct list *where, struct list *l)
{
	l->prev = where;
	l->next = where->next;
	where->next->prev = l;
	where->next = l;
}

static inline void
list_put_first(struct list *head, struct list *l)
{
	list_put_after(head, l);
}

static inline void
list_put_last(struct list *head, struct list *l)
{
	list_put_after(head->prev, l);
}

/* l may be unlinked already. */
static inline void
list_remove(struct list *l)
{
	if (l->next == NULL)
		return;
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

/* First link, or NULL. */
static inline struct list *
list_first(const struct list *head)
{
	return head->next == head ? NULL : head->next;
}

/* Remove and return the first link, or NULL. */
static inline struct list *
list_take(struct list *head)
{
	struct list	*l = list_first(head);

	if (l != NULL)
		list_remove(l);
	return l;
}

#endif
