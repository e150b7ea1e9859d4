/* prune.h: see diffulm_model_prune. */
#ifndef DULM_ARCH_PRUNE_H
#define DULM_ARCH_PRUNE_H

#include <diffulm/prune.h>

diffulm_status dulm_model_keep_rows(const struct diffulm_model *model, const int32_t *kept,
                                    size_t count, struct diffulm_model **out) DIFFULM_MUST_USE;

#endif
