// SPDX-License-Identifier: MIT
// fds - print the numbers of all open descriptors, found by asking for each.
#include <fcntl.h>
#include <stdio.h>

int main(void)
{
    for (int fd = 0; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            (void)printf("%d ", fd);
    (void)printf("\n");
    return 0;
}
