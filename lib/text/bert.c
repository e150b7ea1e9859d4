/* bert.c: BertNormalizer: drops control characters, spaces Chinese ones apart, decomposes, strips accents, lowers. Nearly
 * every character becomes the same whatever stands around it: these are looked up, in one pass over the text. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/normalize.h"

enum { TABLE = 0x800, SPELLED = 23 }; /* characters of one and two bytes are looked up */

/* What a character becomes; count ALONE_NOT: it depends on its neighbours. */
struct spelling {
    uint8_t count;
    char bytes[SPELLED];
};
enum { ALONE_NOT = 255 };

struct dulm_bert {
    struct dulm_bert_options on;
    struct spelling table[TABLE];
};

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
            dulm_doc_put(out, " ", 1, dulm_doc_from(in, i), dulm_doc_to(in, i));
        dulm_doc_copy(out, in, i, i + n);
        if (chinese)
            dulm_doc_put(out, " ", 1, dulm_doc_from(in, i), dulm_doc_to(in, i));
    }
}

/* Appends what becomes of one part of a decomposed character. False: accents may be put in another order. */
static bool spell_part(const struct dulm_bert_options *on, int32_t c, bool alone,
                       struct spelling *out)
{
    char bytes[4];
    if (on->accents && dulm_is_nonspacing(c))
        return true;
    if (on->accents && (!alone || dulm_combining_class(c) != 0))
        return false;
    const int32_t lower = on->lowercase ? dulm_lower(c) : c;
    const size_t n = dulm_utf8_encode(lower, bytes);
    if (out->count + n + 3 > SPELLED) /* the dot of a small i and a space may follow */
        return false;
    memcpy(out->bytes + out->count, bytes, n);
    out->count = (uint8_t)(out->count + n);
    if (lower != c && c == 0x130) {
        memcpy(out->bytes + out->count, "\xCC\x87", 2);
        out->count += 2;
    }
    return true;
}

static bool spell_decomposed(const struct dulm_bert_options *on, int32_t c, struct spelling *out)
{
    int32_t parts[DULM_PARTS];
    if (!on->accents)
        return spell_part(on, c, true, out);
    const size_t count = dulm_decompose(c, false, parts);
    /* Behind a mark nothing else may stand: the mark could move past it. */
    const bool alone = dulm_combining_class(parts[0]) == 0;
    for (size_t i = 0; i < count; i++)
        if (!spell_part(on, parts[i], alone, out))
            return false;
    return true;
}

static struct spelling spell(const struct dulm_bert_options *on, int32_t c)
{
    struct spelling out = {0};
    if (on->clean && !keep_clean(c))
        return out;
    c = on->clean ? plain_space(c) : c;
    const bool chinese = on->chinese && is_chinese(c);
    if (chinese)
        out.bytes[out.count++] = ' ';
    if (!spell_decomposed(on, c, &out))
        return (struct spelling){.count = ALONE_NOT};
    if (chinese)
        out.bytes[out.count++] = ' ';
    return out;
}

diffulm_status dulm_bert_create(const struct dulm_bert_options *options, struct dulm_bert **out)
{
    struct dulm_bert *bert = dulm_alloc_zero(1, sizeof *bert);
    if (!bert)
        return dulm_fail_memory();
    bert->on = *options;
    for (int32_t c = 0; c < TABLE; c++)
        bert->table[c] = spell(options, c);
    *out = bert;
    return DIFFULM_OK;
}

void dulm_bert_free(struct dulm_bert *bert)
{
    dulm_free(bert);
}

/* False: some character depends on its neighbours, and `out` is of no use. */
static bool spell_text(const struct dulm_bert *bert, const struct dulm_doc *in, size_t begin,
                       size_t end, struct dulm_doc *out)
{
    size_t n;
    for (size_t i = begin; i < end; i += n) {
        const int32_t c = dulm_utf8_decode(in->text + i, &n);
        struct spelling far;
        const struct spelling *s = &bert->table[c < TABLE ? c : 0];
        if (c >= TABLE) {
            far = spell(&bert->on, c);
            s = &far;
        }
        if (s->count == ALONE_NOT)
            return false;
        if (!dulm_doc_reserve(out, SPELLED))
            return true;
        const size_t from = dulm_doc_from(in, i), to = dulm_doc_to(in, i);
        for (size_t k = 0; k < s->count; k++) {
            out->buffer[out->length] = s->bytes[k];
            out->from[out->length] = from;
            out->to[out->length++] = to;
        }
    }
    return true;
}

static void pass_clean(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_filter(in, b, e, keep_clean, out);
}
static void pass_space(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_map(in, b, e, plain_space, out);
}
static void pass_nfd(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_unicode(in, b, e, false, false, out);
}
static void pass_accents(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_filter(in, b, e, not_nonspacing, out);
}
static void pass_lower(const struct dulm_doc *in, size_t b, size_t e, struct dulm_doc *out)
{
    dulm_doc_map(in, b, e, dulm_lower, out);
}

diffulm_status dulm_bert_passes(const struct dulm_bert *bert, struct dulm_doc **doc,
                                struct dulm_doc **spare)
{
    const struct dulm_bert_options on = bert->on;
    const struct {
        bool on;
        dulm_pass_function *pass;
    } passes[] = {{on.clean, pass_clean}, {on.clean, pass_space},     {on.chinese, space_chinese},
                  {on.accents, pass_nfd}, {on.accents, pass_accents}, {on.lowercase, pass_lower}};
    diffulm_status rc = DIFFULM_OK;
    for (size_t i = 0; rc == DIFFULM_OK && i < sizeof passes / sizeof *passes; i++)
        if (passes[i].on)
            rc = dulm_normalize_pass(passes[i].pass, doc, spare);
    return rc;
}

diffulm_status dulm_bert_normalize(const struct dulm_bert *bert, struct dulm_doc **doc,
                                   struct dulm_doc **spare)
{
    const struct dulm_doc *in = *doc;
    struct dulm_doc *out = *spare;
    dulm_doc_clear(out);
    dulm_doc_reserve(out, in->length + SPELLED);
    for (size_t i = 0; i < in->splits; i++) {
        const struct dulm_split *s = &in->split[i];
        const size_t start = out->length;
        if (s->id >= 0)
            dulm_doc_copy(out, in, s->begin, s->end);
        else if (!spell_text(bert, in, s->begin, s->end, out))
            return dulm_bert_passes(bert, doc, spare);
        dulm_doc_close(out, start, s->origin, s->id);
    }
    dulm_doc_swap(doc, spare);
    return out->failed ? dulm_fail_memory() : DIFFULM_OK;
}
