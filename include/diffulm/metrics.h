/* metrics.h: what the field reports of texts: BLEU, chrF, ROUGE, matches and numbers, and confidence intervals.
 * Scores equal those of sacrebleu 2.6, rouge_score 0.1 and the SQuAD script; statistics of single texts add up, so
 * that a corpus needs one pass and a resample none. All calls: any thread; texts are UTF-8, lengths in bytes;
 * errors are E_ARGUMENT, E_UTF8 (names the byte) and E_OUT_OF_MEMORY, and outputs are then untouched. */
#ifndef DIFFULM_METRICS_H
#define DIFFULM_METRICS_H

#include <diffulm/common.h>

DIFFULM_BEGIN_DECLS

struct diffulm_string {
    const char *data; /* may hold NUL */
    size_t length;
};

/* ---- BLEU (Papineni et al. 2002; Post 2018) */
#define DIFFULM_BLEU_13A 0  /* mteval-v13a */
#define DIFFULM_BLEU_INTL 1 /* mteval-v14, international */
#define DIFFULM_BLEU_CHAR 2 /* every character a token */
#define DIFFULM_BLEU_NONE 3 /* white space alone */
#define DIFFULM_BLEU_SMOOTH_EXP 0
#define DIFFULM_BLEU_SMOOTH_FLOOR 1
#define DIFFULM_BLEU_SMOOTH_ADD_K 2
#define DIFFULM_BLEU_SMOOTH_NONE 3
#define DIFFULM_BLEU_ORDERS 8

struct diffulm_bleu_options {
    size_t struct_size;
    int32_t tokenizer; /* DIFFULM_BLEU_… */
    int32_t lowercase;
    int32_t smoothing; /* DIFFULM_BLEU_SMOOTH_… */
    int32_t
        effective_order; /* 1: orders that the hypothesis is too short for don't count (sentence level) */
    int32_t max_order;   /* longest n-gram, 1 to DIFFULM_BLEU_ORDERS [4] */
    double smooth_value; /* 0: the method's own, floor 0.1, add-k 1 */
};
#define DIFFULM_BLEU_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct diffulm_bleu_options), 0, 0, 0, 0, 0, 0                                      \
    }
DIFFULM_API void diffulm_bleu_options_init(struct diffulm_bleu_options *options,
                                           size_t struct_size);

/* Start: zero but for struct_size. Two of them add up field by field. */
struct diffulm_bleu_statistics {
    size_t struct_size;
    int64_t correct[DIFFULM_BLEU_ORDERS],
        total[DIFFULM_BLEU_ORDERS];              /* n-grams matched, and of the hypothesis */
    int64_t hypothesis_length, reference_length; /* tokens; the closest reference's */
};
struct diffulm_bleu {
    size_t struct_size;
    double score;                          /* percent */
    double precision[DIFFULM_BLEU_ORDERS]; /* percent, smoothed */
    double brevity_penalty;
};
/* Adds one hypothesis with its `count` references. options may be NULL. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_bleu_add(const struct diffulm_bleu_options *options,
                 const struct diffulm_string *hypothesis, const struct diffulm_string *references,
                 size_t count, struct diffulm_bleu_statistics *statistics) DIFFULM_MUST_USE;
/* The score of what was added. Since 0.1. */
DIFFULM_API diffulm_status diffulm_bleu_score(const struct diffulm_bleu_options *options,
                                              const struct diffulm_bleu_statistics *statistics,
                                              struct diffulm_bleu *out) DIFFULM_MUST_USE;
/* The text after tokenization, as sacrebleu has it (its words are the tokens), and a NUL; *length without it,
 * BUFFER_TOO_SMALL when capacity is not more. Since 0.1. */
DIFFULM_API diffulm_status diffulm_bleu_tokenize(const struct diffulm_bleu_options *options,
                                                 const struct diffulm_string *text, char *buffer,
                                                 size_t capacity, size_t *length) DIFFULM_MUST_USE;
/* How a score was made, as in nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:diffulm-0.1.0; references: of each
 * hypothesis, 0: it varies. As diffulm_bleu_tokenize. Since 0.1. */
DIFFULM_API diffulm_status diffulm_bleu_signature(const struct diffulm_bleu_options *options,
                                                  size_t references, char *buffer, size_t capacity,
                                                  size_t *length) DIFFULM_MUST_USE;

/* ---- chrF and chrF++ (Popović 2015, 2017) */
#define DIFFULM_CHRF_ORDERS 16 /* characters and words together */

