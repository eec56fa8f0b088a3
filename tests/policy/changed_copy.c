// SPDX-License-Identifier: MIT
#include "policy/changed_copy.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "support/harness.h"

static void replace(struct assay_buf *text, const char *from, const char *to)
{
    const char *at = memmem(text->data, text->len, from, strlen(from));
    struct assay_buf changed;
    size_t before;

    if (!at)
        fail_msg("there is no %s", from);
    before = (size_t)(at - text->data);
    assay_buf_init(&changed, text->max);
    assert_true(assay_buf_add(&changed, text->data, before));
    assert_true(assay_buf_adds(&changed, to));
    at += strlen(from);
    assert_true(assay_buf_add(&changed, at, text->len - before - strlen(from)));
    assay_buf_free(text);
    *text = changed;
}

void changed_copy(const struct assay_temp *temp, const char *dir, const char *file,
        const char *from, const char *to)
{
    static const char *const files[] = {"config.json", "model.safetensors"};

    for (size_t i = 0; i < 2; i++) {
        struct assay_buf text;
        char path[256];

        assay_buf_init(&text, 1 << 20);
        (void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        assert_int_equal(assay_fs_read_file(&text, path, NULL), ASSAY_OK);
        if (strcmp(file, files[i]) == 0)
            replace(&text, from, to);
        (void)snprintf(path, sizeof(path), "%s/%s", temp->path, files[i]);
        assert_int_equal(assay_fs_replace_file(path, text.data, text.len, 0600, NULL), ASSAY_OK);
        assay_buf_free(&text);
    }
}
