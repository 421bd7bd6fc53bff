/* libuv: a handle for a signal. */
#include <uv.h>

static uv_signal_t watched;

static void has_come(void);

static void handle(uv_signal_t *signal, int number)
{
	(void)signal;
	(void)number;
	has_come();
}

static void prepare(void)
{
	uv_signal_init(uv_default_loop(), &watched);
	uv_signal_start(&watched, handle, SIGUSR1);
}

static void turn(void)
{
	uv_run(uv_default_loop(), UV_RUN_ONCE);
}

#include "signals.h"
