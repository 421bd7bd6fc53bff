/*
 * The work on timers: PROGRAM all|own|other|restart PENDING OPS, or PROGRAM fire PENDING ROUNDS.
 *
 * Included by a program that has declared fired, which it calls for a timer that is due, and defined prepare, start and
 * stop; rebase, which makes the present the moment that delays count from; and run, which runs the loop until nothing
 * is to fire. Timers have numbers; the one after the pending ones is the one that comes and goes.
 */
#pragma once

#include <string.h>
#include <unistd.h>

#include "work.h"

static uint64_t to_fire;

static void fired(void)
{
	if (to_fire-- == 0)
		abort();
}

/* Nothing is due while the clock runs: a minute to an hour from now, in nanoseconds from the start. */
static inline uint64_t random_delay(void)
{
	return 60 * SECOND + random_number() % (3540 * SECOND);
}

static void start_all(uint64_t pending)
{
	for (uint64_t which = 0; which < pending; which++)
		start(which, random_delay());
}

/* All timers come, then all go. */
static void all(uint64_t pending, uint64_t ops)
{
	for (uint64_t rounds = ops / pending; rounds > 0; rounds--) {
		start_all(pending);
		for (uint64_t which = 0; which < pending; which++)
			stop(which);
	}
}

/* A timer comes and goes while the others wait. */
static void own(uint64_t pending, uint64_t ops)
{
	while (ops-- > 0) {
		start(pending, random_delay());
		stop(pending);
	}
}

/* One of the others goes, and comes again with another deadline. */
static void other(uint64_t pending, uint64_t ops)
{
	while (ops-- > 0) {
		uint64_t which = random_number() % pending;
		stop(which);
		start(which, random_delay());
	}
}

/* One timer is put off again and again: by a microsecond. */
static void restart(uint64_t pending, uint64_t ops)
{
	start(pending, 60 * SECOND);
	for (uint64_t time = 0; time < ops; time++) {
		stop(pending);
		start(pending, 60 * SECOND + time * 1000);
	}
	stop(pending);
}

/* All are due; counted is the loop that calls them. The same as in fire.rs. */
static int fire(uint64_t pending, uint64_t rounds)
{
	const uint64_t span = 10000000, longest = 2000000;
	uint64_t took = 0;

	prepare(pending);
	for (uint64_t round = 0; round <= rounds; round++) {
		rebase();
		for (uint64_t which = 0; which < pending; which++)
			start(which, random_number() % span);
		usleep((useconds_t)((span + longest) / 1000));
		to_fire = pending;
		uint64_t begin = nanos_now();
		run();
		/* The first is to warm up. */
		took += round > 0 ? nanos_now() - begin : 0;
	}
	printf("%f\n", (double)took / (double)(rounds * pending));
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: %s all|own|other|restart|fire PENDING OPS\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t pending = number_from(argv[2]);
	uint64_t ops = number_from(argv[3]);
	if (strcmp(argv[1], "fire") == 0)
		return fire(pending, ops);
	void (*work)(uint64_t, uint64_t) = own;
	if (strcmp(argv[1], "all") == 0)
		work = all;
	else if (strcmp(argv[1], "other") == 0)
		work = other;
	else if (strcmp(argv[1], "restart") == 0)
		work = restart;
	/* Whole rounds of those that bring all. */
	if (ops < pending)
		ops = pending;

	prepare(pending + 1);
	if (work == all) {
		work(pending, pending);
	} else {
		start_all(pending);
		work(pending, ops / 10);
	}
	uint64_t begin = nanos_now();
	work(pending, ops);
	return print_nanos_per_op(begin, ops);
}
