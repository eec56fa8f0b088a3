// SPDX-License-Identifier: MIT
// serve.c - the service's life, and what it says of itself.
#include "orchestrator/serve.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/serve_parts.h"
#include "tasks/verdict.h"

#define WORKERS_MIN 16 // requests that wait for a box or a disk at once
#define WORKERS_EACH 4 // likewise, for each grading at once
#define WAITING_MAX 4096

enum assay_status assay_service_start(struct assay_service **out,
        const struct assay_service_options *options, struct assay_error *err)
{
    struct assay_service *serve = calloc(1, sizeof(*serve));
    const size_t workers = options->threads * WORKERS_EACH > WORKERS_MIN
            ? options->threads * WORKERS_EACH
            : WORKERS_MIN;
    struct assay_grader_options grader = {.context = options->context,
            .threads = options->threads,
            .queue_max = options->queue_max,
            .on_graded = assay_service_tell_graded,
            .user = serve};
    enum assay_status status;

    if (serve == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    serve->options = *options;
    serve->context = options->context;
    serve->start_ms = assay_clock_ms();
    serve->options.http.admit = assay_service_admit;
    serve->options.http.handle = assay_service_handle;
    serve->options.http.observe = assay_service_observe;
    serve->options.http.user = serve;
    status = assay_served_open(&serve->suites, assay_context_store(serve->context), options->suites,
            options->suite_count, err);
    grader.suites = serve->suites;
    if (status == ASSAY_OK)
        status = assay_events_create(&serve->events, assay_context_store(serve->context), err);
    if (status == ASSAY_OK)
        status = assay_workers_create(&serve->workers, workers, WAITING_MAX, err);
    if (status == ASSAY_OK)
        status = assay_grader_create(&serve->grader, &grader, err);
    if (status == ASSAY_OK)
        status = assay_leases_create(
                &serve->leases, serve->context, options->episodes_max, options->idle_ms_max, err);
    if (status == ASSAY_OK)
        status = assay_sockets_create(&serve->sockets, serve->workers, options->episodes_max * 2,
                options->idle_ms_max, err);
    if (status == ASSAY_OK)
        status = assay_calls_create(&serve->calls, err);
    if (status == ASSAY_OK && options->rate > 0)
        status = assay_rates_create(&serve->rates, options->rate, err);
    if (status == ASSAY_OK && serve->options.http.address != NULL)
        status = assay_http_start(&serve->http, &serve->options.http, err);
    if (status == ASSAY_OK)
        *out = serve;
    else
        assay_service_stop(serve);
    return status;
}

uint16_t assay_service_port(const struct assay_service *serve)
{
    return assay_http_port(serve->http);
}

bool assay_service_drain(struct assay_service *serve, uint64_t deadline_ms)
{
    atomic_store(&serve->draining, true);
    return assay_grader_drain(serve->grader, deadline_ms);
}

void assay_service_stop(struct assay_service *serve)
{
    if (serve == NULL)
        return;
    atomic_store(&serve->draining, true);
    if (serve->http != NULL)
        assay_http_quiesce(serve->http);
    // Whoever waits is answered; then nothing but the network is left to wait for.
    if (serve->leases != NULL)
        assay_leases_end(serve->leases);
    if (serve->grader != NULL)
        assay_grader_end(serve->grader);
    if (serve->sockets != NULL)
        assay_sockets_end(serve->sockets);
    if (serve->workers != NULL)
        assay_workers_end(serve->workers);
    if (serve->events != NULL)
        assay_events_end(serve->events);
    assay_calls_destroy(serve->calls); // their episodes are over, and nobody works on one
    assay_http_stop(serve->http);
    assay_sockets_destroy(serve->sockets);
    assay_leases_destroy(serve->leases);
    assay_grader_destroy(serve->grader);
    assay_workers_destroy(serve->workers);
    assay_events_destroy(serve->events);
    assay_rates_destroy(serve->rates);
    assay_served_close(serve->suites);
    free(serve);
}

// --- of itself ----------------------------------------------------------------------------------

static void say_status(struct assay_http_request *request, unsigned status, const char *word)
{
    struct assay_buf text;

    assay_buf_init(&text, 256);
    assay_buf_addf(&text, "{\"status\":\"%s\"}", word);
    if (status != 200)
        assay_http_add_header(request, "Retry-After", "1");
    assay_service_reply(request, status, &text);
}

void assay_service_health(struct assay_service_call *call)
{
    say_status(call->request, 200, "ok");
}

void assay_service_ready(struct assay_service_call *call)
{
    const bool draining = atomic_load(&call->serve->draining);

    say_status(call->request, draining ? 503 : 200, draining ? "draining" : "ready");
}

void assay_service_version(struct assay_service_call *call)
{
    const struct assay_service *serve = call->serve;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "name", "assay");
    assay_json_put_text(&w, "version", serve->options.version);
    assay_json_put_text(&w, "grader", ASSAY_GRADER_VERSION);
    assay_json_put_text(&w, "tier", serve->options.tier);
    assay_json_put_text(&w, "role", assay_role_name(assay_http_role(call->request)));
    assay_json_put_u64(&w, "uptime_s", (assay_clock_ms() - serve->start_ms) / 1000);
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

void assay_service_stream_events(struct assay_service_call *call)
{
    const char *last = assay_http_header(call->request, "Last-Event-ID");

    assay_events_watch(call->serve->events, call->request,
            last != NULL ? strtoull(last, NULL, 10) : 0,
            assay_http_query(call->request, "store") != NULL);
}

// --- what there is to do ------------------------------------------------------------------------

void assay_service_suites(struct assay_service_call *call)
{
    struct assay_json_writer w;
    struct assay_buf text;
    const struct assay_suite *suite;

    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_array(&w, "suites");
    for (size_t i = 0; (suite = assay_served_suite_at(call->serve->suites, i)) != NULL; i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "name", suite->name);
        assay_json_put_text(&w, "version", suite->version);
        assay_json_put_u64(&w, "instances", suite->instance_count);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

// Its instances, with what a policy may know of them.
void assay_service_suite(struct assay_service_call *call)
{
    struct assay_json_writer w;
    struct assay_buf text;
    const struct assay_served *served = assay_served_at(call->serve->suites, call->argument, 0);

    if (served == NULL) {
        assay_service_refuse(call->request, 404, "enotfound", "no such suite is served");
        return;
    }
    assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "name", served->suite->name);
    assay_json_put_text(&w, "version", served->suite->version);
    assay_json_begin_array(&w, "instances");
    for (size_t i = 0; i < served->suite->instance_count; i++) {
        const struct assay_instance *instance = served[i].instance;

        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "instance_id", instance->instance_id);
        assay_json_put_text(&w, "repo", instance->repo);
        assay_json_put_text(&w, "task", assay_task_kind_name(instance->task));
        assay_json_put_bytes(&w, "problem", instance->problem.data, instance->problem.len);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}
