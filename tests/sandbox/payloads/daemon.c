// SPDX-License-Identifier: MIT
// daemon - leave a process behind that holds every descriptor, ignores signals and never ends.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    if (fork() > 0)
        return 0;
    (void)setsid();
    if (fork() > 0)
        return 0;
    for (int number = 1; number < 65; number++)
        (void)signal(number, SIG_IGN);
    (void)printf("daemon\n");
    (void)fflush(stdout);
    for (;;)
        (void)pause();
}
