/* C tevent: an immediate whose handler schedules it again. */
#include <sys/time.h>
#include <talloc.h>
#include <tevent.h>

#include "work.h"

static uint64_t left;

static void again(struct tevent_context *ev, struct tevent_immediate *immediate, void *private_data)
{
	if (--left > 0)
		tevent_schedule_immediate(immediate, ev, again, private_data);
}

static void run(uint64_t times)
{
	struct tevent_context *context = tevent_context_init(NULL);
	struct tevent_immediate *immediate = tevent_create_immediate(context);

	left = times;
	tevent_schedule_immediate(immediate, context, again, NULL);
	while (left > 0)
		tevent_loop_once(context);
	talloc_free(context);
}

#include "immediate.h"
