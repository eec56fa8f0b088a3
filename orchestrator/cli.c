// SPDX-License-Identifier: MIT
#include "orchestrator/cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "orchestrator/nearest.h"

#define OPTIONS_MAX 64
#define GIVEN_MAX 4096
#define STOP_SECONDS 5

static const struct assay_option common_options[] = {
        {"home", 0, "DIR", "where suites, layers and verdicts are kept (ASSAY_HOME; ~/.assay)",
                false},
        {"log-level", 0, "LEVEL", "error, warn, info (default) or debug", false},
        {"log-format", 0, "FORMAT", "text (default) or json, on stderr", false},
        {"help", 'h', NULL, "show this help", false},
        {NULL, 0, NULL, NULL, false},
};

// The options of a command followed by the common ones.
struct option_list {
    const struct assay_option *items[OPTIONS_MAX];
    size_t count;
};

static void list_options(struct option_list *list, const struct assay_command *command)
{
    list->count = 0;
    for (const struct assay_option *o = command->options; o && o->name; o++) {
        assert(list->count < OPTIONS_MAX);
        list->items[list->count++] = o;
    }
    for (const struct assay_option *o = common_options; o->name; o++) {
        assert(list->count < OPTIONS_MAX);
        list->items[list->count++] = o;
    }
}

bool assay_cli_flag(const struct assay_invocation *invocation, const char *name)
{
    for (size_t i = 0; i < invocation->given_count; i++) {
        if (strcmp(invocation->given[i].option->name, name) == 0)
            return true;
    }
    return false;
}

const char *assay_cli_value(const struct assay_invocation *invocation, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < invocation->given_count; i++) {
        if (strcmp(invocation->given[i].option->name, name) == 0)
            value = invocation->given[i].value;
    }
    return value;
}

const char *assay_cli_value_at(
        const struct assay_invocation *invocation, const char *name, size_t index)
{
    for (size_t i = 0; i < invocation->given_count; i++) {
        if (strcmp(invocation->given[i].option->name, name) != 0)
            continue;
        if (index == 0)
            return invocation->given[i].value;
        index--;
    }
    return NULL;
}

enum assay_status assay_cli_number(uint64_t *out, const struct assay_invocation *invocation,
        const char *name, uint64_t min, uint64_t max, struct assay_error *err)
{
    const char *text = assay_cli_value(invocation, name);
    char *end = NULL;

    if (!text)
        return ASSAY_OK;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value < min || value > max)
        return assay_fail(err, ASSAY_EUSAGE, "--%s: '%s' is not a whole number from %llu to %llu",
                name, text, (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return ASSAY_OK;
}

enum assay_status assay_cli_real(double *out, const struct assay_invocation *invocation,
        const char *name, struct assay_error *err)
{
    const char *text = assay_cli_value(invocation, name);
    char *end = NULL;
    double value;

    if (!text)
        return ASSAY_OK;
    value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return assay_fail(err, ASSAY_EUSAGE, "--%s: '%s' is not a number", name, text);
    *out = value;
    return ASSAY_OK;
}

enum assay_status assay_cli_print(struct assay_buf *text, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(text, "output", err);
    const bool ended = text->len > 0 && text->data[text->len - 1] == '\n';

    if (status == ASSAY_OK &&
            (fwrite(text->data, 1, text->len, stdout) != text->len ||
                    (!ended && fputc('\n', stdout) == EOF) || fflush(stdout) != 0))
        status = assay_fail_errno(err, errno, "write to stdout");
    assay_buf_free(text);
    return status;
}

void assay_cli_put(FILE *out, const char *text)
{
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;

        fputc(byte < ' ' || byte == 0x7f ? '?' : byte, out);
    }
}

void assay_cli_quote(FILE *out, const char *text)
{
    if (*text &&
            strspn(text,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                    "_-./=:,+@%") == strlen(text)) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", out);
        else
            fputc(*c, out);
    }
    fputc('\'', out);
}

enum assay_exit assay_cli_fail(const struct assay_error *err)
{
    fputs("assay: ", stderr);
    assay_cli_put(stderr, err->message);
    fputs(err->status == ASSAY_EINTERRUPTED ? "; the same command goes on where this one stopped\n"
                                            : "\n",
            stderr);
    if (err->status == ASSAY_EUSAGE)
        return ASSAY_EXIT_USAGE;
    return err->status == ASSAY_EINTERRUPTED ? ASSAY_EXIT_INTERRUPTED : ASSAY_EXIT_FAILED;
}

