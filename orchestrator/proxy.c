// SPDX-License-Identifier: MIT
#include "orchestrator/proxy.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "orchestrator/proxy_link.h"

#define LINKS_MAX 64 // more wait in the socket's backlog
#define TROUBLE_MS 10
#define HEAD_MS_MAX 10000
#define CONNECT_MS_MAX 30000
#define IDLE_MS_MAX 300000

struct assay_proxy {
    struct assay_link_world world;
    struct assay_host_rule *rules; // owned
    struct assay_proxy_report report;
    int listen_fd; // -1: not served
    bool started;
    pthread_t thread;
    atomic_bool stop;
    struct assay_link *links[LINKS_MAX];
    size_t link_count;
};

void assay_proxy_note(struct assay_proxy_report *report, const char *where, const char *why)
{
    size_t i = 0;

    while (i < report->refusal_count &&
            (strcmp(report->refusals[i].where, where) != 0 || report->refusals[i].why != why))
        i++;
    if (i == ASSAY_PROXY_REFUSALS_MAX) {
        report->more++;
        return;
    }
    if (i == report->refusal_count) {
        report->refusal_count++;
        (void)snprintf(report->refusals[i].where, sizeof(report->refusals[i].where), "%s", where);
        report->refusals[i].why = why;
    }
    report->refusals[i].count++;
}

// --- the loop ------------------------------------------------------------------------------------

static void accept_links(struct assay_proxy *proxy)
{
    while (proxy->link_count < LINKS_MAX) {
        const int fd = accept4(proxy->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct assay_link *link = fd < 0 ? NULL : assay_link_create(&proxy->world, fd);

        if (link != NULL) {
            proxy->links[proxy->link_count++] = link;
            continue;
        }
        if (fd >= 0)
            close(fd);
        else if (errno == ECONNABORTED || errno == EINTR)
            continue;
        else if (errno != EAGAIN) // no descriptors, no memory: not at full speed
            (void)poll(NULL, 0, TROUBLE_MS);
        return;
    }
}

static int milliseconds_left(const struct assay_proxy *proxy)
{
    uint64_t left_ms = IDLE_MS_MAX;

    for (size_t i = 0; i < proxy->link_count; i++) {
        const uint64_t link_ms = assay_clock_left_ms(proxy->links[i]->deadline_ms);

        left_ms = link_ms < left_ms ? link_ms : left_ms;
    }
    return (int)left_ms + 1;
}

static void step_links(struct assay_proxy *proxy, const struct pollfd *seen)
{
    const size_t count = proxy->link_count;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct assay_link *link = proxy->links[i];

        if (assay_link_step(link, &proxy->world, &seen[2 * i]))
            proxy->links[kept++] = link;
        else
            assay_link_destroy(link);
    }
    proxy->link_count = kept;
}

static void *run(void *argument)
{
    struct assay_proxy *proxy = argument;
    struct pollfd watched[2 + 2 * LINKS_MAX];

    while (!atomic_load(&proxy->stop)) {
        uint64_t count = 0;

        watched[0] = (struct pollfd){.fd = proxy->world.wake_fd, .events = POLLIN};
        watched[1] = (struct pollfd){
                .fd = proxy->link_count < LINKS_MAX ? proxy->listen_fd : -1, .events = POLLIN};
        for (size_t i = 0; i < proxy->link_count; i++)
            assay_link_watch(proxy->links[i], &watched[2 + 2 * i]);
        if (poll(watched, 2 + 2 * (nfds_t)proxy->link_count, milliseconds_left(proxy)) < 0)
            for (size_t i = 0; i < 2 + 2 * proxy->link_count; i++)
                watched[i].revents = 0; // EINTR, or no memory: clocks are looked at all the same
        if (watched[0].revents != 0)
            (void)!read(proxy->world.wake_fd, &count, sizeof(count));
        step_links(proxy, watched + 2);
        if (watched[1].revents != 0)
            accept_links(proxy);
    }
    return NULL;
}

// --- life ----------------------------------------------------------------------------------------

enum assay_status assay_proxy_create(struct assay_proxy **out,
        const struct assay_proxy_options *options, struct assay_error *err)
{
    struct assay_proxy *proxy = calloc(1, sizeof(*proxy));
    struct assay_proxy_options *own = NULL;

    if (proxy == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a proxy");
    own = &proxy->world.options;
    *own = *options;
    own->head_ms_max = own->head_ms_max > 0 ? own->head_ms_max : HEAD_MS_MAX;
    own->connect_ms_max = own->connect_ms_max > 0 ? own->connect_ms_max : CONNECT_MS_MAX;
    own->idle_ms_max = own->idle_ms_max > 0 ? own->idle_ms_max : IDLE_MS_MAX;
    proxy->listen_fd = -1;
    proxy->world.report = &proxy->report;
    proxy->rules = calloc(options->rule_count + 1, sizeof(*proxy->rules));
    if (proxy->rules == NULL) {
        free(proxy);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a proxy");
    }
    if (options->rule_count > 0)
        memcpy(proxy->rules, options->rules, options->rule_count * sizeof(*proxy->rules));
    own->rules = proxy->rules;
    proxy->world.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (proxy->world.wake_fd < 0) {
        const int problem = errno;

        free(proxy->rules);
        free(proxy);
        return assay_fail_errno(err, problem, "eventfd for a proxy");
    }
    *out = proxy;
    return ASSAY_OK;
}

void assay_proxy_serve(struct assay_proxy *proxy, int listen_fd)
{
    if (proxy->started) {
        close(listen_fd);
        return;
    }
    proxy->listen_fd = listen_fd;
    proxy->started = pthread_create(&proxy->thread, NULL, run, proxy) == 0;
    if (proxy->started)
        return;
    close(listen_fd);
    proxy->listen_fd = -1;
    assay_proxy_note(&proxy->report, "everything", "the proxy's thread could not be started");
}

void assay_proxy_stop(struct assay_proxy *proxy, struct assay_proxy_report *report)
{
    const uint64_t one = 1;

    if (proxy == NULL)
        return;
    atomic_store(&proxy->stop, true);
    (void)!write(proxy->world.wake_fd, &one, sizeof(one));
    if (proxy->started)
        pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < proxy->link_count; i++)
        assay_link_destroy(proxy->links[i]);
    if (proxy->listen_fd >= 0)
        close(proxy->listen_fd);
    close(proxy->world.wake_fd);
    if (report != NULL)
        *report = proxy->report;
    free(proxy->rules);
    free(proxy);
}
