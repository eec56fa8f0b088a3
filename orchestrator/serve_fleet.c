// SPDX-License-Identifier: MIT
// serve_fleet.c - what the service has at work (GET /v1/fleet), that and what else its store says
// is running (GET /v1/top: `assay top --url`), and what its suites' certificates say (GET
// /v1/suites/NAME/certificates).
#include <string.h>

#include "base/clock.h"
#include "orchestrator/serve_look.h"
#include "orchestrator/top.h"

static void put_jobs(struct assay_json_writer *w, struct assay_service *serve)
{
    const struct assay_grader_counts c = assay_grader_count(serve->grader);

    assay_json_begin_object(w, "gradings");
    assay_json_put_u64(w, "slots", serve->options.threads);
    assay_json_put_u64(w, "running", c.running);
    assay_json_put_u64(w, "queued", c.queued);
    assay_json_put_u64(w, "queue_max", serve->options.queue_max);
    assay_json_put_u64(w, "accepted", c.accepted);
    assay_json_put_u64(w, "joined", c.joined);
    assay_json_put_u64(w, "remembered", c.remembered);
    assay_json_put_u64(w, "graded", c.graded);
    assay_json_put_u64(w, "executed", c.executed);
    assay_json_put_u64(w, "resolved", c.resolved);
    assay_json_put_u64(w, "unscored", c.unscored);
    assay_json_end_object(w);
}

static void put_leases(struct assay_json_writer *w, struct assay_service *serve)
{
    const struct assay_lease_counts c = assay_leases_count(serve->leases);

    assay_json_begin_object(w, "leases");
    assay_json_put_u64(w, "open", c.open);
    assay_json_put_u64(w, "open_max", serve->options.episodes_max);
    assay_json_put_u64(w, "opened", c.opened);
    assay_json_put_u64(w, "forked", c.forked);
    assay_json_put_u64(w, "reaped", c.reaped);
    assay_json_put_u64(w, "turns", c.turns);
    assay_json_end_object(w);
}

static void put_network(
        struct assay_json_writer *w, struct assay_service *serve, struct assay_http *http)
{
    const struct assay_http_counts c = assay_http_count(http);

    assay_json_begin_object(w, "network");
    assay_json_put_u64(w, "connections", c.connections);
    assay_json_put_u64(w, "requests", c.requests);
    assay_json_put_u64(w, "pending", c.pending);
    assay_json_put_u64(w, "streams", c.streams);
    assay_json_put_u64(w, "sockets", assay_sockets_count(serve->sockets));
    assay_json_put_u64(w, "waiting", assay_workers_waiting(serve->workers));
    assay_json_end_object(w);
}

void assay_service_fleet(struct assay_service_call *call)
{
    struct assay_service *serve = call->serve;
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, 1 << 16);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "version", serve->options.version);
    assay_json_put_text(&w, "tier", serve->options.tier);
    assay_json_put_u64(&w, "uptime_s", (assay_clock_ms() - serve->start_ms) / 1000);
    assay_json_put_bool(&w, "draining", atomic_load(&serve->draining));
    put_jobs(&w, serve);
    put_leases(&w, serve);
    put_network(&w, serve, assay_http_of(call->request));
    assay_json_end_object(&w);
    assay_service_reply(call->request, 200, &text);
}

void assay_service_top(struct assay_service_call *call)
{
    struct assay_service *serve = call->serve;
    const struct assay_grader_counts gradings = assay_grader_count(serve->grader);
    const struct assay_top_service service = {.version = serve->options.version,
            .uptime_s = (assay_clock_ms() - serve->start_ms) / 1000,
            .draining = atomic_load(&serve->draining),
            .slots = serve->options.threads,
            .running = gradings.running,
            .queued = gradings.queued,
            .episodes = assay_leases_count(serve->leases).open,
            .connections = assay_http_count(assay_http_of(call->request)).connections};
    struct assay_look look;
    struct assay_top top;

    if (assay_service_look_begin(&look, call))
        look.status = assay_top_load(&top, look.store,
                assay_depot_home(assay_context_depot(serve->options.context)),
                assay_http_query(call->request, "run"), assay_clock_now_ms(), look.arena,
                &look.err);
    if (look.status == ASSAY_OK) {
        top.service = &service;
        assay_top_write_json(&look.text, &top);
    }
    assay_service_look_end(&look);
}

void assay_service_certificates(struct assay_service_call *call)
{
    struct assay_look look;
    const struct assay_served *served;

    (void)assay_service_look_begin(&look, call);
    served = assay_served_at(call->serve->suites, call->argument, 0);
    if (look.status == ASSAY_OK && served == NULL)
        look.status = assay_fail(&look.err, ASSAY_ENOTFOUND, "no such suite is served");
    assay_json_begin_object(&look.w, NULL);
    assay_json_begin_array(&look.w, "certificates");
    for (size_t i = 0;
            look.status == ASSAY_OK && served != NULL && i < served->suite->instance_count; i++) {
        struct assay_certificate c = {0};
        const enum assay_status status =
                assay_store_get_certificate(look.store, served->suite->name,
                        served[i].instance->instance_id, served[i].hash, look.arena, &c, &look.err);

        if (status != ASSAY_OK && status != ASSAY_ENOTFOUND)
            look.status = status;
        assay_json_begin_object(&look.w, NULL);
        assay_json_put_text(&look.w, "instance_id", served[i].instance->instance_id);
        assay_json_put_bool(&look.w, "certified", status == ASSAY_OK);
        if (status == ASSAY_OK) {
            assay_json_put_bool(&look.w, "holds", c.holds);
            assay_json_put_u64(&look.w, "runs", c.runs);
            assay_json_put_text(&look.w, "checks", c.checks);
            assay_json_put_text(&look.w, "grader", c.grader);
            assay_json_put_text(&look.w, "reason", c.reason);
            assay_json_put_text(&look.w, "made_at", c.made_at);
        }
        assay_json_end_object(&look.w);
    }
    assay_json_end_array(&look.w);
    assay_json_end_object(&look.w);
    assay_service_look_end(&look);
}
