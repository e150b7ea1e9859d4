/* dataset.c: data sets and readers: checks, then calls. */
#include <diffulm/dataset.h>

#include "base/abi.h"
#include "base/error.h"
#include "data/reader.h"

void diffulm_dataset_options_init(struct diffulm_dataset_options *options, size_t struct_size)
{
    const struct diffulm_dataset_options defaults = DIFFULM_DATASET_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

void diffulm_reader_options_init(struct diffulm_reader_options *options, size_t struct_size)
{
    const struct diffulm_reader_options defaults = DIFFULM_READER_OPTIONS_INIT;
    dulm_struct_init(options, struct_size, &defaults, sizeof defaults);
}

static diffulm_status check_struct(const char *what, const void *s, size_t known)
{
    if (s && dulm_struct_fits(s, known))
        return DIFFULM_OK;
    return dulm_fail(DIFFULM_E_ARGUMENT,
                     "%s: NULL, or struct_size is not %zu, or more with zeros at the end", what,
                     known);
}

static diffulm_status check_ranges(const struct diffulm_dataset_options *o)
{
    const struct {
        const char *name;
        uint64_t value, high;
    } ranges[] = {{"form", (uint64_t)o->form, DIFFULM_FORM_PARALLEL},
                  {"on_damage", (uint64_t)o->on_damage, DIFFULM_DAMAGE_SKIP},
                  {"max_line", o->max_line, (uint64_t)1 << 30},
                  {"gzip_buffer", o->gzip_buffer, SIZE_MAX / 4},
                  {"messages", o->messages, 10000},
                  {"few_shot", o->few_shot, DULM_OTHERS_MAX}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value > ranges[i].high)
            return dulm_fail(DIFFULM_E_ARGUMENT, "data set options: %s is %lld, expected 0 to %llu",
                             ranges[i].name, (long long)ranges[i].value,
                             (unsigned long long)ranges[i].high);
    return DIFFULM_OK;
}

/* Fills *o with the options and their defaults. */
static diffulm_status complete(const struct diffulm_dataset_options *options, size_t path_count,
                               struct diffulm_dataset_options *o)
{
    diffulm_dataset_options_init(o, sizeof *o);
    if (options) {
        diffulm_status rc = check_struct("data set options", options, sizeof *options);
        if (rc < 0)
            return rc;
        dulm_struct_read(o, sizeof *o, options);
    }
    diffulm_status rc = check_ranges(o);
    if (rc < 0)
        return rc;
    if (!o->source_column != !o->target_column)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "data set options: one column is named, expected source_column and "
                         "target_column, or neither");
    if (o->source_column && (path_count == 2 || (o->form && o->form != DIFFULM_FORM_TSV)))
        return dulm_fail(DIFFULM_E_ARGUMENT, "data set options: columns are named, expected TSV");
    if ((path_count == 2) != (o->form == DIFFULM_FORM_PARALLEL) && (path_count == 1 || o->form))
        return dulm_fail(
            DIFFULM_E_ARGUMENT,
            "data set: form %d of %zu file%s, expected two files for parallel text and "
            "one for all else",
            o->form, path_count, path_count == 1 ? "" : "s");
    o->max_line = o->max_line ? o->max_line : (size_t)1 << 20;
    o->gzip_buffer = o->gzip_buffer ? o->gzip_buffer : (size_t)1 << 25;
    o->messages = o->messages ? o->messages : 10;
    return DIFFULM_OK;
}

diffulm_status diffulm_dataset_open(const char *const *paths, size_t path_count,
                                    const struct diffulm_dataset_options *options,
                                    diffulm_dataset **out)
{
    dulm_error_clear();
    struct diffulm_dataset_options o;
    if (!paths || path_count < 1 || path_count > DULM_DATASET_FILES || !paths[0] ||
        !paths[path_count - 1] || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "data set: %zu paths, one of them or out is NULL; expected 1 or 2 paths",
                         path_count);
    diffulm_status rc = complete(options, path_count, &o);
    return rc < 0 ? rc : dulm_dataset_open(paths, path_count, &o, out);
}

diffulm_dataset *diffulm_dataset_ref(diffulm_dataset *dataset)
{
    if (dataset)
        dulm_refcount_take(&dataset->refs);
    return dataset;
}

void diffulm_dataset_unref(diffulm_dataset *dataset)
{
    dulm_dataset_release(dataset);
}

size_t diffulm_dataset_count(const diffulm_dataset *dataset)
{
    return dataset->count;
}

