// SPDX-License-Identifier: MIT
// wire sockets|reach|pass - attacks through sockets.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/sandbox/attacks/attack.h"

static int try_socket(int family, int type, int protocol)
{
    const int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    const int problem = errno;

    if (fd >= 0)
        (void)close(fd);
    errno = problem;
    return fd;
}

// Change a link by netlink, and give the kernel's answer.
static long netlink_down(void)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request = {{sizeof(request), RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0},
            {AF_UNSPEC, 0, 0, 1, 0, IFF_UP}};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        // cppcheck-suppress unusedStructMember
        char more[256];
    } answer = {0};
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    const long got =
            send(fd, &request, sizeof(request), 0) < 0 ? -1 : recv(fd, &answer, sizeof(answer), 0);
    const int problem = got < 0 ? errno : -answer.error.error;

    (void)close(fd);
    errno = problem;
    return problem == 0 ? 0 : -1;
}

static void sockets_attack(void)
{
    static const struct {
        const char *name;
        int family, type, protocol;
    } rows[] = {{"unix", AF_UNIX, SOCK_STREAM, 0}, {"inet", AF_INET, SOCK_STREAM, 0},
            {"udp", AF_INET, SOCK_DGRAM, 0}, {"vsock", 40, SOCK_STREAM, 0},
            {"packet", AF_PACKET, SOCK_RAW, 768}, {"packet_dgram", AF_PACKET, SOCK_DGRAM, 768},
            {"alg", 38, SOCK_SEQPACKET, 0}, {"xdp", 44, SOCK_RAW, 0}, {"smc", 43, SOCK_STREAM, 0},
            {"bluetooth", 31, SOCK_RAW, 0}, {"can", 29, SOCK_RAW, 1}, {"tipc", 30, SOCK_RDM, 0},
            {"rds", 21, SOCK_SEQPACKET, 0}, {"kcm", 41, SOCK_DGRAM, 0}, {"key", 15, SOCK_RAW, 2},
            {"qipcrtr", 42, SOCK_DGRAM, 0}, {"ax25", 3, SOCK_DGRAM, 0},
            {"raw_icmp", AF_INET, SOCK_RAW, 1}, {"raw_tcp", AF_INET, SOCK_RAW, 6},
            {"raw_inet6", AF_INET6, SOCK_RAW, 58}, {"sctp", AF_INET, SOCK_STREAM, 132},
            {"sctp_seq", AF_INET, SOCK_SEQPACKET, 132}, {"sctp6", AF_INET6, SOCK_STREAM, 132},
            {"dccp", AF_INET, 6, 33}, {"l2tp", AF_INET, SOCK_DGRAM, 115},
            {"udplite", AF_INET, SOCK_DGRAM, 136}, {"audit", AF_NETLINK, SOCK_RAW, 9},
            {"netfilter", AF_NETLINK, SOCK_RAW, 12}, {"uevent", AF_NETLINK, SOCK_RAW, 15},
            {"generic", AF_NETLINK, SOCK_RAW, 16}, {"xfrm", AF_NETLINK, SOCK_RAW, 6},
            {"sock_diag", AF_NETLINK, SOCK_RAW, 4}, {"crypto", AF_NETLINK, SOCK_RAW, 21},
            {"route", AF_NETLINK, SOCK_RAW, 0}};
    const struct sock_fprog none = {0, NULL};
    struct ifreq request = {.ifr_name = "lo"};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        TRY(rows[i].name, try_socket(rows[i].family, rows[i].type, rows[i].protocol));
    TRY("vsock_high", syscall(SYS_socket, (1UL << 32) | 40, SOCK_STREAM, 0));
    TRY("audit_high", syscall(SYS_socket, AF_NETLINK, SOCK_RAW, (1UL << 32) | 9));
    TRY("sctp_high", syscall(SYS_socket, AF_INET, SOCK_STREAM, (1UL << 32) | 132));
    TRY("pair_vsock", syscall(SYS_socketpair, 40, SOCK_STREAM, 0, &request));
    TRY("netlink_down", netlink_down());
    request.ifr_flags = 0;
    TRY("interface_down", ioctl(fd, SIOCSIFFLAGS, &request));
    TRY("interface_name", ioctl(fd, SIOCSIFNAME, &request));
    TRY("attach_filter", setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof(none)));
    TRY("mark", setsockopt(fd, SOL_SOCKET, SO_MARK, &(int){1}, sizeof(int)));
    TRY("force_buffer", setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){1 << 30}, sizeof(int)));
    TRY("protocol_module", setsockopt(fd, IPPROTO_TCP, TCP_ULP, "smc", 3));
    TRY("iptables", setsockopt(fd, IPPROTO_IP, 64, &request, sizeof(request)));
    (void)close(fd);
}

