// SPDX-License-Identifier: MIT
// profile_page.c - write docs/seccomp.md from the table that the filters are built from.
//
// The page is the same on every host: numbers are x86-64's, and what this
// libseccomp does not know comes from the table.
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/profile_table.h"

#define NAMES_MAX 1024

struct call {
    char name[32];
    const struct assay_call_group *group;
};

static int compare_calls(const void *a, const void *b)
{
    return strcmp(((const struct call *)a)->name, ((const struct call *)b)->name);
}

static size_t list_calls(struct call *calls)
{
    size_t count = 0;

    for (size_t i = 0; i < assay_call_group_count; i++) {
        for (const char *at = assay_call_groups[i].names; *at != '\0' && count < NAMES_MAX;) {
            const size_t len = strcspn(at, " ");

            (void)snprintf(calls[count].name, sizeof(calls[count].name), "%.*s", (int)len, at);
            calls[count++].group = &assay_call_groups[i];
            at += len + (at[len] == ' ');
        }
    }
    qsort(calls, count, sizeof(*calls), compare_calls);
    return count;
}

// "-": x86-64 does not have it.
static void put_number(const char *name)
{
    int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name);

    for (size_t i = 0; i < assay_call_number_count; i++)
        if (strcmp(assay_call_numbers[i].name, name) == 0)
            number = assay_call_numbers[i].number;
    if (number >= 0)
        printf("%d", number);
    else
        putchar('-');
}

static const char *treatment_text(const struct assay_call_group *group, enum assay_profile profile)
{
    switch (assay_call_treatment(group, profile)) {
    case ASSAY_CALL_REFUSED:
        return "EPERM";
    case ASSAY_CALL_ABSENT:
        return "ENOSYS";
    case ASSAY_CALL_IGNORED:
        return "ignored";
    case ASSAY_CALL_BY_VALUE:
        return "some values";
    case ASSAY_CALL_ALLOWED:
    case ASSAY_CALL_COMPAT_ONLY:
        break;
    }
    return "allowed";
}

static bool has_rules(const char *name)
{
    for (size_t i = 0; i < assay_call_rule_count; i++)
        if (strcmp(assay_call_rules[i].call, name) == 0)
            return true;
    return false;
}

static void put_head(void)
{
    puts("# System calls\n\n"
         "<!-- Written by `cmake --build --preset dev --target docs` from sandbox/profile_table.c. -->\n"
         "\n"
         "What a payload may ask of the kernel. `strict` is the profile of every box unless it is told\n"
         "otherwise; `compat` differs where the tables say so. A call's arguments are looked at first,\n"
         "where a rule below names it; then its number decides.\n\n"
         "| answer | means |\n| --- | --- |\n"
         "| allowed | the kernel decides, and the payload has no rights there |\n"
         "| ignored | nothing is done, and the caller is told that it worked |\n"
         "| EPERM | forbidden; `assay box run --learn` names the caller |\n"
         "| ENOSYS | as from a kernel without the call, so that a libc takes another way; the answer to "
         "every call that is not named below, too |\n"
         "| killed | calls of another architecture, i386 and x32 among them: death by SIGSYS |\n");
}

static void put_groups(void)
{
    puts("## Groups\n\n| group | strict | compat | reason |\n| --- | --- | --- | --- |");
    for (size_t i = 0; i < assay_call_group_count; i++) {
        const struct assay_call_group *group = &assay_call_groups[i];

        printf("| %s | %s | %s | %s |\n", group->title, treatment_text(group, ASSAY_PROFILE_STRICT),
                treatment_text(group, ASSAY_PROFILE_COMPAT), group->reason);
    }
    printf("\nValues that `personality` may have:");
    for (size_t i = 0; i < assay_call_personality_count; i++)
        printf("%s %#" PRIx64, i > 0 ? "," : "", assay_call_personalities[i]);
    puts(".\n");
}

static void put_rules(void)
{
    puts("## Arguments\n\n"
         "Under both profiles, whatever the calls' own row says. An int is compared by its low 32 bits,\n"
         "which is all that the kernel reads of it.\n\n"
         "| call | when | answer | reason |\n| --- | --- | --- | --- |");
    for (size_t i = 0; i < assay_call_rule_count; i++) {
        const struct assay_call_rule *rule = &assay_call_rules[i];

        printf("| %s | %s | %s | %s |\n", rule->call, rule->when,
                rule->sys_errno != 0 ? strerrorname_np(rule->sys_errno) : "ignored", rule->reason);
    }
    putchar('\n');
}

static void put_calls(const struct call *calls, size_t count)
{
    puts("## Calls\n\nNumbers are x86-64's; - is a call of other architectures. * has rules by argument.\n\n"
         "| call | number | strict | compat | group |\n| --- | --- | --- | --- | --- |");
    for (size_t i = 0; i < count; i++) {
        printf("| %s%s | ", calls[i].name, has_rules(calls[i].name) ? " *" : "");
        put_number(calls[i].name);
        printf(" | %s | %s | %s |\n", treatment_text(calls[i].group, ASSAY_PROFILE_STRICT),
                treatment_text(calls[i].group, ASSAY_PROFILE_COMPAT), calls[i].group->title);
    }
}

int main(void)
{
    static struct call calls[NAMES_MAX];
    const size_t count = list_calls(calls);

    for (size_t i = 1; i < count; i++) {
        if (strcmp(calls[i - 1].name, calls[i].name) == 0) {
            fprintf(stderr, "%s stands in two groups\n", calls[i].name);
            return 1;
        }
    }
    put_head();
    put_groups();
    put_rules();
    put_calls(calls, count);
    return fflush(stdout) == 0 ? 0 : 1;
}
