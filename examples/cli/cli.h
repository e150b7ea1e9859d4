/* cli.h: what the commands of the `diffulm` program share. */
#ifndef DIFFULM_CLI_H
#define DIFFULM_CLI_H

#include <diffulm/diffulm.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit codes. */
#define CLI_OK 0
#define CLI_FAILED 1      /* the library or the system refused */
#define CLI_USAGE 2       /* the command line or a recipe is wrong */
#define CLI_CANCELLED 130 /* Ctrl-C */

/* One option of a command: "--name VALUE", or "--name" alone when there is no value text. */
struct cli_option {
    const char *name, *value, *help;
    enum { CLI_FLAG, CLI_TEXT, CLI_INT, CLI_REAL } kind;
    void *target; /* bool, const char *, int64_t or double */
};

struct cli_command {
    const char *name, *arguments, *summary;
    int (*run)(int argc, char **argv);
};
extern const struct cli_command cli_commands[];

/* Reads options into their targets; positional arguments are left in argv, their count in *rest. Prints
 * help for --help, the tables as a line of JSON for --describe. Returns -1 to go on, else an exit code. */
int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc,
              char **argv, int *rest);

/* Levenshtein distance of names of less than 32 bytes; 99 for longer ones. */
size_t cli_distance(const char *a, const char *b);

/* Both print to stderr with the command's name in front and return an exit code. */
int cli_fail(const char *command);
int cli_error(const char *command, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void *cli_alloc(size_t count, size_t size); /* zeroed; ends the program when out of memory */
char *cli_copy(const char *text);           /* likewise */
void *cli_grow(void *memory, size_t count, size_t size);
char *cli_read(FILE *file, size_t *length);            /* all of it, with a NUL; NULL on error */
char *cli_read_path(const char *path, size_t *length); /* the same */
/* The text of a command: argument, file or standard input, without a final newline; NULL after a message. */
char *cli_input_text(const char *command, const char *argument, const char *path, size_t *length);
double cli_seconds(void);

/* A model with its tokenizer, and how a prompt becomes a row. */
struct cli_bundle {
    diffulm_runtime *runtime;
    diffulm_model *model;
    diffulm_tokenizer *tokenizer;
    struct diffulm_model_info info;
    struct diffulm_special_ids ids;
    int32_t newline; /* token "\n", -1 when the tokenizer has none */
};
/* How to compute; NULL where the defaults do. */
struct cli_compute {
    int64_t threads;
    bool bfloat16, int8, deterministic, pack_weights;
};
#define CLI_COMPUTE_ROWS(c)                                                                        \
    {"threads", "N", "0: one per core [0]", CLI_INT, &(c).threads},                                \
        {"bfloat16", NULL, "matrix products in bfloat16: faster, on CPUs with AVX512_BF16",        \
         CLI_FLAG, &(c).bfloat16},                                                                 \
        {"int8", NULL, "matrix products in 8 bits: the fastest, a little less exact", CLI_FLAG,    \
         &(c).int8},                                                                               \
        {"pack-weights", NULL,                                                                     \
         "weights copied as products read them: faster, shared with no other process", CLI_FLAG,   \
         &(c).pack_weights},                                                                       \
    {                                                                                              \
        "deterministic", NULL,                                                                     \
            "the same bits in any batch and with any number of threads: a little slower",          \
            CLI_FLAG, &(c).deterministic                                                           \
    }
/* Copies a file; 0, or prints why not and returns an exit code. */
int cli_copy_file(const char *command, const char *from, const char *to);

/* -1, or the exit code where two precisions are asked for. */
int cli_compute_check(const char *command, const struct cli_compute *compute);
diffulm_status cli_bundle_open(const char *folder, const struct cli_compute *compute,
                               struct cli_bundle *out);
/* The model with the adapter of a PEFT folder; NULL: nothing to do. */
diffulm_status cli_bundle_adapt(struct cli_bundle *bundle, const char *folder);
void cli_bundle_close(struct cli_bundle *bundle);

/* A growing row of tokens. */
struct cli_tokens {
    int32_t *ids;
    size_t count, capacity;
};
void cli_push(struct cli_tokens *tokens, int32_t id);
/* Appends the tokens of a text, without special tokens. */
diffulm_status cli_encode(const diffulm_tokenizer *tokenizer, const char *text, size_t length,
                          struct cli_tokens *tokens);
/* [bos] prompt [newline]: what an instruction-tuned row starts with. An empty prompt has no newline. */
diffulm_status cli_encode_prompt(const struct cli_bundle *bundle, const char *text, size_t length,
                                 struct cli_tokens *tokens);
/* Text of ids without special tokens; the caller frees it. NULL: see diffulm_error_message(). */
char *cli_decode(const diffulm_tokenizer *tokenizer, const int32_t *ids, size_t count);

int cli_generate(int argc, char **argv);
int cli_infill(int argc, char **argv);
int cli_tokenize(int argc, char **argv);
int cli_detokenize(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_finetune(int argc, char **argv);
int cli_evaluate(int argc, char **argv);
int cli_score(int argc, char **argv);
int cli_report(int argc, char **argv);
/* Writes the page of the runs in `folders` to `page`. Returns 0, or prints what is wrong and returns an exit code. */
int report_write(const char *const *folders, size_t count, const char *page);
int cli_recipe(int argc, char **argv);
int cli_prune(int argc, char **argv);
int cli_quantize(int argc, char **argv);

#endif
