/* dataset.h: training data on disk, larger than memory where need be, as pairs of source and target text.
 *
 *   const char *path = "train.jsonl";
 *   diffulm_dataset_open(&path, 1, NULL, &dataset);                   (reads it once: checks and index)
 *   diffulm_reader_create(&dataset, NULL, 1, NULL, &reader);          (shuffled, epoch after epoch)
 *   while (diffulm_reader_next(reader, &record) == DIFFULM_OK)
 *       train_on(record.source, record.target);                       (tokens are the host's affair)
 *
 * Forms: JSONL (one object a line) with the strings `source` and `target`; `instruction`, `output` and,
 * where there is one, `input`; `text` (the target; the source is empty); or `messages`, a list of
 * {"role": …, "content": …}. Other keys are passed over, save `task`, which names a group of records.
 * Two text files, line n of one the source of line n of the other. TSV with two columns, or with columns
 * named by its first line; no quoting, no escapes. Each file plain or gzip, which its first bytes tell. All
 * text is UTF-8 without NUL; empty lines of JSONL and TSV are no records. */
#ifndef DIFFULM_DATASET_H
#define DIFFULM_DATASET_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

/* An index over files, which stay open. Frozen and reference-counted; used from any number of threads.
 * Since 0.1. */
typedef struct diffulm_dataset diffulm_dataset;
/* A walk through one or several data sets. One thread at a time. Since 0.1. */
typedef struct diffulm_reader diffulm_reader;

#define DIFFULM_FORM_AUTO 0        /* what the first record is */
#define DIFFULM_FORM_PAIR 1        /* JSONL: source, target */
#define DIFFULM_FORM_INSTRUCTION 2 /* JSONL: instruction, input, output */
#define DIFFULM_FORM_TEXT 3        /* JSONL: text */
#define DIFFULM_FORM_CHAT 4        /* JSONL: messages */
#define DIFFULM_FORM_TSV 5
#define DIFFULM_FORM_PARALLEL 6 /* two files */

#define DIFFULM_DAMAGE_FATAL 0 /* opening fails at the first damaged record */
#define DIFFULM_DAMAGE_SKIP 1  /* it is left out and counted */

/* Texts end with NUL; NULL: the default. They are copied. */
struct diffulm_dataset_options {
    size_t struct_size;
    int32_t form;              /* DIFFULM_FORM_…; every record must have it */
    int32_t on_damage;         /* DIFFULM_DAMAGE_… */
    size_t max_line;           /* bytes of a line, at most 2^30 [2^20]; a longer one is damaged */
    size_t gzip_buffer;        /* bytes: a gzip file with more text than that is not held [2^25] */
    size_t messages;           /* how many of skipped records are kept, at most 10,000 [10] */
    const char *source_column; /* TSV: names in its first line; NULL, both: there is none, */
    const char *target_column; /* and lines have two columns */
    /* The source of an instruction: {instruction} and {input} stand for their texts, {{ and }} for braces.
     * The first of these is for records without input or with an empty one. */
    const char *instruction_template; /* ["{instruction}"] */
    const char *input_template;       /* ["{instruction}\n{input}"] */
    /* Of a chat, the last message of the assistant is the target, what follows it is passed over. The source
     * is, for each message before it, prefix, content and suffix of its role, then the prefix of the
     * assistant. Suffixes: ["\n"] */
    const char *system_prefix, *system_suffix;       /* ["System: "] */
    const char *user_prefix, *user_suffix;           /* ["User: "] */
    const char *assistant_prefix, *assistant_suffix; /* ["Assistant: "] */
    /* Other records of the data set stand before the source of each, as examples; which ones is a function of
     * the reader's seed, the epoch and the record (stream few-shot). */
    size_t few_shot;               /* examples, at most 64 and fewer than records [0] */
    const char *few_shot_template; /* of one example ["{source}\n{target}\n\n"] */
    /* Called on the thread that opens, about once for each MiB read and at the end: bytes read so far and in
     * all, as they are on disk. Anything but 0 stops the opening. */
    int32_t (*progress)(void *user, uint64_t bytes, uint64_t total);
    void *user;
};
#define DIFFULM_DATASET_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct diffulm_dataset_options), 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, \
            NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL                                            \
    }
/* Fills the options with the defaults, as the static initialiser does. Since 0.1. */
DIFFULM_API void diffulm_dataset_options_init(struct diffulm_dataset_options *options,
                                              size_t struct_size);

/* Opens one file, or two parallel ones, source first; reads them through, checks every record and notes
 * where it starts: 8 bytes of memory for each record and file. Files must not change while they are open.
 * gzip has no way back: a file with more than gzip_buffer bytes of text is unpacked as it is read, in file
 * order; shuffling it and few-shot examples from it are refused, since a row would cost the unpacking of
 * megabytes. options may be NULL. On success *out is the caller's (unref), on failure it is untouched.
 * Errors, with file and line where there is one: E_ARGUMENT (options, byte of a template), E_IO, E_FORMAT (a
 * damaged record, another form than the first record's, no record, files with different numbers of lines,
 * damaged gzip), E_UTF8, E_LIMIT (long lines, more than 2^28 records), E_UNSUPPORTED, E_CANCELLED,
 * E_OUT_OF_MEMORY. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_dataset_open(const char *const *paths, size_t path_count,
                                                const struct diffulm_dataset_options *options,
                                                diffulm_dataset **out) DIFFULM_MUST_USE;
/* One more reference; returns its argument, NULL too. Any thread. Since 0.1. */
DIFFULM_API diffulm_dataset *diffulm_dataset_ref(diffulm_dataset *dataset);
/* Drops a reference, frees with the last. NULL is allowed. Any thread. Since 0.1. */
DIFFULM_API void diffulm_dataset_unref(diffulm_dataset *dataset);
/* Records, without those skipped; at least 1. Any thread. Since 0.1. */
DIFFULM_API size_t diffulm_dataset_count(const diffulm_dataset *dataset);

