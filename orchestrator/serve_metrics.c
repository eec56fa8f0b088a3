// SPDX-License-Identifier: MIT
// serve_metrics.c - GET /metrics, in Prometheus' text format 0.0.4.
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "orchestrator/serve_parts.h"
#include "tasks/verdict.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)

static void head(struct assay_buf *out, const char *name, const char *type, const char *help)
{
    assay_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void counter(struct assay_buf *out, const char *name, uint64_t value, const char *help)
{
    head(out, name, "counter", help);
    assay_buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

static void gauge(struct assay_buf *out, const char *name, double value, const char *help)
{
    head(out, name, "gauge", help);
    assay_buf_addf(out, "%s %.10g\n", name, value);
}

static void write_http(struct assay_buf *out, struct assay_service *serve, struct assay_http *http)
{
    const struct assay_http_counts c = assay_http_count(http);
    char labels[160];

    gauge(out, "assay_http_connections", (double)c.connections, "Connections that are open.");
    counter(out, "assay_http_requests_total", c.requests, "Requests whose head was read.");
    counter(out, "assay_http_cut_total", c.cut,
            "Connections that were cut because they were slow.");
    gauge(out, "assay_http_pending", (double)c.pending, "Requests that are not answered yet.");
    gauge(out, "assay_http_streams", (double)c.streams, "Streams of events that are open.");
    gauge(out, "assay_sockets_open", (double)assay_sockets_count(serve->sockets),
            "WebSockets that are open.");
    gauge(out, "assay_workers_waiting", (double)assay_workers_waiting(serve->workers),
            "Requests that wait for a worker.");
    head(out, "assay_http_responses_total", "counter", "Responses by the class of their status.");
    for (unsigned i = 1; i < ASSAY_SERVE_CLASSES; i++)
        assay_buf_addf(out, "assay_http_responses_total{class=\"%uxx\"} %" PRIuFAST64 "\n", i,
                atomic_load(&serve->classes[i]));
    head(out, "assay_http_request_seconds", "histogram", "From head to answer, by route.");
    for (size_t i = 0; i < assay_service_route_count(); i++) {
        const struct assay_service_route *route = assay_service_route_at(i);

        if (assay_histogram_count(&serve->took[i]) == 0)
            continue;
        snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\"", route->method, route->path);
        assay_histogram_write(out, "assay_http_request_seconds", labels, &serve->took[i]);
    }
}

static void write_jobs(struct assay_buf *out, struct assay_service *serve)
{
    const struct assay_grader_counts c = assay_grader_count(serve->grader);

    gauge(out, "assay_jobs_queued", (double)c.queued, "Answers that wait to be graded.");
    gauge(out, "assay_jobs_running", (double)c.running, "Answers that are being graded.");
    gauge(out, "assay_jobs_slots", (double)serve->options.threads, "Gradings at once, at most.");
    counter(out, "assay_jobs_accepted_total", c.accepted, "Answers that were new.");
    counter(out, "assay_jobs_joined_total", c.joined, "Answers that joined a grading under way.");
    counter(out, "assay_jobs_remembered_total", c.remembered, "Answers graded before.");
    counter(out, "assay_gradings_executed_total", c.executed, "Gradings that ran tests in a box.");
    head(out, "assay_gradings_total", "counter", "Gradings by what they came to.");
    assay_buf_addf(out, "assay_gradings_total{outcome=\"resolved\"} %" PRIu64 "\n", c.resolved);
    assay_buf_addf(out, "assay_gradings_total{outcome=\"unresolved\"} %" PRIu64 "\n",
            c.graded - c.resolved - c.unscored);
    assay_buf_addf(out, "assay_gradings_total{outcome=\"unscored\"} %" PRIu64 "\n", c.unscored);
    head(out, "assay_grading_seconds", "histogram", "What a grading took.");
    assay_histogram_write(out, "assay_grading_seconds", "", &serve->graded);
}

static void write_episodes(struct assay_buf *out, struct assay_service *serve)
{
    const struct assay_lease_counts c = assay_leases_count(serve->leases);

    gauge(out, "assay_episodes_open", (double)c.open, "Episodes that are leased.");
    gauge(out, "assay_episodes_max", (double)serve->options.episodes_max, "At most.");
    counter(out, "assay_episodes_opened_total", c.opened, "Episodes that were opened.");
    counter(out, "assay_episodes_forked_total", c.forked, "Of them, by a fork.");
    counter(out, "assay_episodes_reaped_total", c.reaped, "Ended because nobody touched them.");
    counter(out, "assay_turns_total", c.turns, "Actions that were done.");
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128];
    unsigned long pages = 0;

    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) != NULL) {
        char *rest = strchr(line, ' ');

        if (rest != NULL)
            pages = strtoul(rest, NULL, 10);
    }
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static size_t descriptor_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    if (dir == NULL)
        return 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's own
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; // ".", "..", and the one that looks
}

static void write_process(struct assay_buf *out, struct assay_service *serve)
{
    const uint64_t uptime_ms = assay_clock_ms() - serve->start_ms;

    head(out, "assay_build_info", "gauge", "What is running.");
    assay_buf_addf(out, "assay_build_info{version=\"%s\",grader=\"%s\",tier=\"%s\"} 1\n",
            serve->options.version, ASSAY_GRADER_VERSION, serve->options.tier);
    gauge(out, "assay_ready", atomic_load(&serve->draining) ? 0 : 1, "0 while it drains.");
    gauge(out, "process_start_time_seconds", (double)(assay_clock_now_ms() - uptime_ms) / 1000,
            "When the service began, in seconds since 1970.");
    gauge(out, "process_resident_memory_bytes", resident_bytes(), "Memory that is resident.");
    gauge(out, "process_open_fds", (double)descriptor_count(), "Descriptors that are open.");
}

void assay_service_metrics(struct assay_service_call *call)
{
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    write_process(&text, call->serve);
    // The first request may be here before the service knows its server.
    write_http(&text, call->serve, assay_http_of(call->request));
    write_jobs(&text, call->serve);
    write_episodes(&text, call->serve);
    assay_http_reply(call->request, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

void assay_service_observe(void *user, unsigned tag, unsigned status, uint64_t us)
{
    struct assay_service *serve = user;

    if (status / 100 < ASSAY_SERVE_CLASSES)
        atomic_fetch_add(&serve->classes[status / 100], 1);
    if (tag > 0 && tag <= assay_service_route_count())
        assay_histogram_add(&serve->took[tag - 1], us);
}
