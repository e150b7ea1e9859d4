/* vocab.h: pieces and their ids, both ways. */
#ifndef DULM_TEXT_VOCAB_H
#define DULM_TEXT_VOCAB_H

#include <diffulm/common.h>
#include <stdbool.h>

struct dulm_piece {
    size_t offset, length; /* in `bytes` */
    bool present;
};

/* The hash beside the id spares most looks at the piece itself. */
struct dulm_slot {
    uint32_t hash;
    int32_t id; /* -1: empty */
};

struct dulm_vocab {
    char *bytes;
    size_t bytes_length, bytes_capacity;
    struct dulm_piece *piece; /* by id */
    size_t size, capacity;    /* ids are 0 … size - 1; some may be absent */
    struct dulm_slot *table;  /* open addressing */
    size_t table_size, used;
    size_t longest; /* bytes of the longest piece */
};

/* FNV-1a, which goes on from the hash of a beginning. */
static inline uint64_t dulm_vocab_hash(uint64_t state, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        state = (state ^ (unsigned char)bytes[i]) * 1099511628211u;
    return state;
}
#define DULM_VOCAB_HASH UINT64_C(1469598103934665603)

/* Adds a piece. E_FORMAT when the id has one already. `what` names the file for messages. */
diffulm_status dulm_vocab_add(struct dulm_vocab *vocab, const char *piece, size_t length,
                              int64_t id, const char *what) DIFFULM_MUST_USE;
int32_t dulm_vocab_find(const struct dulm_vocab *vocab, const char *piece,
                        size_t length); /* or -1 */
/* The same by its hash. */
int32_t dulm_vocab_find_hashed(const struct dulm_vocab *vocab, uint64_t hash, const char *piece,
                               size_t length);
const char *dulm_vocab_piece(const struct dulm_vocab *vocab, int32_t id,
                             size_t *length); /* or NULL */
void dulm_vocab_release(struct dulm_vocab *vocab);

#endif
