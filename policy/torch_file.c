// SPDX-License-Identifier: MIT
// torch_file.c - what torch.save writes: a zip of data.pkl and one file a storage.
//
// The pickle is read by a machine that knows the two dozen opcodes that such files use and five
// globals, and can make nothing but tensors, tuples and dictionaries: no code is ever looked up.
#include <string.h>

#include "policy/weight_read.h"
#include "policy/zip.h"

#define STACK_MAX 65536
#define MEMO_MAX ((size_t)1 << 20)

enum kind {
    NOTHING, // None, booleans, floats, and what is of no use to us
    MARK,
    NUMBER,
    TEXT,
    GLOBAL, // "module name"
    TUPLE,
    DICT,
    STORAGE, // type, entry
    TENSOR,  // a view: type, dims, data
};

struct value {
    enum kind kind;
    int64_t number;
    const char *text;
    size_t count;
    const struct value *items; // of a tuple
    const struct assay_weight_view *view;
};

struct machine {
    struct assay_weight_file *file;
    const struct assay_zip_entry *entries;
    size_t entry_count;
    const char *prefix; // "archive/"
    const unsigned char *at, *end;
    struct value *stack, *memo;
    size_t depth, memo_count;
};

static const struct {
    const char *name;
    enum assay_weight_type type;
} storages[] = {{"torch FloatStorage", ASSAY_WEIGHT_F32}, {"torch HalfStorage", ASSAY_WEIGHT_F16},
        {"torch BFloat16Storage", ASSAY_WEIGHT_BF16}, {"torch DoubleStorage", ASSAY_WEIGHT_F64},
        {"torch LongStorage", ASSAY_WEIGHT_I64}, {"torch IntStorage", ASSAY_WEIGHT_I32},
        {"torch ShortStorage", ASSAY_WEIGHT_I16}, {"torch CharStorage", ASSAY_WEIGHT_I8},
        {"torch ByteStorage", ASSAY_WEIGHT_U8}, {"torch BoolStorage", ASSAY_WEIGHT_BOOL}};

static enum assay_status malformed(struct assay_error *err, const char *why)
{
    return assay_fail(err, ASSAY_EINVAL, "data.pkl: %s", why);
}

static const unsigned char *take(struct machine *m, uint64_t bytes)
{
    const unsigned char *at = m->at;

    if (bytes > (uint64_t)(m->end - m->at))
        return NULL;
    m->at += bytes;
    return at;
}

static bool push(struct machine *m, struct value value)
{
    if (m->depth == STACK_MAX)
        return false;
    m->stack[m->depth++] = value;
    return true;
}

static struct value *top(struct machine *m)
{
    return m->depth ? &m->stack[m->depth - 1] : NULL;
}

// Index of the first value after the newest mark; 0 if there is none (a mark is never at 0 then).
static size_t after_mark(const struct machine *m)
{
    for (size_t i = m->depth; i > 0; i--)
        if (m->stack[i - 1].kind == MARK)
            return i;
    return 0;
}

// --- tensors ------------------------------------------------------------------------------------

static const struct assay_zip_entry *find_entry(const struct machine *m, const char *key)
{
    const size_t prefix = strlen(m->prefix);

    for (size_t i = 0; i < m->entry_count; i++) {
        const char *name = m->entries[i].name;

        if (strncmp(name, m->prefix, prefix) == 0 && strncmp(name + prefix, "data/", 5) == 0 &&
                strcmp(name + prefix + 5, key) == 0)
            return &m->entries[i];
    }
    return NULL;
}

// ("storage", type, key, place, count)
static enum assay_status make_storage(struct machine *m, struct value *v, struct assay_error *err)
{
    const struct value *items = v->items;
    const struct assay_zip_entry *entry;
    struct assay_weight_view *view;

    if (v->kind != TUPLE || v->count < 5 || items[0].kind != TEXT || items[1].kind != GLOBAL ||
            items[2].kind != TEXT || strcmp(items[0].text, "storage") != 0)
        return malformed(err, "a persistent id that is no storage");
    view = assay_arena_alloc(m->file->arena, sizeof(*view));
    if (!view)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    view->type = ASSAY_WEIGHT_TYPE_COUNT;
    for (size_t i = 0; i < sizeof(storages) / sizeof(storages[0]); i++)
        if (strcmp(storages[i].name, items[1].text) == 0)
            view->type = storages[i].type;
    if (view->type == ASSAY_WEIGHT_TYPE_COUNT)
        return assay_fail(err, ASSAY_EINVAL, "data.pkl: unknown storage %s", items[1].text);
    entry = find_entry(m, items[2].text);
    if (!entry)
        return assay_fail(
                err, ASSAY_EINVAL, "data.pkl: storage %s is not in the file", items[2].text);
    view->data = entry->data;
    view->bytes = entry->bytes;
    *v = (struct value){.kind = STORAGE, .view = view};
    return ASSAY_OK;
}

