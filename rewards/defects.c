// SPDX-License-Identifier: MIT
#include "rewards/defects.h"

#include <string.h>

#include "rewards/match.h"
#include "rewards/reader.h"

static const char *const names[] = {
        [ASSAY_DEFECT_NONE] = "none",
        [ASSAY_DEFECT_EMPTY_LIST] = "empty FAIL_TO_PASS",
        [ASSAY_DEFECT_DUPLICATE_ID] = "duplicate id",
        [ASSAY_DEFECT_OVERLAP] = "overlapping lists",
        [ASSAY_DEFECT_TRUNCATED_ID] = "truncated id",
        [ASSAY_DEFECT_IMPOSSIBLE_ID] = "impossible id",
        [ASSAY_DEFECT_NO_VERDICT] = "no verdict",
        [ASSAY_DEFECT_GOLD] = "gold fails",
        [ASSAY_DEFECT_VACUOUS] = "vacuous FAIL_TO_PASS",
        [ASSAY_DEFECT_UNFIXED] = "resolved without a fix",
        [ASSAY_DEFECT_FLAKY] = "flaky",
        [ASSAY_DEFECT_ORDER] = "order dependence",
        [ASSAY_DEFECT_DATE_BOMB] = "date bomb",
        [ASSAY_DEFECT_HASH_SEED] = "hash seed dependence",
        [ASSAY_DEFECT_BUSY_CPU] = "fails on a busy CPU",
        [ASSAY_DEFECT_NETWORK] = "network use",
        [ASSAY_DEFECT_PORT_CLASH] = "port clash",
        [ASSAY_DEFECT_DEAF] = "deaf test",
};

const char *assay_defect_name(enum assay_defect defect)
{
    return names[defect];
}

// --- the lists -----------------------------------------------------------------------------------

static bool has(const struct assay_strings *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list->items[i], id) == 0)
            return true;
    return false;
}

static enum assay_defect defect_of_id(const struct assay_instance *instance,
        const struct assay_framework *framework, const char *id)
{
    // SWE-bench's data has ids of other shapes, and its rules say how they are meant (match.h).
    if (id[0] == '\0' || strpbrk(id, "\r\n") != NULL ||
            (instance->rules == ASSAY_RULES_NATIVE && framework->emits != NULL &&
                    !framework->emits(id)))
        return ASSAY_DEFECT_IMPOSSIBLE_ID;
    return ASSAY_DEFECT_NONE;
}

enum assay_defect assay_defect_of_lists(const struct assay_instance *instance,
        const struct assay_framework *framework, const char **id)
{
    const struct assay_strings *lists[2] = {&instance->fail_to_pass, &instance->pass_to_pass};

    *id = NULL;
    // The other kinds of task are not judged by lists.
    if (instance->fail_to_pass.count == 0 && instance->task == ASSAY_TASK_REPAIR &&
            instance->rules != ASSAY_RULES_WHOLE_MAP)
        return ASSAY_DEFECT_EMPTY_LIST;
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            enum assay_defect defect;

            *id = lists[l]->items[i];
            if (has(lists[l], i, *id))
                return ASSAY_DEFECT_DUPLICATE_ID;
            if (l == 1 && has(lists[0], lists[0]->count, *id))
                return ASSAY_DEFECT_OVERLAP;
            defect = defect_of_id(instance, framework, *id);
            if (defect != ASSAY_DEFECT_NONE)
                return defect;
        }
    }
    *id = NULL;
    return ASSAY_DEFECT_NONE;
}

const char *assay_defect_cut_id(const struct assay_instance *instance,
        const struct assay_outcome *outcome, const char **whole)
{
    const struct assay_strings *lists[2] = {&instance->fail_to_pass, &instance->pass_to_pass};

    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            const char *id = lists[l]->items[i];
            const size_t len = strlen(id);

            if (assay_match_id(outcome, id, instance->rules) != ASSAY_TEST_MISSING)
                continue;
            for (size_t k = 0; k < outcome->count; k++) {
                *whole = outcome->results[k].id;
                if (strncmp(*whole, id, len) == 0)
                    return id;
            }
        }
    }
    return NULL;
}

// --- ids -----------------------------------------------------------------------------------------

// "path::test": without a path it is a test's bare name.
bool assay_emits_pytest(const char *id)
{
    const char *colons = strstr(id, "::");

    return colons != NULL && colons != id && colons[2] != '\0';
}

// "module.Class.test" and whatever else a test may call itself, but not "test (module.Class)": that
// is how unittest prints a test.
bool assay_emits_unittest(const char *id)
{
    return strstr(id, " (") == NULL || id[strlen(id) - 1] != ')';
}

// "Test...", "Example...", "Fuzz..." or "Benchmark...", after "package::" or not.
bool assay_emits_gotest(const char *id)
{
    static const char *const starts[] = {"Test", "Example", "Fuzz", "Benchmark"};
    const char *colons = strstr(id, "::");
    const char *name = colons != NULL ? colons + 2 : id;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

bool assay_emits_exit(const char *id)
{
    return strcmp(id, "exit_status") == 0;
}

bool assay_emits_reward(const char *id)
{
    return strcmp(id, "reward") == 0;
}

// --- hints ---------------------------------------------------------------------------------------

enum assay_defect assay_defect_hint(struct assay_bytes log)
{
    // As libc, Python, Node, Go, Java, curl and pip say it.
    static const struct {
        const char *text;
        enum assay_defect defect;
    } signs[] = {
            {"ddress already in use", ASSAY_DEFECT_PORT_CLASH},
            {"EADDRINUSE", ASSAY_DEFECT_PORT_CLASH},
            {"etwork is unreachable", ASSAY_DEFECT_NETWORK},
            {"ENETUNREACH", ASSAY_DEFECT_NETWORK},
            {"emporary failure in name resolution", ASSAY_DEFECT_NETWORK},
            {"ame or service not known", ASSAY_DEFECT_NETWORK},
            {"EAI_AGAIN", ASSAY_DEFECT_NETWORK},
            {"ENOTFOUND", ASSAY_DEFECT_NETWORK},
            {"no such host", ASSAY_DEFECT_NETWORK},
            {"ould not resolve host", ASSAY_DEFECT_NETWORK},
            {"UnknownHostException", ASSAY_DEFECT_NETWORK},
    };

    for (size_t i = 0; log.data != NULL && i < sizeof(signs) / sizeof(signs[0]); i++)
        if (memmem(log.data, log.len, signs[i].text, strlen(signs[i].text)) != NULL)
            return signs[i].defect;
    return ASSAY_DEFECT_NONE;
}
