/* pretokenize.c: the pre-tokenizers of tokenizer.json. A pattern cuts a split into matches and what lies
 * between; a behaviour says what becomes of the matches. */
#include "text/pretokenize.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/gpt2.h"
#include "text/script.h"

enum kind {
    BERT,
    BYTE_LEVEL,
    WHITESPACE,
    WHITESPACE_SPLIT,
    DELIMITER,
    METASPACE,
    PUNCTUATION,
    DIGITS,
    SPLIT,
    SCRIPTS,
    FIXED_LENGTH,
    SEQUENCE
};
static const char *const names[] = {
    "BertPreTokenizer", "ByteLevel",   "Whitespace", "WhitespaceSplit", "CharDelimiterSplit",
    "Metaspace",        "Punctuation", "Digits",     "Split",           "UnicodeScripts",
    "FixedLength",      "Sequence"};

enum behavior { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS };
static const char *const behaviors[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};

struct dulm_pretokenizer {
    enum kind kind;
    enum behavior behavior;
    bool invert, individual, prefix_space, use_regex, always, first, split;
    int32_t delimiter;
    size_t fixed;
    char replacement[5];
    struct dulm_regex *pattern;
    struct dulm_scripts *scripts;
    struct dulm_pretokenizer **child;
    size_t children;
};

void dulm_pretokenizer_free(struct dulm_pretokenizer *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->children; i++)
        dulm_pretokenizer_free(p->child[i]);
    dulm_free(p->child);
    dulm_regex_free(p->pattern);
    dulm_scripts_free(p->scripts);
    dulm_free(p);
}

