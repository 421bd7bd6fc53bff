/* libuv: a poll handle for each descriptor. */
#define _GNU_SOURCE
#include <uv.h>

#include "hops.h"

static uv_poll_t *watched;

static void prepare(uint64_t descriptors)
{
	watched = calloc(descriptors, sizeof(*watched));
}

static void ready(uv_poll_t *handle, int status, int events)
{
	(void)events;
	check(status, "uv_poll");
	hop((uint64_t)(handle - watched));
}

static void watch(uint64_t which, int descriptor)
{
	check(uv_poll_init(uv_default_loop(), &watched[which], descriptor), "uv_poll_init");
	check(uv_poll_start(&watched[which], UV_READABLE, ready), "uv_poll_start");
}

static void run(void)
{
	while (to_come > 0)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
}