// --- addresses -----------------------------------------------------------------------------------

static long try_connect(int type, const char *text, unsigned short port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int is_v6 = strchr(text, ':') != NULL;
    const int fd = socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
    long got = 0;
    int problem = 0;

    if (fd < 0)
        return -1;
    (void)inet_pton(AF_INET, text, &v4.sin_addr);
    (void)inet_pton(AF_INET6, text, &v6.sin6_addr);
    got = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
                : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
    problem = errno;
    (void)close(fd);
    errno = problem;
    return got;
}

static long connect_unix(const char *path, size_t len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long got = 0;
    int problem = 0;

    memcpy(address.sun_path, path, len);
    got = connect(fd, (struct sockaddr *)&address,
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    problem = errno;
    (void)close(fd);
    errno = problem;
    return got;
}

static void reach_attack(void)
{
    char abstract[32] = "";
    const int len = snprintf(abstract + 1, sizeof(abstract) - 1, "assay-host-%d", attack_port());

    TRY("host_loopback", try_connect(SOCK_STREAM, "127.0.0.1", attack_port()));
    TRY("host_loopback6", try_connect(SOCK_STREAM, "::1", attack_port()));
    TRY("metadata", try_connect(SOCK_STREAM, "169.254.169.254", 80));
    TRY("dns", try_connect(SOCK_DGRAM, "8.8.8.8", 53));
    TRY("private", try_connect(SOCK_STREAM, "10.0.0.1", 80));
    TRY("broadcast", try_connect(SOCK_DGRAM, "255.255.255.255", 67));
    TRY("multicast", try_connect(SOCK_DGRAM, "224.0.0.1", 5353));
    TRY("link_local6", try_connect(SOCK_STREAM, "fe80::1", 80));
    TRY("global6", try_connect(SOCK_STREAM, "2001:4860:4860::8888", 53));
    TRY("abstract", connect_unix(abstract, (size_t)len + 1));
    TRY("docker", connect_unix("/var/run/docker.sock", sizeof("/var/run/docker.sock")));
    TRY("dbus", connect_unix("/run/dbus/system_bus_socket", sizeof("/run/dbus/system_bus_socket")));
    TRY("journal", connect_unix("/dev/log", sizeof("/dev/log")));
}

// Every socket that could be a way out: none has a peer outside.
static void pass_attack(void)
{
    char path[64];
    char target[64];
    unsigned sockets = 0;

    for (int fd = 0; fd < 1024; fd++) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        const ssize_t len = readlink(path, target, sizeof(target) - 1);

        if (len > 0 && strncmp(target, "socket:", 7) == 0)
            sockets++;
    }
    attack_say("own_sockets", sockets == 0 ? "none" : "some");
    // The pipe to the caller: reading it back, resizing it, owning its signals is all ours.
    TRY("read_own_output", attack_open("/proc/self/fd/1", O_RDONLY));
    TRY("pipe_size", fcntl(1, F_SETPIPE_SZ, 1 << 24));
    TRY("pipe_owner", fcntl(1, F_SETOWN, 1));
}

int main(int argc, char **argv)
{
    static const struct attack_command commands[] = {
            {"sockets", sockets_attack}, {"reach", reach_attack}, {"pass", pass_attack}};

    return ATTACK_MAIN(argc, argv, commands);
}
