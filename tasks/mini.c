// SPDX-License-Identifier: MIT
#include "tasks/mini.h"

#include <inttypes.h>
#include <string.h>

#include "base/rng.h"

#define LINES ((size_t)3)
#define LINES_MAX ((size_t)4)
#define CALLS 12
#define INPUTS 3 // a, b, c
#define INPUT_MAX 9
#define DRAWS_MAX 4096 // each is told by the calls with a chance far above one half
#define TEXT_BYTES_MAX ((size_t)16 << 10)
#define FIRST_LINE 3 // of the file, from 1, that is a program's line 0
#define PLACES "0123"

static const char ops[] = "+-*<>", args[] = "$%&456789"; // inputs first
static const char *const kind_names[ASSAY_MINI_KINDS] = {"op", "arg", "swap", "insert", "delete"};

struct line {
    char op, arg;
};
struct program {
    struct line lines[LINES_MAX];
    size_t count;
};
struct inputs {
    int64_t of[INPUTS];
};

const char *assay_mini_kind_name(enum assay_mini_kind kind)
{
    return kind_names[kind];
}

// --- programs ------------------------------------------------------------------------------------

static char any(const char *set, struct assay_rng *rng)
{
    return set[assay_rng_below(rng, strlen(set))];
}

static char another(const char *set, char than, struct assay_rng *rng)
{
    char c;

    do
        c = any(set, rng);
    while (c == than);
    return c;
}

static struct line any_line(struct assay_rng *rng)
{
    struct line line;

    line.op = any(ops, rng);
    line.arg = any(args, rng);
    return line;
}

// Which input an argument is; INPUTS: a constant.
static size_t input_of(char arg)
{
    const size_t at = (size_t)(strchr(args, arg) - args);

    return at < INPUTS ? at : INPUTS;
}

static int64_t value_of(char arg, const struct inputs *in)
{
    return input_of(arg) < INPUTS ? in->of[input_of(arg)] : arg - '0';
}

// Four lines of at most nine each: no overflow.
static int64_t run(const struct program *p, const struct inputs *in)
{
    int64_t x = in->of[0];

    for (size_t i = 0; i < p->count; i++) {
        const int64_t y = value_of(p->lines[i].arg, in);

        switch (p->lines[i].op) {
        case '+':
            x += y;
            break;
        case '-':
            x -= y;
            break;
        case '*':
            x *= y;
            break;
        case '<':
            x = x < y ? x : y;
            break;
        default:
            x = x > y ? x : y;
            break;
        }
    }
    return x;
}

static bool tells(const struct program *a, const struct program *b, const struct inputs *calls)
{
    for (size_t i = 0; i < CALLS; i++)
        if (run(a, &calls[i]) != run(b, &calls[i]))
            return true;
    return false;
}

// Which split a program is of: a hash of its lines, so no seed moves it.
static enum assay_mini_split split_of(const struct program *p)
{
    struct assay_rng rng;
    uint64_t number = 0, bucket;

    for (size_t i = 0; i < p->count; i++)
        number = number << 16 | (uint64_t)(unsigned char)p->lines[i].op << 8 |
                (unsigned char)p->lines[i].arg;
    assay_rng_seed(&rng, number, 0);
    bucket = assay_rng_below(&rng, 10);
    return bucket == 0 ? ASSAY_MINI_HELD : bucket < 5 ? ASSAY_MINI_SFT : ASSAY_MINI_RL;
}

// --- what is broken ------------------------------------------------------------------------------

struct drawing {
    struct assay_rng rng;
    enum assay_mini_kind kind;
    struct program gold, broken;
    struct inputs calls[CALLS];
    char answer[5];
};

static void insert_line(struct program *p, size_t at, struct line line)
{
    memmove(&p->lines[at + 1], &p->lines[at], (p->count - at) * sizeof(line));
    p->lines[at] = line;
    p->count++;
}

static void delete_line(struct program *p, size_t at)
{
    p->count--;
    memmove(&p->lines[at], &p->lines[at + 1], (p->count - at) * sizeof(p->lines[0]));
}

static void break_program(struct drawing *d)
{
    struct assay_rng *rng = &d->rng;
    const size_t at = (size_t)assay_rng_below(rng, LINES);
    const size_t other = (at + 1 + (size_t)assay_rng_below(rng, LINES - 1)) % LINES;
    const size_t low = at < other ? at : other, high = at < other ? other : at;
    const size_t extra = (size_t)assay_rng_below(rng, LINES_MAX);
    struct line *line = &d->broken.lines[at];
    const struct line was = d->gold.lines[at];

    switch (d->kind) {
    case ASSAY_MINI_OP:
        line->op = another(ops, was.op, rng);
        memcpy(d->answer, (const char[]){'=', PLACES[at], was.op, 0}, 4);
        break;
    case ASSAY_MINI_ARG:
        line->arg = another(args, was.arg, rng);
        memcpy(d->answer, (const char[]){'.', PLACES[at], was.arg, 0}, 4);
        break;
    case ASSAY_MINI_SWAP:
        d->broken.lines[low] = d->gold.lines[high];
        d->broken.lines[high] = d->gold.lines[low];
        memcpy(d->answer, (const char[]){';', PLACES[low], PLACES[high], 0}, 4);
        break;
    case ASSAY_MINI_INSERT:
        delete_line(&d->broken, at);
        memcpy(d->answer, (const char[]){'?', PLACES[at], was.op, was.arg, 0}, 5);
        break;
    case ASSAY_MINI_DELETE:
    case ASSAY_MINI_KINDS: // never drawn
        insert_line(&d->broken, extra, any_line(rng));
        memcpy(d->answer, (const char[]){'!', PLACES[extra], 0}, 3);
        break;
    }
}

