// SPDX-License-Identifier: MIT
#include "sandbox/nets.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/loopback.h"

// /proc/net/snmp6 is the longest: some 4 KiB.
#define TEXT_BYTES 16384
// A netlink socket is freed a moment after its last close: look again before giving up.
#define CHECKS_MAX 3

// The socket tables also hold sums over the whole host; of them only the own counts are compared.
static const struct {
    const char *path;
    bool sockets;
} files[ASSAY_NET_FILES] = {{"/proc/thread-self/net/sockstat", true},
        {"/proc/thread-self/net/sockstat6", true}, {"/proc/thread-self/net/dev", false},
        {"/proc/thread-self/net/ip6_flowlabel", false}, {"/proc/thread-self/net/snmp", false},
        {"/proc/thread-self/net/snmp6", false}};

// --- one namespace -------------------------------------------------------------------------------

void assay_nets_drop(const struct assay_net *net)
{
    for (size_t i = 0; i < ASSAY_NET_FILES; i++)
        if (net->files[i] >= 0)
            close(net->files[i]);
    if (net->ns_fd >= 0)
        close(net->ns_fd);
}

// A new namespace, which the process is then in.
static bool make(struct assay_net *out, bool watched, struct assay_fault *fault)
{
    *out = (struct assay_net){.ns_fd = -1};
    for (size_t i = 0; i < ASSAY_NET_FILES; i++)
        out->files[i] = -1;
    if (unshare(CLONE_NEWNET) < 0)
        return assay_fault_set(fault, "network namespace");
    if (!assay_loopback_raise(fault))
        return false;
    out->ns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (out->ns_fd < 0)
        return assay_fault_set(fault, "open network namespace");
    // A kernel without IPv6 lacks some of them; what is not there has nothing to tell.
    for (size_t i = 0; watched && i < ASSAY_NET_FILES; i++)
        out->files[i] = open(files[i].path, O_RDONLY | O_CLOEXEC);
    return true;
}

// --- as new? -------------------------------------------------------------------------------------

static bool read_text(char text[TEXT_BYTES], int fd)
{
    size_t len = 0;
    ssize_t got = 1;

    while (got > 0 && len < TEXT_BYTES - 1) {
        got = pread(fd, text + len, TEXT_BYTES - 1 - len, (off_t)len);
        len += got > 0 ? (size_t)got : 0;
    }
    text[len] = '\0';
    return got == 0;
}

// "TCP: inuse 0 orphan 3 tw 0 alloc 7 mem 1": orphans and what follows "alloc" and "mem" are the
// host's; the rest is the namespace's and must be 0.
static bool no_socket_is_left(const char *text)
{
    static const char *const own[] = {" used ", " inuse ", " tw ", " memory "};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        for (const char *at = text; (at = strstr(at, own[i])) != NULL; at++)
            if (strtoull(at + strlen(own[i]), NULL, 10) != 0)
                return false;
    return true;
}

static bool is_as_new(const struct assay_nets *nets, const struct assay_net *net)
{
    char text[TEXT_BYTES];

    for (size_t i = 0; i < ASSAY_NET_FILES; i++) {
        if (net->files[i] < 0) {
            if (nets->unused[i] != NULL)
                return false;
            continue;
        }
        if (nets->unused[i] == NULL || !read_text(text, net->files[i]))
            return false;
        if (files[i].sockets ? !no_socket_is_left(text) : strcmp(text, nets->unused[i]) != 0)
            return false;
    }
    return true;
}

// --- all of them ---------------------------------------------------------------------------------

bool assay_nets_open(struct assay_nets *out, bool fresh, struct assay_fault *fault)
{
    struct assay_net home;

    memset(out, 0, sizeof(*out));
    out->fresh = fresh;
    out->home_fd = -1;
    if (!make(&home, true, fault))
        return false;
    out->home_fd = home.ns_fd;
    home.ns_fd = -1;
    for (size_t i = 0; i < ASSAY_NET_FILES; i++) {
        char text[TEXT_BYTES];

        if (home.files[i] >= 0 && read_text(text, home.files[i]))
            out->unused[i] = strdup(text);
    }
    assay_nets_drop(&home);
    return true;
}

void assay_nets_close(struct assay_nets *nets)
{
    for (size_t i = 0; i < nets->idle_count; i++)
        assay_nets_drop(&nets->idle[i]);
    nets->idle_count = 0;
    for (size_t i = 0; i < ASSAY_NET_FILES; i++)
        free(nets->unused[i]);
    if (nets->home_fd >= 0)
        close(nets->home_fd);
    nets->home_fd = -1;
}

static struct assay_net take_oldest(struct assay_nets *nets)
{
    const struct assay_net net = nets->idle[0];

    nets->idle_count--;
    memmove(&nets->idle[0], &nets->idle[1], nets->idle_count * sizeof(nets->idle[0]));
    return net;
}

bool assay_nets_enter(struct assay_nets *nets, struct assay_net *out, struct assay_fault *fault)
{
    for (size_t left = nets->idle_count; left > 0; left--) {
        struct assay_net net = take_oldest(nets);

        if (!is_as_new(nets, &net)) {
            if (++net.checks < CHECKS_MAX)
                nets->idle[nets->idle_count++] = net;
            else
                assay_nets_drop(&net);
            continue;
        }
        if (setns(net.ns_fd, CLONE_NEWNET) == 0) {
            *out = net;
            return true;
        }
        assay_nets_drop(&net);
    }
    if (make(out, !nets->fresh, fault))
        return true;
    assay_nets_drop(out);
    out->ns_fd = -1;
    return false;
}

bool assay_nets_leave(struct assay_nets *nets, struct assay_fault *fault)
{
    return setns(nets->home_fd, CLONE_NEWNET) == 0 || assay_fault_set(fault, "leave network");
}

void assay_nets_return(struct assay_nets *nets, struct assay_net *net)
{
    if (net->ns_fd < 0)
        return;
    if (nets->fresh || nets->idle_count == ASSAY_NETS_IDLE_MAX) {
        assay_nets_drop(net);
    } else {
        net->checks = 0;
        nets->idle[nets->idle_count++] = *net;
    }
    net->ns_fd = -1;
}
