/* decode.c: ids to text. Each decoder turns a list of strings into another; the last list is joined. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/tokenizer.h"

enum kind {
    BYTE_LEVEL,
    WORDPIECE,
    METASPACE,
    BPE,
    CTC,
    REPLACE,
    FUSE,
    STRIP,
    BYTE_FALLBACK,
    SEQUENCE
};
static const char *const names[] = {"ByteLevel",    "WordPiece", "Metaspace", "BPEDecoder",
                                    "CTC",          "Replace",   "Fuse",      "Strip",
                                    "ByteFallback", "Sequence"};

struct dulm_decoder {
    enum kind kind;
    bool cleanup, keeps_first;
    char *text, *text2; /* prefix, replacement mark, suffix, pad token, content; word delimiter */
    size_t length, length2, start, stop;
    struct dulm_regex *pattern;
    struct dulm_decoder **child;
    size_t children;
};

void dulm_decoder_free(struct dulm_decoder *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->children; i++)
        dulm_decoder_free(d->child[i]);
    dulm_free(d->child);
    dulm_free(d->text);
    dulm_free(d->text2);
    dulm_regex_free(d->pattern);
    dulm_free(d);
}

static diffulm_status read_text(const json_t *json, const char *key, const char *fallback,
                                char **out, size_t *length)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_is_string(value) ? json_string_value(value) : fallback;
    *length = json_is_string(value) ? json_string_length(value) : strlen(fallback);
    *out = dulm_strndup(text, *length);
    return *out ? DIFFULM_OK : dulm_fail_memory();
}

static size_t read_count(const json_t *json, const char *key)
{
    const json_int_t n = json_integer_value(json_object_get(json, key));
    return n > 0 ? (size_t)n : 0;
}

