/* ivykis: timers inside the caller's own memory, absolute deadlines in nanoseconds. */
#include <iv.h>

#include "work.h"

static struct iv_timer *timers;
static uint64_t base;

static void fired(void);

static void due(void *cookie)
{
	(void)cookie;
	fired();
}

static void rebase(void)
{
	iv_invalidate_now();
	iv_validate_now();
	base = (uint64_t)iv_now.tv_sec * SECOND + (uint64_t)iv_now.tv_nsec;
}

static void prepare(uint64_t count)
{
	iv_init();
	rebase();
	timers = calloc(count, sizeof(*timers));
	for (uint64_t which = 0; which < count; which++) {
		IV_TIMER_INIT(&timers[which]);
		timers[which].handler = due;
	}
}

static void start(uint64_t which, uint64_t delay)
{
	timers[which].expires.tv_sec = (time_t)((base + delay) / SECOND);
	timers[which].expires.tv_nsec = (long)((base + delay) % SECOND);
	iv_timer_register(&timers[which]);
}

static void stop(uint64_t which)
{
	iv_timer_unregister(&timers[which]);
}

/* Returns when nothing is registered any more. */
static void run(void)
{
	iv_main();
}

#include "timers.h"
