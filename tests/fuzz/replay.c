// SPDX-License-Identifier: MIT
// replay.c - main() of a fuzz target in ordinary builds: feeds it each file named
// on the command line, and each file in each folder named there.
//
// An input that breaks the target aborts the program, as under libFuzzer. No
// input at all is a failure: an empty corpus would otherwise look like a pass.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    int rc = -1;
    uint8_t *data = NULL;
    struct stat st;
    size_t size = 0;
    FILE *file = fopen(path, "rbe");

    if (file == NULL || fstat(fileno(file), &st) != 0) {
        perror(path);
        goto out;
    }
    // Exactly sized, so that the address sanitizer sees a read past the end.
    size = (size_t)st.st_size;
    data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        perror(path);
        goto out;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    rc = 0;

out:
    free(data);
    if (file != NULL)
        (void)fclose(file);
    return rc;
}

// Number of inputs run, or -1.
static int replay_folder(const char *path)
{
    int count = 0;
    struct dirent **names = NULL;
    const int name_count = scandir(path, &names, NULL, alphasort);

    if (name_count < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < name_count; i++) {
        char file[4096];

        (void)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        if (count >= 0 && names[i]->d_name[0] != '.')
            count = replay_file(file) == 0 ? count + 1 : -1;
        free(names[i]);
    }
    free(names);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        int count = 0;

        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            count = replay_folder(argv[i]);
        else
            count = replay_file(argv[i]) == 0 ? 1 : -1;
        if (count < 0)
            return 1;
        total += count;
    }
    (void)printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
