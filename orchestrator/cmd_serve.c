// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/key_pair.h"
#include "orchestrator/commands.h"
#include "orchestrator/embedded.h"
#include "orchestrator/gate.h"
#include "orchestrator/pool.h"
#include "orchestrator/serve.h"

const struct assay_option assay_service_command_options[] = {
        {"listen", 'l', "ADDRESS:PORT", "where (127.0.0.1:8080; port 0: any that is free)", false},
        {"tokens", 0, "FILE", "who may do what: \"ROLE TOKEN [NAME]\" a line, mode 0600", false},
        {"host-name", 0, "NAME", "by which clients call this server, beside localhost", true},
        {"tls-cert", 0, "FILE", "certificate chain (PEM), with --tls-key", false},
        {"tls-key", 0, "FILE", "its key (PEM, mode 0600)", false},
        {"jobs", 'j', "N", "gradings at once (the number of CPUs)", false},
        {"queue", 0, "N", "answers that may wait (10000)", false},
        {"episodes", 0, "N", "episodes that may be open at once (512)", false},
        {"idle", 0, "SECONDS", "after which an episode that nobody touches ends (900)", false},
        {"rate", 0, "N", "requests a second that one client may make (any)", false},
        {"drain", 0, "SECONDS", "that gradings may take after SIGTERM (20)", false},
        {"patience", 0, "SECONDS", "that a client may take for a request's head (20)", false},
        {"policy", 0, "MODEL", "a model that /v1/chat/completions answers with", false},
        {"policy-name", 0, "NAME", "by which clients call it (its folder's)", false},
        {"template", 0, "NAME", "how its conversations are written (its family's)", false},
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {NULL, 0, NULL, NULL, false},
};

#define PEM_BYTES_MAX ((size_t)1 << 20)
#define CONNECTIONS_MAX 16384
#define BODY_BYTES_MAX ((size_t)64 << 20)
#define DRAIN_S_MAX 600
#define SLICE_MS 50

struct serve_command {
    struct assay_invocation *invocation;
    volatile bool cancel; // the context's interrupt: set when the drain is over
    struct assay_context *context;
    struct assay_tokens *tokens;
    struct assay_buf certificate, key;
    char address[64];
    const char **host_names; // owned
    struct assay_embedded *policy;
    uint64_t drain_s;
    struct assay_service_options options;
};

static enum assay_status read_listen(struct serve_command *c, struct assay_error *err)
{
    const char *given = assay_cli_value(c->invocation, "listen");
    const char *text = given != NULL ? given : "127.0.0.1:8080";
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    unsigned long port;

    if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (colon == NULL || len == 0 || len >= sizeof(c->address))
        return assay_fail(err, ASSAY_EUSAGE, "--listen: '%.80s' is no ADDRESS:PORT", text);
    memcpy(c->address, text, len);
    errno = 0;
    port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || errno != 0 || port > UINT16_MAX)
        return assay_fail(err, ASSAY_EUSAGE, "--listen: '%.80s' has no port", text);
    c->options.http.address = c->address;
    c->options.http.port = (uint16_t)port;
    return ASSAY_OK;
}

// The library that speaks TLS notices neither before a client comes.
static enum assay_status check_tls(
        const struct serve_command *c, const char *key_path, struct assay_error *err)
{
    struct stat info;
    enum assay_status status = ASSAY_OK;

    if (stat(key_path, &info) != 0 || (info.st_mode & 077) != 0)
        status = assay_fail(err, ASSAY_EREFUSED, "%s: others can read it: chmod 600", key_path);
    else if (!assay_key_fits(c->certificate.data, c->certificate.len, c->key.data, c->key.len))
        status = assay_fail(err, ASSAY_EINVAL,
                "%s: not the key (PEM, without a password) of the certificate", key_path);
    return status;
}

static enum assay_status read_tls(struct serve_command *c, struct assay_error *err)
{
    const char *certificate = assay_cli_value(c->invocation, "tls-cert");
    const char *key = assay_cli_value(c->invocation, "tls-key");
    enum assay_status status = ASSAY_OK;

    if (certificate == NULL && key == NULL)
        return ASSAY_OK;
    if (certificate == NULL || key == NULL)
        return assay_fail(err, ASSAY_EUSAGE, "--tls-cert and --tls-key go together");
    status = assay_fs_read_file(&c->certificate, certificate, err);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&c->key, key, err);
    if (status == ASSAY_OK)
        status = check_tls(c, key, err);
    c->options.http.tls_certificate = c->certificate.data;
    c->options.http.tls_key = c->key.data;
    return status;
}

// Whoever reaches the port may run code here, in a box: not without a token from elsewhere.
static enum assay_status read_access(struct serve_command *c, struct assay_error *err)
{
    const char *tokens = assay_cli_value(c->invocation, "tokens");
    const bool loopback = strncmp(c->address, "127.", 4) == 0 || strcmp(c->address, "::1") == 0;
    enum assay_status status = ASSAY_OK;

