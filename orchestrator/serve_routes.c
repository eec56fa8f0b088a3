// SPDX-License-Identifier: MIT
// serve_routes.c - who may ask, and which function answers: the gate, and one table.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/serve_parts.h"

static const struct assay_service_route routes[] = {
        {"GET", "/healthz", ASSAY_ROLE_NONE, false, assay_service_health},
        {"GET", "/readyz", ASSAY_ROLE_NONE, false, assay_service_ready},
        {"GET", "/metrics", ASSAY_ROLE_READ, false, assay_service_metrics},
        {"GET", "/v1/version", ASSAY_ROLE_READ, false, assay_service_version},
        {"GET", "/v1/events", ASSAY_ROLE_READ, false, assay_service_stream_events},
        {"GET", "/v1/suites", ASSAY_ROLE_READ, false, assay_service_suites},
        {"GET", "/v1/suites/*", ASSAY_ROLE_READ, true, assay_service_suite},
        {"POST", "/v1/grade", ASSAY_ROLE_RUN, true, assay_service_grade},
        {"GET", "/v1/jobs/*", ASSAY_ROLE_READ, true, assay_service_job},
        {"GET", "/v1/verdicts/*", ASSAY_ROLE_READ, true, assay_service_verdict},
        {"GET", "/", ASSAY_ROLE_NONE, false, assay_service_ui},
        {"GET", "/ui/*", ASSAY_ROLE_NONE, false, assay_service_ui_file},
        {"GET", "/v1/runs", ASSAY_ROLE_READ, true, assay_service_runs},
        {"GET", "/v1/runs/*", ASSAY_ROLE_READ, true, assay_service_run},
        {"GET", "/v1/runs/*/attempts", ASSAY_ROLE_READ, true, assay_service_attempts},
        {"GET", "/v1/runs/*/attempt", ASSAY_ROLE_READ, true, assay_service_attempt},
        {"GET", "/v1/runs/*/log", ASSAY_ROLE_READ, true, assay_service_log},
        {"GET", "/v1/compare", ASSAY_ROLE_READ, true, assay_service_compare},
        {"GET", "/v1/trainings", ASSAY_ROLE_READ, true, assay_service_trainings},
        {"GET", "/v1/trainings/*", ASSAY_ROLE_READ, true, assay_service_training},
        {"GET", "/v1/trajectories/*", ASSAY_ROLE_READ, true, assay_service_trajectory},
        {"GET", "/v1/fleet", ASSAY_ROLE_READ, false, assay_service_fleet},
        {"GET", "/v1/top", ASSAY_ROLE_READ, true, assay_service_top},
        {"GET", "/v1/suites/*/certificates", ASSAY_ROLE_READ, true, assay_service_certificates},
        {"GET", "/v1/models", ASSAY_ROLE_READ, false, assay_service_models},
        {"POST", "/v1/chat/completions", ASSAY_ROLE_RUN, true, assay_service_chat_completions},
        {"POST", "/v1/completions", ASSAY_ROLE_RUN, true, assay_service_completions},
        {"GET", "/v1/tools", ASSAY_ROLE_READ, false, assay_service_tools},
        {"POST", "/v1/episodes", ASSAY_ROLE_RUN, true, assay_service_open_episode},
        {"GET", "/v1/episodes", ASSAY_ROLE_READ, false, assay_service_list_episodes},
        {"GET", "/v1/episodes/*", ASSAY_ROLE_READ, false, assay_service_show_episode},
        {"DELETE", "/v1/episodes/*", ASSAY_ROLE_RUN, true, assay_service_close_episode},
        {"POST", "/v1/episodes/*/step", ASSAY_ROLE_RUN, true, assay_service_step_episode},
        {"POST", "/v1/episodes/*/grade", ASSAY_ROLE_RUN, true, assay_service_grade_episode},
        {"POST", "/v1/episodes/*/fork", ASSAY_ROLE_RUN, true, assay_service_fork_episode},
        {"POST", "/v1/episodes/*/patch", ASSAY_ROLE_RUN, true, assay_service_patch_episode},
        {"POST", "/v1/episodes/*/close", ASSAY_ROLE_RUN, true, assay_service_close_episode},
        {"POST", "/reset", ASSAY_ROLE_RUN, true, assay_service_openenv_reset},
        {"POST", "/step", ASSAY_ROLE_RUN, true, assay_service_openenv_step},
        {"GET", "/state", ASSAY_ROLE_READ, false, assay_service_openenv_state},
        {"GET", "/health", ASSAY_ROLE_NONE, false, assay_service_openenv_health},
        {"GET", "/metadata", ASSAY_ROLE_NONE, false, assay_service_openenv_metadata},
        {"GET", "/schema", ASSAY_ROLE_NONE, false, assay_service_openenv_schema},
        {"GET", "/ws", ASSAY_ROLE_RUN, false, assay_service_openenv_socket},
        {"GET", "/mcp", ASSAY_ROLE_RUN, false, assay_service_mcp_socket},
        {"POST", "/mcp", ASSAY_ROLE_READ, true, assay_service_mcp},
        {"POST", "/mcp/*", ASSAY_ROLE_READ, true, assay_service_mcp},
        {"POST", "/v1/reward/slime", ASSAY_ROLE_RUN, true, assay_service_slime},
        {"POST", "/v1/reward/openrlhf", ASSAY_ROLE_RUN, true, assay_service_openrlhf},
        {"POST", "/v1/reward/verl", ASSAY_ROLE_RUN, true, assay_service_verl},
        {"POST", "/v1/reward/trl", ASSAY_ROLE_RUN, true, assay_service_trl},
        {"POST", "/seed_session", ASSAY_ROLE_RUN, false, assay_service_nemo_seed},
        {"POST", "/verify", ASSAY_ROLE_RUN, true, assay_service_nemo_verify},
        {"POST", "/aggregate_metrics", ASSAY_ROLE_RUN, false, assay_service_nemo_metrics},
        {"GET", "/reverify_mode", ASSAY_ROLE_READ, false, assay_service_nemo_mode},
        {"GET", "/version", ASSAY_ROLE_NONE, false, assay_service_ors_version},
        {"GET", "/list_environments", ASSAY_ROLE_READ, false, assay_service_ors_environments},
        {"POST", "/create_session", ASSAY_ROLE_RUN, false, assay_service_ors_create_session},
        {"POST", "/delete_session", ASSAY_ROLE_RUN, false, assay_service_ors_delete_session},
        {"POST", "/create", ASSAY_ROLE_RUN, true, assay_service_ors_create},
        {"POST", "/ping", ASSAY_ROLE_RUN, false, assay_service_ors_ping},
        {"POST", "/delete", ASSAY_ROLE_RUN, true, assay_service_ors_delete},
        {"GET", "/tools", ASSAY_ROLE_READ, false, assay_service_ors_tools},
        {"GET", "/*/tools", ASSAY_ROLE_READ, false, assay_service_ors_tools},
        {"GET", "/task_tools", ASSAY_ROLE_RUN, false, assay_service_ors_task_tools},
        {"GET", "/*/task_tools", ASSAY_ROLE_RUN, false, assay_service_ors_task_tools},
        {"GET", "/splits", ASSAY_ROLE_READ, true, assay_service_ors_splits},
        {"GET", "/*/splits", ASSAY_ROLE_READ, true, assay_service_ors_splits},
        {"POST", "/tasks", ASSAY_ROLE_READ, true, assay_service_ors_tasks},
        {"POST", "/*/tasks", ASSAY_ROLE_READ, true, assay_service_ors_tasks},
        {"POST", "/num_tasks", ASSAY_ROLE_READ, true, assay_service_ors_num_tasks},
        {"POST", "/*/num_tasks", ASSAY_ROLE_READ, true, assay_service_ors_num_tasks},
        {"POST", "/task", ASSAY_ROLE_READ, true, assay_service_ors_task},
        {"POST", "/*/task", ASSAY_ROLE_READ, true, assay_service_ors_task},
        {"POST", "/task_range", ASSAY_ROLE_READ, true, assay_service_ors_task_range},
        {"POST", "/*/task_range", ASSAY_ROLE_READ, true, assay_service_ors_task_range},
        {"GET", "/prompt", ASSAY_ROLE_RUN, false, assay_service_ors_prompt},
        {"GET", "/*/prompt", ASSAY_ROLE_RUN, false, assay_service_ors_prompt},
        {"GET", "/messages", ASSAY_ROLE_RUN, false, assay_service_ors_messages},
        {"GET", "/*/messages", ASSAY_ROLE_RUN, false, assay_service_ors_messages},
        {"POST", "/call", ASSAY_ROLE_RUN, true, assay_service_ors_call},
        {"POST", "/*/call", ASSAY_ROLE_RUN, true, assay_service_ors_call},
        {"GET", "/swerex/*/is_alive", ASSAY_ROLE_RUN, false, assay_service_swerex_alive},
        {"POST", "/swerex/*/create_session", ASSAY_ROLE_RUN, true,
                assay_service_swerex_create_session},
        {"POST", "/swerex/*/run_in_session", ASSAY_ROLE_RUN, true, assay_service_swerex_run},
        {"POST", "/swerex/*/close_session", ASSAY_ROLE_RUN, false,
                assay_service_swerex_close_session},
        {"POST", "/swerex/*/execute", ASSAY_ROLE_RUN, true, assay_service_swerex_execute},
        {"POST", "/swerex/*/read_file", ASSAY_ROLE_RUN, true, assay_service_swerex_read_file},
        {"POST", "/swerex/*/write_file", ASSAY_ROLE_RUN, true, assay_service_swerex_write_file},
        {"POST", "/swerex/*/upload", ASSAY_ROLE_RUN, true, assay_service_swerex_upload},
        {"POST", "/swerex/*/close", ASSAY_ROLE_RUN, false, assay_service_swerex_close},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))
