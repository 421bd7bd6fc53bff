/* libuv: timers inside the caller's own memory, whole milliseconds from the loop's present. */
#include <uv.h>

#include "work.h"

static uv_timer_t *timers;

static void fired(void);

static void due(uv_timer_t *timer)
{
	(void)timer;
	fired();
}

static void rebase(void)
{
	uv_update_time(uv_default_loop());
}

static void prepare(uint64_t count)
{
	timers = calloc(count, sizeof(*timers));
	for (uint64_t which = 0; which < count; which++)
		uv_timer_init(uv_default_loop(), &timers[which]);
}

static void start(uint64_t which, uint64_t delay)
{
	uv_timer_start(&timers[which], due, delay / 1000000, 0);
}

static void stop(uint64_t which)
{
	uv_timer_stop(&timers[which]);
}

/* Returns when no timer is active any more. */
static void run(void)
{
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

#include "timers.h"