    if (tokens == NULL && !loopback)
        return assay_fail(err, ASSAY_EUSAGE,
                "--listen %s: others can reach it, so --tokens FILE is wanted", c->address);
    if (tokens != NULL)
        status = assay_tokens_read(&c->tokens, tokens, err);
    c->options.tokens = c->tokens;
    c->host_names = calloc(c->invocation->given_count + 1, sizeof(*c->host_names));
    if (c->host_names == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (!loopback)
        c->host_names[c->options.host_name_count++] = c->address;
    for (size_t i = 0; assay_cli_value_at(c->invocation, "host-name", i) != NULL; i++)
        c->host_names[c->options.host_name_count++] =
                assay_cli_value_at(c->invocation, "host-name", i);
    c->options.host_names = c->host_names;
    return status;
}

static enum assay_status read_numbers(struct serve_command *c, struct assay_error *err)
{
    const struct assay_invocation *in = c->invocation;
    uint64_t jobs = assay_jobs_default_threads(), queue = 10000, episodes = 512, idle = 900,
             patience = 20;
    enum assay_status status = assay_cli_number(&jobs, in, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&queue, in, "queue", 1, 1000000, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&episodes, in, "episodes", 1, 65536, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&idle, in, "idle", 1, 86400, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&c->drain_s, in, "drain", 0, DRAIN_S_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&c->options.rate, in, "rate", 1, 1000000, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&patience, in, "patience", 1, 3600, err);
    c->options.http.head_ms_max = patience * 1000;
    c->options.threads = (size_t)jobs;
    c->options.queue_max = (size_t)queue;
    c->options.episodes_max = (size_t)episodes;
    c->options.idle_ms_max = idle * 1000;
    c->options.http.connections_max = CONNECTIONS_MAX;
    c->options.http.body_bytes_max = BODY_BYTES_MAX;
    return status;
}

static enum assay_status read_options(struct serve_command *c, struct assay_error *err)
{
    enum assay_status status = read_listen(c, err);

    if (status == ASSAY_OK)
        status = read_access(c, err);
    if (status == ASSAY_OK)
        status = read_tls(c, err);
    if (status == ASSAY_OK)
        status = read_numbers(c, err);
    return status;
}

// Until a signal; then what is under way may end.
static void serve_on(struct serve_command *c, struct assay_service *serve)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};

    while (!*c->invocation->interrupted)
        nanosleep(&slice, NULL);
    assay_log(&c->invocation->log, ASSAY_LOG_INFO, "service", "draining", NULL);
    if (!assay_service_drain(serve, assay_clock_ms() + c->drain_s * 1000))
        assay_log(&c->invocation->log, ASSAY_LOG_WARN, "service", "jobs left for the next service",
                NULL);
    __atomic_store_n(&c->cancel, true, __ATOMIC_RELAXED);
}

// After the context, whose spawner is to be there before any thread and before the weights.
static enum assay_status open_policy(struct serve_command *c, struct assay_error *err)
{
    const char *path = assay_cli_value(c->invocation, "policy");
    const char *name = assay_cli_value(c->invocation, "policy-name");
    enum assay_status status;

    if (path == NULL)
        return ASSAY_OK;
    status = assay_embedded_open(&c->policy, path, assay_cli_value(c->invocation, "template"), err);
    if (name == NULL) {
        name = strrchr(path, '/');
        name = name != NULL && name[1] != '\0' ? name + 1 : path;
    }
    c->options.policy = c->policy;
    c->options.policy_name = name;
    return status;
}

static enum assay_status run(struct serve_command *c, struct assay_error *err)
{
    struct assay_invocation inner = *c->invocation;
    struct assay_service *serve = NULL;
    char port[8];
    enum assay_status status = read_options(c, err);

    inner.interrupted = &c->cancel;
    if (status == ASSAY_OK)
        status = assay_context_open(&c->context, &inner, true, err);
    if (status == ASSAY_OK)
        status = open_policy(c, err);
    if (status != ASSAY_OK)
        return status;
    c->options.context = c->context;
    c->options.tier = assay_tier_name(assay_sandbox_tier(assay_context_sandbox(c->context)));
    c->options.http.log = assay_context_log(c->context);
    c->options.suites = (const char *const *)c->invocation->arguments;
    c->options.suite_count = c->invocation->argument_count;
    status = assay_service_start(&serve, &c->options, err);
    if (status != ASSAY_OK)
        return status;
    snprintf(port, sizeof(port), "%u", assay_service_port(serve));
    assay_log(&c->invocation->log, ASSAY_LOG_INFO, "service", "listening", "address", c->address,
            "port", port, "tls", c->key.len > 0 ? "yes" : "no", "tokens",
            c->tokens != NULL ? "yes" : "no", NULL);
    printf("http%s://%s%s%s:%s\n", c->key.len > 0 ? "s" : "",
            strchr(c->address, ':') != NULL ? "[" : "", c->address,
            strchr(c->address, ':') != NULL ? "]" : "", port);
    if (fflush(stdout) == 0)
        serve_on(c, serve);
    else
        status = assay_fail_errno(err, errno, "standard output");
    assay_service_stop(serve);
    return status;
}

enum assay_exit assay_cmd_serve(struct assay_invocation *invocation)
{
    struct serve_command c = {.invocation = invocation, .drain_s = 20};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;

    assay_buf_init(&c.certificate, PEM_BYTES_MAX);
    assay_buf_init(&c.key, PEM_BYTES_MAX);
    c.options.version = ASSAY_VERSION;
    if (run(&c, &err) != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_embedded_close(c.policy);
    assay_context_close(c.context);
    assay_tokens_free(c.tokens);
    assay_buf_free(&c.certificate);
    assay_buf_free(&c.key);
    free(c.host_names);
    return code;
}
