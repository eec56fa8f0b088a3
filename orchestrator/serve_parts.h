// SPDX-License-Identifier: MIT
// serve_parts.h - what the service's handlers share. Internal to serve_*.c.
#ifndef ASSAY_ORCHESTRATOR_SERVE_PARTS_H
#define ASSAY_ORCHESTRATOR_SERVE_PARTS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/json.h"
#include "orchestrator/grader.h"
#include "orchestrator/histogram.h"
#include "orchestrator/leases.h"
#include "orchestrator/serve.h"
#include "orchestrator/serve_calls.h"
#include "orchestrator/serve_events.h"
#include "orchestrator/serve_rate.h"
#include "orchestrator/serve_suites.h"
#include "orchestrator/socket.h"
#include "orchestrator/workers.h"

#define ASSAY_SERVE_CLASSES 6
#define ASSAY_SERVE_ROUTES_MAX 128
#define ASSAY_SERVE_JSON "application/json"
#define ASSAY_SERVE_BODY_BYTES_MAX ((size_t)64 << 20)
#define ASSAY_SERVE_DEPTH_MAX 64
#define ASSAY_SERVE_REPLY_BYTES_MAX ((size_t)256 << 20)
#define ASSAY_SERVE_ARENA_BYTES ((size_t)1 << 30)

struct assay_service {
    struct assay_service_options options;
    struct assay_context *context; // the options' own
    struct assay_http *http;
    struct assay_served_suites *suites;
    struct assay_grader *grader;
    struct assay_leases *leases;
    struct assay_sockets *sockets;
    struct assay_workers *workers; // for handlers that wait
    struct assay_events *events;
    struct assay_calls *calls;
    struct assay_rates *rates; // NULL: no limit
    uint64_t start_ms;
    atomic_bool draining;
    // What /metrics tells.
    atomic_uint_fast64_t classes[ASSAY_SERVE_CLASSES];   // of responses: 2xx, ...
    struct assay_histogram took[ASSAY_SERVE_ROUTES_MAX]; // by route
    struct assay_histogram graded;
};

// --- routes (serve_routes.c) --------------------------------------------------------------------

#define ASSAY_SERVE_ARGUMENT_BYTES 201

// One request under way: what a handler is given. The request is answered by the handler, or later
// by whom it hands it to.
struct assay_service_call {
    struct assay_service *serve;
    struct assay_http_request *request;
    const struct assay_service_route *route;
    char argument[ASSAY_SERVE_ARGUMENT_BYTES]; // what stands for the path's '*'
};

struct assay_service_route {
    const char *method, *path; // one component may be '*'
    enum assay_role role;      // that it takes
    bool waits;                // for a disk or a box: not on the network's thread
    void (*handle)(struct assay_service_call *call);
};

size_t assay_service_route_count(void);
const struct assay_service_route *assay_service_route_at(size_t index);
// Of a decoded path; *argument, *len: what stands for its '*', shorter than
// ASSAY_SERVE_ARGUMENT_BYTES. NULL: there is none, and `allowed` tells which methods the path has.
const struct assay_service_route *assay_service_route_find(const char *method, const char *path,
        char *allowed, size_t allowed_max, const char **argument, size_t *len);

// http.h's callbacks; user is the service.
void assay_service_observe(void *user, unsigned tag, unsigned status, uint64_t us);
void assay_service_admit(void *user, struct assay_http_request *request);
void assay_service_handle(void *user, struct assay_http_request *request);

// --- answers (serve_reply.c) --------------------------------------------------------------------

// {"error": {"code", "message"}}; 429 and 503 with Retry-After.
void assay_service_refuse(
        struct assay_http_request *request, unsigned status, const char *code, const char *message);
// The same of an error value.
void assay_service_fail(struct assay_http_request *request, enum assay_status status,
        const struct assay_error *err);
// `json` is handed over.
void assay_service_reply(
        struct assay_http_request *request, unsigned status, struct assay_buf *json);
// The request's body, an object. ASSAY_EINVAL. *out is the caller's: assay_json_free().
ASSAY_MUST_USE enum assay_status assay_service_read(
        struct assay_json **out, struct assay_http_request *request, struct assay_error *err);

// --- handlers -----------------------------------------------------------------------------------

