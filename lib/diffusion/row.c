/* row.c: [bos] source target [eos], cut at the head when it is too long, padded at the end. */
#include "diffusion/row.h"

#include <stdbool.h>

struct dulm_row_plan dulm_plan_row(const struct diffulm_pair *pair, size_t max_length)
{
    struct dulm_row_plan p = {0, pair->source_length, 0, pair->target_length};
    if (p.source_length && pair->eos_id >= 0 && pair->source[p.source_length - 1] == pair->eos_id)
        p.source_length--;
    if (p.target_length && pair->bos_id >= 0 && pair->target[0] == pair->bos_id) {
        p.target_first++;
        p.target_length--;
    }
    if (max_length == 0)
        return p;
    if (p.target_length > max_length) {
        p.target_first += p.target_length - max_length;
        p.target_length = max_length;
    }
    const size_t room = max_length - p.target_length;
    if (p.source_length > room) {
        p.source_first = p.source_length - room;
        p.source_length = room;
    }
    return p;
}

static int32_t token_at(const struct diffulm_pair *pair, const struct dulm_row_plan *p, size_t i)
{
    if (i < p->source_length)
        return pair->source[p->source_first + i];
    i -= p->source_length;
    return i < p->target_length ? pair->target[p->target_first + i] : pair->pad_id;
}

void dulm_write_row(const struct diffulm_pair *pair, const struct dulm_row_plan *p,
                    const struct diffulm_training_row_options *o, size_t padded,
                    struct diffulm_training_row *row)
{
    const size_t length = p->source_length + p->target_length;
    row->maskable_count = 0;
    for (size_t i = 0; i < padded; i++) {
        const bool pad = i >= length, frozen = i < p->source_length && !o->mask_on_source;
        const bool maskable = !frozen && (!pad || o->mask_on_padding);
        row->tokens[i] = token_at(pair, p, i);
        if (row->frozen)
            row->frozen[i] = frozen;
        if (row->maskable)
            row->maskable[i] = maskable;
        if (row->attended)
            row->attended[i] = !pad || o->mask_on_padding;
        row->maskable_count += maskable;
    }
}