diffulm_status diffulm_dataset_get_info(const diffulm_dataset *dataset,
                                        struct diffulm_dataset_info *info)
{
    dulm_error_clear();
    if (!dataset)
        return dulm_fail(DIFFULM_E_ARGUMENT, "data set is NULL");
    diffulm_status rc = check_struct("data set info", info, sizeof *info);
    if (rc < 0)
        return rc;
    const struct diffulm_dataset_info told = {.struct_size = sizeof told,
                                              .count = dataset->count,
                                              .skipped = dataset->skipped,
                                              .memory = dulm_dataset_memory(dataset),
                                              .form = dataset->form.kind,
                                              .in_order = !dulm_dataset_seekable(dataset)};
    dulm_struct_write(info, sizeof told, &told);
    return DIFFULM_OK;
}

const char *diffulm_dataset_message(const diffulm_dataset *dataset, size_t index)
{
    return index < dataset->message_count ? dataset->messages[index] : NULL;
}

diffulm_status diffulm_reader_create(diffulm_dataset *const *datasets, const double *weights,
                                     size_t count, const struct diffulm_reader_options *options,
                                     diffulm_reader **out)
{
    dulm_error_clear();
    struct diffulm_reader_options o = DIFFULM_READER_OPTIONS_INIT;
    if (!datasets || count == 0 || !out)
        return dulm_fail(DIFFULM_E_ARGUMENT, "reader: no data sets, or out is NULL");
    for (size_t i = 0; i < count; i++)
        if (!datasets[i])
            return dulm_fail(DIFFULM_E_ARGUMENT, "reader: data set %zu is NULL", i);
    diffulm_status rc =
        options ? check_struct("reader options", options, sizeof *options) : DIFFULM_OK;
    if (rc < 0)
        return rc;
    if (options)
        dulm_struct_read(&o, sizeof o, options);
    if (o.order < DIFFULM_ORDER_SHUFFLED || o.order > DIFFULM_ORDER_FILE)
        return dulm_fail(DIFFULM_E_ARGUMENT, "reader options: order is %d, expected 0 or 1",
                         o.order);
    return dulm_reader_create(datasets, weights, count, &o, out);
}

void diffulm_reader_destroy(diffulm_reader *reader)
{
    dulm_reader_destroy(reader);
}

static diffulm_status check_reader(const diffulm_reader *reader)
{
    return reader ? DIFFULM_OK : dulm_fail(DIFFULM_E_ARGUMENT, "reader is NULL");
}

diffulm_status diffulm_reader_next(diffulm_reader *reader, struct diffulm_record *record)
{
    dulm_error_clear();
    diffulm_status rc = check_reader(reader);
    if (rc == DIFFULM_OK)
        rc = check_struct("record", record, sizeof *record);
    struct diffulm_record found = {.struct_size = sizeof found};
    if (rc == DIFFULM_OK)
        rc = dulm_reader_next(reader, &found);
    if (rc == DIFFULM_OK)
        dulm_struct_write(record, sizeof found, &found);
    return rc;
}

diffulm_status diffulm_reader_record(diffulm_reader *reader, size_t dataset, uint32_t epoch,
                                     size_t index, struct diffulm_record *record)
{
    dulm_error_clear();
    diffulm_status rc = check_reader(reader);
    if (rc == DIFFULM_OK)
        rc = check_struct("record", record, sizeof *record);
    if (rc < 0)
        return rc;
    if (dataset >= reader->count)
        return dulm_fail(DIFFULM_E_ARGUMENT, "reader: data set %zu, expected less than %zu",
                         dataset, reader->count);
    const size_t records = reader->sources[dataset].dataset->count;
    if (index >= records)
        return dulm_fail(DIFFULM_E_ARGUMENT, "reader: record %zu of data set %zu, which has %zu",
                         index, dataset, records);
    struct diffulm_record found = {.struct_size = sizeof found};
    dulm_struct_read(&found, sizeof found, record); /* it keeps its row */
    rc = dulm_reader_record(reader, dataset, epoch, index, &found);
    if (rc == DIFFULM_OK)
        dulm_struct_write(record, sizeof found, &found);
    return rc;
}

diffulm_status diffulm_reader_position(const diffulm_reader *reader, void *buffer, size_t capacity,
                                       size_t *length)
{
    dulm_error_clear();
    diffulm_status rc = check_reader(reader);
    if (rc < 0)
        return rc;
    if (!length || (!buffer && capacity))
        return dulm_fail(DIFFULM_E_ARGUMENT, "reader position: buffer or length is NULL");
    *length = dulm_position_size(reader);
    if (capacity < *length)
        return DIFFULM_BUFFER_TOO_SMALL;
    dulm_position_write(reader, buffer);
    return DIFFULM_OK;
}

diffulm_status diffulm_reader_seek(diffulm_reader *reader, const void *position, size_t length)
{
    dulm_error_clear();
    diffulm_status rc = check_reader(reader);
    if (rc == DIFFULM_OK && !position)
        rc = dulm_fail(DIFFULM_E_ARGUMENT, "reader: position is NULL");
    return rc < 0 ? rc : dulm_position_read(reader, position, length);
}

size_t diffulm_reader_memory(const diffulm_reader *reader)
{
    return dulm_reader_memory(reader);
}
