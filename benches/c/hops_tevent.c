/* C tevent: a handler for each descriptor. */
#define _GNU_SOURCE
#include <sys/time.h>
#include <talloc.h>
#include <tevent.h>

#include "hops.h"

static struct tevent_context *context;

static void prepare(uint64_t descriptors)
{
	(void)descriptors;
	context = tevent_context_init(NULL);
}

static void ready(struct tevent_context *ev, struct tevent_fd *event, uint16_t flags, void *private_data)
{
	(void)ev;
	(void)event;
	(void)flags;
	hop((uint64_t)(uintptr_t)private_data);
}

static void watch(uint64_t which, int descriptor)
{
	void *number = (void *)(uintptr_t)which;
	if (tevent_add_fd(context, context, descriptor, TEVENT_FD_READ, ready, number) == NULL)
		check(-1, "tevent_add_fd");
}

static void run(void)
{
	while (to_come > 0)
		tevent_loop_once(context);
}
