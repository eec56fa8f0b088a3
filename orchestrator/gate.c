// SPDX-License-Identifier: MIT
#include "orchestrator/gate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/proxy.h"

// --- one box -------------------------------------------------------------------------------------

static enum assay_status begin(
        void *user, void **out, const struct assay_strings *hosts, struct assay_error *err)
{
    const struct assay_gate *gate = user;
    struct assay_host_rule *rules = calloc(hosts->count + 1, sizeof(*rules));
    const struct assay_proxy_options options = {
            .rules = rules, .rule_count = hosts->count, .upstreams = &gate->upstreams};
    struct assay_proxy *proxy = NULL;
    enum assay_status status = ASSAY_OK;

    if (rules == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "list of hosts");
    for (size_t i = 0; status == ASSAY_OK && i < hosts->count; i++)
        status = assay_host_rule_read(&rules[i], hosts->items[i], err);
    if (status == ASSAY_OK)
        status = assay_proxy_create(&proxy, &options, err);
    if (status == ASSAY_OK)
        *out = proxy;
    free(rules);
    return status;
}

static void serve(void *passage, int listen_fd)
{
    assay_proxy_serve(passage, listen_fd);
}

static void end(void *passage, struct assay_buf *refused)
{
    struct assay_proxy_report *report = calloc(1, sizeof(*report));

    assay_proxy_stop(passage, report);
    if (report == NULL || refused == NULL) {
        free(report);
        return;
    }
    for (size_t i = 0; i < report->refusal_count; i++) {
        const struct assay_proxy_refusal *refusal = &report->refusals[i];

        assay_buf_addf(refused, "%s, %" PRIu64 " time%s: %s\n", refusal->where, refusal->count,
                refusal->count == 1 ? "" : "s", refusal->why);
    }
    if (report->more > 0)
        assay_buf_addf(refused, "and %" PRIu64 " more\n", report->more);
    free(report);
}

// --- all of them ---------------------------------------------------------------------------------

static enum assay_status read_network(
        enum assay_network *out, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *text = assay_cli_value(invocation, "network");

    *out = ASSAY_NETWORK_ALLOWLIST;
    if (text == NULL)
        return ASSAY_OK;
    for (int network = ASSAY_NETWORK_NONE; network <= ASSAY_NETWORK_ALLOWLIST; network++)
        if (strcmp(text, assay_network_name((enum assay_network)network)) == 0) {
            *out = (enum assay_network)network;
            return ASSAY_OK;
        }
    return assay_fail(err, ASSAY_EUSAGE, "--network: '%.60s' is not allowlist, none or host", text);
}

static enum assay_status read_hosts(
        struct assay_gate *gate, const struct assay_invocation *invocation, struct assay_error *err)
{
    struct assay_strings *hosts = &gate->access.hosts;
    struct assay_error wrong = {0};
    struct assay_host_rule rule;
    const char *text = NULL;

    gate->hosts = calloc(invocation->given_count + 1, sizeof(*gate->hosts));
    if (gate->hosts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "list of hosts");
    while ((text = assay_cli_value_at(invocation, "allow-host", hosts->count)) != NULL) {
        if (assay_host_rule_read(&rule, text, &wrong) != ASSAY_OK)
            return assay_fail(err, ASSAY_EUSAGE, "--allow-host: %s", wrong.message);
        gate->hosts[hosts->count++] = text;
    }
    hosts->items = gate->hosts;
    return ASSAY_OK;
}

enum assay_status assay_gate_open(
        struct assay_gate *gate, const struct assay_invocation *invocation, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    memset(gate, 0, sizeof(*gate));
    gate->access = (struct assay_access){.begin = begin, .serve = serve, .end = end, .user = gate};
    status = read_network(&gate->access.network, invocation, err);
    if (status == ASSAY_OK)
        status = read_hosts(gate, invocation, err);
    if (status == ASSAY_OK)
        status = assay_upstreams_read(&gate->upstreams, err);
    if (status != ASSAY_OK)
        assay_gate_close(gate);
    return status;
}

void assay_gate_close(struct assay_gate *gate)
{
    free(gate->hosts);
    gate->hosts = NULL;
    assay_upstreams_free(&gate->upstreams);
}