_Static_assert(ROUTE_COUNT <= ASSAY_SERVE_ROUTES_MAX, "each route has its histogram");

size_t assay_service_route_count(void)
{
    return ROUTE_COUNT;
}

const struct assay_service_route *assay_service_route_at(size_t index)
{
    return &routes[index];
}

// Does the path match? *argument is what stands for the '*'.
static bool matches(const char *pattern, const char *path, const char **argument, size_t *len)
{
    *argument = "";
    *len = 0;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '*') {
            if (*pattern != *path++)
                return false;
            continue;
        }
        *argument = path;
        *len = strcspn(path, "/");
        if (*len == 0 || *len >= ASSAY_SERVE_ARGUMENT_BYTES)
            return false;
        path += *len;
    }
    return *path == '\0';
}

const struct assay_service_route *assay_service_route_find(const char *method, const char *path,
        char *allowed, size_t allowed_max, const char **argument, size_t *len)
{
    const struct assay_service_route *found = NULL;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    size_t used = 0;

    allowed[0] = '\0';
    for (size_t i = 0; i < ROUTE_COUNT && found == NULL; i++) {
        if (!matches(routes[i].path, path, argument, len))
            continue;
        if (strcmp(routes[i].method, wanted) == 0)
            found = &routes[i];
        else if (used < allowed_max && strstr(allowed, routes[i].method) == NULL)
            used += (size_t)snprintf(allowed + used, allowed_max - used, "%s%s",
                    used > 0 ? ", " : "", routes[i].method);
    }
    return found;
}

