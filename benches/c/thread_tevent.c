/* C tevent: immediates that threads schedule on a loop, by its thread proxy. PROGRAM OPS PRODUCERS */
#include <pthread.h>
#include <stdbool.h>
#include <sys/time.h>
#include <talloc.h>
#include <tevent.h>

#include "work.h"

static struct tevent_thread_proxy *proxy;
static uint64_t left;

static void received(struct tevent_context *ev, struct tevent_immediate *immediate, void *private_data)
{
	left--;
}

static void *produce(void *argument)
{
	uint64_t ops = *(uint64_t *)argument;

	for (uint64_t i = 0; i < ops; i++) {
		struct tevent_immediate *immediate = tevent_create_immediate(NULL);
		void *data = talloc_memdup(NULL, &i, sizeof(i));

		tevent_thread_proxy_schedule(proxy, &immediate, received, &data);
	}
	return NULL;
}

static void run(struct tevent_context *context, uint64_t ops, uint64_t producers)
{
	pthread_t threads[producers];
	uint64_t each = ops / producers;

	left = each * producers;
	for (uint64_t i = 0; i < producers; i++)
		pthread_create(&threads[i], NULL, produce, &each);
	while (left > 0)
		tevent_loop_once(context);
	for (uint64_t i = 0; i < producers; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s OPS PRODUCERS\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t ops = number_from(argv[1]), producers = number_from(argv[2]);

	talloc_disable_null_tracking();
	struct tevent_context *context = tevent_context_init(NULL);
	proxy = tevent_thread_proxy_create(context);
	run(context, ops / 10, producers);
	uint64_t begin = nanos_now();
	run(context, ops, producers);
	return print_nanos_per_op(begin, ops);
}
