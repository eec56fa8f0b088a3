// SPDX-License-Identifier: MIT
// proxy_rig.h - hosts that a proxy may reach, a proxy, and clients that stand for a box.
#ifndef ASSAY_TESTS_ORCHESTRATOR_PROXY_RIG_H
#define ASSAY_TESTS_ORCHESTRATOR_PROXY_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "orchestrator/proxy.h"

#define BYTES_MAX ((size_t)4 << 20) // of what is kept of a connection

// Takes one connection after another: reads a head, answers with `reply`, then sends
// back what comes until its end. `heard` is all that it heard on all of them.
struct host {
    int listen_fd;
    uint16_t port;
    const char *reply; // NULL: never answers
    struct assay_buf heard;
    atomic_uint accepted;
    pthread_t thread;
};

struct setting {
    struct assay_proxy *proxy;
    uint16_t port;
    struct assay_upstreams upstreams;
};

void start_host(struct host *host, const char *reply);
// Everything that was sent to it has been heard after this.
void stop_host(struct host *host);
void start_proxy(struct setting *setting, struct assay_proxy_options options,
        const char *const *entries, size_t count);
// A proxy that permits `host` by its address.
void start_simple(struct setting *setting, const struct host *host);
int connect_to(uint16_t port);
void say(int fd, const char *bytes, size_t len);
void read_all(int fd, struct assay_buf *out);
// Send, hang up that side if told to, and read to the end.
void exchange(
        const struct setting *setting, const char *bytes, bool half_close, struct assay_buf *out);
void assert_status(const struct assay_buf *answer, int status);

#endif
