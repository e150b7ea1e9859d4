/* charsmap.c: SentencePiece's precompiled map: u32 size of a Darts double array, the array, then
 * NUL-terminated replacements. */
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/normalize.h"

enum { INERT = 0x10000 };

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

const char *dulm_charsmap_find(const struct dulm_charsmap *map, const char *key, size_t length)
{
    size_t node = offset_of(map->units[0]);
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)key[i];
        node ^= c;
        if (c == 0 || node >= map->unit_count)
            return NULL;
        const uint32_t unit = map->units[node];
        if ((unit & (1u << 31 | 0xFF)) != c)
            return NULL;
        node ^= offset_of(unit);
        if (!(unit >> 8 & 1))
            continue;
        if (node >= map->unit_count)
            return NULL;
        const size_t at = map->units[node] & 0x7fffffff;
        return at < map->strings_length ? map->strings + at : NULL;
    }
    return NULL;
}

void dulm_charsmap_release(struct dulm_charsmap *map)
{
    dulm_free(map->units);
    dulm_free(map->strings);
    dulm_free(map->inert);
    *map = (struct dulm_charsmap){0};
}

/* Two neighbours of no special class are always two grapheme clusters, and a cluster of one character is replaced if
 * the character is. */
static void find_inert(struct dulm_charsmap *map)
{
    char bytes[4];
    for (int32_t c = 0; c < INERT; c++) {
        if ((c >= 0xD800 && c < 0xE000) ||
            utf8proc_get_property(c)->boundclass != UTF8PROC_BOUNDCLASS_OTHER)
            continue;
        if (!dulm_charsmap_find(map, bytes, dulm_utf8_encode(c, bytes)))
            map->inert[c >> 3] |= (uint8_t)(1 << (c & 7));
    }
}

