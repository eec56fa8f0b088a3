// SPDX-License-Identifier: MIT
#include "tests/sandbox/attacks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

// The plan's environment and ours; the same for all plans of the program.
static const char *environment[16];
static char port[32];

static void make_environment(void)
{
    struct boxes_plan plan;
    size_t count = 0;

    boxes_plan_init(&plan, NULL);
    for (; plan.plan.env[count] != NULL; count++) {
        assert_true(count < sizeof(environment) / sizeof(environment[0]) - 2);
        environment[count] = plan.plan.env[count];
    }
    (void)snprintf(port, sizeof(port), "ASSAY_PORT=%d", host_port);
    environment[count] = port;
}

void attack_plan_init(struct boxes_plan *plan, const char *script)
{
    static const char *const canary[] = {host_canary};
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_environment); // plans are made in many threads
    boxes_plan_init(plan, script);
    plan->plan.env = environment;
    boxes_add_mount(plan, ASSAY_MOUNT_OVERLAY, "/testbed", canary, 1);
    boxes_add_mount(plan, ASSAY_MOUNT_BIND_RO, "/canary", canary, 1);
    plan->plan.cwd = "/testbed";
    plan->plan.limits.wall_ms_max = 30000;
    plan->plan.limits.cpu_ms_max = 30000;
}

static bool has_word(const char *words, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return strcmp(words, "*") == 0;
}

unsigned attack_count_wrong(
        const struct assay_box_result *result, const struct attack_row *rows, size_t count)
{
    const char *at = result->output.data;
    unsigned wrong = 0;

    for (size_t i = 0; i < count; i++) {
        char name[64] = "";
        char word[64] = "";
        int used = 0;

        // NOLINTNEXTLINE(cert-err34-c): our own payload's lines, bounded
        if (sscanf(at, "%63s %63s\n%n", name, word, &used) != 2 ||
                strcmp(name, rows[i].name) != 0) {
            print_error("row %s is missing; %s %s, %s %d, signal %d, output:\n%s\n", rows[i].name,
                    name, word, assay_box_cause_name(result->cause), result->exit_code,
                    result->signal, result->output.data);
            return wrong + 1;
        }
        at += used;
        if (!has_word(rows[i].expected, word)) {
            print_error("%s: %s, not %s\n", name, word, rows[i].expected);
            wrong++;
        }
    }
    if (*at != '\0')
        print_error("further output: %s\n", at);
    return wrong + (*at != '\0');
}

void attack_run(const char *script, const struct attack_row *rows, size_t count)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    attack_plan_init(&plan, script);
    boxes_run(&result, &plan);
    const unsigned wrong = attack_count_wrong(&result, rows, count);

    if (wrong > 0)
        fail_msg("%u attempts of \"%s\" gave what they should not", wrong, script);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
}

// --- beside others -------------------------------------------------------------------------------

struct attack_beside {
    struct boxes_plan plan;
    struct assay_box_result result;
    pthread_t thread;
    volatile bool is_ready, is_over, cancel;
    char seen[64]; // the end of the output
};

static void hear(void *user, const char *bytes, size_t len)
{
    struct attack_beside *beside = user;

    // A line may come in pieces: the last one is kept.
    for (size_t i = 0; i < len; i++) {
        const size_t at = strlen(beside->seen);

        if (bytes[i] == '\n') {
            beside->is_ready = beside->is_ready || strcmp(beside->seen, "ready") == 0;
            beside->seen[0] = '\0';
        } else if (at + 1 < sizeof(beside->seen)) {
            beside->seen[at] = bytes[i];
            beside->seen[at + 1] = '\0';
        }
    }
}

static void *be_beside(void *user)
{
    struct attack_beside *beside = user;
    struct assay_error err;

    if (assay_box_run(boxes_sandbox, &beside->plan.plan, &beside->result, &err) != ASSAY_OK)
        print_error("beside: %s\n", err.message);
    beside->is_over = true;
    return NULL;
}

struct attack_beside *attack_beside_start(const char *script)
{
    struct attack_beside *beside = calloc(1, sizeof(*beside));
    const uint64_t deadline_ms = assay_clock_ms() + 30000;

    assert_non_null(beside);
    attack_plan_init(&beside->plan, script);
    beside->plan.plan.on_output = hear;
    beside->plan.plan.user = beside;
    beside->plan.plan.cancel = &beside->cancel;
    assert_int_equal(pthread_create(&beside->thread, NULL, be_beside, beside), 0);
    while (!beside->is_ready) {
        if (beside->is_over || assay_clock_left_ms(deadline_ms) == 0)
            fail_msg("the box beside is not ready: %s",
                    beside->is_over ? beside->result.output.data : "late");
        (void)usleep(1000);
    }
    return beside;
}

void attack_beside_stop(struct attack_beside *beside, struct assay_box_result *result)
{
    beside->cancel = true;
    assert_int_equal(pthread_join(beside->thread, NULL), 0);
    *result = beside->result;
    free(beside);
}
