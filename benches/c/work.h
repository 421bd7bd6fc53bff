/* What the programs share: a clock, random deadlines, and the figure on stdout. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND 1000000000ull

static inline uint64_t nanos_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* The same steps as in timers.rs, so that all draw the same deadlines. */
static inline uint64_t random_number(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ull;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static inline uint64_t number_from(const char *text)
{
	return strtoull(text, NULL, 10);
}

static inline int print_nanos_per_op(uint64_t start, uint64_t ops)
{
	printf("%f\n", (double)(nanos_now() - start) / (double)ops);
	return EXIT_SUCCESS;
}