static bool flag(const json_t *json, const char *key, bool fallback)
{
    const json_t *value = json_object_get(json, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static diffulm_status read_behavior(struct dulm_pretokenizer *p, const json_t *json,
                                    const char *path)
{
    const char *name = json_string_value(json_object_get(json, "behavior"));
    p->behavior = ISOLATED;
    if (!name)
        return DIFFULM_OK;
    for (size_t i = 0; i < 5; i++)
        if (strcmp(name, behaviors[i]) == 0) {
            p->behavior = (enum behavior)i;
            return DIFFULM_OK;
        }
    return dulm_fail(DIFFULM_E_FORMAT, "%s: pre_tokenizer: unknown behavior %.40s", path, name);
}

/* One character. */
static diffulm_status read_character(const json_t *json, const char *key, const char *path,
                                     const char *fallback, char out[5], int32_t *c)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_is_string(value) ? json_string_value(value) : fallback;
    size_t n = 0;
    if (text && *text)
        *c = dulm_utf8_decode(text, &n);
    if (!n || strlen(text) != n)
        return dulm_fail(DIFFULM_E_FORMAT, "%s: pre_tokenizer: %s: expected one character", path,
                         key);
    memcpy(out, text, n + 1);
    return DIFFULM_OK;
}

static diffulm_status read_metaspace(struct dulm_pretokenizer *p, const json_t *json,
                                     const char *path)
{
    int32_t c;
    diffulm_status rc =
        read_character(json, "replacement", path, "\xE2\x96\x81", p->replacement, &c);
    const char *scheme = json_string_value(json_object_get(json, "prepend_scheme"));
    p->split = flag(json, "split", true);
    if (!scheme)
        p->always = flag(json, "add_prefix_space", true);
    else {
        p->always = strcmp(scheme, "always") == 0;
        p->first = strcmp(scheme, "first") == 0;
        if (!p->always && !p->first && strcmp(scheme, "never") != 0)
            rc = dulm_fail(DIFFULM_E_FORMAT, "%s: pre_tokenizer: unknown prepend_scheme %.40s",
                           path, scheme);
    }
    return rc;
}

static diffulm_status read_children(struct dulm_pretokenizer *p, const json_t *json,
                                    const char *path)
{
    const json_t *list = json_object_get(json, "pretokenizers");
    if (!json_is_array(list))
        return dulm_fail(DIFFULM_E_FORMAT, "%s: pre_tokenizer: pretokenizers: expected an array",
                         path);
    p->child = dulm_alloc_zero(json_array_size(list), sizeof *p->child);
    if (!p->child)
        return dulm_fail_memory();
    for (; p->children < json_array_size(list); p->children++) {
        diffulm_status rc =
            dulm_pretokenizer_read(json_array_get(list, p->children), path, &p->child[p->children]);
        if (rc < 0)
            return rc;
    }
    return DIFFULM_OK;
}

static diffulm_status read_kind(struct dulm_pretokenizer *p, const json_t *json, const char *path)
{
    diffulm_status rc = DIFFULM_OK;
    const json_t *length = json_object_get(json, "length");
    switch (p->kind) {
    case BYTE_LEVEL:
        p->prefix_space = flag(json, "add_prefix_space", true);
        p->use_regex = flag(json, "use_regex", true);
        p->behavior = ISOLATED;
        return dulm_regex_compile(dulm_gpt2_pattern, strlen(dulm_gpt2_pattern), path, &p->pattern);
    case DELIMITER:
        return read_character(json, "delimiter", path, NULL, p->replacement, &p->delimiter);
    case METASPACE:
        return read_metaspace(p, json, path);
    case PUNCTUATION:
        return read_behavior(p, json, path);
    case DIGITS:
        p->individual = flag(json, "individual_digits", false);
        p->behavior = p->individual ? ISOLATED : CONTIGUOUS;
        return DIFFULM_OK;
    case SPLIT:
        p->invert = flag(json, "invert", false);
        rc = read_behavior(p, json, path);
        if (rc == DIFFULM_OK)
            rc = dulm_pattern_read(json_object_get(json, "pattern"), path, &p->pattern);
        return rc;
    case SCRIPTS:
        return dulm_scripts_create(&p->scripts);
    case FIXED_LENGTH:
        p->fixed = json_is_integer(length) && json_integer_value(length) > 0
                       ? (size_t)json_integer_value(length)
                       : 5;
        return DIFFULM_OK;
    case SEQUENCE:
        return read_children(p, json, path);
    default:
        return DIFFULM_OK;
    }
}

diffulm_status dulm_pretokenizer_read(const json_t *json, const char *path,
                                      struct dulm_pretokenizer **out)
{
    *out = NULL;
    if (!json || json_is_null(json))
        return DIFFULM_OK;
    const char *type = json_string_value(json_object_get(json, "type"));
    size_t kind = 0;
    while (kind <= SEQUENCE && (!type || strcmp(type, names[kind]) != 0))
        kind++;
    if (kind > SEQUENCE)
        return dulm_fail(DIFFULM_E_UNSUPPORTED, "%s: pre_tokenizer: unknown type %.60s", path,
                         type ? type : "(none)");
    struct dulm_pretokenizer *p = dulm_alloc_zero(1, sizeof *p);
    if (!p)
        return dulm_fail_memory();
    p->kind = (enum kind)kind;
    diffulm_status rc = read_kind(p, json, path);
    if (rc < 0)
        dulm_pretokenizer_free(p);
    else
        *out = p;
    return rc;
}

/* Receives the pieces of one split in order and applies a behaviour to them. */
struct cutter {
    struct dulm_doc *doc;
    enum behavior behavior;
    size_t begin, end; /* the piece being put together; empty: none */
    bool any, before;  /* whether the piece before was a match */
};

static void flush(struct cutter *c)
{
    if (c->any)
        dulm_doc_slice(c->doc, c->begin, c->end);
    c->any = false;
}

static void start(struct cutter *c, size_t begin, size_t end)
{
    flush(c);
    c->begin = begin;
    c->end = end;
    c->any = true;
}

static void piece(struct cutter *c, size_t begin, size_t end, bool match)
{
    bool joins = false;
    switch (c->behavior) {
    case REMOVED:
        if (!match)
            start(c, begin, end);
        return;
    case ISOLATED:
        break;
    case MERGED_WITH_PREVIOUS:
        joins = match && !c->before && c->any;
        break;
    case MERGED_WITH_NEXT:
        /* A match waits for what follows; a second match sends the first off alone. */
        joins = c->before && !match && c->any;
        break;
    case CONTIGUOUS:
        joins = match == c->before && c->any;
        break;
    }
    if (joins)
        c->end = end;
    else
        start(c, begin, end);
    c->before = match;
}

typedef bool class_function(const struct dulm_pretokenizer *p, int32_t c);

static void cut_class(const struct dulm_pretokenizer *p, class_function *is, enum behavior behavior,
                      struct dulm_doc *doc, const struct dulm_split *s)
{
    struct cutter c = {.doc = doc, .behavior = behavior};
    size_t n, open = s->begin;
    for (size_t i = s->begin; i < s->end; i += n) {
        const bool match = is(p, dulm_utf8_decode(doc->text + i, &n));
        if (!match)
            continue;
        if (open < i)
            piece(&c, open, i, false);
        piece(&c, i, i + n, true);
        open = i + n;
    }
    if (open < s->end)
        piece(&c, open, s->end, false);
    flush(&c);
}

static diffulm_status cut_pattern(const struct dulm_pretokenizer *p, struct dulm_doc *doc,
                                  const struct dulm_split *s)
{
    struct dulm_matcher matcher = {0};
    diffulm_status rc = DIFFULM_OK;
    struct cutter c = {.doc = doc, .behavior = p->behavior};
    size_t at = 0, from, to, open = s->begin;
    while (dulm_matcher_next(&matcher, p->pattern, doc->text + s->begin, s->end - s->begin, &at,
                             &from, &to, &rc)) {
        if (open < s->begin + from)
            piece(&c, open, s->begin + from, p->invert);
        piece(&c, s->begin + from, s->begin + to, !p->invert);
        open = s->begin + to;
    }
    if (open < s->end)
        piece(&c, open, s->end, p->invert);
    flush(&c);
    dulm_matcher_release(&matcher);
    return rc;
}

static bool is_space(const struct dulm_pretokenizer *p, int32_t c)
{
    (void)p;
    return dulm_is_white_space(c);
}
static bool is_punctuation(const struct dulm_pretokenizer *p, int32_t c)
{
    (void)p;
    return dulm_is_punctuation(c);
}
static bool is_numeric(const struct dulm_pretokenizer *p, int32_t c)
{
    (void)p;
    return dulm_is_numeric(c);
}
static bool is_delimiter(const struct dulm_pretokenizer *p, int32_t c)
{
    return c == p->delimiter;
}

/* Words between white space, and each punctuation character alone. */
static void cut_bert(struct dulm_doc *doc, const struct dulm_split *s)
{
    size_t n, open = s->begin;
    for (size_t i = s->begin; i < s->end; i += n) {
        const int32_t c = dulm_utf8_decode(doc->text + i, &n);
        const bool space = dulm_is_white_space(c);
        if (!space && !dulm_is_punctuation(c))
            continue;
        dulm_doc_slice(doc, open, i);
        if (!space)
            dulm_doc_slice(doc, i, i + n);
        open = i + n;
    }
    dulm_doc_slice(doc, open, s->end);
}

/* Runs of word characters, and runs of others that are not space: \w+|[^\w\s]+ */
static void cut_words(struct dulm_doc *doc, const struct dulm_split *s)
{
    size_t n, open = s->begin;
    int before = 0;
    for (size_t i = s->begin; i < s->end; i += n) {
        const int32_t c = dulm_utf8_decode(doc->text + i, &n);
        const int now = dulm_is_word(c) ? 1 : dulm_is_white_space(c) ? 0 : 2;
        if (now != before) {
            if (before)
                dulm_doc_slice(doc, open, i);
            open = i;
        }
        before = now;
    }
    if (before)
        dulm_doc_slice(doc, open, s->end);
}

static void cut_scripts(const struct dulm_pretokenizer *p, struct dulm_doc *doc,
                        const struct dulm_split *s)
{
    /* What comes before the first character with a script is dropped, as Hugging Face does. */
    size_t n, open = s->end;
    int last = -1;
    for (size_t i = s->begin; i < s->end; i += n) {
        const int script = dulm_script_of(p->scripts, doc->text + i, &n);
        if (script != DULM_SCRIPT_ANY && last != script) {
            dulm_doc_slice(doc, open, i);
            open = i;
        }
        if (script != DULM_SCRIPT_ANY)
            last = script;
    }
    dulm_doc_slice(doc, open, s->end);
}

static void cut_fixed(const struct dulm_pretokenizer *p, struct dulm_doc *doc,
                      const struct dulm_split *s)
{
    size_t open = s->begin, count = 0;
    for (size_t i = s->begin; i < s->end; i += dulm_utf8_length(doc->text[i])) {
        if (count == p->fixed) {
            dulm_doc_slice(doc, open, i);
            open = i;
            count = 0;
        }
        count++;
    }
    dulm_doc_slice(doc, open, s->end);
}

/* Appends a split with its spaces written as the mark, and one in front. */
static void put_marks(const struct dulm_pretokenizer *p, const struct dulm_doc *in,
                      const struct dulm_split *s, struct dulm_doc *out)
{
    const size_t mark = strlen(p->replacement), length = s->end - s->begin;
    const char *text = in->text + s->begin;
    const bool marked =
        (length && text[0] == ' ') || (length >= mark && memcmp(text, p->replacement, mark) == 0);
    if (length && !marked && (p->always || (p->first && s->origin == 0)))
        dulm_doc_put(out, p->replacement, mark, dulm_doc_from(in, s->begin),
                     dulm_doc_to(in, s->begin));
    for (size_t at = s->begin; at < s->end;) {
        const char *hit = memchr(in->text + at, ' ', s->end - at);
        const size_t space = hit ? (size_t)(hit - in->text) : s->end;
        dulm_doc_copy(out, in, at, space);
        if (hit)
            dulm_doc_put(out, p->replacement, mark, dulm_doc_from(in, space),
                         dulm_doc_to(in, space));
        at = space + 1;
    }
}

/* Splits of what was appended from `begin` on: each mark opens one. */
static void split_at_marks(const struct dulm_pretokenizer *p, size_t begin, struct dulm_doc *out)
{
    const size_t mark = strlen(p->replacement);
    size_t open = begin;
    for (size_t i = begin; i + mark <= out->length;) {
        const char *hit = memchr(out->text + i, p->replacement[0], out->length - i);
        if (!hit)
            break;
        i = (size_t)(hit - out->text);
        if (i + mark > out->length || memcmp(hit, p->replacement, mark) != 0) {
            i++;
            continue;
        }
        if (open < i)
            dulm_doc_split(out, open, i, out->from[open], -1);
        open = i;
        i += mark;
    }
    if (open < out->length)
        dulm_doc_split(out, open, out->length, out->from[open], -1);
}

/* Both append the splits that become of one, rewritten, to another doc. */
typedef diffulm_status rewrite_function(const struct dulm_pretokenizer *p, struct dulm_doc *in,
                                        const struct dulm_split *s, struct dulm_doc *work,
                                        struct dulm_doc *out);

static diffulm_status rewrite_metaspace(const struct dulm_pretokenizer *p, struct dulm_doc *in,
                                        const struct dulm_split *s, struct dulm_doc *work,
                                        struct dulm_doc *out)
{
    const size_t begin = out->length;
    (void)work;
    put_marks(p, in, s, out);
    if (p->split)
        split_at_marks(p, begin, out);
    else
        dulm_doc_close(out, begin, s->origin, -1);
    return DIFFULM_OK;
}

/* work: a doc for the split with a space in front; in->cut holds the pieces. */
static diffulm_status rewrite_bytes(const struct dulm_pretokenizer *p, struct dulm_doc *in,
                                    const struct dulm_split *s, struct dulm_doc *work,
                                    struct dulm_doc *out)
{
    struct dulm_split whole = *s;
    diffulm_status rc = DIFFULM_OK;
    if (p->prefix_space && s->begin < s->end && in->text[s->begin] != ' ') {
        dulm_doc_clear(work);
        dulm_doc_reserve(work, s->end - s->begin + 1);
        dulm_doc_put(work, " ", 1, dulm_doc_from(in, s->begin), dulm_doc_to(in, s->begin));
        dulm_doc_copy(work, in, s->begin, s->end);
        if (work->failed)
            return dulm_fail_memory();
        in = work;
        whole.begin = 0;
        whole.end = work->length;
    }
    in->cuts = 0;
    if (p->use_regex)
        rc = cut_pattern(p, in, &whole);
    else
        dulm_doc_keep(in, &whole);
    for (size_t i = 0; rc == DIFFULM_OK && i < in->cuts; i++) {
        const size_t begin = out->length;
        dulm_doc_bytes(in, in->cut[i].begin, in->cut[i].end, out);
        dulm_doc_close(out, begin, in->cut[i].origin, -1);
    }
    return in->failed ? dulm_fail_memory() : rc;
}

static diffulm_status rewrite_all(const struct dulm_pretokenizer *p, rewrite_function *rewrite,
                                  struct dulm_doc **doc, struct dulm_doc **spare)
{
    struct dulm_doc *in = *doc, *out = *spare, work = {0};
    diffulm_status rc = DIFFULM_OK;
    dulm_doc_clear(out);
    dulm_doc_reserve(out, in->length + in->length / 2 + 32);
    for (size_t i = 0; rc == DIFFULM_OK && i < in->splits; i++) {
        const struct dulm_split s = in->split[i];
        const size_t begin = out->length;
        if (s.id >= 0) {
            dulm_doc_copy(out, in, s.begin, s.end);
            dulm_doc_close(out, begin, s.origin, s.id);
        } else
            rc = rewrite(p, in, &s, &work, out);
    }
    dulm_doc_release(&work);
    dulm_doc_swap(doc, spare);
    return rc < 0 ? rc : out->failed ? dulm_fail_memory() : DIFFULM_OK;
}

static diffulm_status cut(const struct dulm_pretokenizer *p, struct dulm_doc *doc,
                          const struct dulm_split *s)
{
    switch (p->kind) {
    case BERT:
        cut_bert(doc, s);
        break;
    case WHITESPACE:
        cut_words(doc, s);
        break;
    case WHITESPACE_SPLIT:
        cut_class(p, is_space, REMOVED, doc, s);
        break;
    case DELIMITER:
        cut_class(p, is_delimiter, REMOVED, doc, s);
        break;
    case PUNCTUATION:
        cut_class(p, is_punctuation, p->behavior, doc, s);
        break;
    case DIGITS:
        cut_class(p, is_numeric, p->behavior, doc, s);
        break;
    case SPLIT:
        return cut_pattern(p, doc, s);
    case SCRIPTS:
        cut_scripts(p, doc, s);
        break;
    default:
        cut_fixed(p, doc, s);
        break;
    }
    return DIFFULM_OK;
}

static diffulm_status cut_all(const struct dulm_pretokenizer *p, struct dulm_doc *doc)
{
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < doc->splits; i++) {
        const struct dulm_split s = doc->split[i];
        if (s.id >= 0)
            dulm_doc_keep(doc, &s);
        else
            rc = cut(p, doc, &s);
    }
    dulm_doc_recut(doc);
    return rc < 0 ? rc : doc->failed ? dulm_fail_memory() : DIFFULM_OK;
}

diffulm_status dulm_pretokenize(const struct dulm_pretokenizer *p, struct dulm_doc **doc,
                                struct dulm_doc **spare)
{
    diffulm_status rc = DIFFULM_OK;
    if (!p)
        return DIFFULM_OK;
    if (p->kind == METASPACE)
        return rewrite_all(p, rewrite_metaspace, doc, spare);
    if (p->kind == BYTE_LEVEL)
        return rewrite_all(p, rewrite_bytes, doc, spare);
    if (p->kind != SEQUENCE)
        return cut_all(p, *doc);
    for (size_t i = 0; rc == DIFFULM_OK && i < p->children; i++)
        rc = dulm_pretokenize(p->child[i], doc, spare);
    return rc;
}
