/* limits.h: bounds on what is read from outside. Beyond them a file is refused, not tried. */
#ifndef DULM_IO_LIMITS_H
#define DULM_IO_LIMITS_H

#define DULM_LIMIT_JSON_BYTES ((size_t)512 << 20)   /* a tokenizer.json or a header */
#define DULM_LIMIT_HEADER_BYTES ((size_t)100 << 20) /* a safetensors header */
#define DULM_LIMIT_FILE_BYTES ((uint64_t)1 << 40)   /* that the host says a file has */
#define DULM_LIMIT_LAYERS 1024
#define DULM_LIMIT_DIMENSION ((int64_t)1 << 24) /* hidden, ffn, positions, vocabulary */
#define DULM_LIMIT_VOCABULARY ((size_t)1 << 24) /* tokens of a tokenizer */
#define DULM_LIMIT_SHARDS 4096
#define DULM_LIMIT_RECORDS ((size_t)1 << 28) /* of a data set */

#endif
