/*
 * A byte that hops from descriptor to descriptor: PROGRAM unix|pipe IDLE PAIRS ACTIVE HOPS.
 *
 * Included by a program that has declared watch, which lets a descriptor call hop when it is readable, and defined
 * prepare, and run, which runs the loop until nothing is to come.
 */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "work.h"

static int (*pairs)[2];
static uint64_t pair_count;
static uint64_t to_send;
static uint64_t to_come;

static void check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(EXIT_FAILURE);
	}
}

static void send_to(uint64_t which)
{
	if (to_send > 0) {
		to_send--;
		check((int)write(pairs[which][1], "x", 1), "write");
	}
}

/* The byte has come here: on to the next. */
static void hop(uint64_t which)
{
	char byte;
	check((int)read(pairs[which][0], &byte, 1), "read");
	to_come--;
	send_to((which + 1) % pair_count);
}

static void prepare(uint64_t descriptors);
static void watch(uint64_t which, int descriptor);
static void run(void);

static void make_pairs(int is_pipe, uint64_t idle)
{
	struct rlimit limit;
	check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	pairs = calloc(pair_count, sizeof(*pairs));
	for (uint64_t which = 0; which < pair_count; which++) {
		int made = is_pipe ? pipe2(pairs[which], O_NONBLOCK | O_CLOEXEC)
				   : socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pairs[which]);
		check(made, "pair");
		watch(which, pairs[which][0]);
	}
	for (uint64_t which = pair_count; which < pair_count + idle; which++) {
		int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		check(descriptor, "eventfd");
		watch(which, descriptor);
	}
}

static void hops(uint64_t active, uint64_t times)
{
	to_send = times;
	to_come = times;
	for (uint64_t byte = 0; byte < active; byte++)
		send_to(byte * (pair_count / active));
	run();
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: %s unix|pipe IDLE PAIRS ACTIVE HOPS\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t idle = number_from(argv[2]);
	pair_count = number_from(argv[3]);
	uint64_t active = number_from(argv[4]);
	uint64_t times = number_from(argv[5]);

	prepare(pair_count + idle);
	make_pairs(strcmp(argv[1], "pipe") == 0, idle);
	hops(active, times / 10);
	uint64_t begin = nanos_now();
	hops(active, times);
	return print_nanos_per_op(begin, times);
}
