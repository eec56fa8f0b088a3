// SPDX-License-Identifier: MIT
// dump
#include "tests/sandbox/attacks.h"

static void dump(void **state)
{
    static const char *const scripts[] = {"exec peer init", "exec peer exe", "exec peer signals",
            "exec peer flood", "exec system sysctl", "exec system mounts",
            "exec system namespaces", "exec system devices", "exec system privilege",
            "exec system kernel", "exec system clock", "exec system ttys", "exec files lower",
            "exec files shared", "exec files links", "exec files limits", "exec wire sockets",
            "exec wire reach", "exec wire pass"};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        attack_plan_init(&plan, scripts[i]);
        boxes_run(&result, &plan);
        print_message("=== %s: %s %d %d\n%s", scripts[i], assay_box_cause_name(result.cause),
                result.exit_code, result.signal, result.output.data);
        assay_box_result_release(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            HOST_TEST(dump),
    };

    return boxes_main("attack_reach", tests, sizeof(tests) / sizeof(tests[0]));
}
