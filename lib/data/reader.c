/* reader.c: which record comes next, and its text with few-shot examples. */
#include "data/reader.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* An epoch's order is made a stretch of about so many records at a time: the whole order of a large data set
 * would take several times the memory of its index. */
enum { STRETCH = 32768 };

static diffulm_status fill(diffulm_reader *r, diffulm_dataset *const *datasets,
                           const double *weights)
{
    for (size_t i = 0; i < r->count; i++) {
        diffulm_dataset *d = datasets[i];
        r->weights[i] = weights ? weights[i] : (double)d->count;
        if (r->order == DIFFULM_ORDER_SHUFFLED && !dulm_dataset_seekable(d))
            return dulm_fail(
                DIFFULM_E_UNSUPPORTED,
                "%s: has more text than gzip_buffer and cannot be shuffled: unpack it, "
                "raise gzip_buffer, or read in file order",
                d->files[0].path);
        dulm_refcount_take(&d->refs);
        r->sources[i].dataset = d;
        for (size_t f = 0; f < d->file_count; f++)
            dulm_cursor_init(&r->sources[i].cursors[f], &d->files[f]);
    }
    size_t any;
    return dulm_mixture_pick(r->seed, 0, r->count, r->weights, &any);
}

diffulm_status dulm_reader_create(diffulm_dataset *const *datasets, const double *weights,
                                  size_t count, const struct diffulm_reader_options *options,
                                  diffulm_reader **out)
{
    diffulm_reader *r = dulm_alloc_zero(1, sizeof *r);
    if (!r)
        return dulm_fail_memory();
    r->count = count;
    r->order = options->order;
    r->seed = options->seed;
    r->sources = dulm_alloc_zero(count, sizeof *r->sources);
    r->weights = dulm_alloc_zero(count, sizeof *r->weights);
    diffulm_status rc = r->sources && r->weights ? fill(r, datasets, weights) : dulm_fail_memory();
    if (rc == DIFFULM_OK)
        *out = r;
    else
        dulm_reader_destroy(r);
    return rc;
}

void dulm_reader_destroy(diffulm_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->sources && i < r->count; i++) {
        struct dulm_reader_source *s = &r->sources[i];
        for (size_t f = 0; f < DULM_DATASET_FILES; f++)
            dulm_cursor_release(&s->cursors[f]);
        dulm_dataset_release(s->dataset);
        dulm_free(s->order);
    }
    dulm_free(r->sources);
    dulm_free(r->weights);
    dulm_free(r->stretch.items);
    dulm_record_text_release(&r->text);
    dulm_record_text_release(&r->example);
    dulm_strbuf_release(&r->shots);
    dulm_free(r);
}

static bool in_stretch(const struct dulm_reader_source *s, uint32_t epoch, size_t index)
{
    return s->stretch_count && s->stretch_epoch == epoch && index >= s->stretch_begin &&
           index - s->stretch_begin < s->stretch_count;
}

/* Makes the stretch that holds place `index` of the epoch's order. Parts are about equally long, so that the
 * one that is guessed is at most a few off. */
static diffulm_status make_stretch(diffulm_reader *r, struct dulm_reader_source *s, uint32_t epoch,
                                   size_t index)
{
    const size_t n = s->dataset->count;
    const uint32_t parts = (uint32_t)(n / STRETCH) + 1;
    uint32_t part = (uint32_t)((uint64_t)index * parts / n);
    for (;;) {
        diffulm_status rc = dulm_order_stretch(r->seed, epoch, n, parts, part, &r->stretch);
        if (rc < 0)
            return rc;
        if (index >= r->stretch.before && index - r->stretch.before < r->stretch.count)
            break;
        part = index < r->stretch.before ? part - 1 : part + 1;
    }
    if (!dulm_grow((void **)&s->order, &s->order_capacity, r->stretch.count, sizeof *s->order))
        return dulm_fail_memory();
    for (size_t i = 0; i < r->stretch.count; i++)
        s->order[i] = r->stretch.items[i].item;
    s->stretch_begin = r->stretch.before;
    s->stretch_count = r->stretch.count;
    s->stretch_epoch = epoch;
    return DIFFULM_OK;
}