// A browser sends where a page came from: another site's may not speak for its reader.
static bool is_foreign(struct assay_service *serve, struct assay_http_request *request)
{
    const char *origin = assay_http_header(request, "Origin");
    const char *host = origin != NULL ? strstr(origin, "://") : NULL;

    if (origin == NULL)
        return false;
    return host == NULL ||
            !assay_host_is_ours(
                    host + 3, serve->options.host_names, serve->options.host_name_count);
}

// A client is a token's name, or an address where that has none.
static bool is_too_fast(struct assay_service *serve, struct assay_http_request *request)
{
    char peer[ASSAY_HTTP_PEER_BYTES];
    const char *client = assay_http_who(request);

    if (serve->rates == NULL)
        return false;
    if (*client == '\0') {
        assay_http_peer(request, peer);
        client = peer;
    }
    return !assay_rates_take(serve->rates, client, assay_clock_ms());
}

void assay_service_admit(void *user, struct assay_http_request *request)
{
    struct assay_service *serve = user;
    const struct assay_service_options *o = &serve->options;
    const struct assay_service_route *route;
    const char *argument;
    char who[ASSAY_WHO_BYTES], allowed[64];
    size_t len;
    enum assay_role role;

    if (!assay_host_is_ours(
                assay_http_header(request, "Host"), o->host_names, o->host_name_count) ||
            is_foreign(serve, request)) {
        assay_service_refuse(
                request, 403, "host", "this is not a name of this server (--host-name)");
        return;
    }
    // Clients of Open Reward's and SWE-ReX know one header, all others the usual one.
    role = assay_http_header(request, "Authorization") != NULL
            ? assay_tokens_role(o->tokens, assay_http_header(request, "Authorization"), who)
            : assay_tokens_role_of(o->tokens, assay_http_header(request, "X-API-Key"), who);
    assay_http_set_who(request, role, who);
    route = assay_service_route_find(assay_http_method(request), assay_http_path(request), allowed,
            sizeof(allowed), &argument, &len);
    if (route != NULL)
        assay_http_set_tag(request, (unsigned)(route - routes) + 1);
    if (route == NULL && allowed[0] != '\0') {
        assay_http_add_header(request, "Allow", allowed);
        assay_service_refuse(request, 405, "method", "another method, perhaps");
    } else if (route == NULL) {
        assay_service_refuse(request, 404, "route", "there is nothing here: docs/service.md");
    } else if (role < route->role && role == ASSAY_ROLE_NONE) {
        assay_http_add_header(request, "WWW-Authenticate", "Bearer");
        assay_service_refuse(
                request, 401, "token", "a token is wanted: Authorization: Bearer TOKEN");
    } else if (role < route->role) {
        assay_service_refuse(request, 403, "role", "the token is not for this");
    } else if (route->role > ASSAY_ROLE_NONE && is_too_fast(serve, request)) {
        assay_service_refuse(request, 429, "rate", "too many requests a second");
    }
}

static void work(void *user)
{
    struct assay_service_call *call = user;

    call->route->handle(call);
    free(call);
}

void assay_service_handle(void *user, struct assay_http_request *request)
{
    struct assay_service *serve = user;
    struct assay_service_call *call = calloc(1, sizeof(*call));
    const char *argument = "";
    char allowed[64];
    size_t len = 0;

    if (call == NULL) {
        assay_service_refuse(request, 500, "memory", "out of memory");
        return;
    }
    call->serve = serve;
    call->request = request;
    call->route = assay_service_route_find(assay_http_method(request), assay_http_path(request),
            allowed, sizeof(allowed), &argument, &len);
    memcpy(call->argument, argument, len);
    if (!call->route->waits) {
        work(call);
    } else if (!assay_workers_add(serve->workers, work, call)) {
        const bool draining = atomic_load(&serve->draining);

        assay_service_refuse(request, draining ? 503 : 429, draining ? "draining" : "busy",
                draining ? "the service is about to stop" : "too many requests wait");
        free(call);
    }
}