static void print_options(FILE *out, const struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct assay_option *o = list->items[i];
        char left[64];

        snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : "  ",
                o->letter ? o->letter : ' ', o->letter ? ", " : " ", o->name, o->value ? " " : "",
                o->value ? o->value : "");
        if (strlen(left) > 26)
            fprintf(out, "  %s\n  %-26s  %s", left, "", o->help);
        else
            fprintf(out, "  %-26s  %s", left, o->help);
        fputs(o->repeats ? " (may be repeated)\n" : "\n", out);
    }
}

static void print_command_help(FILE *out, const struct assay_command *command)
{
    struct option_list list;

    list_options(&list, command);
    fprintf(out, "usage: assay %s [options]%s%s\n\n%s.\n", command->name,
            command->arguments[0] ? " " : "", command->arguments, command->summary);
    fputs("\nexample:\n", out);
    for (const char *line = command->example; *line;) {
        const size_t len = strcspn(line, "\n");

        fprintf(out, "  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    fputs("\noptions:\n", out);
    print_options(out, &list);
}

static void print_overview(FILE *out, const struct assay_command *commands)
{
    fputs("assay tests what a code patch is really worth.\n\n"
          "usage: assay COMMAND [options] [arguments]\n\ncommands:\n",
            out);
    for (const struct assay_command *c = commands; c->name; c++)
        fprintf(out, "  %-16s  %s\n", c->name, c->summary);
    fputs("\n'assay COMMAND --help' shows its options and an example.\n"
          "exit status: 0 did its job, 1 failed, 2 usage, 3 some instances have no verdict, "
          "130 interrupted\n",
            out);
}

// The command whose words open argv[1..]; *words tells how many it took.
static const struct assay_command *find_command(
        const struct assay_command *commands, int argc, char **argv, int *words)
{
    char two[64] = "";

    if (argc > 2)
        snprintf(two, sizeof(two), "%s %s", argv[1], argv[2]);
    for (const struct assay_command *c = commands; c->name; c++) {
        if (strcmp(c->name, two) == 0) {
            *words = 2;
            return c;
        }
    }
    for (const struct assay_command *c = commands; c->name; c++) {
        if (strcmp(c->name, argv[1]) == 0) {
            *words = 1;
            return c;
        }
    }
    return NULL;
}

// A word like "suite" that only opens longer names: list them.
static bool print_family(FILE *out, const struct assay_command *commands, const char *word)
{
    const size_t len = strlen(word);
    bool any = false;

    for (const struct assay_command *c = commands; c->name; c++) {
        if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
            continue;
        if (!any)
            fprintf(out, "usage: assay %s COMMAND\n\n", word);
        any = true;
        fprintf(out, "  %-16s  %s\n", c->name, c->summary);
    }
    return any;
}

static bool opens_family(const struct assay_command *commands, const char *word)
{
    const size_t len = strlen(word);

    for (const struct assay_command *c = commands; c->name; c++)
        if (strncmp(c->name, word, len) == 0 && c->name[len] == ' ')
            return true;
    return false;
}

static enum assay_exit unknown_command(
        const struct assay_command *commands, const char *first, const char *second)
{
    const bool family = second != NULL && opens_family(commands, first);
    char typed[128];
    const char *best = NULL;
    size_t best_distance = 4;

    snprintf(typed, sizeof(typed), "%.60s%s%.60s", first, family ? " " : "", family ? second : "");
    for (const struct assay_command *c = commands; c->name; c++) {
        const size_t distance = assay_edit_distance(typed, c->name);

        if (distance < best_distance) {
            best_distance = distance;
            best = c->name;
        }
    }
    fprintf(stderr, "assay: unknown command '%s'", typed);
    if (best)
        fprintf(stderr, "; did you mean '%s'?", best);
    fputs(family ? "\n" : "\n'assay --help' lists the commands\n", stderr);
    if (family)
        (void)print_family(stderr, commands, first);
    return ASSAY_EXIT_USAGE;
}

struct parse_state {
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 3];
    struct option_list list;
};

static void prepare_getopt(struct parse_state *state, const struct assay_command *command)
{
    size_t l = 0;

    list_options(&state->list, command);
    memset(state->longs, 0, sizeof(state->longs));
    if (command->options_first)
        state->letters[l++] = '+';
    state->letters[l++] = ':';
    for (size_t i = 0; i < state->list.count; i++) {
        const struct assay_option *o = state->list.items[i];

        state->longs[i].name = o->name;
        state->longs[i].has_arg = o->value ? required_argument : no_argument;
        state->longs[i].val = 256 + (int)i;
        if (o->letter) {
            state->letters[l++] = o->letter;
            if (o->value)
                state->letters[l++] = ':';
        }
    }
    state->letters[l] = '\0';
}

static const struct assay_option *option_of(const struct parse_state *state, int code)
{
    if (code >= 256)
        return state->list.items[code - 256];
    for (size_t i = 0; i < state->list.count; i++) {
        if (state->list.items[i]->letter == code)
            return state->list.items[i];
    }
    return NULL;
}

static bool given_before(
        const struct assay_given *given, size_t count, const struct assay_option *option)
{
    for (size_t i = 0; i < count; i++) {
        if (given[i].option == option)
            return true;
    }
    return false;
}

// Fill given[] and the positional arguments; false after a message.
static bool parse_options(struct parse_state *state, struct assay_invocation *invocation,
        struct assay_given *given, int argc, char **argv)
{
    const char *name = invocation->command->name;
    int code;

    optind = 1;
    opterr = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread
    while ((code = getopt_long(argc, argv, state->letters, state->longs, NULL)) != -1) {
        const struct assay_option *option = option_of(state, code);

        if (code == ':' || code == '?' || !option) {
            fprintf(stderr, "assay %s: %s '%s'\n'assay %s --help' lists the options\n", name,
                    code == ':' ? "a value is missing after" : "unknown option", argv[optind - 1],
                    name);
            return false;
        }
        if (!option->repeats && given_before(given, invocation->given_count, option)) {
            fprintf(stderr, "assay %s: --%s is given twice\n", name, option->name);
            return false;
        }
        if (invocation->given_count == GIVEN_MAX) {
            fprintf(stderr, "assay %s: more than %d options\n", name, GIVEN_MAX);
            return false;
        }
        given[invocation->given_count++] =
                (struct assay_given){option, option->value ? optarg : NULL};
    }
    invocation->arguments = &argv[optind];
    invocation->argument_count = (size_t)(argc - optind);
    return true;
}

static bool check_arguments(const struct assay_invocation *invocation)
{
    const struct assay_command *c = invocation->command;

    if (invocation->argument_count >= c->argument_min &&
            invocation->argument_count <= c->argument_max)
        return true;
    if (invocation->argument_count > c->argument_max)
        fprintf(stderr, "assay %s: unexpected argument '%s'\n", c->name,
                invocation->arguments[c->argument_max]);
    else
        fprintf(stderr, "assay %s: an argument is missing\n", c->name);
    fprintf(stderr, "usage: assay %s [options] %s\n", c->name, c->arguments);
    return false;
}

static bool read_log_options(struct assay_invocation *invocation)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const char *level = assay_cli_value(invocation, "log-level");
    const char *format = assay_cli_value(invocation, "log-format");

    invocation->log.fd = STDERR_FILENO;
    invocation->log.level_max = ASSAY_LOG_INFO;
    if (level) {
        size_t i = 0;

        while (i < 4 && strcmp(levels[i], level) != 0)
            i++;
        if (i == 4) {
            fprintf(stderr, "assay: --log-level: '%s' is not error, warn, info or debug\n", level);
            return false;
        }
        invocation->log.level_max = (enum assay_log_level)i;
    }
    if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0) {
        fprintf(stderr, "assay: --log-format: '%s' is not text or json\n", format);
        return false;
    }
    if (format && strcmp(format, "json") == 0)
        invocation->log.format = ASSAY_LOG_JSON;
    return true;
}