static diffulm_status item_at(diffulm_reader *r, struct dulm_reader_source *s, uint32_t epoch,
                              size_t index, size_t *item)
{
    if (r->order == DIFFULM_ORDER_FILE) {
        *item = index;
        return DIFFULM_OK;
    }
    if (!in_stretch(s, epoch, index)) {
        diffulm_status rc = make_stretch(r, s, epoch, index);
        if (rc < 0)
            return rc;
    }
    *item = s->order[index - s->stretch_begin];
    return DIFFULM_OK;
}

/* Puts the examples that were drawn for a record in front of its source. */
static diffulm_status add_shots(diffulm_reader *r, struct dulm_reader_source *s, uint32_t epoch,
                                size_t index)
{
    const diffulm_dataset *d = s->dataset;
    uint32_t others[DULM_OTHERS_MAX];
    dulm_draw_others(r->seed, epoch, (uint32_t)index, (uint32_t)d->count, (uint32_t)d->few_shot,
                     others);
    r->shots.length = 0;
    for (size_t i = 0; i < d->few_shot; i++) {
        diffulm_status rc = dulm_dataset_read(d, s->cursors, others[i], &r->example);
        if (rc < 0)
            return rc;
        const struct dulm_slice values[2] = {{r->example.source.data, r->example.source.length},
                                             {r->example.target.data, r->example.target.length}};
        dulm_prompt_render(&d->few_shot_template, values, &r->shots);
    }
    dulm_strbuf_append(&r->shots, r->text.source.data, r->text.source.length);
    return r->shots.failed ? dulm_fail_memory() : DIFFULM_OK;
}

static const char *text_of(const struct dulm_strbuf *buffer)
{
    return buffer->data ? buffer->data : "";
}

diffulm_status dulm_reader_record(diffulm_reader *r, size_t dataset, uint32_t epoch, size_t index,
                                  struct diffulm_record *record)
{
    struct dulm_reader_source *s = &r->sources[dataset];
    diffulm_status rc = dulm_dataset_read(s->dataset, s->cursors, index, &r->text);
    const struct dulm_strbuf *source = &r->text.source;
    if (rc == DIFFULM_OK && s->dataset->few_shot) {
        rc = add_shots(r, s, epoch, index);
        source = &r->shots;
    }
    if (rc < 0)
        return rc;
    record->source = text_of(source);
    record->source_length = source->length;
    record->target = text_of(&r->text.target);
    record->target_length = r->text.target.length;
    record->task = text_of(&r->text.task);
    record->task_length = r->text.task.length;
    record->dataset = dataset;
    record->index = index;
    record->epoch = epoch;
    return DIFFULM_OK;
}

diffulm_status dulm_reader_next(diffulm_reader *r, struct diffulm_record *record)
{
    size_t from, item = 0;
    diffulm_status rc = dulm_mixture_pick(r->seed, r->rows, r->count, r->weights, &from);
    if (rc < 0)
        return rc;
    struct dulm_reader_source *s = &r->sources[from];
    const bool over = s->index == s->dataset->count;
    const uint32_t epoch = s->epoch + over;
    const size_t index = over ? 0 : s->index;
    rc = item_at(r, s, epoch, index, &item);
    if (rc == DIFFULM_OK)
        rc = dulm_reader_record(r, from, epoch, item, record);
    if (rc < 0)
        return rc;
    record->row = r->rows++;
    s->epoch = epoch;
    s->index = index + 1;
    return DIFFULM_OK;
}

size_t dulm_reader_memory(const diffulm_reader *r)
{
    size_t bytes = sizeof *r + r->count * (sizeof *r->sources + sizeof *r->weights) +
                   r->stretch.capacity * sizeof *r->stretch.items + r->shots.capacity +
                   dulm_record_text_memory(&r->text) + dulm_record_text_memory(&r->example);
    for (size_t i = 0; i < r->count; i++) {
        const struct dulm_reader_source *s = &r->sources[i];
        bytes += s->order_capacity * sizeof *s->order;
        for (size_t f = 0; f < s->dataset->file_count; f++)
            bytes += dulm_cursor_memory(&s->cursors[f]);
    }
    return bytes;
}
