/* The limit of an echo server: one wait for many events, one recv and one send for each. PROGRAM CONNECTIONS. */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "work.h"

static struct epoll_event events[1024];

/* The listener is the standard input. */
static void accept_all(int epoll, uint64_t connections)
{
	while (connections-- > 0) {
		int stream = accept4(STDIN_FILENO, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event event = { .events = EPOLLIN, .data.fd = stream };
		if (stream < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, stream, &event) < 0) {
			perror("accept");
			exit(EXIT_FAILURE);
		}
	}
}

/* 1 at the end of the stream. */
static int echo(int stream)
{
	static char buffer[1024];
	ssize_t length = recv(stream, buffer, sizeof(buffer), 0);
	if (length <= 0) {
		close(stream);
		return 1;
	}
	if (send(stream, buffer, (size_t)length, MSG_NOSIGNAL) != length) {
		perror("send");
		exit(EXIT_FAILURE);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CONNECTIONS < LISTENER\n", argv[0]);
		return EXIT_FAILURE;
	}
	uint64_t open = number_from(argv[1]);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	accept_all(epoll, open);
	while (open > 0) {
		int ready = epoll_wait(epoll, events, 1024, -1);
		for (int index = 0; index < ready; index++)
			open -= (uint64_t)echo(events[index].data.fd);
	}
	return EXIT_SUCCESS;
}
