// SPDX-License-Identifier: MIT
// idle - what 1,000 boxes cost that are alive and have nothing to do.
//
//     benches/idle [--json] [--boxes N]
//
// Each is an init in all its namespaces, with its control group, network and tree, that waits for a
// request: what a session is between two commands. Private memory is the sum of Private_* of their
// smaps_rollup; the kernel's own for them (slabs, page tables, stacks) is told beside, as the
// difference of /proc/meminfo, which whatever else runs on the host disturbs.
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "sandbox/box.h"

#define BOXES_DEFAULT 1000
#define BOXES_MAX 4000
#define WAIT_MS_MAX 120000
#define MIB (1024.0 * 1024.0)

struct figure {
    const char *metric;
    double value, bound; // MiB; bound 0: none
};

static void read_text(char *text, size_t size, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 1;

    while (fd >= 0 && got > 0 && len < size - 1) {
        got = read(fd, text + len, size - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    text[len] = '\0';
    if (fd >= 0)
        close(fd);
}

// Sum of the lines that begin so, in bytes: the kernel writes them in kB.
static double sum_lines(const char *text, const char *prefix)
{
    double sum = 0;

    for (const char *at = text; at != NULL && *at != '\0';) {
        if (strncmp(at, prefix, strlen(prefix)) == 0)
            sum += (double)strtoull(strchr(at, ':') + 1, NULL, 10) * 1024;
        at = strchr(at, '\n');
        if (at != NULL)
            at++;
    }
    return sum;
}

static double kernel_memory(void)
{
    static const char *const lines[] = {"Slab:", "PageTables:", "KernelStack:", "Percpu:"};
    char text[8192];
    double sum = 0;

    read_text(text, sizeof(text), "/proc/meminfo");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        sum += sum_lines(text, lines[i]);
    return sum;
}

// How many inits wait; their private memory, where it is asked for.
static size_t look(pid_t spawner, double *private_bytes)
{
    static char children[BOXES_MAX * 9 + 64];
    char path[64];
    char text[4096];
    char *at = children;
    size_t count = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)spawner, (int)spawner);
    read_text(children, sizeof(children), path);
    for (long pid = strtol(at, &at, 10); pid > 0; pid = strtol(at, &at, 10)) {
        (void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
        read_text(text, sizeof(text), path);
        if (strcmp(text, "assay-ready\n") != 0)
            continue;
        count++;
        if (private_bytes == NULL)
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", pid);
        read_text(text, sizeof(text), path);
        *private_bytes += sum_lines(text, "Private_");
    }
    return count;
}

static void print(const struct figure *figures, size_t count, bool json)
{
    for (size_t i = 0; i < count; i++) {
        const struct figure *figure = &figures[i];
        const bool met = figure->bound <= 0 || figure->value <= figure->bound;

        if (json)
            (void)printf("{\"bench\": \"idle\", \"metric\": \"%s\", \"value\": %.2f, \"unit\": "
                         "\"MiB\", \"spread\": null, \"peer\": null, \"peer_value\": null, "
                         "\"ratio\": null, \"bound\": %s%.0f%s, \"met\": %s}\n",
                    figure->metric, figure->value, figure->bound > 0 ? "\"<= " : "\"none ",
                    figure->bound, "\"", met ? "true" : "false");
        else
            (void)printf("%-48s %8.2f MiB%s\n", figure->metric, figure->value,
                    met ? "" : "  (bound not met)");
    }
}

static bool measure(size_t boxes, bool json)
{
    char program[4096];
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    const struct assay_sandbox_options options = {
            .box_program = program, .tier_min = ASSAY_TIER_A, .ready_count = (int)boxes};
    const double kernel_before = kernel_memory();
    const uint64_t deadline_ms = assay_clock_ms() + WAIT_MS_MAX;
    struct assay_sandbox *sandbox = NULL;
    struct assay_error err;
    char path[64];
    char text[4096];
    double private_bytes = 0;
    double spawner_bytes = 0;

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    if (assay_sandbox_start(&sandbox, &options, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "idle: %s\n", err.message);
        return false;
    }
    const pid_t spawner = assay_sandbox_spawner_pid(sandbox);

    while (look(spawner, NULL) < boxes && assay_clock_left_ms(deadline_ms) > 0)
        (void)usleep(50000);
    (void)usleep(500000); // the last ones finish what they prepare
    const bool all = look(spawner, &private_bytes) == boxes;
    const double kernel_bytes = kernel_memory() - kernel_before;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)spawner);
    read_text(text, sizeof(text), path);
    spawner_bytes = sum_lines(text, "VmRSS:");
    assay_sandbox_stop(sandbox);
    if (!all) {
        (void)fprintf(stderr, "idle: not %zu boxes in %d s\n", boxes, WAIT_MS_MAX / 1000);
        return false;
    }
    const struct figure figures[] = {
            {"idle boxes: private memory of all", private_bytes / MIB,
                    300.0 * (double)boxes / BOXES_DEFAULT},
            {"idle boxes: kernel memory of all", kernel_bytes / MIB, 0},
            {"idle boxes: the spawner, resident", spawner_bytes / MIB, 8},
    };

    print(figures, sizeof(figures) / sizeof(figures[0]), json);
    return true;
}

int main(int argc, char **argv)
{
    size_t boxes = BOXES_DEFAULT;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--boxes") == 0 && i + 1 < argc)
            boxes = strtoul(argv[++i], NULL, 10);
    }
    if (boxes == 0 || boxes > BOXES_MAX)
        return 2;
    return measure(boxes, json) ? 0 : 1;
}
