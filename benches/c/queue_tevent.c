/* C tevent's queue: PROGRAM stop|untrigger TIMES. The same work as in queue_states.rs. */
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <talloc.h>
#include <tevent.h>

#include "work.h"

static struct tevent_context *context;
static struct tevent_queue *queue;
static bool is_triggered;

struct state {
	int nothing;
};

static void trigger(struct tevent_req *request, void *private_data)
{
	(void)request;
	(void)private_data;
	is_triggered = true;
}

static void wait_for_trigger(void)
{
	is_triggered = false;
	while (!is_triggered)
		tevent_loop_once(context);
}

static struct tevent_queue_entry *add(struct tevent_req **request)
{
	struct state *state;
	*request = tevent_req_create(context, &state, struct state);
	return tevent_queue_add_entry(queue, context, *request, trigger, NULL);
}

/* One joins a queue that is stopped, and gets in when it is started. */
static void stop(uint64_t times)
{
	while (times-- > 0) {
		struct tevent_req *request;
		tevent_queue_stop(queue);
		add(&request);
		tevent_queue_start(queue);
		wait_for_trigger();
		talloc_free(request);
	}
}

/* One who is in goes back to the head of the line, and gets in again. */
static void untrigger(uint64_t times)
{
	struct tevent_req *request;
	struct tevent_queue_entry *entry = add(&request);
	wait_for_trigger();
	while (times-- > 0) {
		tevent_queue_stop(queue);
		tevent_queue_entry_untrigger(entry);
		tevent_queue_start(queue);
		wait_for_trigger();
	}
	talloc_free(request);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s stop|untrigger TIMES\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t times = number_from(argv[2]);
	void (*work)(uint64_t) = strcmp(argv[1], "stop") == 0 ? stop : untrigger;

	context = tevent_context_init(NULL);
	queue = tevent_queue_create(context, "bench");
	work(times / 10);
	uint64_t begin = nanos_now();
	work(times);
	return print_nanos_per_op(begin, times);
}
