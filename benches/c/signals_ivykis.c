/* ivykis: a handler for a signal, which leaves the loop. */
#include <iv.h>
#include <iv_signal.h>
#include <signal.h>

static struct iv_signal watched;

static void has_come(void);

static void handle(void *cookie)
{
	(void)cookie;
	has_come();
	iv_quit();
}

static void prepare(void)
{
	iv_init();
	IV_SIGNAL_INIT(&watched);
	watched.signum = SIGUSR1;
	watched.handler = handle;
	iv_signal_register(&watched);
}

static void turn(void)
{
	iv_main();
}

#include "signals.h"
