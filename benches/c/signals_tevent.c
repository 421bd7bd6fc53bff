/* C tevent: a handler for a signal. */
#include <signal.h>
#include <sys/time.h>
#include <talloc.h>
#include <tevent.h>

static struct tevent_context *context;

static void has_come(void);

static void handle(struct tevent_context *ev, struct tevent_signal *signal, int number, int count, void *info,
		   void *private_data)
{
	(void)ev;
	(void)signal;
	(void)number;
	(void)count;
	(void)info;
	(void)private_data;
	has_come();
}

static void prepare(void)
{
	context = tevent_context_init(NULL);
	tevent_add_signal(context, context, SIGUSR1, 0, handle, NULL);
}

static void turn(void)
{
	tevent_loop_once(context);
}

#include "signals.h"
