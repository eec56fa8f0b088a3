// SPDX-License-Identifier: MIT
// What must hold: no file of messages makes the reader or a template crash, and a mark stands where
// its token stands in the text.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct assay_chat *chat, const char *name)
{
    const struct assay_chat_family *family = NULL;
    struct assay_chat_text text;
    size_t end = 0;

    if (assay_chat_family_find(&family, name, NULL) != ASSAY_OK)
        abort();
    assay_chat_text_init(&text);
    if (assay_chat_write(&text, chat, family, ASSAY_CHAT_THINKING_DEFAULT, NULL) == ASSAY_OK)
        for (size_t i = 0; i < text.mark_count; i++) {
            const struct assay_chat_mark *m = &text.marks[i];

            if (m->at < end || m->at + strlen(m->token) > text.text.len ||
                    memcmp(text.text.data + m->at, m->token, strlen(m->token)) != 0)
                abort();
            end = m->at + strlen(m->token);
        }
    assay_chat_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"qwen3", "minimind", "minimax_m1", "minimax_text_01"};
    struct assay_arena *arena = NULL;
    struct assay_chat chat;

    if (assay_arena_create(&arena, (size_t)1 << 26, NULL) != ASSAY_OK)
        return 0;
    if (assay_chat_read(&chat, (const char *)data, size, "fuzz", arena, NULL) == ASSAY_OK)
        for (size_t i = 0; i < 4; i++)
            check(&chat, names[i]);
    assay_arena_destroy(arena);
    return 0;
}
