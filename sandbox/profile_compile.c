// SPDX-License-Identifier: MIT
// profile_compile.c - at build time: from the table of system calls to the filters, as C on stdout.
//
// What comes out depends on the table and on this architecture, not on the kernel
// that runs the build.
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/profile.h"
#include "sandbox/profile_table.h"

#define LOW32 0xffffffffU
#define NUMBERS_MAX 600 // of native calls; far above the newest

static int add_number(
        scmp_filter_ctx filter, int number, const char *name, enum assay_profile profile)
{
    int problem = 0;

    switch (assay_call_treatment(assay_call_find(name), profile)) {
    case ASSAY_CALL_ALLOWED:
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    case ASSAY_CALL_REFUSED:
        return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
    case ASSAY_CALL_IGNORED:
        return seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), number, 0);
    case ASSAY_CALL_BY_VALUE:
        for (size_t i = 0; i < assay_call_personality_count && problem == 0; i++)
            problem = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                    SCMP_A0(SCMP_CMP_EQ, assay_call_personalities[i]));
        return problem;
    case ASSAY_CALL_COMPAT_ONLY: // is one of the others by now
    case ASSAY_CALL_ABSENT:      // the filter's default
        break;
    }
    return 0;
}

static int fill_by_number(scmp_filter_ctx filter, enum assay_profile profile)
{
    int problem = 0;

    for (size_t i = 0; i < assay_call_number_count && problem == 0; i++)
        problem = add_number(
                filter, assay_call_numbers[i].number, assay_call_numbers[i].name, profile);
    for (int number = 0; number < NUMBERS_MAX && problem == 0; number++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
        bool added = name == NULL;

        for (size_t i = 0; i < assay_call_number_count && !added; i++)
            added = assay_call_numbers[i].number == number;
        if (!added)
            problem = add_number(filter, number, name, profile);
        free(name);
    }
    return problem;
}

static struct scmp_arg_cmp compare(const struct assay_call_test *test, unsigned bit)
{
    switch (test->compare) {
    case ASSAY_ARGUMENT_INT_IN:
        return SCMP_CMP(test->argument, SCMP_CMP_MASKED_EQ, LOW32, bit);
    case ASSAY_ARGUMENT_ANY_BIT:
        return SCMP_CMP(test->argument, SCMP_CMP_MASKED_EQ, (uint64_t)1 << bit, (uint64_t)1 << bit);
    case ASSAY_ARGUMENT_IS:
        return SCMP_CMP(test->argument, SCMP_CMP_EQ, test->value);
    case ASSAY_ARGUMENT_IS_NOT:
        return SCMP_CMP(test->argument, SCMP_CMP_NE, test->value);
    case ASSAY_ARGUMENT_IS_ABOVE:
        return SCMP_CMP(test->argument, SCMP_CMP_GT, test->value);
    case ASSAY_ARGUMENT_INT_IS:
        break;
    }
    return SCMP_CMP(test->argument, SCMP_CMP_MASKED_EQ, LOW32, test->value);
}

// libseccomp has no "one of": such a test, the first of its rule, becomes a rule for each bit.
static int add_rule(scmp_filter_ctx filter, const struct assay_call_rule *rule)
{
    const struct assay_call_test *first = &rule->tests[0];
    const bool each =
            first->compare == ASSAY_ARGUMENT_INT_IN || first->compare == ASSAY_ARGUMENT_ANY_BIT;
    struct scmp_arg_cmp tests[ASSAY_CALL_TESTS_MAX];
    int problem = 0;

    for (unsigned bit = 0; bit < (each ? 64 : 1) && problem == 0; bit++) {
        if (each && !(first->value & ((uint64_t)1 << bit)))
            continue;
        for (size_t i = 0; i < rule->test_count; i++)
            tests[i] = compare(&rule->tests[i], bit);
        problem = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)rule->sys_errno),
                rule->number, (unsigned)rule->test_count, tests);
    }
    return problem;
}

static int fill_by_argument(scmp_filter_ctx filter)
{
    int problem = 0;

    for (size_t i = 0; i < assay_call_rule_count && problem == 0; i++)
        problem = add_rule(filter, &assay_call_rules[i]);
    return problem;
}

// libseccomp 2.5 exports to a descriptor only.
static int export_filter(struct assay_profile_filter *out, scmp_filter_ctx filter)
{
    const int fd = memfd_create("assay-profile", MFD_CLOEXEC);
    ssize_t got = 0;
    int problem = 0;

    if (fd < 0)
        return -errno;
    problem = seccomp_export_bpf(filter, fd);
    if (problem == 0)
        got = pread(fd, out->code, sizeof(out->code), 0);
    close(fd);
    if (problem == 0 && (got <= 0 || (size_t)got == sizeof(out->code)))
        problem = -E2BIG;
    out->count = (unsigned short)((size_t)got / sizeof(out->code[0]));
    return problem;
}

static int build(struct assay_profile_filter *out, int by_argument, enum assay_profile profile)
{
    scmp_filter_ctx filter = seccomp_init(by_argument ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
    int problem = 0;

    if (filter == NULL)
        return -ENOMEM;
    // Another architecture's numbers, and x32, kill: they are never an accident.
    problem = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (problem == 0)
        problem = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); // a binary tree
    if (problem == 0)
        problem = by_argument ? fill_by_argument(filter) : fill_by_number(filter, profile);
    if (problem == 0)
        problem = export_filter(out, filter);
    seccomp_release(filter);
    return problem;
}

static bool put_filter(const char *place, int by_argument, enum assay_profile profile)
{
    static struct assay_profile_filter filter;
    const int problem = build(&filter, by_argument, profile);

    if (problem != 0) {
        fprintf(stderr, "%s: %s\n", place, strerrordesc_np(-problem));
        return false;
    }
    printf("        .%s = {.count = %u,\n                .code = {", place, filter.count);
    for (unsigned i = 0; i < filter.count; i++) {
        const struct sock_filter *at = &filter.code[i];

        printf("%s{0x%x, %u, %u, 0x%xU},", i % 4 == 0 ? "\n                        " : " ",
                at->code, at->jt, at->jf, at->k);
    }
    puts("}},");
    return true;
}

int main(void)
{
    // What every kernel has on which boxes run; libseccomp would ask the one below the build.
    if (seccomp_api_set(3) != 0)
        return 1;
    puts("// Written by profile_compile.c.\n"
         "#include \"sandbox/profile.h\"\n\n"
         "const struct assay_profiles assay_profiles_compiled = {");
    if (!put_filter("by_number[ASSAY_PROFILE_STRICT]", 0, ASSAY_PROFILE_STRICT) ||
            !put_filter("by_number[ASSAY_PROFILE_COMPAT]", 0, ASSAY_PROFILE_COMPAT) ||
            !put_filter("by_argument", 1, ASSAY_PROFILE_STRICT))
        return 1;
    puts("};");
    return fflush(stdout) == 0 ? 0 : 1;
}
