/* unpacked.c: packed.h in a build without oneDNN, where no matrix is packed and none comes back. */
#include "nn/packed.h"

diffulm_status dulm_packed_create(const struct diffulm_runtime *rt, enum dulm_packed_type type,
                                  size_t rows, size_t columns, size_t part,
                                  struct dulm_packed **out)
{
    (void)rt, (void)type, (void)rows, (void)columns, (void)part;
    *out = NULL;
    return DIFFULM_OK;
}

void dulm_packed_destroy(struct dulm_packed *packed)
{
    (void)packed;
}

void dulm_packed_write(const struct diffulm_runtime *rt, struct dulm_packed *packed, size_t first,
                       size_t count, const void *values)
{
    (void)rt, (void)packed, (void)first, (void)count, (void)values;
}

void dulm_packed_read(const struct dulm_packed *packed, size_t first, size_t count, void *values)
{
    (void)packed, (void)first, (void)count, (void)values;
}

size_t dulm_packed_stride(const struct dulm_packed *packed)
{
    (void)packed;
    return 0;
}

bool dulm_packed_alike(const struct dulm_packed *a, const struct dulm_packed *b)
{
    (void)a, (void)b;
    return false;
}

bool dulm_packed_cut_at(const struct dulm_packed *packed, size_t first)
{
    (void)packed, (void)first;
    return false;
}

enum dulm_packed_type dulm_packed_type_of(const struct dulm_packed *packed)
{
    (void)packed;
    return DULM_PACKED_F32;
}

diffulm_status dulm_packed_multiply(const struct diffulm_runtime *rt,
                                    const struct dulm_packed_product *product)
{
    (void)rt, (void)product;
    return DIFFULM_E_UNSUPPORTED;
}
