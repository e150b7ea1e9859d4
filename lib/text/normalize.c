/* normalize.c: the normalizers of tokenizer.json. Each function turns one split of `in` into one split of
 * `out`. */
#include "text/normalize.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/base64.h"

enum kind {
    BERT,
    STRIP,
    STRIP_ACCENTS,
    NFC,
    NFD,
    NFKC,
    NFKD,
    LOWERCASE,
    NMT,
    PRECOMPILED,
    REPLACE,
    PREPEND,
    BYTE_LEVEL,
    SEQUENCE
};

static const char *const names[] = {
    "BertNormalizer", "Strip", "StripAccents", "NFC",     "NFD",     "NFKC",      "NFKD",
    "Lowercase",      "Nmt",   "Precompiled",  "Replace", "Prepend", "ByteLevel", "Sequence"};

struct dulm_normalizer {
    enum kind kind;
    bool left, right;
    struct dulm_bert *bert;
    struct dulm_charsmap map;
    struct dulm_regex *pattern;
    char *content;
    size_t content_length;
    struct dulm_normalizer **child;
    size_t children;
};

void dulm_normalizer_free(struct dulm_normalizer *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->children; i++)
        dulm_normalizer_free(n->child[i]);
    dulm_free(n->child);
    dulm_bert_free(n->bert);
    dulm_charsmap_release(&n->map);
    dulm_regex_free(n->pattern);
    dulm_free(n->content);
    dulm_free(n);
}

diffulm_status dulm_normalizer_charsmap(const void *bytes, size_t size, const char *path,
                                        struct dulm_normalizer **out)
{
    struct dulm_normalizer *n = dulm_alloc_zero(1, sizeof *n);
    if (!n)
        return dulm_fail_memory();
    n->kind = PRECOMPILED;
    diffulm_status rc = dulm_charsmap_read(bytes, size, path, &n->map);
    if (rc < 0)
        dulm_normalizer_free(n);
    else
        *out = n;
    return rc;
}

diffulm_status dulm_pattern_read(const json_t *json, const char *path, struct dulm_regex **out)
{
    const json_t *text = json_object_get(json, "String"), *regex = json_object_get(json, "Regex");
    if (json_is_string(text))
        return dulm_regex_literal(json_string_value(text), json_string_length(text), out);
    if (json_is_string(regex))
        return dulm_regex_compile(json_string_value(regex), json_string_length(regex), path, out);
    return dulm_fail(DIFFULM_E_FORMAT, "%s: pattern: expected String or Regex", path);
}

static diffulm_status read_content(struct dulm_normalizer *n, const json_t *json, const char *key,
                                   const char *path)
{
    const json_t *content = json_object_get(json, key);
    if (!json_is_string(content))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: normalizer: %s: expected a string", path, key);
    n->content_length = json_string_length(content);
    n->content = dulm_strndup(json_string_value(content), n->content_length);
    return n->content ? DIFFULM_OK : dulm_fail_memory();
}

static diffulm_status read_charsmap(struct dulm_normalizer *n, const json_t *json, const char *path)
{
    const json_t *text = json_object_get(json, "precompiled_charsmap");
    if (!json_is_string(text))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: precompiled_charsmap: expected a string", path);
    size_t size;
    unsigned char *bytes;
    diffulm_status rc = dulm_base64(json_string_value(text), json_string_length(text),
                                    "precompiled_charsmap", path, &bytes, &size);
    if (rc < 0)
        return rc;
    rc = dulm_charsmap_read(bytes, size, path, &n->map);
    dulm_free(bytes);
    return rc;
}

