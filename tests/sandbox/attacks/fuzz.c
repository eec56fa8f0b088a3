// SPDX-License-Identifier: MIT
// fuzz SEED ROUNDS - make every system call 0..600, once with zeros and ROUNDS times with arguments
// from SEED, each in a process of its own: "NUMBER WORD WORD..." says what each gave.
// fuzz x32 - the same numbers of the third architecture; fuzz i386 - those of the second: how many
// were not killed.
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/sandbox/attacks/attack.h"

#define NUMBERS 600
#define X32_BIT 0x40000000L
#define SCRATCH_BYTES 16384
#define BLOCKED_US 20000 // then a call counts as one that blocks

static unsigned char *scratch; // what pointers point to

// Without a frame: after vfork() parent and child return through the same stack.
static inline __attribute__((always_inline)) long call(long number, const uint64_t a[6])
{
    // cppcheck-suppress constStatement
    register long r10 __asm__("r10") = (long)a[3];
    // cppcheck-suppress constStatement
    register long r8 __asm__("r8") = (long)a[4];
    // cppcheck-suppress constStatement
    register long r9 __asm__("r9") = (long)a[5];
    long got = number;

    __asm__ volatile("syscall"
                     : "+a"(got)
                     : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return got;
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void choose(uint64_t a[6], uint64_t *state, long number)
{
    for (int i = 0; i < 6; i++) {
        const uint64_t kind = next(state) % 6;

        if (kind == 0)
            a[i] = next(state) % 17;
        else if (kind == 1)
            a[i] = next(state);
        else if (kind == 2)
            a[i] = (uint64_t)(uintptr_t)(scratch + next(state) % (SCRATCH_BYTES / 2));
        else if (kind == 3)
            a[i] = UINT64_MAX;
        else if (kind == 4)
            a[i] = next(state) & 0xffffffff;
        else
            a[i] = next(state) % 4;
    }
    // The one that asks shall live to tell.
    if (number == SYS_kill || number == SYS_tkill || number == SYS_tgkill ||
            number == SYS_rt_sigqueueinfo || number == SYS_rt_tgsigqueueinfo)
        a[0] = a[1] = (uint64_t)getpid();
}

static _Noreturn void be_child(long number, const uint64_t a[6], long blocked_us)
{
    const struct itimerval soon = {{0, 0}, {0, blocked_us}};
    const int null_fd = open("/dev/null", O_RDWR);
    long got = 0;

    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null_fd, fd);
    (void)setitimer(ITIMER_REAL, &soon, NULL);
    got = call(number, a);
    call(SYS_exit_group, (const uint64_t[6]){got < 0 && got > -255 ? (uint64_t)-got : 0});
    for (;;)
        __builtin_trap();
}

// The word for one call: done, an errno, a signal, or NULL when it was not back by then.
static const char *try_within(long number, const uint64_t a[6], long blocked_us)
{
    const struct timespec most = {blocked_us / 50000, 300000000};
    sigset_t child;
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        uint64_t own[6];

        (void)sigemptyset(&child);
        (void)pthread_sigmask(SIG_SETMASK, &child, NULL);
        memcpy(own, a, sizeof(own));
        if (number == SYS_kill || number == SYS_tkill || number == SYS_tgkill)
            own[0] = own[1] = own[0] == 0 ? 0 : (uint64_t)getpid();
        be_child(number, own, blocked_us);
    }
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (sigtimedwait(&child, NULL, &most) < 0 && errno == EAGAIN) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return NULL;
        }
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return NULL;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return "SIGSYS";
    if (WIFSIGNALED(status))
        return "signal";
    if (WEXITSTATUS(status) == 0)
        return "done";
    errno = WEXITSTATUS(status);
    return attack_word(-1);
}

// Asked twice before it counts as one that blocks: on a busy machine others may have run meanwhile.
static const char *try_call(long number, const uint64_t a[6])
{
    const char *word = try_within(number, a, BLOCKED_US);

    if (word == NULL)
        word = try_within(number, a, BLOCKED_US * 20L);
    return word == NULL ? "blocked" : word;
}

static void fuzz_native(uint64_t seed, unsigned rounds)
{
    for (long number = 0; number <= NUMBERS; number++) {
        uint64_t state = (seed << 20) ^ ((uint64_t)number * 0x9e3779b97f4a7c15) ^ 0x1234567;

        (void)printf("%ld %s", number, try_call(number, (const uint64_t[6]){0}));
        for (unsigned i = 0; i < rounds; i++) {
            uint64_t a[6];

            choose(a, &state, number);
            (void)printf(" %s", try_call(number, a));
        }
        (void)printf("\n");
        (void)fflush(stdout);
    }
}

static unsigned count_living_x32(void)
{
    unsigned living = 0;

    for (long number = 0; number <= NUMBERS; number++)
        living += strcmp(try_call(X32_BIT | number, (const uint64_t[6]){0}), "SIGSYS") != 0;
    return living;
}

static unsigned count_living_i386(void)
{
    unsigned living = 0;

    for (long number = 0; number <= NUMBERS; number++) {
        int status = 0;
        const pid_t pid = fork();

        if (pid == 0) {
            long got = number;

            __asm__ volatile("int $0x80" : "+a"(got) : "b"(0), "c"(0), "d"(0) : "memory");
            _exit(0);
        }
        (void)waitpid(pid, &status, 0);
        living += !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS;
    }
    return living;
}

int main(int argc, char **argv)
{
    sigset_t child;

    // Outside of a box these calls would hit the host: a box's payload is never root.
    if (geteuid() == 0)
        return 2;
    scratch = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &child, NULL);
    if (argc == 2 && strcmp(argv[1], "x32") == 0)
        (void)printf("living %u\n", count_living_x32());
    else if (argc == 2 && strcmp(argv[1], "i386") == 0)
        (void)printf("living %u\n", count_living_i386());
    else if (argc == 3)
        fuzz_native(strtoull(argv[1], NULL, 10), (unsigned)strtoul(argv[2], NULL, 10));
    else
        return 2;
    return 0;
}