struct diffulm_dataset_info {
    size_t struct_size;
    size_t count;     /* records */
    size_t skipped;   /* damaged records left out */
    size_t memory;    /* bytes held */
    int32_t form;     /* DIFFULM_FORM_…, not AUTO */
    int32_t in_order; /* 1: a gzip file that was not held, to be read in file order only */
};
/* Errors: E_ARGUMENT; *info is then untouched. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_dataset_get_info(
    const diffulm_dataset *dataset, struct diffulm_dataset_info *info) DIFFULM_MUST_USE;
/* What was wrong with skipped record `index`, file and line first; NULL past those kept. Owned by the data
 * set. Any thread. Since 0.1. */
DIFFULM_API const char *diffulm_dataset_message(const diffulm_dataset *dataset, size_t index);

#define DIFFULM_ORDER_SHUFFLED                                                                     \
    0 /* each epoch in the order of diffulm_shuffle(seed, epoch, count) */
#define DIFFULM_ORDER_FILE 1

struct diffulm_reader_options {
    size_t struct_size;
    int32_t order; /* DIFFULM_ORDER_… */
    uint64_t seed; /* of orders, mixture and few-shot examples */
};
#define DIFFULM_READER_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(struct diffulm_reader_options), 0, 0                                                \
    }
/* Fills the options with the defaults, as the static initialiser does. Since 0.1. */
DIFFULM_API void diffulm_reader_options_init(struct diffulm_reader_options *options,
                                             size_t struct_size);

/* A reader of `count` data sets, to which it keeps references. Row r comes from the data set that
 * diffulm_mixture_pick(seed, r, count, weights) names, and is the next of that one's own epochs, which go
 * on without end. weights: [count], not negative; NULL: the numbers of records. options may be NULL. On
 * success *out is the caller's (destroy), on failure it is untouched. Errors: E_ARGUMENT; E_UNSUPPORTED where
 * a data set can be read in file order only; E_OUT_OF_MEMORY. Any thread. Since 0.1. */
DIFFULM_API diffulm_status diffulm_reader_create(diffulm_dataset *const *datasets,
                                                 const double *weights, size_t count,
                                                 const struct diffulm_reader_options *options,
                                                 diffulm_reader **out) DIFFULM_MUST_USE;
/* NULL is allowed. Since 0.1. */
DIFFULM_API void diffulm_reader_destroy(diffulm_reader *reader);

/* Texts are UTF-8, end with a NUL that their length leaves out, and belong to the reader until its next
 * call. The host sets struct_size. */
struct diffulm_record {
    size_t struct_size;
    const char *source, *target;
    size_t source_length, target_length; /* bytes */
    const char *task;                    /* the string "task" of JSONL, else empty */
    size_t task_length;
    size_t dataset, index; /* which data set, and which of its records, from 0 */
    uint64_t row;          /* from 0: rows drawn before this one; of diffulm_reader_next alone */
    uint32_t epoch;        /* of this data set, from 0 */
};

/* The next row. Errors: E_ARGUMENT; E_IO, E_FORMAT and E_UTF8 where a file changed since it was opened;
 * E_OUT_OF_MEMORY. *record is then untouched, and the same row comes next. Since 0.1. */
DIFFULM_API diffulm_status diffulm_reader_next(diffulm_reader *reader,
                                               struct diffulm_record *record) DIFFULM_MUST_USE;
/* Record `index` of a data set as it is in `epoch` (which few-shot examples depend on); the reader's position
 * stays. Errors: as diffulm_reader_next. Since 0.1. */
DIFFULM_API diffulm_status diffulm_reader_record(diffulm_reader *reader, size_t dataset,
                                                 uint32_t epoch, size_t index,
                                                 struct diffulm_record *record) DIFFULM_MUST_USE;

/* Writes the reader's position, to be kept beside a run: rows drawn, and epoch and index within it of each
 * data set, 40 bytes and 24 for each data set. *length is set always; BUFFER_TOO_SMALL where capacity is less,
 * and nothing is written. Errors: E_ARGUMENT. Since 0.1. */
DIFFULM_API diffulm_status diffulm_reader_position(const diffulm_reader *reader, void *buffer,
                                                   size_t capacity,
                                                   size_t *length) DIFFULM_MUST_USE;
/* Goes to a position of a reader over the same data sets with the same seed and order; the next row is the one
 * that would have come there. Errors: E_FORMAT where the bytes are no position, E_ARGUMENT where it is that of
 * other data sets, seed or order; the reader is then where it was. Since 0.1. */
DIFFULM_API diffulm_status diffulm_reader_seek(diffulm_reader *reader, const void *position,
                                               size_t length) DIFFULM_MUST_USE;
/* Bytes held, without those of the data sets. Since 0.1. */
DIFFULM_API size_t diffulm_reader_memory(const diffulm_reader *reader);

DIFFULM_END_DECLS

#endif