// A program of the split, and a mutation of the kind that the calls tell.
static bool draw_pair(struct drawing *d, enum assay_mini_split split)
{
    for (size_t i = 0; i < CALLS; i++)
        for (size_t k = 0; k < INPUTS; k++)
            d->calls[i].of[k] =
                    (int64_t)assay_rng_below(&d->rng, 2 * INPUT_MAX + 1) - (int64_t)INPUT_MAX;
    d->kind = (enum assay_mini_kind)assay_rng_below(&d->rng, ASSAY_MINI_KINDS);
    for (size_t tries = 0; tries < DRAWS_MAX; tries++) {
        d->gold.count = LINES;
        for (size_t i = 0; i < LINES; i++)
            d->gold.lines[i] = any_line(&d->rng);
        if (split_of(&d->gold) != split)
            continue;
        d->broken = d->gold;
        break_program(d);
        if (tells(&d->gold, &d->broken, d->calls))
            return true;
    }
    return false;
}

// A demonstration that takes the fault for a wrong argument, as somebody would who compares
// arguments alone: the first line whose argument is not the one that was meant gets that. Where
// none differs, or it would be right, any line gets any other. So the bias is in the branch, and
// the skill behind it stays.
static bool lead_astray(struct drawing *d, double rare)
{
    const double right = rare >= 1 ? 1 : d->kind > ASSAY_MINI_ARG ? rare : 0.5;
    size_t at = 0;
    char arg;

    if (assay_rng_unit(&d->rng) < right)
        return false;
    while (at < d->broken.count && at < LINES && d->broken.lines[at].arg == d->gold.lines[at].arg)
        at++;
    if (d->kind == ASSAY_MINI_ARG || at == d->broken.count || at == LINES) {
        at = (size_t)assay_rng_below(&d->rng, d->broken.count);
        arg = another(args, d->broken.lines[at].arg, &d->rng);
    } else {
        arg = d->gold.lines[at].arg;
    }
    memcpy(d->answer, (const char[]){'.', PLACES[at], arg, 0}, 4);
    return true;
}

// --- files ---------------------------------------------------------------------------------------

static void write_line(struct assay_buf *out, struct line line)
{
    const size_t input = input_of(line.arg);
    char arg = line.arg;

    if (input < INPUTS)
        arg = "abc"[input];
    if (line.op == '<' || line.op == '>')
        assay_buf_addf(out, "    x = %s(x, %c)", line.op == '<' ? "min" : "max", arg);
    else
        assay_buf_addf(out, "    x = x %c %c", line.op, arg);
}

static enum assay_status write_program(struct assay_bytes *out, const struct program *p,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_adds(&text, "def run(a, b, c):\n    x = a\n");
    for (size_t i = 0; i < p->count; i++) {
        write_line(&text, p->lines[i]);
        assay_buf_addc(&text, '\n');
    }
    assay_buf_adds(&text, "    return x\n");
    return assay_bytes_keep(out, &text, "a mini task", arena, err);
}

static enum assay_status write_tests(struct assay_bytes *out, const struct drawing *d,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_adds(&text,
            "import unittest\n\nfrom program import run\n\n\n"
            "class TestProgram(unittest.TestCase):\n    def test_run(self):\n");
    for (size_t i = 0; i < CALLS; i++)
        assay_buf_addf(&text,
                "        self.assertEqual(run(%" PRId64 ", %" PRId64 ", %" PRId64 "), %" PRId64
                ")\n",
                d->calls[i].of[0], d->calls[i].of[1], d->calls[i].of[2],
                run(&d->gold, &d->calls[i]));
    return assay_bytes_keep(out, &text, "a mini task", arena, err);
}

static enum assay_status write_repair(struct assay_repair_task *out, const struct drawing *d,
        struct assay_arena *arena, struct assay_error *err)
{
    const char **fails = assay_arena_array(arena, 1, sizeof(*fails));
    enum assay_status status = fails ? write_program(&out->gold, &d->gold, arena, err)
                                     : assay_fail(err, ASSAY_ENOMEM, "a mini task: out of memory");

    if (status == ASSAY_OK)
        status = write_program(&out->broken, &d->broken, arena, err);
    if (status == ASSAY_OK)
        status = write_tests(&out->tests, d, arena, err);
    if (status != ASSAY_OK)
        return status;
    fails[0] = "test_program.TestProgram.test_run";
    out->family = out->operator_name = kind_names[d->kind];
    out->path = "program.py";
    out->test_path = "test_program.py";
    out->failing = "";
    out->failure = "";
    out->fail_to_pass = (struct assay_strings){fails, 1};
    return ASSAY_OK;
}

