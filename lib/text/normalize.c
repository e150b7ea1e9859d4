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
    bool clean, chinese, accents, lowercase, left, right;
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
    dulm_free(n->map.units);
    dulm_free(n->map.strings);
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

static diffulm_status read_kind(struct dulm_normalizer *n, const json_t *json, const char *path)
{
    diffulm_status rc;
    switch (n->kind) {
    case BERT:
        n->clean = flag(json, "clean_text", true);
        n->chinese = flag(json, "handle_chinese_chars", true);
        n->lowercase = flag(json, "lowercase", true);
        n->accents = flag(json, "strip_accents", n->lowercase);
        return DIFFULM_OK;
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

typedef bool keep_function(int32_t c);

static void filter(const struct dulm_doc *in, size_t begin, size_t end, keep_function *keep,
                   struct dulm_doc *out)
{
    size_t n;
    for (size_t i = begin; i < end; i += n)
        if (keep(dulm_utf8_decode(in->text + i, &n)))
            dulm_doc_copy(out, in, i, i + n);
}

/* Replaces single characters: map gives the new one. */
static void map_characters(const struct dulm_doc *in, size_t begin, size_t end,
                           int32_t (*map)(int32_t), struct dulm_doc *out)
{
    size_t n;
    char bytes[4];
    for (size_t i = begin; i < end; i += n) {
        const int32_t c = dulm_utf8_decode(in->text + i, &n), to = map(c);
        dulm_doc_put(out, bytes, dulm_utf8_encode(to, bytes), in->from[i], in->to[i]);
        /* The one character whose lower case is two. */
        if (c == 0x130 && to == 'i')
            dulm_doc_put(out, "\xCC\x87", 2, in->from[i], in->to[i]);
    }
}

static bool keep_clean(int32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return true;
    return c != 0 && c != 0xFFFD && !dulm_is_other(c);
}

static int32_t plain_space(int32_t c)
{
    return dulm_is_white_space(c) ? ' ' : c;
}

static bool not_nonspacing(int32_t c)
{
    return !dulm_is_nonspacing(c);
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

static bool is_chinese(int32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static void space_chinese(const struct dulm_doc *in, size_t begin, size_t end, struct dulm_doc *out)
{
    size_t n;
    for (size_t i = begin; i < end; i += n) {
        const bool chinese = is_chinese(dulm_utf8_decode(in->text + i, &n));
        if (chinese)
            dulm_doc_put(out, " ", 1, in->from[i], in->to[i]);
        dulm_doc_copy(out, in, i, i + n);
        if (chinese)
            dulm_doc_put(out, " ", 1, in->from[i], in->to[i]);
    }
}

static void apply_unicode(const struct dulm_doc *in, size_t begin, size_t end, bool compatible,
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
    struct dulm_matcher *matcher;
    diffulm_status rc = dulm_matcher_create(pattern, &matcher);
    if (rc < 0)
        return rc;
    size_t at = 0, from, to, done = begin;
    while (
        dulm_matcher_next(matcher, pattern, in->text + begin, end - begin, &at, &from, &to, &rc)) {
        dulm_doc_copy(out, in, done, begin + from);
        const size_t last = begin + to; /* what is put at the very front stands for nothing there */
        dulm_doc_put(out, content, content_length, in->from[last > begin ? last - 1 : begin],
                     last > begin ? in->to[last - 1] : in->from[begin]);
        done = begin + to;
    }
    dulm_doc_copy(out, in, done, end);
    dulm_matcher_free(matcher);
    return rc;
}

void dulm_doc_bytes(const struct dulm_doc *in, size_t begin, size_t end, struct dulm_doc *out)
{
    char bytes[4];
    for (size_t i = begin; i < end; i++)
        dulm_doc_put(out, bytes,
                     dulm_utf8_encode(dulm_byte_character((unsigned char)in->text[i]), bytes),
                     in->from[i], in->to[i]);
}

static void prepend(const struct dulm_normalizer *p, const struct dulm_doc *in, size_t begin,
                    size_t end, struct dulm_doc *out)
{
    if (begin < end)
        dulm_doc_put(out, p->content, p->content_length, in->from[begin], in->to[begin]);
    dulm_doc_copy(out, in, begin, end);
}

static void charsmap(const struct dulm_normalizer *p, const struct dulm_doc *in, size_t begin,
                     size_t end, struct dulm_doc *out)
{
    struct dulm_changes changes = {0};
    dulm_changes_charsmap(&changes, &p->map, in->text + begin, end - begin);
    dulm_changes_apply(&changes, in, begin, end, out);
    dulm_free(changes.list);
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
        filter(in, begin, end, not_mark, out);
        break;
    case NFC:
    case NFD:
    case NFKC:
    case NFKD:
        apply_unicode(in, begin, end, kind == NFKC || kind == NFKD, kind == NFC || kind == NFKC,
                      out);
        break;
    case LOWERCASE:
        map_characters(in, begin, end, dulm_lower, out);
        break;
    case PRECOMPILED:
        charsmap(n, in, begin, end, out);
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

typedef void pass_function(const struct dulm_doc *in, size_t begin, size_t end,
                           struct dulm_doc *out);
static void pass_clean(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    filter(in, b, e, keep_clean, out);
}
static void pass_space(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    map_characters(in, b, e, plain_space, out);
}
static void pass_nfd(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    apply_unicode(in, b, e, false, false, out);
}
static void pass_accents(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    filter(in, b, e, not_nonspacing, out);
}
static void pass_lower(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    map_characters(in, b, e, dulm_lower, out);
}
static void pass_nmt(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    filter(in, b, e, keep_nmt, out);
}
static void pass_nmt_space(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    map_characters(in, b, e, space_nmt, out);
}

static void swap(struct dulm_doc **doc, struct dulm_doc **spare)
{
    struct dulm_doc *out = *spare;
    *spare = *doc;
    *doc = out;
}

static diffulm_status run(const struct dulm_normalizer *n, pass_function *pass,
                          struct dulm_doc **doc, struct dulm_doc **spare)
{
    const struct dulm_doc *in = *doc;
    struct dulm_doc *out = *spare;
    dulm_doc_clear(out);
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
    swap(doc, spare);
    return (*doc)->failed ? dulm_fail_memory() : DIFFULM_OK;
}

static diffulm_status run_bert(const struct dulm_normalizer *n, struct dulm_doc **doc,
                               struct dulm_doc **spare)
{
    const struct {
        bool on;
        pass_function *pass;
    } passes[] = {{n->clean, pass_clean}, {n->clean, pass_space},     {n->chinese, space_chinese},
                  {n->accents, pass_nfd}, {n->accents, pass_accents}, {n->lowercase, pass_lower}};
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < sizeof passes / sizeof *passes; i++)
        if (passes[i].on)
            rc = run(n, passes[i].pass, doc, spare);
    return rc;
}

diffulm_status dulm_normalize(const struct dulm_normalizer *n, struct dulm_doc **doc,
                              struct dulm_doc **spare)
{
    diffulm_status rc = DIFFULM_OK;
    if (!n)
        return DIFFULM_OK;
    if (n->kind == BERT)
        return run_bert(n, doc, spare);
    if (n->kind == NMT) {
        rc = run(n, pass_nmt, doc, spare);
        return rc < 0 ? rc : run(n, pass_nmt_space, doc, spare);
    }
    if (n->kind != SEQUENCE)
        return run(n, NULL, doc, spare);
    for (size_t i = 0; rc == DIFFULM_OK && i < n->children; i++)
        rc = dulm_normalize(n->child[i], doc, spare);
    return rc;
}
