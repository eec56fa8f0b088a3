// SPDX-License-Identifier: MIT
// channel leave - make one of everything that another box might find, say "ready", stay.
// channel find - look for it. channel clean - say what is there that a fresh box would not have.
#include <arpa/inet.h>
#include <dirent.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/sandbox/attacks/attack.h"

#define KEY 0x61747461
#define KEYCTL_SEARCH 10
#define KEYCTL_GET_PERSISTENT 22

static const char *const files[] = {"/tmp/" MARK, "/var/tmp/" MARK, "/dev/shm/" MARK,
        "/home/box/" MARK, "/testbed/" MARK, "/tmp/" MARK ".socket"};

static struct sockaddr_un unix_address(const char *name, size_t len, socklen_t *size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, name, len);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return address;
}

// -1, or the descriptor.
static int listen_on(const struct sockaddr *address, socklen_t size)
{
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    return bind(fd, address, size) < 0 || listen(fd, 8) < 0 ? -1 : fd;
}

// A socket that only its own queue holds: it lives until the kernel's collector comes.
static void leave_in_flight(int listening)
{
    int pair[2];
    char control[CMSG_SPACE(3 * sizeof(int))] = {0};
    struct iovec byte = {(char[]){'x'}, 1};
    struct msghdr message = {.msg_iov = &byte,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
        return;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(header), (int[]){pair[0], pair[1], listening}, 3 * sizeof(int));
    (void)sendmsg(pair[0], &message, 0);
    (void)sendmsg(pair[1], &message, 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int got = connect(fd, address, size);
    const int problem = errno;

    (void)close(fd);
    errno = problem;
    return got;
}

static void leave(void)
{
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64};
    struct sockaddr_in inet = {.sin_family = AF_INET,
            .sin_port = htons(attack_port()),
            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = 0;
    struct sockaddr_un address = unix_address("\0" MARK, sizeof(MARK), &size);
    const mqd_t queue = mq_open("/" MARK, O_CREAT | O_RDWR, 0666, &attr);
    const int shm = shmget(KEY, 4096, IPC_CREAT | 0666);
    const int message = msgget(KEY, IPC_CREAT | 0666);

    for (size_t i = 0; i + 1 < sizeof(files) / sizeof(files[0]); i++)
        (void)attack_open(files[i], O_WRONLY | O_CREAT);
    (void)mq_send(queue, "secret", 6, 0);
    memcpy(shmat(shm, NULL, 0), "secret", 6);
    (void)semget(KEY, 4, IPC_CREAT | 0666);
    (void)msgsnd(message, &(struct {
        long type;
        char text[8];
    }){1, "secret"},
            8, 0);
    leave_in_flight(listen_on((struct sockaddr *)&address, size));
    address = unix_address(files[5], strlen(files[5]) + 1, &size);
    (void)listen_on((struct sockaddr *)&address, size);
    leave_in_flight(listen_on((struct sockaddr *)&inet, sizeof(inet)));
    (void)syscall(SYS_add_key, "user", MARK, "secret", 6, -4);
    (void)syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, -4);
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (;;)
        (void)pause();
}

static void find(void)
{
    struct sockaddr_in inet = {.sin_family = AF_INET,
            .sin_port = htons(attack_port()),
            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = 0;
    struct sockaddr_un address = unix_address("\0" MARK, sizeof(MARK), &size);
    char name[64];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(name, sizeof(name), "file_%zu", i);
        TRY(name, access(files[i], F_OK));
    }
    TRY("shm", shmget(KEY, 0, 0));
    TRY("shm_by_id", shmctl(0, SHM_STAT, &(struct shmid_ds){0}));
    TRY("sem", semget(KEY, 0, 0));
    TRY("msg", msgget(KEY, 0));
    TRY("mqueue", mq_open("/" MARK, O_RDWR));
    TRY("abstract", connect_to((struct sockaddr *)&address, size));
    TRY("abstract_bind", listen_on((struct sockaddr *)&address, size));
    address = unix_address(files[5], strlen(files[5]) + 1, &size);
    TRY("socket_file", connect_to((struct sockaddr *)&address, size));
    TRY("loopback", connect_to((struct sockaddr *)&inet, sizeof(inet)));
    TRY("loopback_bind", listen_on((struct sockaddr *)&inet, sizeof(inet)));
    TRY("key", syscall(SYS_request_key, "user", MARK, NULL, 0));
    TRY("key_search", syscall(SYS_keyctl, KEYCTL_SEARCH, -4, "user", MARK, 0));
    TRY("key_persistent", syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, -4));
    TRY("neighbour", kill(3, 0)); // only the init and we are there
}

// --- what a fresh box does not have --------------------------------------------------------------

static void say_count(const char *name, const char *path, unsigned expected)
{
    FILE *file = fopen(path, "re");
    char line[512];
    unsigned lines = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        lines++;
    if (file != NULL)
        (void)fclose(file);
    attack_say(name, lines <= expected ? "none" : "some");
}

// Sockets with a name; the init's own, to the spawner, has none.
static void say_named(const char *name, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[512];
    unsigned named = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        named += strchr(line, '@') != NULL || strchr(line, '/') != NULL;
    if (file != NULL)
        (void)fclose(file);
    attack_say(name, named == 0 ? "none" : "some");
}

static void say_names(const char *name, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    unsigned count = 0;

    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir != NULL)
        (void)closedir(dir);
    attack_say(name, count == 0 ? "none" : "some");
}

static void clean(void)
{
    say_names("tmp", "/tmp");
    say_names("var_tmp", "/var/tmp");
    say_names("shm", "/dev/shm");
    say_names("home", "/home/box");
    say_count("sysv_shm", "/proc/sysvipc/shm", 1);
    say_count("sysv_sem", "/proc/sysvipc/sem", 1);
    say_count("sysv_msg", "/proc/sysvipc/msg", 1);
    say_named("unix", "/proc/net/unix");
    say_count("tcp", "/proc/net/tcp", 1);
    say_count("tcp6", "/proc/net/tcp6", 1);
    say_count("udp", "/proc/net/udp", 1);
    say_count("netlink", "/proc/net/netlink", 64); // the kernel's own
    say_count("interfaces", "/proc/net/dev", 3);
    say_count("routes", "/proc/net/route", 1);
    say_count("locks", "/proc/locks", 0);
    find();
}

int main(int argc, char **argv)
{
    static const struct attack_command commands[] = {
            {"leave", leave}, {"find", find}, {"clean", clean}};

    return ATTACK_MAIN(argc, argv, commands);
}