// (storage, offset, sizes, strides, ...): rows one after another, or refused.
static enum assay_status make_tensor(
        struct machine *m, struct value *out, const struct value *args, struct assay_error *err)
{
    const struct value *items = args->items;
    const struct assay_weight_view *storage;
    struct assay_weight_view *view = assay_arena_alloc(m->file->arena, sizeof(*view));
    uint64_t stride = 1, skip;

    if (!view)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (args->kind != TUPLE || args->count < 4 || items[0].kind != STORAGE ||
            items[1].kind != NUMBER || items[1].number < 0 || items[2].kind != TUPLE ||
            items[3].kind != TUPLE || items[2].count != items[3].count ||
            items[2].count > ASSAY_WEIGHT_DIMS_MAX)
        return malformed(err, "a tensor with strange arguments");
    storage = items[0].view;
    *view = (struct assay_weight_view){
            .type = storage->type, .dim_count = (uint32_t)items[2].count};
    for (size_t i = view->dim_count; i > 0; i--) {
        const struct value *size = &items[2].items[i - 1], *pitch = &items[3].items[i - 1];

        if (size->kind != NUMBER || size->number < 0 || pitch->kind != NUMBER)
            return malformed(err, "a tensor with strange sizes");
        view->dims[i - 1] = (uint64_t)size->number;
        if (size->number > 1 && (uint64_t)pitch->number != stride)
            return malformed(err, "a tensor that is not stored row by row");
        if (__builtin_mul_overflow(stride, view->dims[i - 1], &stride))
            return malformed(err, "a tensor whose sizes overflow");
    }
    if (!assay_weight_bytes(&view->bytes, view) ||
            __builtin_mul_overflow((uint64_t)items[1].number,
                    (uint64_t)assay_weight_block_bytes(view->type), &skip) ||
            skip > storage->bytes || view->bytes > storage->bytes - skip)
        return malformed(err, "a tensor outside of its storage");
    view->data = storage->data + skip;
    *out = (struct value){.kind = TENSOR, .view = view};
    return ASSAY_OK;
}

// Callable and arguments become what the callable would have made.
static enum assay_status reduce(struct machine *m, struct assay_error *err)
{
    struct value *callable, *args;

    if (m->depth < 2)
        return malformed(err, "a call without arguments");
    args = &m->stack[--m->depth];
    callable = top(m);
    if (callable->kind != GLOBAL)
        return malformed(err, "a call of what is no global");
    if (strcmp(callable->text, "torch._utils _rebuild_tensor_v2") == 0 ||
            strcmp(callable->text, "torch._utils _rebuild_tensor") == 0)
        return make_tensor(m, callable, args, err);
    if (strcmp(callable->text, "torch._utils _rebuild_parameter") == 0 && args->kind == TUPLE &&
            args->count > 0 && args->items[0].kind == TENSOR)
        *callable = args->items[0];
    else if (strcmp(callable->text, "collections OrderedDict") == 0)
        *callable = (struct value){.kind = DICT};
    else
        return assay_fail(
                err, ASSAY_EINVAL, "data.pkl: it calls %s, which is not known", callable->text);
    return ASSAY_OK;
}

// Keys and values from `first` on go into a dictionary; tensors among them are what we came for.
static enum assay_status set_items(struct machine *m, size_t first, struct assay_error *err)
{
    if ((m->depth - first) % 2 != 0)
        return malformed(err, "a key without a value");
    for (size_t i = first; i < m->depth; i += 2) {
        const struct value *key = &m->stack[i], *value = &m->stack[i + 1];
        struct assay_weight_view *view = NULL;
        const char *name;
        enum assay_status status;

        if (key->kind != TEXT || value->kind != TENSOR)
            continue;
        status = assay_weight_add(&view, m->file, key->text, strlen(key->text), err);
        if (status != ASSAY_OK)
            return status;
        name = view->name;
        *view = *value->view;
        view->name = name;
    }
    m->depth = first;
    return ASSAY_OK;
}

// --- opcodes ------------------------------------------------------------------------------------

static enum assay_status push_tuple(struct machine *m, size_t first, struct assay_error *err)
{
    const size_t count = m->depth - first;
    struct value *items = assay_arena_array(m->file->arena, count, sizeof(*items));

    if (!items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (count)
        memcpy(items, &m->stack[first], count * sizeof(*items));
    m->depth = first;
    return push(m, (struct value){.kind = TUPLE, .items = items, .count = count})
            ? ASSAY_OK
            : malformed(err, "too deep");
}

static enum assay_status push_text(
        struct machine *m, unsigned length_bytes, struct assay_error *err)
{
    const unsigned char *length = take(m, length_bytes);
    const uint64_t len = length ? assay_load_le(length, length_bytes) : 0;
    const unsigned char *bytes = length ? take(m, len) : NULL;
    char *text;

