// SPDX-License-Identifier: MIT
// fds - print the numbers of all open descriptors, found by asking for each. fds open - open more
// until it is refused; print how many there are then, and why no more; exit 9.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int open_all(void)
{
    int last = -1;
    int fd = -1;

    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        last = fd;
    (void)printf("%d, then %s\n", last + 1, strerrordesc_np(errno));
    return 9;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "open") == 0)
        return open_all();
    for (int fd = 0; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            (void)printf("%d ", fd);
    (void)printf("\n");
    return 0;
}