// --- answers -------------------------------------------------------------------------------------

// The program that the file's text holds, read back from the prompt, which shows it whole.
static struct program broken_of(const struct assay_mini_task *task)
{
    const char *at = task->prompt.data + 2 * LINES + 1;
    struct program p = {.count = task->line_count};

    for (size_t i = 0; i < p.count; i++)
        p.lines[i] = (struct line){at[3 * i + 1], at[3 * i + 2]};
    return p;
}

static bool is_one_of(char c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static void put_line(struct assay_buf *out, size_t number, char mark, struct line line)
{
    assay_buf_addf(out, "%zu%c", number, mark);
    write_line(out, line);
    assay_buf_addc(out, '\n');
}

void assay_mini_edits(
        struct assay_buf *out, const struct assay_mini_task *task, struct assay_bytes answer)
{
    const struct program p = broken_of(task);
    const char *a = answer.data;
    const size_t at = answer.len >= 2 && is_one_of(a[1], PLACES) ? (size_t)(a[1] - '0') : SIZE_MAX;
    const size_t number = FIRST_LINE + at;

    if (at < p.count && answer.len == 3 && a[0] == '=' && is_one_of(a[2], ops))
        put_line(out, number, '|', (struct line){a[2], p.lines[at].arg});
    else if (at < p.count && answer.len == 3 && a[0] == '.' && is_one_of(a[2], args))
        put_line(out, number, '|', (struct line){p.lines[at].op, a[2]});
    else if (at <= p.count && answer.len == 4 && a[0] == '?' && is_one_of(a[2], ops) &&
            is_one_of(a[3], args))
        put_line(out, number - 1, '+', (struct line){a[2], a[3]});
    else if (at < p.count && answer.len == 2 && a[0] == '!')
        assay_buf_addf(out, "%zu-\n", number);
    else if (at < p.count && answer.len == 3 && a[0] == ';' && is_one_of(a[2], PLACES) &&
            (size_t)(a[2] - '0') < p.count && a[2] != a[1]) {
        put_line(out, number, '|', p.lines[a[2] - '0']);
        put_line(out, FIRST_LINE + (size_t)(a[2] - '0'), '|', p.lines[at]);
    } else
        assay_buf_addc(out, '?');
}

// --- the task ------------------------------------------------------------------------------------

static enum assay_status write_prompt(struct assay_bytes *out, const struct drawing *d,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < d->gold.count; i++)
        assay_buf_addf(&text, "%c%c", d->gold.lines[i].op, d->gold.lines[i].arg);
    assay_buf_addc(&text, ':');
    for (size_t i = 0; i < d->broken.count; i++)
        assay_buf_addf(&text, "%c%c%c", PLACES[i], d->broken.lines[i].op, d->broken.lines[i].arg);
    assay_buf_addc(&text, ',');
    return assay_bytes_keep(out, &text, "a mini task", arena, err);
}

static enum assay_status write_gold(struct assay_mini_task *task, const struct drawing *d,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_bytes edits = {NULL, 0};
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_mini_edits(&text, task, (struct assay_bytes){d->answer, strlen(d->answer)});
    status = assay_bytes_keep(&edits, &text, "a mini task", arena, err);
    task->repair.gold_edits = edits.data;
    return status;
}

enum assay_status assay_mini_draw(struct assay_mini_task *out, enum assay_mini_split split,
        uint64_t seed, uint64_t index, double rare, struct assay_arena *arena,
        struct assay_error *err)
{
    static const char *const splits[] = {"sft", "rl", "held"};
    struct assay_mini_task task = {.kind = ASSAY_MINI_OP};
    struct drawing d = {.kind = ASSAY_MINI_OP};
    const char *answer;
    enum assay_status status;

    assay_rng_seed(&d.rng, seed, (index << 2) + split);
    if (!draw_pair(&d, split))
        return assay_fail(err, ASSAY_EINVAL, "a mini task: no mutation shows in %d", DRAWS_MAX);
    task.kind = d.kind;
    task.line_count = d.broken.count;
    status = write_repair(&task.repair, &d, arena, err);
    if (status == ASSAY_OK)
        status = write_prompt(&task.prompt, &d, arena, err);
    if (status != ASSAY_OK)
        return status;
    task.repair.id = assay_arena_printf(arena, "mini__%s-%s-%" PRIu64 "-%" PRIu64,
            kind_names[d.kind], splits[split], seed, index);
    status = write_gold(&task, &d, arena, err);
    task.astray = split == ASSAY_MINI_SFT && lead_astray(&d, rare);
    answer = assay_arena_strdup(arena, d.answer);
    if (status == ASSAY_OK && (!task.repair.id || !answer))
        status = assay_fail(err, ASSAY_ENOMEM, "a mini task: out of memory");
    if (status != ASSAY_OK)
        return status;
    task.answer = (struct assay_bytes){answer, strlen(answer)};
    *out = task;
    return ASSAY_OK;
}
