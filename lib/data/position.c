/* position.c: a reader's place as bytes: little-endian words,
 *   "dulm-p01", seed, order, rows drawn, number of data sets, then of each: records, epoch, index. */
#include <string.h>

#include "base/error.h"
#include "data/reader.h"

static const char magic[8] = {'d', 'u', 'l', 'm', '-', 'p', '0', '1'};
enum { HEAD = 40, EACH = 24 };

static void put(unsigned char **at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        *(*at)++ = (unsigned char)(value >> 8 * i);
}

static uint64_t get(const unsigned char **at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t) * (*at)++ << 8 * i;
    return value;
}

size_t dulm_position_size(const diffulm_reader *r)
{
    return HEAD + EACH * r->count;
}

void dulm_position_write(const diffulm_reader *r, unsigned char *out)
{
    memcpy(out, magic, sizeof magic);
    out += sizeof magic;
    put(&out, r->seed);
    put(&out, (uint64_t)r->order);
    put(&out, r->rows);
    put(&out, r->count);
    for (size_t i = 0; i < r->count; i++) {
        put(&out, r->sources[i].dataset->count);
        put(&out, r->sources[i].epoch);
        put(&out, r->sources[i].index);
    }
}

static diffulm_status differs(const char *what, uint64_t found, uint64_t want)
{
    return dulm_fail(DIFFULM_E_ARGUMENT, "position: of a reader with %s %llu, this one has %llu",
                     what, (unsigned long long)found, (unsigned long long)want);
}

static diffulm_status check_head(const diffulm_reader *r, const unsigned char *in, size_t length)
{
    if (length < HEAD || memcmp(in, magic, sizeof magic) != 0)
        return dulm_fail(DIFFULM_E_FORMAT, "position: byte 0: expected dulm-p01 and %d bytes more",
                         HEAD - 8);
    const unsigned char *at = in + sizeof magic;
    const uint64_t seed = get(&at), order = get(&at);
    get(&at);
    const uint64_t count = get(&at);
    if (seed != r->seed)
        return differs("seed", seed, r->seed);
    if (order != (uint64_t)r->order)
        return differs("order", order, (uint64_t)r->order);
    if (count != r->count)
        return differs("data sets:", count, r->count);
    if (length != dulm_position_size(r))
        return dulm_fail(DIFFULM_E_FORMAT, "position: %zu bytes, expected %zu", length,
                         dulm_position_size(r));
    return DIFFULM_OK;
}

diffulm_status dulm_position_read(diffulm_reader *r, const unsigned char *in, size_t length)
{
    diffulm_status rc = check_head(r, in, length);
    for (size_t i = 0; rc == DIFFULM_OK && i < r->count; i++) {
        const unsigned char *at = in + HEAD + EACH * i;
        const uint64_t records = get(&at), epoch = get(&at), index = get(&at);
        if (records != r->sources[i].dataset->count)
            rc = differs("records:", records, r->sources[i].dataset->count);
        else if (epoch > UINT32_MAX || index > records)
            rc =
                dulm_fail(DIFFULM_E_FORMAT,
                          "position: byte %zu: epoch %llu and index %llu of data set %zu, expected "
                          "at most 2^32 - 1 and %llu",
                          HEAD + EACH * i + 8, (unsigned long long)epoch, (unsigned long long)index,
                          i, (unsigned long long)records);
    }
    if (rc < 0)
        return rc;
    const unsigned char *rows = in + 24;
    r->rows = get(&rows);
    for (size_t i = 0; i < r->count; i++) {
        const unsigned char *at = in + HEAD + EACH * i + 8;
        r->sources[i].epoch = (uint32_t)get(&at);
        r->sources[i].index = (size_t)get(&at);
    }
    return DIFFULM_OK;
}
