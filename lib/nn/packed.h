/* packed.h: frozen matrices W [rows, columns] in the order in which oneDNN's kernels read them, put so once. They lie in tiles of
 * rows, each packed for itself and small enough for the second-level cache: a product is cut into these, each multiplied on one
 * thread and handled further while the result is in that cache (docs/performance.md). */
#ifndef DULM_NN_PACKED_H
#define DULM_NN_PACKED_H

#include "nn/runtime.h"

enum dulm_packed_type { DULM_PACKED_INT8, DULM_PACKED_BF16, DULM_PACKED_F32 };

struct dulm_packed;

/* Bytes of an element, of W and of activations alike. */
static inline size_t dulm_packed_size(enum dulm_packed_type type)
{
    return type == DULM_PACKED_INT8   ? sizeof(int8_t)
           : type == DULM_PACKED_BF16 ? sizeof(uint16_t)
                                      : sizeof(float);
}

/* An empty matrix. Rows are used whole or by parts of `part`, such as a stacked query's, whose first tiles begin with them. *out
 * is NULL where the runtime has no such kernels: W is then multiplied by as it is. It goes before the runtime does. */
diffulm_status dulm_packed_create(const struct diffulm_runtime *rt, enum dulm_packed_type type,
                                  size_t rows, size_t columns, size_t part,
                                  struct dulm_packed **out) DIFFULM_MUST_USE;
void dulm_packed_destroy(struct dulm_packed *packed);

/* Rows [first, first + count), without gaps, int8_t, uint16_t or float: put in, on all threads, and taken out. */
void dulm_packed_write(const struct diffulm_runtime *rt, struct dulm_packed *packed, size_t first,
                       size_t count, const void *values);
void dulm_packed_read(const struct dulm_packed *packed, size_t first, size_t count, void *values);

/* Rows of activations in a product lie this many elements (uint8_t, uint16_t or float) apart, those behind `columns` 0. */
size_t dulm_packed_stride(const struct dulm_packed *packed);
enum dulm_packed_type dulm_packed_type_of(const struct dulm_packed *packed);

/* What a rounded row of activations stands for, in 8 bits. */
struct dulm_row_scale {
    float scale;
    int32_t zero;
};

/* Whether both can be factors of one product. */
bool dulm_packed_alike(const struct dulm_packed *a, const struct dulm_packed *b);

/* Part of a product by one of its factors: rows [row, row + rows) and columns [column, column + columns), counted from the factor's first;
 * sums (int32_t or float) lie `stride` apart. */
struct dulm_packed_result {
    size_t factor, row, rows, column, columns, stride;
    const void *sums;
    const struct dulm_row_scale *scales; /* of these rows */
};

/* m rows of activations times W[first .. first + n)^T of each factor, which are alike, in parts on all threads: `prepare` rounds rows
 * [row, row + rows), `finish` takes sums; both on whichever thread needs or has them. Rows that need no rounding and lie as they should
 * are used where they are. */
enum { DULM_FACTORS = 3 };
struct dulm_packed_factor {
    const struct dulm_packed *packed;
    size_t first;
};
struct dulm_packed_product {
    struct dulm_packed_factor factor[DULM_FACTORS];
    size_t factors, m, n;
    const void *rows; /* NULL: prepare makes them */
    void (*prepare)(void *user, size_t row, size_t rows, void *to, struct dulm_row_scale *scales);
    void (*finish)(void *user, const struct dulm_packed_result *result);
    void *user;
};
enum { DULM_PACKED_TILE = 128 }; /* columns of a result at most */

/* Takes a product that need not be stored, by parts: columns [column, column + columns) of a row, of which it may change the values. On
 * whichever thread has them. */
struct dulm_taker {
    void (*take)(void *user, size_t row, size_t column, size_t columns, float *values);
    void *user;
};
/* Whether parts of products by rows from `first` on begin with every DULM_PACKED_TILE of its columns. */
bool dulm_packed_cut_at(const struct dulm_packed *packed, size_t first);

/* Whether a result of so many numbers is better written past the caches, which it would sweep. */
static inline bool dulm_packed_past(size_t m, size_t n)
{
    return n > 0 && m >= ((size_t)1 << 23) / n;
}
diffulm_status dulm_packed_multiply(const struct diffulm_runtime *rt,
                                    const struct dulm_packed_product *product) DIFFULM_MUST_USE;

#endif