void assay_service_health(struct assay_service_call *call);
void assay_service_ready(struct assay_service_call *call);
void assay_service_version(struct assay_service_call *call);
void assay_service_metrics(struct assay_service_call *call);
void assay_service_stream_events(struct assay_service_call *call);
void assay_service_suites(struct assay_service_call *call);
void assay_service_suite(struct assay_service_call *call);
void assay_service_grade(struct assay_service_call *call);
void assay_service_job(struct assay_service_call *call);
void assay_service_verdict(struct assay_service_call *call);
void assay_service_open_episode(struct assay_service_call *call);
void assay_service_list_episodes(struct assay_service_call *call);
void assay_service_show_episode(struct assay_service_call *call);
void assay_service_step_episode(struct assay_service_call *call);
void assay_service_grade_episode(struct assay_service_call *call);
void assay_service_fork_episode(struct assay_service_call *call);
void assay_service_patch_episode(struct assay_service_call *call);
void assay_service_close_episode(struct assay_service_call *call);
void assay_service_tools(struct assay_service_call *call);
void assay_service_models(struct assay_service_call *call);
void assay_service_chat_completions(struct assay_service_call *call);
void assay_service_completions(struct assay_service_call *call);
void assay_service_ui(struct assay_service_call *call);
void assay_service_ui_file(struct assay_service_call *call);
void assay_service_runs(struct assay_service_call *call);
void assay_service_run(struct assay_service_call *call);
void assay_service_attempts(struct assay_service_call *call);
void assay_service_attempt(struct assay_service_call *call);
void assay_service_log(struct assay_service_call *call);
void assay_service_compare(struct assay_service_call *call);
void assay_service_trainings(struct assay_service_call *call);
void assay_service_training(struct assay_service_call *call);
void assay_service_trajectory(struct assay_service_call *call);
void assay_service_fleet(struct assay_service_call *call);
void assay_service_top(struct assay_service_call *call);
void assay_service_certificates(struct assay_service_call *call);
void assay_service_openenv_reset(struct assay_service_call *call);
void assay_service_openenv_step(struct assay_service_call *call);
void assay_service_openenv_state(struct assay_service_call *call);
void assay_service_openenv_health(struct assay_service_call *call);
void assay_service_openenv_metadata(struct assay_service_call *call);
void assay_service_openenv_schema(struct assay_service_call *call);
void assay_service_openenv_socket(struct assay_service_call *call);
void assay_service_mcp(struct assay_service_call *call);
void assay_service_mcp_socket(struct assay_service_call *call);
void assay_service_slime(struct assay_service_call *call);
void assay_service_openrlhf(struct assay_service_call *call);
void assay_service_verl(struct assay_service_call *call);
void assay_service_trl(struct assay_service_call *call);
void assay_service_nemo_verify(struct assay_service_call *call);
void assay_service_nemo_seed(struct assay_service_call *call);
void assay_service_nemo_mode(struct assay_service_call *call);
void assay_service_nemo_metrics(struct assay_service_call *call);
void assay_service_ors_version(struct assay_service_call *call);
void assay_service_ors_environments(struct assay_service_call *call);
void assay_service_ors_create_session(struct assay_service_call *call);
void assay_service_ors_delete_session(struct assay_service_call *call);
void assay_service_ors_create(struct assay_service_call *call);
void assay_service_ors_ping(struct assay_service_call *call);
void assay_service_ors_delete(struct assay_service_call *call);
void assay_service_ors_tools(struct assay_service_call *call);
void assay_service_ors_task_tools(struct assay_service_call *call);
void assay_service_ors_splits(struct assay_service_call *call);
void assay_service_ors_tasks(struct assay_service_call *call);
void assay_service_ors_num_tasks(struct assay_service_call *call);
void assay_service_ors_task(struct assay_service_call *call);
void assay_service_ors_task_range(struct assay_service_call *call);
void assay_service_ors_prompt(struct assay_service_call *call);
void assay_service_ors_messages(struct assay_service_call *call);
void assay_service_ors_call(struct assay_service_call *call);
void assay_service_swerex_alive(struct assay_service_call *call);
void assay_service_swerex_create_session(struct assay_service_call *call);
void assay_service_swerex_run(struct assay_service_call *call);
void assay_service_swerex_close_session(struct assay_service_call *call);
void assay_service_swerex_execute(struct assay_service_call *call);
void assay_service_swerex_read_file(struct assay_service_call *call);
void assay_service_swerex_write_file(struct assay_service_call *call);
void assay_service_swerex_upload(struct assay_service_call *call);
void assay_service_swerex_close(struct assay_service_call *call);

// May this client act in the episode? If not, *err is as if there were none.
bool assay_service_owns(struct assay_service *serve, unsigned role, const char *who, const char *id,
        struct assay_error *err);
bool assay_service_may_touch(struct assay_service *serve, struct assay_http_request *request,
        const char *id, struct assay_error *err);

// grader.h's on_graded; user is the service.
void assay_service_tell_graded(void *user, size_t index, const struct assay_graded *graded);

#endif
