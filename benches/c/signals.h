/*
 * A signal that comes to a handler, one after another: PROGRAM TIMES.
 *
 * Included by a program that has declared has_come, which its handler calls, and defined prepare, and turn, which runs
 * the loop once.
 */
#pragma once

#include <signal.h>
#include <unistd.h>

#include "work.h"

static uint64_t seen;

static void has_come(void)
{
	seen++;
}

static void signals(uint64_t times)
{
	for (seen = 0; times > 0; times--) {
		uint64_t before = seen;
		kill(getpid(), SIGUSR1);
		while (seen == before)
			turn();
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s TIMES\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t times = number_from(argv[1]);

	prepare();
	signals(times / 10);
	uint64_t begin = nanos_now();
	signals(times);
	return print_nanos_per_op(begin, times);
}
