/* The work on immediates: PROGRAM OPS. Included by a program that has defined run, which reschedules so often. */
#pragma once

#include "work.h"

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s OPS\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t ops = number_from(argv[1]);

	run(ops / 10);
	uint64_t begin = nanos_now();
	run(ops);
	return print_nanos_per_op(begin, ops);
}