static diffulm_status read_children(struct dulm_decoder *d, const json_t *json, const char *path)
{
    const json_t *list = json_object_get(json, "decoders");
    d->child = dulm_alloc_zero(json_array_size(list), sizeof *d->child);
    if (!d->child)
        return dulm_fail_memory();
    for (; d->children < json_array_size(list); d->children++) {
        diffulm_status rc =
            dulm_decoder_read(json_array_get(list, d->children), path, &d->child[d->children]);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

static diffulm_status read_kind(struct dulm_decoder *d, const json_t *json, const char *path)
{
    const json_t *cleanup = json_object_get(json, "cleanup");
    const char *scheme = json_string_value(json_object_get(json, "prepend_scheme"));
    diffulm_status rc;
    d->cleanup = !cleanup || json_is_true(cleanup);
    switch (d->kind) {
    case WORDPIECE:
        return read_text(json, "prefix", "##", &d->text, &d->length);
    case METASPACE:
        d->keeps_first = scheme ? strcmp(scheme, "never") == 0
                                : json_is_false(json_object_get(json, "add_prefix_space"));
        return read_text(json, "replacement", "\xE2\x96\x81", &d->text, &d->length);
    case BPE:
        return read_text(json, "suffix", "</w>", &d->text, &d->length);
    case CTC:
        rc = read_text(json, "pad_token", "<pad>", &d->text, &d->length);
        return rc < 0 ? rc : read_text(json, "word_delimiter_token", "|", &d->text2, &d->length2);
    case REPLACE:
        rc = dulm_pattern_read(json_object_get(json, "pattern"), path, &d->pattern);
        return rc < 0 ? rc : read_text(json, "content", "", &d->text, &d->length);
    case STRIP:
        d->start = read_count(json, "start");
        d->stop = read_count(json, "stop");
        return read_text(json, "content", " ", &d->text, &d->length);
    case SEQUENCE:
        return read_children(d, json, path);
    default:
        return DIFFULM_OK;
    }
}

diffulm_status dulm_decoder_read(const json_t *json, const char *path, struct dulm_decoder **out)
{
    *out = NULL;
    if (!json || json_is_null(json))
        return DIFFULM_OK;
    const char *type = json_string_value(json_object_get(json, "type"));
    size_t kind = 0;
    while (kind <= SEQUENCE && (!type || strcmp(type, names[kind]) != 0))
        kind++;
    if (kind > SEQUENCE)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: decoder: unknown type %.60s", path,
                         type ? type : "(none)");
    struct dulm_decoder *d = dulm_alloc_zero(1, sizeof *d);
    if (!d)
        return dulm_fail_memory();
    d->kind = (enum kind)kind;
    diffulm_status rc = read_kind(d, json, path);
    if (rc < 0)
        dulm_decoder_free(d);
    else
        *out = d;
    return rc;
}

/* A list of strings end to end. */
struct list {
    struct dulm_strbuf bytes;
    size_t *end;
    size_t count, capacity;
};

static void close_string(struct list *l)
{
    if (!dulm_grow((void **)&l->end, &l->capacity, l->count + 1, sizeof *l->end))
        l->bytes.failed = true;
    else
        l->end[l->count++] = l->bytes.length;
}

static const char *string_at(const struct list *l, size_t i, size_t *length)
{
    const size_t begin = i ? l->end[i - 1] : 0;
    *length = l->end[i] - begin;
    return l->bytes.data ? l->bytes.data + begin : "";
}

static void list_clear(struct list *l)
{
    l->bytes.length = 0;
    l->count = 0;
}

static void list_release(struct list *l)
{
    dulm_strbuf_release(&l->bytes);
    dulm_free(l->end);
}

/* Appends text with every `from` written as `to` (the first `most` times). */
static void put_replaced(struct dulm_strbuf *out, const char *text, size_t length, const char *from,
                         size_t from_length, const char *to, size_t most)
{
    size_t at = 0;
    while (at < length) {
        const char *hit =
            most && from_length ? memmem(text + at, length - at, from, from_length) : NULL;
        const size_t stop = hit ? (size_t)(hit - text) : length;
        dulm_strbuf_append(out, text + at, stop - at);
        if (!hit)
            return;
        dulm_strbuf_append(out, to, strlen(to));
        at = stop + from_length;
        most--;
    }
}

/* The English clean-up of WordPiece decoders, rule after rule. */
static void put_clean(struct dulm_strbuf *out, const char *text, size_t length)
{
    static const char *const rules[][2] = {{" .", "."},     {" ?", "?"},           {" !", "!"},
                                           {" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
                                           {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
                                           {" 've", "'ve"}, {" 're", "'re"}};
    struct dulm_strbuf work[2] = {{0}, {0}};
    dulm_strbuf_append(&work[0], text, length);
    int now = 0;
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++, now = !now) {
        work[!now].length = 0;
        put_replaced(&work[!now], work[now].data ? work[now].data : "", work[now].length,
                     rules[r][0], strlen(rules[r][0]), rules[r][1], SIZE_MAX);
    }
    dulm_strbuf_append(out, work[now].data ? work[now].data : "", work[now].length);
    out->failed = out->failed || work[0].failed || work[1].failed;
    dulm_strbuf_release(&work[0]);
    dulm_strbuf_release(&work[1]);
}

static void put_repaired(struct dulm_strbuf *out, const char *text, size_t length)
{
    size_t offset, n;
    while ((n = dulm_utf8_invalid(text, length, &offset)) > 0) {
        dulm_strbuf_append(out, text, offset);
        dulm_strbuf_append(out, "\xEF\xBF\xBD", 3);
        text += offset + n;
        length -= offset + n;
    }
    dulm_strbuf_append(out, text, length);
}

static void byte_level(const struct list *in, struct list *out)
{
    struct dulm_strbuf bytes = {0};
    for (size_t i = 0; i < in->count; i++) {
        size_t length, n;
        const char *text = string_at(in, i, &length);
        const size_t before = bytes.length;
        bool all = true;
        for (size_t k = 0; all && k < length; k += n) {
            const int byte = dulm_character_byte(dulm_utf8_decode(text + k, &n));
            const char c = (char)byte;
            all = byte >= 0;
            if (all)
                dulm_strbuf_append(&bytes, &c, 1);
        }
        if (!all) {
            bytes.length = before;
            dulm_strbuf_append(&bytes, text, length);
        }
    }
    put_repaired(&out->bytes, bytes.data ? bytes.data : "", bytes.length);
    out->bytes.failed = out->bytes.failed || bytes.failed;
    dulm_strbuf_release(&bytes);
    close_string(out);
}

static void wordpiece(const struct dulm_decoder *d, const struct list *in, struct list *out)
{
    for (size_t i = 0; i < in->count; i++) {
        struct dulm_strbuf word = {0};
        size_t length;
        const char *text = string_at(in, i, &length);
        const bool joins = i > 0 && length >= d->length && memcmp(text, d->text, d->length) == 0;
        if (i > 0 && !joins)
            dulm_strbuf_append(&word, " ", 1);
        dulm_strbuf_append(&word, text + (joins ? d->length : 0), length - (joins ? d->length : 0));
        if (d->cleanup)
            put_clean(&out->bytes, word.data ? word.data : "", word.length);
        else
            dulm_strbuf_append(&out->bytes, word.data ? word.data : "", word.length);
        dulm_strbuf_release(&word);
        close_string(out);
    }
}

static void ctc(const struct dulm_decoder *d, const struct list *in, struct list *out)
{
    size_t before_length = 0;
    const char *before = NULL;
    for (size_t i = 0; i < in->count; i++) {
        size_t length;
        const char *text = string_at(in, i, &length);
        const bool same = before && before_length == length && memcmp(before, text, length) == 0;
        before = text;
        before_length = length;
        if (same)
            continue;
        struct dulm_strbuf plain = {0}, clean = {0};
        put_replaced(&plain, text, length, d->text, d->length, "", SIZE_MAX);
        const size_t start = out->bytes.length;
        if (d->cleanup) {
            put_clean(&clean, plain.data ? plain.data : "", plain.length);
            put_replaced(&out->bytes, clean.data ? clean.data : "", clean.length, d->text2,
                         d->length2, " ", SIZE_MAX);
        } else
            dulm_strbuf_append(&out->bytes, plain.data ? plain.data : "", plain.length);
        if (out->bytes.length > start)
            close_string(out);
        dulm_strbuf_release(&plain);
        dulm_strbuf_release(&clean);
    }
}

static void strip(const struct dulm_decoder *d, const char *text, size_t length, struct list *out)
{
    size_t begin = 0, end = length;
    for (size_t i = 0; i < d->start && d->length && begin + d->length <= end &&
                       memcmp(text + begin, d->text, d->length) == 0;
         i++)
        begin += d->length;
    for (size_t i = 0; i < d->stop && d->length && begin + d->length <= end &&
                       memcmp(text + end - d->length, d->text, d->length) == 0;
         i++)
        end -= d->length;
    dulm_strbuf_append(&out->bytes, text + begin, end - begin);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int byte_of(const char *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex(text[3]) < 0 ||
        hex(text[4]) < 0)
        return -1;
    return hex(text[3]) * 16 + hex(text[4]);
}

static void flush_bytes(struct dulm_strbuf *bytes, struct list *out)
{
    size_t offset;
    if (!bytes->length)
        return;
    if (!dulm_utf8_invalid(bytes->data, bytes->length, &offset)) {
        dulm_strbuf_append(&out->bytes, bytes->data, bytes->length);
        close_string(out);
    } else
        for (size_t i = 0; i < bytes->length; i++) {
            dulm_strbuf_append(&out->bytes, "\xEF\xBF\xBD", 3);
            close_string(out);
        }
    bytes->length = 0;
}

static void byte_fallback(const struct list *in, struct list *out)
{
    struct dulm_strbuf bytes = {0};
    for (size_t i = 0; i < in->count; i++) {
        size_t length;
        const char *text = string_at(in, i, &length);
        const int byte = byte_of(text, length);
        const char c = (char)byte;
        if (byte >= 0) {
            dulm_strbuf_append(&bytes, &c, 1);
            continue;
        }
        flush_bytes(&bytes, out);
        dulm_strbuf_append(&out->bytes, text, length);
        close_string(out);
    }
    flush_bytes(&bytes, out);
    out->bytes.failed = out->bytes.failed || bytes.failed;
    dulm_strbuf_release(&bytes);
}

static diffulm_status replace(const struct dulm_decoder *d, const char *text, size_t length,
                              struct list *out)
{
    struct dulm_matcher matcher = {0};
    diffulm_status rc = DIFFULM_OK;
    size_t at = 0, from, to, done = 0;
    while (dulm_matcher_next(&matcher, d->pattern, text, length, &at, &from, &to, &rc)) {
        dulm_strbuf_append(&out->bytes, text + done, from - done);
        dulm_strbuf_append(&out->bytes, d->text, d->length);
        done = to;
    }
    dulm_strbuf_append(&out->bytes, text + done, length - done);
    dulm_matcher_release(&matcher);
    return rc;
}

/* Decoders that turn each string into one string. */
static diffulm_status each(const struct dulm_decoder *d, const struct list *in, struct list *out)
{
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < in->count; i++) {
        size_t length;
        const char *text = string_at(in, i, &length);
        switch (d->kind) {
        case METASPACE:
            put_replaced(&out->bytes, text, length, d->text, d->length,
                         i == 0 && !d->keeps_first ? "" : " ", SIZE_MAX);
            break;
        case BPE:
            put_replaced(&out->bytes, text, length, d->text, d->length,
                         i + 1 == in->count ? "" : " ", SIZE_MAX);
            break;
        case STRIP:
            strip(d, text, length, out);
            break;
        default:
            rc = replace(d, text, length, out);
            break;
        }
        close_string(out);
    }
    return rc;
}

static diffulm_status run(const struct dulm_decoder *d, struct list *list, struct list *spare)
{
    diffulm_status rc = DIFFULM_OK;
    if (d->kind == SEQUENCE) {
        for (size_t i = 0; rc == DIFFULM_OK && i < d->children; i++)
            if (d->child[i])
                rc = run(d->child[i], list, spare);
        return rc;
    }
    list_clear(spare);
    switch (d->kind) {
    case BYTE_LEVEL:
        byte_level(list, spare);
        break;
    case WORDPIECE:
        wordpiece(d, list, spare);
        break;
    case CTC:
        ctc(d, list, spare);
        break;
    case FUSE:
        dulm_strbuf_append(&spare->bytes, list->bytes.data ? list->bytes.data : "",
                           list->bytes.length);
        close_string(spare);
        break;
    case BYTE_FALLBACK:
        byte_fallback(list, spare);
        break;
    default:
        rc = each(d, list, spare);
        break;
    }
    const struct list swap = *list;
    *list = *spare;
    *spare = swap;
    return rc < 0 ? rc : list->bytes.failed ? dulm_fail_memory() : DIFFULM_OK;
}

diffulm_status dulm_decode(const struct diffulm_tokenizer *tok, const int32_t *ids, size_t count,
                           bool skip_special, struct dulm_strbuf *out)
{
    struct list list = {0}, spare = {0};
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < count; i++) {
        size_t length = 0;
        const char *text = dulm_token_text(tok, ids[i], &length);
        const struct dulm_added *a = dulm_added_of(tok, ids[i]);
        if (ids[i] < 0 || (size_t)ids[i] >= tok->vocabulary)
            rc = dulm_fail(DIFFULM_E_ARGUMENT, "id %d at position %zu: the vocabulary has %zu",
                           ids[i], i, tok->vocabulary);
        if (rc < 0 || !text || (skip_special && a && a->special))
            continue;
        if (!tok->decoder && list.count)
            dulm_strbuf_append(&list.bytes, " ", 1);
        dulm_strbuf_append(&list.bytes, text, length);
        close_string(&list);
    }
    if (rc == DIFFULM_OK && tok->decoder)
        rc = run(tok->decoder, &list, &spare);
    if (rc == DIFFULM_OK)
        dulm_strbuf_append(out, list.bytes.data ? list.bytes.data : "", list.bytes.length);
    if (rc == DIFFULM_OK && (out->failed || list.bytes.failed))
        rc = dulm_fail_memory();
    list_release(&list);
    list_release(&spare);
    return rc;
}
