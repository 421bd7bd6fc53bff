/* libuv: timers inside the caller's own memory, whole milliseconds from the loop's present. */
#include <uv.h>

#include "work.h"

static uv_timer_t *timers;

static void never(uv_timer_t *timer)
{
	(void)timer;
	abort();
}

static void prepare(uint64_t count)
{
	timers = calloc(count, sizeof(*timers));
	for (uint64_t which = 0; which < count; which++)
		uv_timer_init(uv_default_loop(), &timers[which]);
}

static void start(uint64_t which, uint64_t delay)
{
	uv_timer_start(&timers[which], never, delay / 1000000, 0);
}

static void stop(uint64_t which)
{
	uv_timer_stop(&timers[which]);
}

#include "timers.h"
