// SPDX-License-Identifier: MIT
#include "sandbox/judge.h"

#include <signal.h>
#include <sys/wait.h>

static enum assay_box_cause judge_end(const struct assay_judge_facts *facts)
{
    const int status = facts->wait_status;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return ASSAY_BOX_SYSCALL_DENIED;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return ASSAY_BOX_CPU_LIMIT;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
        return ASSAY_BOX_DISK_LIMIT;
    if (status != 0 && facts->pids_hit)
        return ASSAY_BOX_PIDS_LIMIT;
    if (status != 0 && facts->disk_full)
        return ASSAY_BOX_DISK_LIMIT;
    if (status != 0 && facts->memory_hit)
        return ASSAY_BOX_MEMORY_LIMIT;
    return WIFSIGNALED(status) ? ASSAY_BOX_SIGNALLED : ASSAY_BOX_EXITED;
}

void assay_box_judge(const struct assay_judge_facts *facts, enum assay_box_cause *cause,
        int *exit_code, int *signal_number)
{
    *exit_code = 0;
    *signal_number = 0;
    if (facts->ended && WIFEXITED(facts->wait_status))
        *exit_code = WEXITSTATUS(facts->wait_status);
    if (facts->ended && WIFSIGNALED(facts->wait_status))
        *signal_number = WTERMSIG(facts->wait_status);

    if (facts->oom)
        *cause = ASSAY_BOX_MEMORY_LIMIT;
    else if (facts->cpu_us > facts->cpu_us_max)
        *cause = ASSAY_BOX_CPU_LIMIT;
    else if (facts->killed)
        *cause = facts->kill_cause;
    else if (facts->ended)
        *cause = judge_end(facts);
    else
        *cause = ASSAY_BOX_INFRA_ERROR;
}
