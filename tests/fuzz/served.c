// SPDX-License-Identifier: MIT
#include "tests/fuzz/served.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "orchestrator/context.h"
#include "tasks/suite.h"

static struct assay_service *service;
static struct assay_context *context;
static char folder[] = "/tmp/assay-fuzz-XXXXXX";

static void must(enum assay_status status, const struct assay_error *err)
{
    if (status == ASSAY_OK)
        return;
    (void)fprintf(stderr, "the service to fuzz: %s\n", err->message);
    abort();
}

static void leave(void)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_service_stop(service);
    service = NULL;
    assay_context_close(context);
    if (assay_fs_remove_tree(tmp_fd, strrchr(folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "%s is left\n", folder);
    close(tmp_fd);
}

static void add_suite(struct assay_error *err)
{
    struct assay_suite *suite = NULL;

    must(assay_suite_read_native(&suite, SOURCE_DIR "/tasks/data/quick", err), err);
    for (size_t i = 0; i < suite->instance_count; i++)
        memset(suite->instances[i].tree, '0', sizeof(suite->instances[i].tree) - 1);
    must(assay_store_add_suite(assay_context_store(context), suite, false, err), err);
    assay_suite_free(suite);
}

struct assay_service *served(bool listens)
{
    static const struct assay_option home = {"home", 0, "DIR", "", false};
    static const volatile bool never = false;
    static char home_path[64];
    const struct assay_given given = {&home, home_path};
    const struct assay_invocation invocation = {.given = &given,
            .given_count = 1,
            .log = {.fd = STDERR_FILENO, .level_max = ASSAY_LOG_ERROR},
            .interrupted = &never};
    struct assay_service_options options = {.http = {.body_bytes_max = (size_t)1 << 20,
                                                    .connections_max = 64,
                                                    .head_ms_max = 50,
                                                    .body_ms_max = 50},
            .threads = 1,
            .episodes_max = listens ? 64 : 0,
            .idle_ms_max = 2000,
            .version = "fuzz",
            .tier = "NONE"};
    struct assay_error err = {0};

    if (service != NULL)
        return service;
    if (mkdtemp(folder) == NULL)
        abort();
    (void)snprintf(home_path, sizeof(home_path), "%s/home", folder);
    must(assay_context_open(&context, &invocation, false, &err), &err);
    if (!listens)
        add_suite(&err);
    options.context = context;
    options.http.address = listens ? "127.0.0.1" : NULL;
    must(assay_service_start(&service, &options, &err), &err);
    if (atexit(leave) != 0)
        abort();
    return service;
}