    if (!bytes || memchr(bytes, '\0', len))
        return malformed(err, "a text that is cut short");
    text = assay_arena_memdup(m->file->arena, bytes, len);
    return text && push(m, (struct value){.kind = TEXT, .text = text})
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// "c" module LF name LF
static enum assay_status push_global(struct machine *m, struct assay_error *err)
{
    const unsigned char *module = m->at;
    const unsigned char *first = memchr(module, '\n', (size_t)(m->end - module));
    const unsigned char *second =
            first ? memchr(first + 1, '\n', (size_t)(m->end - first - 1)) : NULL;
    char *text;

    if (!second)
        return malformed(err, "a global that is cut short");
    text = assay_arena_memdup(m->file->arena, module, (size_t)(second - module));
    if (!text)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    text[first - module] = ' ';
    m->at = second + 1;
    return push(m, (struct value){.kind = GLOBAL, .text = text}) ? ASSAY_OK
                                                                 : malformed(err, "too deep");
}

static enum assay_status push_number(struct machine *m, unsigned bytes, struct assay_error *err)
{
    const unsigned char *at = take(m, bytes);
    uint64_t bits = at ? assay_load_le(at, bytes) : 0;

    if (!at)
        return malformed(err, "a number that is cut short");
    if (bytes == 4 && bits >> 31) // one and two bytes are unsigned
        bits |= UINT64_C(0xffffffff00000000);
    return push(m, (struct value){.kind = NUMBER, .number = (int64_t)bits})
            ? ASSAY_OK
            : malformed(err, "too deep");
}

static enum assay_status push_long(struct machine *m, struct assay_error *err)
{
    const unsigned char *length = take(m, 1);
    const unsigned bytes = length ? *length : 9;
    const unsigned char *at = bytes <= 8 ? take(m, bytes) : NULL;
    uint64_t bits = at ? assay_load_le(at, bytes) : 0;

    if (!at)
        return malformed(err, "a number that is too long");
    if (bytes > 0 && bytes < 8 && at[bytes - 1] >> 7)
        bits |= ~UINT64_C(0) << (8 * bytes);
    return push(m, (struct value){.kind = NUMBER, .number = (int64_t)bits})
            ? ASSAY_OK
            : malformed(err, "too deep");
}

static enum assay_status memo_put(struct machine *m, unsigned index_bytes, struct assay_error *err)
{
    const unsigned char *at = take(m, index_bytes);
    const size_t index = at ? assay_load_le(at, index_bytes) : MEMO_MAX;

    if (index_bytes && index >= MEMO_MAX)
        return malformed(err, "a memo index out of range");
    if (!top(m) || m->memo_count == MEMO_MAX)
        return malformed(err, "a memo of nothing");
    m->memo[index_bytes ? index : m->memo_count] = *top(m);
    m->memo_count++;
    return ASSAY_OK;
}

static enum assay_status memo_get(struct machine *m, unsigned index_bytes, struct assay_error *err)
{
    const unsigned char *at = take(m, index_bytes);
    const size_t index = at ? assay_load_le(at, index_bytes) : MEMO_MAX;

    if (index >= MEMO_MAX || !push(m, m->memo[index]))
        return malformed(err, "a memo index out of range");
    return ASSAY_OK;
}

// The values of the newest mark leave the stack, and so does the mark.
static enum assay_status pop_mark(struct machine *m, unsigned char opcode, struct assay_error *err)
{
    const size_t first = after_mark(m);
    enum assay_status status = ASSAY_OK;

