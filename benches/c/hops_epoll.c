/* The limit: a wait, a read and a write, level-triggered. */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "hops.h"

static int epoll;

static void prepare(uint64_t descriptors)
{
	(void)descriptors;
	epoll = epoll_create1(EPOLL_CLOEXEC);
}

static void watch(uint64_t which, int descriptor)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = which };
	check(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

static void run(void)
{
	static struct epoll_event events[1024];
	while (to_come > 0) {
		int ready = epoll_wait(epoll, events, 1024, -1);
		for (int index = 0; index < ready; index++)
			hop(events[index].data.u64);
	}
}
