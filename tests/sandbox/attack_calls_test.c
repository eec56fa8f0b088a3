// SPDX-License-Identifier: MIT
// What must hold: every system call, with zeros and with random arguments, gives what the written
// table says under both profiles; those of other architectures are killed.
//
// The table (syscalls.tsv) is policy written down by hand. It is not made from the source, and
// neither is the source made from it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/sandbox/attacks.h"

#define NUMBERS 601
#define YOUNG 441 // epoll_pwait2 and older calls are in every kernel that boxes run on
#define ROUNDS_QUICK 3
#define ROUNDS_SOAK 60

#define NEWEST 467 // open_tree_attr

enum call_class { ABSENT, ALLOWED, REFUSED, IGNORED, BY_VALUE, BY_ARGUMENT };

struct call {
    char name[32];
    enum call_class classes[2]; // by enum assay_profile
    char own[2][16];            // what the kernel itself answers, though it looks like a refusal
};

static struct call calls[NUMBERS];
static bool has_newest_calls; // of the table; an older kernel has none of the younger ones

// --- the table -----------------------------------------------------------------------------------

static void read_class(struct call *call, int profile, char *text)
{
    static const struct {
        const char *name;
        enum call_class class;
    } rows[] = {{"allowed", ALLOWED}, {"eperm", REFUSED}, {"enosys", ABSENT}, {"ignored", IGNORED},
            {"value", BY_VALUE}, {"argument", BY_ARGUMENT}};
    char *own = strchr(text, ':');

    if (own != NULL) {
        *own++ = '\0';
        (void)snprintf(call->own[profile], sizeof(call->own[profile]), "%s", own);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(text, rows[i].name) == 0) {
            call->classes[profile] = rows[i].class;
            return;
        }
    }
    fail_msg("%s: no class \"%s\"", call->name, text);
}

static void read_table(void)
{
    char path[PATH_MAX];
    char line[512];
    FILE *file = NULL;
    int last = -1;

    (void)snprintf(
            path, sizeof(path), "%s/tests/payloads/syscalls.tsv", secure_getenv("ASSAY_BUILD_DIR"));
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        int number = 0;
        char name[32];
        char strict[32];
        char compat[32];

        if (line[0] == '#' || strncmp(line, "number", 6) == 0)
            continue;
        // NOLINTNEXTLINE(cert-err34-c): our own table, bounded
        assert_int_equal(sscanf(line, "%d %31s %31s %31s", &number, name, strict, compat), 4);
        assert_in_range(number, last + 1, NUMBERS - 1); // in order, each once
        assert_non_null(strrchr(line, '\t'));           // and a reason
        memcpy(calls[number].name, name, sizeof(name));
        read_class(&calls[number], ASSAY_PROFILE_STRICT, strict);
        read_class(&calls[number], ASSAY_PROFILE_COMPAT, compat);
        last = number;
    }
    (void)fclose(file);
    assert_int_equal(last, 467);
}

// --- what came -----------------------------------------------------------------------------------

static bool is_right(const struct call *call, int profile, const char *word, bool with_zeros)
{
    if (strcmp(word, "SIGSYS") == 0)
        return false;
    switch (call->classes[profile]) {
    case ABSENT:
        return strcmp(word, "ENOSYS") == 0;
    case REFUSED:
        return strcmp(word, "EPERM") == 0;
    case IGNORED:
        return strcmp(word, "done") == 0 || strcmp(word, call->own[profile]) == 0;
    case BY_VALUE:
        return with_zeros ? strcmp(word, "done") == 0
                          : strcmp(word, "done") == 0 || strcmp(word, "ENOSYS") == 0;
    case ALLOWED:
        if (strcmp(word, "ENOSYS") == 0 && call - calls >= YOUNG && !has_newest_calls)
            return true;
        return strcmp(word, call->own[profile]) == 0 ||
                (strcmp(word, "EPERM") != 0 && strcmp(word, "ENOSYS") != 0);
    case BY_ARGUMENT:
        return true;
    }
    return false;
}

// Checks one line; gives what follows it.
static const char *check_line(const char *line, int number, int profile, unsigned *wrong)
{
    const struct call *call = &calls[number];
    char *end = NULL;
    bool with_zeros = true;

    if (strtol(line, &end, 10) != number)
        fail_msg("call %d is missing: %.80s", number, line);
    while (*end == ' ') {
        char word[32];
        const size_t len = strcspn(end + 1, " \n");

        (void)snprintf(word, sizeof(word), "%.*s", (int)len, end + 1);
        if (!is_right(call, profile, word, with_zeros)) {
            print_error("%s, %d %s with %s: %s\n", profile ? "compat" : "strict", number,
                    call->name[0] ? call->name : "(unknown)", with_zeros ? "zeros" : "chance",
                    word);
            ++*wrong;
        }
        with_zeros = false;
        end += 1 + len;
    }
    assert_true(*end == '\n');
    return end + 1;
}

static void fuzz(enum assay_profile profile)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char script[64];
    const char *line = NULL;
    const char *seed = secure_getenv("ASSAY_FUZZ_SEED");
    unsigned wrong = 0;

    read_table();
    has_newest_calls = syscall(NEWEST, -1, NULL, 0, NULL, 0) >= 0 || errno != ENOSYS;
    (void)snprintf(script, sizeof(script), "exec fuzz %s %d", seed != NULL ? seed : "1",
            secure_getenv("ASSAY_SOAK") != NULL ? ROUNDS_SOAK : ROUNDS_QUICK);
    attack_plan_init(&plan, script);
    plan.plan.profile = profile;
    plan.plan.limits.wall_ms_max = 600000;
    plan.plan.limits.cpu_ms_max = 600000;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    line = result.output.data;
    for (int number = 0; number < NUMBERS; number++)
        line = check_line(line, number, (int)profile, &wrong);
    assert_string_equal(line, "");
    assay_box_result_release(&result);
    assert_int_equal(wrong, 0);
}

static void strict_answers_as_the_table_says(void **state)
{
    (void)state;
    fuzz(ASSAY_PROFILE_STRICT);
}

static void compat_answers_as_the_table_says(void **state)
{
    (void)state;
    fuzz(ASSAY_PROFILE_COMPAT);
}

static void calls_of_other_architectures_are_all_killed(void **state)
{
    static const char *const scripts[] = {"exec fuzz x32", "exec fuzz i386"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (int profile = ASSAY_PROFILE_STRICT; profile <= ASSAY_PROFILE_COMPAT; profile++) {
            struct boxes_plan plan;
            struct assay_box_result result;

            attack_plan_init(&plan, scripts[i]);
            plan.plan.profile = (enum assay_profile)profile;
            boxes_run(&result, &plan);
            boxes_assert(&result, ASSAY_BOX_EXITED, 0);
            boxes_assert_text(&result, "living 0\n");
            assay_box_result_release(&result);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            HOST_TEST(strict_answers_as_the_table_says),
            HOST_TEST(compat_answers_as_the_table_says),
            HOST_TEST(calls_of_other_architectures_are_all_killed),
    };

    return boxes_main("attack_calls", tests, sizeof(tests) / sizeof(tests[0]));
}