    if (first == 0)
        return malformed(err, "no mark");
    if (opcode == 'u')
        status = set_items(m, first, err);
    else if (opcode == 't')
        status = push_tuple(m, first, err);
    else // a list's elements are of no use
        m->depth = first;
    if (status != ASSAY_OK)
        return status;
    if (opcode == 't') { // over the mark
        m->stack[m->depth - 2] = m->stack[m->depth - 1];
        m->depth--;
        return ASSAY_OK;
    }
    m->depth--;
    return top(m) ? ASSAY_OK : malformed(err, "elements of nothing");
}

static enum assay_status step_stack(
        struct machine *m, unsigned char opcode, struct assay_error *err)
{
    switch (opcode) {
    case 'R':
        return reduce(m, err);
    case 'Q':
        return top(m) ? make_storage(m, top(m), err) : malformed(err, "no persistent id");
    case 's':
        return m->depth >= 3 ? set_items(m, m->depth - 2, err) : malformed(err, "no dictionary");
    case 'b': // state of an object: of no use
    case 'a': // one element of a list
    case '0':
        if (m->depth < 2)
            return malformed(err, "state of nothing");
        m->depth--;
        return ASSAY_OK;
    case 0x85:
    case 0x86:
    case 0x87:
        if (m->depth < (size_t)(opcode - 0x84))
            return malformed(err, "a tuple of nothing");
        return push_tuple(m, m->depth - (size_t)(opcode - 0x84), err);
    case 'u':
    case 't':
    case 'e':
        return pop_mark(m, opcode, err);
    case 0x93: // module and name stand on the stack
        if (m->depth < 2 || m->stack[m->depth - 2].kind != TEXT || top(m)->kind != TEXT)
            return malformed(err, "a global without a name");
        m->depth--;
        m->stack[m->depth - 1] = (struct value){.kind = GLOBAL,
                .text = assay_arena_printf(m->file->arena, "%s %s", m->stack[m->depth - 1].text,
                        m->stack[m->depth].text)};
        return m->stack[m->depth - 1].text ? ASSAY_OK
                                           : assay_fail(err, ASSAY_ENOMEM, "out of memory");
    default:
        return assay_fail(err, ASSAY_EINVAL, "data.pkl: opcode %#x is not known", opcode);
    }
}

static enum assay_status step(struct machine *m, unsigned char opcode, struct assay_error *err)
{
    enum kind kind = NOTHING;

    switch (opcode) {
    case 0x80: // protocol
        return take(m, 1) ? ASSAY_OK : malformed(err, "cut short");
    case 0x95: // frame
        return take(m, 8) ? ASSAY_OK : malformed(err, "cut short");
    case 'G':
        if (!take(m, 8))
            return malformed(err, "cut short");
        break;
    case 'X':
        return push_text(m, 4, err);
    case 0x8c:
        return push_text(m, 1, err);
    case 'c':
        return push_global(m, err);
    case 'J':
        return push_number(m, 4, err);
    case 'K':
        return push_number(m, 1, err);
    case 'M':
        return push_number(m, 2, err);
    case 0x8a:
        return push_long(m, err);
    case 'q':
        return memo_put(m, 1, err);
    case 'r':
        return memo_put(m, 4, err);
    case 0x94:
        return memo_put(m, 0, err);
    case 'h':
        return memo_get(m, 1, err);
    case 'j':
        return memo_get(m, 4, err);
    case '}':
        kind = DICT;
        break;
    case ')':
        kind = TUPLE;
        break;
    case '(':
        kind = MARK;
        break;
    case ']':
    case 'N':
    case 0x88:
    case 0x89:
        break;
    default:
        return step_stack(m, opcode, err);
    }
    return push(m, (struct value){.kind = kind}) ? ASSAY_OK : malformed(err, "too deep");
}

static enum assay_status run(struct machine *m, struct assay_error *err)
{
    while (m->at < m->end) {
        const unsigned char opcode = *m->at++;
        enum assay_status status;

        if (opcode == '.')
            return ASSAY_OK;
        status = step(m, opcode, err);
        if (status != ASSAY_OK)
            return status;
    }
    return malformed(err, "it does not end");
}

// "NAME/data.pkl" names the folder of all the rest.
static const struct assay_zip_entry *find_pickle(struct machine *m)
{
    for (size_t i = 0; i < m->entry_count; i++) {
        const char *slash = strrchr(m->entries[i].name, '/');

        if (slash && strcmp(slash, "/data.pkl") == 0) {
            m->prefix = assay_arena_printf(m->file->arena, "%.*s",
                    (int)(slash + 1 - m->entries[i].name), m->entries[i].name);
            return m->prefix ? &m->entries[i] : NULL;
        }
    }
    return NULL;
}

enum assay_status assay_weight_read_torch(struct assay_weight_file *file,
        const struct assay_mapping *mapping, const char *source, struct assay_error *err)
{
    struct machine m = {.file = file};
    struct assay_zip_entry *entries = NULL;
    const struct assay_zip_entry *pickle;
    enum assay_status status = assay_zip_read(&entries, &m.entry_count, mapping, file->arena, err);

    if (status != ASSAY_OK)
        return assay_wrap(err, "%s", source);
    m.entries = entries;
    pickle = find_pickle(&m);
    if (!pickle)
        return assay_fail(err, ASSAY_EINVAL, "%s: a zip without data.pkl", source);
    m.at = pickle->data;
    m.end = pickle->data + pickle->bytes;
    m.stack = assay_arena_array(file->arena, STACK_MAX, sizeof(*m.stack));
    m.memo = assay_arena_array(file->arena, MEMO_MAX, sizeof(*m.memo));
    if (!m.stack || !m.memo)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = run(&m, err);
    return status == ASSAY_OK ? status : assay_wrap(err, "%s", source);
}
