// SPDX-License-Identifier: MIT
// profile_compile.c - at build time: from the table of system calls to the filters, as C on stdout.
//
// The kernel compiles a payload's filter anew each time it is loaded, so what it costs is its
// length. Numbers that get the same answer are ranges, found by a binary search; calls whose
// arguments count have a block of tests behind it. libseccomp, which gives each number a test of
// its own, writes three times as much; it only tells which number has which name here.
//
// What comes out depends on the table and on this architecture, not on the kernel
// that runs the build.
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/profile.h"
#include "sandbox/profile_table.h"

#define NUMBERS_MAX 600 // of native calls; far above the newest
#define X32_BIT 0x40000000U
#define NO_NUMBER 0xffffffffU // what a tracer writes to skip a call
#define REACH 240             // of a jump, with room for what is put before it; the kernel has 255

#ifdef __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#define HAS_X32 1
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define HAS_X32 0
#endif

#define REFUSE(sys_errno) (SECCOMP_RET_ERRNO | (uint32_t)(sys_errno))

// Written from its end: jumps go forwards only, so that what one leads to is there already. A
// size_t in it is counted from the end, too.
struct program {
    struct sock_filter code[ASSAY_PROFILE_INSTRUCTIONS_MAX]; // the last one first
    size_t count;
    bool full;
};

static size_t put(struct program *program, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (program->count == ASSAY_PROFILE_INSTRUCTIONS_MAX) {
        program->full = true;
        return 0;
    }
    program->code[program->count] = (struct sock_filter){code, jt, jf, k};
    return program->count++;
}

// The place itself, or a jump to it that a conditional jump put next can reach.
static size_t reach(struct program *program, size_t to)
{
    if (program->count - to <= REACH)
        return to;
    return put(program, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(program->count - to - 1));
}

// An end that says `answer`; one nearby does for many.
static size_t answer(struct program *program, uint32_t value)
{
    for (size_t at = program->count; at-- > 0 && program->count - at < REACH;)
        if (program->code[at].code == (BPF_RET | BPF_K) && program->code[at].k == value)
            return at;
    return put(program, BPF_RET | BPF_K, 0, 0, value);
}

static size_t test(struct program *program, uint16_t compare, uint32_t k, size_t yes, size_t no)
{
    if (yes == no)
        return yes;
    yes = reach(program, yes);
    no = reach(program, no);
    return put(program, BPF_JMP | compare | BPF_K, (uint8_t)(program->count - yes - 1),
            (uint8_t)(program->count - no - 1), k);
}

// A word of the call, then on to `next`.
static size_t load(struct program *program, size_t offset, size_t next)
{
    if (next + 1 != program->count)
        (void)put(program, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(program->count - next - 1));
    return put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

// --- arguments -----------------------------------------------------------------------------------

static size_t load_low(struct program *program, unsigned argument, size_t next)
{
    return load(program, offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t), next);
}

static size_t load_high(struct program *program, unsigned argument, size_t next)
{
    return load(program,
            offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) + sizeof(uint32_t),
            next);
}

// One of the numbers whose bits are set: runs of them, each two comparisons.
static size_t test_one_of(struct program *program, uint64_t bits, size_t yes, size_t no)
{
    size_t next = no;

    for (uint32_t to = 64; to-- > 0;) {
        uint32_t from = to;

        if (!(bits & ((uint64_t)1 << to)))
            continue;
        while (from > 0 && (bits & ((uint64_t)1 << (from - 1))))
            from--;
        // Larger than this run is another one, or none; smaller is looked at in the run before.
        next = test(program, BPF_JGT, to, next, test(program, BPF_JGE, from, yes, no));
        to = from;
    }
    return next;
}

static size_t test_argument(
        struct program *program, const struct assay_call_test *wanted, size_t yes, size_t no)
{
    const uint32_t low = (uint32_t)wanted->value;
    const uint32_t high = (uint32_t)(wanted->value >> 32);
    size_t next = 0;

    switch (wanted->compare) {
    case ASSAY_ARGUMENT_INT_IS:
        next = test(program, BPF_JEQ, low, yes, no);
        break;
    case ASSAY_ARGUMENT_INT_IN:
        next = test_one_of(program, wanted->value, yes, no);
        break;
    case ASSAY_ARGUMENT_ANY_BIT:
        if (high != 0)
            no = load_high(program, wanted->argument, test(program, BPF_JSET, high, yes, no));
        next = test(program, BPF_JSET, low, yes, no);
        break;
    case ASSAY_ARGUMENT_IS:
        next = load_high(program, wanted->argument, test(program, BPF_JEQ, high, yes, no));
        next = test(program, BPF_JEQ, low, next, no);
        break;
    case ASSAY_ARGUMENT_IS_NOT:
        next = load_high(program, wanted->argument, test(program, BPF_JEQ, high, no, yes));
        next = test(program, BPF_JEQ, low, next, yes);
        break;
    case ASSAY_ARGUMENT_IS_ABOVE:
        next = load_low(program, wanted->argument, test(program, BPF_JGT, low, yes, no));
        next = test(program, BPF_JEQ, high, next, no);
        return load_high(program, wanted->argument, test(program, BPF_JGT, high, yes, next));
    }
    return load_low(program, wanted->argument, next);
}

// The first rule that holds decides; where none does, `otherwise`.
static size_t add_rules(struct program *program, int number, size_t otherwise)
{
    size_t next = otherwise;

    for (size_t i = assay_call_rule_count; i-- > 0;) {
        const struct assay_call_rule *rule = &assay_call_rules[i];
        size_t yes = 0;

        if (rule->number != number)
            continue;
        yes = answer(program, REFUSE(rule->sys_errno));
        for (size_t t = rule->test_count; t-- > 0;)
            yes = test_argument(program, &rule->tests[t], yes, next);
        next = yes;
    }
    return next;
}