struct diffulm_chrf_options {
    size_t struct_size;
    int32_t char_order; /* [6] */
    int32_t word_order; /* 0: chrF, 2: chrF++ */
    int32_t lowercase;
    int32_t whitespace;    /* 1: white space counts among the characters */
    int32_t eps_smoothing; /* 1: as chrF++.py does, else effective order */
    double beta;           /* weight of recall [2] */
};
#define DIFFULM_CHRF_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct diffulm_chrf_options), 0, 0, 0, 0, 0, 0                                      \
    }
DIFFULM_API void diffulm_chrf_options_init(struct diffulm_chrf_options *options,
                                           size_t struct_size);

/* Start: zero but for struct_size; adds up field by field. Characters' orders first, then words'. */
struct diffulm_chrf_statistics {
    size_t struct_size;
    int64_t hypothesis[DIFFULM_CHRF_ORDERS], reference[DIFFULM_CHRF_ORDERS],
        matched[DIFFULM_CHRF_ORDERS];
};
/* Adds one hypothesis against the reference that it fits best. options may be NULL. Since 0.1. */
DIFFULM_API diffulm_status
diffulm_chrf_add(const struct diffulm_chrf_options *options,
                 const struct diffulm_string *hypothesis, const struct diffulm_string *references,
                 size_t count, struct diffulm_chrf_statistics *statistics) DIFFULM_MUST_USE;
/* *score: percent. Since 0.1. */
DIFFULM_API diffulm_status diffulm_chrf_score(const struct diffulm_chrf_options *options,
                                              const struct diffulm_chrf_statistics *statistics,
                                              double *score) DIFFULM_MUST_USE;

/* ---- ROUGE (Lin 2004) */
#define DIFFULM_ROUGE_1 0
#define DIFFULM_ROUGE_2 1
#define DIFFULM_ROUGE_L 2
#define DIFFULM_ROUGE_LSUM 3          /* sentences between newlines */
#define DIFFULM_ROUGE_L_WHITE_SPACE 4 /* words between white space, case kept, any script */

struct diffulm_rouge {
    size_t struct_size;
    double precision, recall, f1;
};
/* One hypothesis against one reference. stem: 1: with Porter's stemmer (not for the white-space kind). Since 0.1. */
DIFFULM_API diffulm_status diffulm_rouge_score(int32_t kind, int32_t stem,
                                               const struct diffulm_string *hypothesis,
                                               const struct diffulm_string *reference,
                                               struct diffulm_rouge *out) DIFFULM_MUST_USE;

/* ---- answers */
#define DIFFULM_MATCH_EXACT 0 /* equal without white space at both ends */
#define DIFFULM_MATCH_SQUAD                                                                        \
    1 /* equal without case, ASCII punctuation, a/an/the and repeated white space */
/* *equal: 0 or 1. Since 0.1. */
DIFFULM_API diffulm_status diffulm_match(int32_t kind, const struct diffulm_string *a,
                                         const struct diffulm_string *b,
                                         int32_t *equal) DIFFULM_MUST_USE;

#define DIFFULM_LAST_INTEGER 0 /* digits, with commas among them, as the paper's script has it */
#define DIFFULM_LAST_NUMBER 1  /* with sign, currency, groups of three and fraction */
/* The last number of a text in a canonical form (equal strings: equal numbers); *length 0: there is none. As
 * diffulm_bleu_tokenize otherwise. Since 0.1. */
DIFFULM_API diffulm_status diffulm_last_number(int32_t kind, const struct diffulm_string *text,
                                               char *buffer, size_t capacity,
                                               size_t *length) DIFFULM_MUST_USE;

/* ---- confidence (Koehn 2004; Efron 1979) */
/* Which of `count` items (at least 1) stands at place `item` of resample `resample`: a function of its arguments
 * alone. Add the statistics of the items drawn to score a resample. Since 0.1. */
DIFFULM_API size_t diffulm_bootstrap_draw(uint64_t seed, uint32_t resample, uint32_t item,
                                          size_t count);
/* The percentile interval of the mean of values [count] at `level` (0.95) from `resamples` resamples. Since 0.1. */
DIFFULM_API diffulm_status diffulm_bootstrap_mean(const double *values, size_t count,
                                                  uint32_t resamples, double level, uint64_t seed,
                                                  double *low, double *high) DIFFULM_MUST_USE;

DIFFULM_END_DECLS

#endif
