// SPDX-License-Identifier: MIT
// quota take KIND - take all there is of one kind, say how much, "ready", and stay.
// quota use - take the little of each kind that an honest command needs.
#include <mqueue.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/sandbox/attacks/attack.h"

#define MOST 300000

static long take_inotify(void)
{
    return inotify_init1(IN_CLOEXEC);
}

static long take_watch(void)
{
    static int fd = -1;
    static long count = 0;
    char path[64];

    if (fd < 0)
        fd = inotify_init1(IN_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/tmp/%ld", count++);
    (void)attack_open(path, O_WRONLY | O_CREAT);
    return inotify_add_watch(fd, path, IN_ALL_EVENTS);
}

static long take_epoll(void)
{
    static int events[256];
    static long count = 0;
    static int epoll_fd = -1;
    struct epoll_event event = {.events = EPOLLIN};

    if (count == 0)
        for (int i = 0; i < 256; i++)
            events[i] = eventfd(0, EFD_CLOEXEC);
    if (count % 256 == 0)
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, events[count++ % 256], &event);
}

static long take_mqueue(void)
{
    static long count = 0;
    struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = 4096};
    char name[32];

    (void)snprintf(name, sizeof(name), "/q%ld", count++);
    return mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
}

static long take_signal(void)
{
    static bool is_blocked = false;
    sigset_t all;

    if (!is_blocked) {
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
        is_blocked = true;
    }
    return sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
}

static long take_timer(void)
{
    timer_t timer;

    return timer_create(CLOCK_MONOTONIC, NULL, &timer);
}

static long take_terminal(void)
{
    return posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static long take_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    (void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 20); // past the soft quota pipes are only smaller
    return 0;
}

// Descriptors in flight: sent through a socket that nobody reads.
static long take_flight(void)
{
    static int pair[2] = {-1, -1};
    char control[CMSG_SPACE(200 * sizeof(int))] = {0};
    struct iovec byte = {(char[]){'x'}, 1};
    struct msghdr message = {.msg_iov = &byte,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int fds[200];
    long got = 0;

    if (pair[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    for (int i = 0; i < 200; i++)
        fds[i] = 1;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(header), fds, sizeof(fds));
    got = sendmsg(pair[0], &message, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) { // this socket is full, not the quota
        pair[0] = -1;
        return 0;
    }
    return got;
}

static long take_process(void)
{
    const pid_t pid = fork();

    if (pid == 0)
        for (;;)
            (void)pause();
    return pid;
}

static long take_shm(void)
{
    return shmget(IPC_PRIVATE, 4096, 0600);
}

static long take_message(void)
{
    return msgget(IPC_PRIVATE, 0600);
}

static long take_lock(void)
{
    static char *page = NULL;

    if (page == NULL)
        page = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page += 4096;
    return mlock(page, 4096);
}

static long take_file(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static const struct {
    const char *name;
    long (*take)(void);
    bool per_process; // more than one process can take of it
} kinds[] = {{"inotify", take_inotify, true}, {"watch", take_watch, false},
        {"epoll", take_epoll, true}, {"mqueue", take_mqueue, false}, {"signal", take_signal, true},
        {"timer", take_timer, true}, {"terminal", take_terminal, true}, {"pipe", take_pipe, true},
        {"flight", take_flight, true}, {"process", take_process, false}, {"shm", take_shm, false},
        {"message", take_message, false}, {"lock", take_lock, true}, {"file", take_file, true}};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void take_all(const char *name)
{
    for (size_t i = 0; i < KINDS; i++) {
        const unsigned helpers = kinds[i].per_process ? 4 : 1;

        if (strcmp(name, kinds[i].name) != 0)
            continue;
        for (unsigned helper = 0; helper < helpers; helper++) {
            int ends[2];
            char byte = 0;

            if (pipe2(ends, O_CLOEXEC) < 0)
                continue;
            if (fork() == 0) {
                long count = 0;

                while (count < MOST && kinds[i].take() >= 0)
                    count++;
                (void)fprintf(stderr, "%s: %ld, then %s\n", name, count, strerrorname_np(errno));
                (void)!write(ends[1], &byte, 1);
                for (;;)
                    (void)pause();
            }
            (void)close(ends[1]);
            (void)!read(ends[0], &byte, 1);
            (void)close(ends[0]);
        }
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (;;)
        (void)pause();
}

static long fork_and_wait(void)
{
    const pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

static void use_little(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        char name[48];
        long got = 0;

        if (strcmp(kinds[i].name, "process") == 0)
            continue;
        for (int round = 0; round < 4 && got >= 0; round++)
            got = kinds[i].take();
        (void)snprintf(name, sizeof(name), "use_%s", kinds[i].name);
        attack_say(name, attack_word(got));
    }
    for (int i = 0; i < 20; i++)
        if (fork_and_wait() < 0)
            attack_say("use_fork", attack_word(-1));
    TRY("use_last_fork", fork_and_wait());
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "take") == 0)
        take_all(argv[2]);
    use_little();
    return 0;
}