diffulm_status dulm_charsmap_read(const void *bytes, size_t size, const char *path,
                                  struct dulm_charsmap *out)
{
    const unsigned char *b = bytes;
    const uint32_t trie = size < 4 ? 0
                                   : (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                                         (uint32_t)b[3] << 24;
    if (size < 8 || trie < 4 || trie % 4 || trie > size - 4)
        return dulm_fail(DIFFULM_E_FORMAT,
                         "%s: precompiled_charsmap: its trie of %u bytes does not fit %zu bytes",
                         path, trie, size);
    struct dulm_charsmap map = {.unit_count = trie / 4, .strings_length = size - 4 - trie};
    map.units = dulm_alloc(map.unit_count, 4);
    map.strings = dulm_alloc(map.strings_length + 1, 1);
    map.inert = dulm_alloc_zero(INERT / 8, 1);
    if (!map.units || !map.strings || !map.inert) {
        dulm_charsmap_release(&map);
        return dulm_fail_memory();
    }
    for (size_t i = 0; i < map.unit_count; i++) {
        const unsigned char *u = b + 4 + 4 * i;
        map.units[i] =
            (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    memcpy(map.strings, b + 4 + trie, map.strings_length);
    map.strings[map.strings_length] = '\0';
    const char *strings = map.strings;
    diffulm_status rc = dulm_utf8_check(strings, map.strings_length, "precompiled_charsmap");
    if (rc < 0) {
        dulm_charsmap_release(&map);
        return rc;
    }
    find_inert(&map);
    *out = map;
    return DIFFULM_OK;
}

static size_t count_characters(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* Replaces old_count characters by a string: surplus characters are insertions, missing ones are removed
 * by the last. */
static void replace(struct dulm_changes *out, size_t old_count, const char *new_text)
{
    const size_t length = strlen(new_text), new_count = count_characters(new_text, length);
    size_t n, seen = 0;
    for (size_t i = 0; i < length; i += n) {
        const int32_t c = dulm_utf8_decode(new_text + i, &n);
        dulm_changes_add(out, c, seen++ >= old_count);
    }
    if (new_count < old_count && out->count)
        out->list[out->count - 1].change -= (int32_t)(old_count - new_count);
}

static void add_cluster(struct dulm_changes *out, const struct dulm_charsmap *map, const char *text,
                        size_t length)
{
    const char *whole = length < 6 ? dulm_charsmap_find(map, text, length) : NULL;
    if (whole) {
        replace(out, count_characters(text, length), whole);
        return;
    }
    size_t n;
    for (size_t i = 0; i < length; i += n) {
        const int32_t c = dulm_utf8_decode(text + i, &n);
        const char *one = dulm_charsmap_find(map, text + i, n);
        if (one)
            replace(out, 1, one);
        else
            dulm_changes_add(out, c, 0);
    }
}

void dulm_changes_charsmap(struct dulm_changes *changes, const struct dulm_charsmap *map,
                           const char *text, size_t length)
{
    size_t start = 0, n;
    utf8proc_int32_t state = 0;
    int32_t before = -1;
    for (size_t i = 0; i < length; i += n) {
        const int32_t c = dulm_utf8_decode(text + i, &n);
        if (before >= 0 && utf8proc_grapheme_break_stateful(before, c, &state)) {
            add_cluster(changes, map, text + start, i - start);
            start = i;
        }
        before = c;
    }
    if (length > start)
        add_cluster(changes, map, text + start, length - start);
}

static bool is_inert(const struct dulm_charsmap *map, int32_t c)
{
    return c < INERT && map->inert[c >> 3] >> (c & 7) & 1;
}

size_t dulm_charsmap_inert(const struct dulm_charsmap *map, const char *text, size_t length)
{
    size_t n;
    for (size_t i = 0; i < length; i += n)
        if (!is_inert(map, dulm_utf8_decode(text + i, &n)))
            return i;
    return length;
}

/* The end of what begins at a character that is not inert: between two that are, where a cluster always ends. */
static size_t active_end(const struct dulm_charsmap *map, const char *text, size_t length)
{
    size_t n;
    bool before = false;
    for (size_t i = 0; i < length; i += n) {
        const bool now = is_inert(map, dulm_utf8_decode(text + i, &n));
        if (now && before)
            return i;
        before = now;
    }
    return length;
}

/* Whether the changes use up as many characters as there are. Where the first cluster of a text becomes nothing they do
 * not: nothing removes it, and all that follows is displaced. */
static bool aligned(const struct dulm_changes *changes, const char *text, size_t length)
{
    int64_t used = 0;
    for (size_t i = 0; i < changes->count; i++)
        if (changes->list[i].change <= 0)
            used += 1 - (int64_t)changes->list[i].change;
    return used == (int64_t)count_characters(text, length);
}

/* False: the changes of a part displace the others. */
static bool by_parts(const struct dulm_charsmap *map, const struct dulm_doc *in, size_t begin,
                     size_t end, struct dulm_changes *changes, struct dulm_doc *out)
{
    bool good = true;
    for (size_t at = begin; good && at < end;) {
        size_t from = at + dulm_charsmap_inert(map, in->text + at, end - at);
        const size_t to = from + active_end(map, in->text + from, end - from);
        if (from > at && from < end) /* the last one may be part of the next cluster */
            do
                from--;
            while (dulm_utf8_continues(in->text[from]));
        dulm_doc_copy(out, in, at, from);
        changes->count = 0;
        dulm_changes_charsmap(changes, map, in->text + from, to - from);
        good = aligned(changes, in->text + from, to - from);
        dulm_changes_apply(changes, in, from, to, out);
        at = to;
    }
    return good;
}

void dulm_doc_charsmap(const struct dulm_charsmap *map, const struct dulm_doc *in, size_t begin,
                       size_t end, struct dulm_doc *out)
{
    struct dulm_changes changes = {0};
    const size_t start = out->length;
    if (!by_parts(map, in, begin, end, &changes, out)) {
        out->length = start;
        changes.count = 0;
        dulm_changes_charsmap(&changes, map, in->text + begin, end - begin);
        dulm_changes_apply(&changes, in, begin, end, out);
    }
    dulm_free(changes.list);
}
