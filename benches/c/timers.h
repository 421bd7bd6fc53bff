/*
 * The work on timers: PROGRAM all|own|other PENDING OPS.
 *
 * Included by a program that has defined prepare, start and stop. Timers have numbers; the one after the pending ones
 * is the one that comes and goes.
 */
#pragma once

#include <string.h>

#include "work.h"

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

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: %s all|own|other PENDING OPS\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t pending = number_from(argv[2]);
	uint64_t ops = number_from(argv[3]);
	void (*work)(uint64_t, uint64_t) = own;
	if (strcmp(argv[1], "all") == 0)
		work = all;
	else if (strcmp(argv[1], "other") == 0)
		work = other;
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
