// SPDX-License-Identifier: MIT
// herd N - start N processes in sessions of their own, half of them stopped, all deaf; then exit 0.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void be_deaf(long i)
{
    (void)setsid();
    for (int number = 1; number < 65; number++)
        (void)signal(number, SIG_IGN);
    if (i % 2 == 0)
        (void)raise(SIGSTOP);
    for (;;)
        (void)pause();
}

int main(int argc, char **argv)
{
    const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
    long made = 0;

    for (long i = 0; i < count; i++) {
        const pid_t pid = fork();

        if (pid == 0)
            be_deaf(i);
        made += pid > 0;
    }
    (void)printf("%ld\n", made);
    return 0;
}
