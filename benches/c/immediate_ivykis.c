/* ivykis: a task whose handler registers it again; it runs in the next round, after a look at the descriptors. */
#include <iv.h>

#include "work.h"

static struct iv_task task;
static uint64_t left;

static void again(void *cookie)
{
	(void)cookie;
	if (--left > 0)
		iv_task_register(&task);
}

static void run(uint64_t times)
{
	if (!iv_inited())
		iv_init();
	IV_TASK_INIT(&task);
	task.handler = again;
	left = times;
	iv_task_register(&task);
	/* Returns when nothing is registered any more. */
	iv_main();
}

#include "immediate.h"