static size_t add_values(struct program *program)
{
    size_t next = answer(program, REFUSE(ENOSYS));

    for (size_t i = 0; i < assay_call_personality_count; i++) {
        const struct assay_call_test value = {0, ASSAY_ARGUMENT_IS, assay_call_personalities[i]};

        next = test_argument(program, &value, answer(program, SECCOMP_RET_ALLOW), next);
    }
    return next;
}

// --- numbers -------------------------------------------------------------------------------------

// Numbers from `first` on go to `target`, until the next range.
struct range {
    uint32_t first;
    size_t target;
};

static size_t add_call(
        struct program *program, int number, const char *name, enum assay_profile profile)
{
    size_t end = 0;

    switch (assay_call_treatment(assay_call_find(name), profile)) {
    case ASSAY_CALL_ALLOWED:
        end = answer(program, SECCOMP_RET_ALLOW);
        break;
    case ASSAY_CALL_REFUSED:
        end = answer(program, REFUSE(EPERM));
        break;
    case ASSAY_CALL_IGNORED:
        end = answer(program, REFUSE(0));
        break;
    case ASSAY_CALL_BY_VALUE:
        end = add_values(program);
        break;
    case ASSAY_CALL_COMPAT_ONLY: // is one of the others by now
    case ASSAY_CALL_ABSENT:
        end = answer(program, REFUSE(ENOSYS));
        break;
    }
    return add_rules(program, number, end);
}

// NULL: no call that this build knows. The table's own numbers come before libseccomp's.
static char *find_name(int number)
{
    for (size_t i = 0; i < assay_call_number_count; i++)
        if (assay_call_numbers[i].number == number)
            return strdup(assay_call_numbers[i].name);
    return seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
}

static bool same_end(const struct program *program, size_t a, size_t b)
{
    const struct sock_filter *left = &program->code[a];
    const struct sock_filter *right = &program->code[b];

    return a == b ||
            (left->code == (BPF_RET | BPF_K) && right->code == left->code && left->k == right->k);
}

// Calls with tests first, so that the ends of all others lie next to the search.
static size_t find_ranges(
        struct program *program, struct range ranges[NUMBERS_MAX], enum assay_profile profile)
{
    static size_t places[NUMBERS_MAX];
    size_t count = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (int number = 0; number < NUMBERS_MAX; number++) {
            char *name = find_name(number);
            bool tested = name != NULL &&
                    assay_call_treatment(assay_call_find(name), profile) == ASSAY_CALL_BY_VALUE;

            for (size_t i = 0; i < assay_call_rule_count; i++)
                tested = tested || assay_call_rules[i].number == number;
            if (tested == (pass == 0))
                places[number] = name == NULL ? answer(program, REFUSE(ENOSYS))
                                              : add_call(program, number, name, profile);
            free(name);
        }
    }
    for (int number = 0; number < NUMBERS_MAX; number++)
        if (number == 0 || !same_end(program, places[number], ranges[count - 1].target))
            ranges[count++] = (struct range){(uint32_t)number, places[number]};
    return count;
}

static size_t search(struct program *program, const struct range *ranges, size_t count)
{
    const size_t half = count / 2;
    size_t right = 0;

    if (count == 1)
        return ranges[0].target;
    right = search(program, ranges + half, count - half);
    return test(program, BPF_JGE, ranges[half].first, right, search(program, ranges, half));
}

// Another architecture's numbers, and x32, kill: they are never an accident.
static size_t compile(struct program *program, enum assay_profile profile)
{
    static struct range ranges[NUMBERS_MAX];
    const size_t count = find_ranges(program, ranges, profile);
    size_t next = search(program, ranges, count);

    if (HAS_X32) {
        const size_t odd = test(program, BPF_JEQ, NO_NUMBER, answer(program, REFUSE(ENOSYS)),
                answer(program, SECCOMP_RET_KILL_PROCESS));

        next = test(program, BPF_JGE, X32_BIT, odd, next);
    }
    next = load(program, offsetof(struct seccomp_data, nr), next);
    next = test(program, BPF_JEQ, NATIVE, next, answer(program, SECCOMP_RET_KILL_PROCESS));
    (void)load(program, offsetof(struct seccomp_data, arch), next);
    return count;
}

static bool put_filter(const char *name, enum assay_profile profile)
{
    static struct program program;

    program.count = 0;
    program.full = false;
    fprintf(stderr, "%s: %zu ranges", name, compile(&program, profile));
    fprintf(stderr, ", %zu instructions\n", program.count);
    if (program.full) {
        fprintf(stderr, "%s: too long\n", name);
        return false;
    }
    printf("        [%s] = {.count = %zu,\n                .code = {", name, program.count);
    for (size_t i = program.count; i-- > 0;) {
        const struct sock_filter *at = &program.code[i];

        printf("%s{0x%x, %u, %u, 0x%xU},",
                (program.count - 1 - i) % 4 == 0 ? "\n                        " : " ", at->code,
                at->jt, at->jf, at->k);
    }
    puts("}},");
    return true;
}

int main(void)
{
    puts("// Written by profile_compile.c.\n"
         "#include \"sandbox/profile.h\"\n\n"
         "const struct assay_profiles assay_profiles_compiled = {.filters = {");
    if (!put_filter("ASSAY_PROFILE_STRICT", ASSAY_PROFILE_STRICT) ||
            !put_filter("ASSAY_PROFILE_COMPAT", ASSAY_PROFILE_COMPAT))
        return 1;
    puts("}};");
    return fflush(stdout) == 0 ? 0 : 1;
}