static diffulm_status read_children(struct dulm_normalizer *n, const json_t *json, const char *path)
{
    const json_t *list = json_object_get(json, "normalizers");
    if (!json_is_array(list))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: normalizer: normalizers: expected an array", path);
    n->child = dulm_alloc_zero(json_array_size(list), sizeof *n->child);
    if (!n->child)
        return dulm_fail_memory();
    for (; n->children < json_array_size(list); n->children++) {
        diffulm_status rc =
            dulm_normalizer_read(json_array_get(list, n->children), path, &n->child[n->children]);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

static bool flag(const json_t *json, const char *key, bool fallback)
{
    const json_t *value = json_object_get(json, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static diffulm_status read_bert(struct dulm_normalizer *n, const json_t *json)
{
    const bool lowercase = flag(json, "lowercase", true);
    const struct dulm_bert_options options = {flag(json, "clean_text", true),
                                              flag(json, "handle_chinese_chars", true),
                                              flag(json, "strip_accents", lowercase), lowercase};
    return dulm_bert_create(&options, &n->bert);
}

static diffulm_status read_kind(struct dulm_normalizer *n, const json_t *json, const char *path)
{
    diffulm_status rc;
    switch (n->kind) {
    case BERT:
        return read_bert(n, json);
    case STRIP:
        n->left = flag(json, "strip_left", true);
        n->right = flag(json, "strip_right", true);
        return DIFFULM_OK;
    case PRECOMPILED:
        return read_charsmap(n, json, path);
    case REPLACE:
        rc = dulm_pattern_read(json_object_get(json, "pattern"), path, &n->pattern);
        return rc < 0 ? rc : read_content(n, json, "content", path);
    case PREPEND:
        return read_content(n, json, "prepend", path);
    case SEQUENCE:
        return read_children(n, json, path);
    default:
        return DIFFULM_OK;
    }
}

diffulm_status dulm_normalizer_read(const json_t *json, const char *path,
                                    struct dulm_normalizer **out)
{
    *out = NULL;
    if (!json || json_is_null(json))
        return DIFFULM_OK;
    const char *type = json_string_value(json_object_get(json, "type"));
    size_t kind = 0;
    while (kind <= SEQUENCE && (!type || strcmp(type, names[kind]) != 0))
        kind++;
    if (kind > SEQUENCE)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: normalizer: unknown type %.60s", path,
                         type ? type : "(none)");
    struct dulm_normalizer *n = dulm_alloc_zero(1, sizeof *n);
    if (!n)
        return dulm_fail_memory();
    n->kind = (enum kind)kind;
    diffulm_status rc = read_kind(n, json, path);
    if (rc < 0)
        dulm_normalizer_free(n);
    else
        *out = n;
    return rc;
}

void dulm_doc_filter(const struct dulm_doc *in, size_t begin, size_t end, dulm_keep_function *keep,
                     struct dulm_doc *out)
{
    size_t n;
    for (size_t i = begin; i < end; i += n)
        if (keep(dulm_utf8_decode(in->text + i, &n)))
            dulm_doc_copy(out, in, i, i + n);
}

void dulm_doc_map(const struct dulm_doc *in, size_t begin, size_t end, int32_t (*map)(int32_t),
                  struct dulm_doc *out)
{
    size_t n;
    char bytes[4];
    for (size_t i = begin; i < end; i += n) {
        const int32_t c = dulm_utf8_decode(in->text + i, &n), to = map(c);
        const size_t first = dulm_doc_from(in, i), last = dulm_doc_to(in, i);
        dulm_doc_put(out, bytes, dulm_utf8_encode(to, bytes), first, last);
        /* The one character whose lower case is two. */
        if (c == 0x130 && to == 'i')
            dulm_doc_put(out, "\xCC\x87", 2, first, last);
    }
}

static bool not_mark(int32_t c)
{
    return !dulm_is_mark(c);
}

static bool keep_nmt(int32_t c)
{
    return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
             c == 0x9F);
}

static int32_t space_nmt(int32_t c)
{
    const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    return space ? ' ' : c;
}

void dulm_doc_unicode(const struct dulm_doc *in, size_t begin, size_t end, bool compatible,
                      bool compose, struct dulm_doc *out)
{
    struct dulm_changes changes = {0};
    dulm_changes_unicode(&changes, in->text + begin, end - begin, compatible, compose);
    dulm_changes_apply(&changes, in, begin, end, out);
    dulm_free(changes.list);
}

static void strip(const struct dulm_normalizer *s, const struct dulm_doc *in, size_t begin,
                  size_t end, struct dulm_doc *out)
{
    size_t n;
    while (s->left && begin < end && dulm_is_white_space(dulm_utf8_decode(in->text + begin, &n)))
        begin += n;
    size_t last = begin;
    for (size_t i = begin; i < end; i += n)
        if (!dulm_is_white_space(dulm_utf8_decode(in->text + i, &n)))
            last = i + n;
    dulm_doc_copy(out, in, begin, s->right ? last : end);
}

/* What replaces a match stands for the match's last character. */
diffulm_status dulm_doc_replace(const struct dulm_regex *pattern, const char *content,
                                size_t content_length, const struct dulm_doc *in, size_t begin,
                                size_t end, struct dulm_doc *out)
{
    struct dulm_matcher matcher = {0};
    diffulm_status rc = DIFFULM_OK;
    size_t at = 0, from, to, done = begin;
    while (
        dulm_matcher_next(&matcher, pattern, in->text + begin, end - begin, &at, &from, &to, &rc)) {
        dulm_doc_copy(out, in, done, begin + from);
        const size_t last = begin + to; /* what is put at the very front stands for nothing there */
        dulm_doc_put(out, content, content_length,
                     dulm_doc_from(in, last > begin ? last - 1 : begin),
                     last > begin ? dulm_doc_to(in, last - 1) : dulm_doc_from(in, begin));
        done = begin + to;
    }
    dulm_doc_copy(out, in, done, end);
    dulm_matcher_release(&matcher);
    return rc;
}

void dulm_doc_bytes(const struct dulm_doc *in, size_t begin, size_t end, struct dulm_doc *out)
{
    if (begin >= end || !dulm_doc_reserve(out, 2 * (end - begin)))
        return;
    size_t at = out->length;
    for (size_t i = begin; i < end; i++) {
        const size_t from = dulm_doc_from(in, i), to = dulm_doc_to(in, i);
        const int32_t c = dulm_byte_character((unsigned char)in->text[i]);
        for (size_t n = c < 0x80 ? 1 : 2; n > 0; n--) {
            out->buffer[at] = (char)(c < 0x80 ? c : n == 2 ? 0xC0 | c >> 6 : 0x80 | (c & 63));
            out->from[at] = from;
            out->to[at++] = to;
        }
    }
    out->length = at;
}

static void prepend(const struct dulm_normalizer *p, const struct dulm_doc *in, size_t begin,
                    size_t end, struct dulm_doc *out)
{
    if (begin < end)
        dulm_doc_put(out, p->content, p->content_length, dulm_doc_from(in, begin),
                     dulm_doc_to(in, begin));
    dulm_doc_copy(out, in, begin, end);
}

/* One simple normalizer over one split. */
static diffulm_status apply(const struct dulm_normalizer *n, enum kind kind,
                            const struct dulm_doc *in, size_t begin, size_t end,
                            struct dulm_doc *out)
{
    switch (kind) {
    case STRIP:
        strip(n, in, begin, end, out);
        break;
    case STRIP_ACCENTS:
        dulm_doc_filter(in, begin, end, not_mark, out);
        break;
    case NFC:
    case NFD:
    case NFKC:
    case NFKD:
        dulm_doc_unicode(in, begin, end, kind == NFKC || kind == NFKD, kind == NFC || kind == NFKC,
                         out);
        break;
    case LOWERCASE:
        dulm_doc_map(in, begin, end, dulm_lower, out);
        break;
    case PRECOMPILED:
        dulm_doc_charsmap(&n->map, in, begin, end, out);
        break;
    case REPLACE:
        return dulm_doc_replace(n->pattern, n->content, n->content_length, in, begin, end, out);
    case PREPEND:
        prepend(n, in, begin, end, out);
        break;
    default:
        dulm_doc_bytes(in, begin, end, out);
        break;
    }
    return DIFFULM_OK;
}

static void pass_nmt(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_filter(in, b, e, keep_nmt, out);
}
static void pass_nmt_space(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_map(in, b, e, space_nmt, out);
}

void dulm_doc_swap(struct dulm_doc **doc, struct dulm_doc **spare)
{
    struct dulm_doc *out = *spare;
    *spare = *doc;
    *doc = out;
}

static diffulm_status run(const struct dulm_normalizer *n, dulm_pass_function *pass,
                          struct dulm_doc **doc, struct dulm_doc **spare)
{
    const struct dulm_doc *in = *doc;
    struct dulm_doc *out = *spare;
    dulm_doc_clear(out);
    dulm_doc_reserve(out, in->length + 32);
    for (size_t i = 0; i < in->splits; i++) {
        const struct dulm_split s = in->split[i];
        const size_t start = out->length;
        diffulm_status rc = DIFFULM_OK;
        if (s.id >= 0)
            dulm_doc_copy(out, in, s.begin, s.end);
        else if (pass)
            pass(in, s.begin, s.end, out);
        else
            rc = apply(n, n->kind, in, s.begin, s.end, out);
        if (rc < 0)
            return rc;
        dulm_doc_close(out, start, s.origin, s.id);
    }
    dulm_doc_swap(doc, spare);
    return (*doc)->failed ? dulm_fail_memory() : DIFFULM_OK;
}

diffulm_status dulm_normalize_pass(dulm_pass_function *pass, struct dulm_doc **doc,
                                   struct dulm_doc **spare)
{
    return run(NULL, pass, doc, spare);
}

/* Bytes from `first` on begin characters that may change, except `fine`; bytes within a character are below 0xC0. */
static bool all_below(const char *text, size_t length, unsigned char first, unsigned char fine)
{
    unsigned changes = 0;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        changes |= (unsigned)(c >= first) & (unsigned)(c != fine);
    }
    return !changes;
}

/* Whether it is plain to see that a text stays as it is. */
static bool leaves_alone(const struct dulm_normalizer *n, const char *text, size_t length)
{
    switch (n->kind) {
    case NFC: /* starters that only combine with what follows U+0300 */
    case STRIP_ACCENTS:
        return all_below(text, length, 0xCC, 0);
    case NFD: /* nothing below U+00C0 decomposes */
        return all_below(text, length, 0xC3, 0);
    case NFKC: /* of U+0080 to U+00BF some do, of U+00C0 to U+00FF none but canonically */
        return all_below(text, length, 0xC2, 0xC3);
    case NFKD:
        return all_below(text, length, 0xC2, 0);
    case PRECOMPILED:
        return dulm_charsmap_inert(&n->map, text, length) == length;
    default:
        return false;
    }
}

static bool leaves_all_alone(const struct dulm_normalizer *n, const struct dulm_doc *doc)
{
    for (size_t i = 0; i < doc->splits; i++) {
        const struct dulm_split *s = &doc->split[i];
        if (s->id < 0 && !leaves_alone(n, doc->text + s->begin, s->end - s->begin))
            return false;
    }
    return true;
}

diffulm_status dulm_normalize(const struct dulm_normalizer *n, struct dulm_doc **doc,
                              struct dulm_doc **spare)
{
    diffulm_status rc = DIFFULM_OK;
    if (!n)
        return DIFFULM_OK;
    if (n->kind == BERT)
        return dulm_bert_normalize(n->bert, doc, spare);
    if (n->kind == NMT) {
        rc = run(n, pass_nmt, doc, spare);
        return rc < 0 ? rc : run(n, pass_nmt_space, doc, spare);
    }
    if (n->kind != SEQUENCE)
        return leaves_all_alone(n, *doc) ? DIFFULM_OK : run(n, NULL, doc, spare);
    for (size_t i = 0; rc == DIFFULM_OK && i < n->children; i++)
        rc = dulm_normalize(n->child[i], doc, spare);
    return rc;
}
