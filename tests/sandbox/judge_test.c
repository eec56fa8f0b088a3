// SPDX-License-Identifier: MIT
// What must hold: exactly one cause, and the strongest evidence names it.
#include "sandbox/judge.h"

#include <signal.h>

#include "support/harness.h"

#define EXIT(code) ((code) << 8)

static void every_combination_has_its_cause(void **state)
{
    static const struct {
        struct assay_judge_facts facts;
        enum assay_box_cause cause;
        int exit_code, signal_number;
    } rows[] = {
            {{.ended = true, .cpu_us_max = 1}, ASSAY_BOX_EXITED, 0, 0},
            {{.ended = true, .wait_status = EXIT(3), .cpu_us_max = 1}, ASSAY_BOX_EXITED, 3, 0},
            {{.ended = true, .wait_status = SIGKILL, .cpu_us_max = 1}, ASSAY_BOX_SIGNALLED, 0,
                    SIGKILL},
            {{.ended = true, .wait_status = SIGSYS, .cpu_us_max = 1}, ASSAY_BOX_SYSCALL_DENIED, 0,
                    SIGSYS},
            {{.ended = true, .wait_status = SIGXCPU, .cpu_us_max = 1}, ASSAY_BOX_CPU_LIMIT, 0,
                    SIGXCPU},
            {{.ended = true, .wait_status = SIGXFSZ, .cpu_us_max = 1}, ASSAY_BOX_DISK_LIMIT, 0,
                    SIGXFSZ},
            // A limit that was hit is blamed for a failure only.
            {{.ended = true, .pids_hit = true, .cpu_us_max = 1}, ASSAY_BOX_EXITED, 0, 0},
            {{.ended = true, .wait_status = EXIT(1), .pids_hit = true, .cpu_us_max = 1},
                    ASSAY_BOX_PIDS_LIMIT, 1, 0},
            {{.ended = true, .disk_full = true, .cpu_us_max = 1}, ASSAY_BOX_EXITED, 0, 0},
            {{.ended = true, .wait_status = EXIT(1), .disk_full = true, .cpu_us_max = 1},
                    ASSAY_BOX_DISK_LIMIT, 1, 0},
            {{.ended = true, .memory_hit = true, .cpu_us_max = 1}, ASSAY_BOX_EXITED, 0, 0},
            {{.ended = true, .wait_status = EXIT(1), .memory_hit = true, .cpu_us_max = 1},
                    ASSAY_BOX_MEMORY_LIMIT, 1, 0},
            {{.ended = true,
                     .wait_status = EXIT(1),
                     .memory_hit = true,
                     .disk_full = true,
                     .cpu_us_max = 1},
                    ASSAY_BOX_DISK_LIMIT, 1, 0},
            // An OOM kill and too much CPU time are facts, whatever the payload says.
            {{.ended = true, .oom = true, .cpu_us_max = 1}, ASSAY_BOX_MEMORY_LIMIT, 0, 0},
            {{.oom = true, .cpu_us_max = 1}, ASSAY_BOX_MEMORY_LIMIT, 0, 0},
            {{.ended = true, .cpu_us = 2, .cpu_us_max = 1}, ASSAY_BOX_CPU_LIMIT, 0, 0},
            {{.killed = true, .kill_cause = ASSAY_BOX_WALL_LIMIT, .cpu_us = 2, .cpu_us_max = 1},
                    ASSAY_BOX_CPU_LIMIT, 0, 0},
            {{.killed = true, .kill_cause = ASSAY_BOX_WALL_LIMIT, .cpu_us_max = 1},
                    ASSAY_BOX_WALL_LIMIT, 0, 0},
            {{.killed = true, .kill_cause = ASSAY_BOX_CANCELLED, .cpu_us_max = 1},
                    ASSAY_BOX_CANCELLED, 0, 0},
            // The init is gone, nobody of us killed it, and no limit explains it.
            {{.cpu_us_max = 1}, ASSAY_BOX_INFRA_ERROR, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum assay_box_cause cause = ASSAY_BOX_EXITED;
        int exit_code = -1;
        int signal_number = -1;

        print_message("row %zu\n", i);
        assay_box_judge(&rows[i].facts, &cause, &exit_code, &signal_number);
        assert_int_equal(cause, rows[i].cause);
        assert_int_equal(exit_code, rows[i].exit_code);
        assert_int_equal(signal_number, rows[i].signal_number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_combination_has_its_cause)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
