/* C tevent: an allocation for each timer, absolute deadlines in microseconds, a linear list. */
#include <sys/time.h>
#include <talloc.h>
#include <tevent.h>

#include "work.h"

static struct tevent_context *context;
static struct tevent_timer **timers;
static uint64_t base;

static void fired(void);
static uint64_t to_fire;

static void due(struct tevent_context *ev, struct tevent_timer *timer, struct timeval now, void *private_data)
{
	(void)ev;
	(void)timer;
	(void)now;
	(void)private_data;
	fired();
}

static void rebase(void)
{
	struct timeval now = tevent_timeval_current();
	base = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

static void prepare(uint64_t count)
{
	rebase();
	context = tevent_context_init(NULL);
	timers = calloc(count, sizeof(struct tevent_timer *));
}

static void start(uint64_t which, uint64_t delay)
{
	uint64_t deadline = base + delay / 1000;
	struct timeval at = tevent_timeval_set((uint32_t)(deadline / 1000000), (uint32_t)(deadline % 1000000));
	timers[which] = tevent_add_timer(context, context, at, due, NULL);
}

static void stop(uint64_t which)
{
	TALLOC_FREE(timers[which]);
}

static void run(void)
{
	while (to_fire > 0)
		tevent_loop_once(context);
}

#include "timers.h"
