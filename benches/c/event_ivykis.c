/* ivykis' iv_event: PROGRAM served|pending POSTS, PROGRAM trips TRIPS. The same work as in doorbell.rs. */
#define _GNU_SOURCE

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include <iv.h>
#include <iv_event.h>

#include "work.h"

static void pin(int nth)
{
	static cpu_set_t allowed;
	static int known;
	if (!known++)
		sched_getaffinity(0, sizeof(allowed), &allowed);
	nth %= CPU_COUNT(&allowed);
	cpu_set_t one;
	CPU_ZERO(&one);
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (CPU_ISSET(core, &allowed) && nth-- == 0) {
			CPU_SET(core, &one);
			break;
		}
	}
	sched_setaffinity(0, sizeof(one), &one);
}

static void post(struct iv_event *event, uint64_t times)
{
	while (times-- > 0)
		iv_event_post(event);
}

/* Posting. */

static struct iv_event event;
static atomic_int over;
static uint64_t posts;
static double figure;

static void serve(void *cookie)
{
	(void)cookie;
	if (atomic_load_explicit(&over, memory_order_relaxed))
		iv_event_unregister(&event);
}

static void timed_posts(void)
{
	post(&event, posts / 10);
	uint64_t begin = nanos_now();
	post(&event, posts);
	figure = (double)(nanos_now() - begin) / (double)posts;
}

static void *post_elsewhere(void *argument)
{
	(void)argument;
	pin(1);
	timed_posts();
	atomic_store(&over, 1);
	post(&event, 1);
	return NULL;
}

static int measure_posts(int is_served)
{
	pin(0);
	iv_init();
	IV_EVENT_INIT(&event);
	event.handler = serve;
	iv_event_register(&event);
	if (is_served) {
		pthread_t thread;
		pthread_create(&thread, NULL, post_elsewhere, NULL);
		iv_main();
		pthread_join(thread, NULL);
	} else {
		timed_posts();
	}
	printf("%f\n", figure);
	return EXIT_SUCCESS;
}

/* Round trips. */

struct side {
	struct iv_event event;
	struct side *peer;
	int begins;
	uint64_t left;
};

static pthread_barrier_t both;

static void answer(void *cookie)
{
	struct side *side = cookie;
	side->left--;
	if (!side->begins || side->left > 0)
		iv_event_post(&side->peer->event);
	if (side->left == 0)
		iv_quit();
}

static void *trip(void *argument)
{
	struct side *side = argument;
	iv_init();
	IV_EVENT_INIT(&side->event);
	side->event.cookie = side;
	side->event.handler = answer;
	iv_event_register(&side->event);
	pthread_barrier_wait(&both);
	if (side->begins)
		iv_event_post(&side->peer->event);
	iv_main();
	/* Nobody posts any more. */
	pthread_barrier_wait(&both);
	iv_event_unregister(&side->event);
	iv_deinit();
	return NULL;
}

static void trips(uint64_t times)
{
	struct side sides[2] = { { .begins = 1, .left = times }, { .left = times } };
	sides[0].peer = &sides[1];
	sides[1].peer = &sides[0];
	pthread_barrier_init(&both, NULL, 2);
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, trip, &sides[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s served|pending|trips TIMES\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t times = number_from(argv[2]);
	if (strcmp(argv[1], "trips") != 0) {
		posts = times;
		return measure_posts(strcmp(argv[1], "served") == 0);
	}
	/* The first to use ivykis does so alone; it stays. */
	iv_init();
	pin(0);
	trips(times / 10);
	uint64_t begin = nanos_now();
	trips(times);
	return print_nanos_per_op(begin, times);
}