// A closed standard descriptor would be given to the next file that is opened: the store, a
// socket. A message would then be written into it. What is opened here is of the wrong direction,
// so that reading and writing still fail.
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
                open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(ASSAY_EXIT_FAILED);
    }
}

struct interrupt {
    volatile bool set;
    unsigned stop_s;
    bool has_thread;
    pthread_t thread;
};

static void stop_signals(sigset_t *set)
{
    struct sigaction hangup;

    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) // not under nohup
        sigaddset(set, SIGHUP);
}

// SIGINT, SIGTERM and SIGHUP are blocked in every thread and taken by this one:
// the first asks the command to stop, the second ends the process at once, and
// so does a command that does not stop by itself in STOP_SECONDS. Boxes die with
// the process: their spawner sees its socket close; nothing recorded is lost.
static void *take_signals(void *user)
{
    struct interrupt *interrupt = user;
    const struct timespec patience = {
            .tv_sec = interrupt->stop_s > 0 ? interrupt->stop_s : STOP_SECONDS};
    sigset_t set;
    int taken;

    stop_signals(&set);
    do {
        taken = sigwaitinfo(&set, NULL);
    } while (taken < 0);
    interrupt->set = true;
    do {
        taken = sigtimedwait(&set, NULL, &patience);
    } while (taken < 0 && errno == EINTR);
    _exit(ASSAY_EXIT_INTERRUPTED);
}

static void start_signal_thread(struct interrupt *interrupt)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    interrupt->has_thread = pthread_create(&interrupt->thread, NULL, take_signals, interrupt) == 0;
    if (!interrupt->has_thread)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// From here on a signal ends the process as it ends any other.
static void stop_signal_thread(struct interrupt *interrupt)
{
    sigset_t set;

    if (!interrupt->has_thread)
        return;
    pthread_cancel(interrupt->thread);
    pthread_join(interrupt->thread, NULL);
    stop_signals(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static char *join_command_line(int argc, char **argv)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fputs("assay", out);
    for (int i = 1; i < argc; i++) {
        fputc(' ', out);
        assay_cli_quote(out, argv[i]);
    }
    fclose(out);
    return text;
}

static enum assay_exit run_command(
        const struct assay_command *command, int argc, char **argv, const char *command_line)
{
    struct assay_given *given = calloc(GIVEN_MAX, sizeof(*given));
    struct parse_state *state = calloc(1, sizeof(*state));
    struct assay_invocation invocation = {.command = command, .command_line = command_line};
    struct interrupt interrupt = {.set = false, .stop_s = command->stop_s};
    enum assay_exit code = ASSAY_EXIT_FAILED;

    if (!given || !state) {
        fputs("assay: out of memory\n", stderr);
        goto out;
    }
    invocation.given = given;
    invocation.interrupted = &interrupt.set;
    prepare_getopt(state, command);
    code = ASSAY_EXIT_USAGE;
    if (!parse_options(state, &invocation, given, argc, argv))
        goto out;
    if (assay_cli_flag(&invocation, "help")) {
        print_command_help(stdout, command);
        code = ASSAY_EXIT_OK;
        goto out;
    }
    if (!check_arguments(&invocation) || !read_log_options(&invocation))
        goto out;
    start_signal_thread(&interrupt);
    code = command->run(&invocation);
    stop_signal_thread(&interrupt);
    if (interrupt.set && command->stop_s == 0)
        code = ASSAY_EXIT_INTERRUPTED;

out:
    free(state);
    free(given);
    return code;
}

static enum assay_exit run_line(const struct assay_command *commands, int argc, char **argv)
{
    char version[] = "version";
    const struct assay_command *command;
    int words = 0;

    if (argc < 2) {
        print_overview(stderr, commands);
        return ASSAY_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
            strcmp(argv[1], "help") == 0) {
        print_overview(stdout, commands);
        return ASSAY_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    command = find_command(commands, argc, argv, &words);
    if (!command) {
        const bool help = argc == 2 || strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0;

        if (help && print_family(argc == 2 ? stderr : stdout, commands, argv[1]))
            return argc == 2 ? ASSAY_EXIT_USAGE : ASSAY_EXIT_OK;
        return unknown_command(commands, argv[1], argc > 2 ? argv[2] : NULL);
    }

    char *line = join_command_line(argc, argv);
    const enum assay_exit code = run_command(command, argc - words, argv + words, line);

    free(line);
    return code;
}

enum assay_exit assay_cli_main(const struct assay_command *commands, int argc, char **argv)
{
    enum assay_exit code;

    hold_standard_descriptors();
    code = run_line(commands, argc, argv);
    // ferror(): an earlier piece may have been lost although the last one was written.
    errno = 0;
    if ((fflush(stdout) != 0 || ferror(stdout)) &&
            (code == ASSAY_EXIT_OK || code == ASSAY_EXIT_INCOMPLETE)) {
        fprintf(stderr, "assay: write to stdout: %s\n",
                errno ? strerrordesc_np(errno) : "it failed");
        code = ASSAY_EXIT_FAILED;
    }
    return code;
}

enum assay_status assay_cli_values(struct assay_strings *out, const struct assay_invocation *in,
        const char *option, struct assay_arena *arena, struct assay_error *err)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    const char **items = assay_arena_array(arena, in->given_count + 1, sizeof(*items));
    size_t count = 0;

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    while ((items[count] = assay_cli_value_at(in, option, count)) != NULL)
        count++;
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}
