/* values.h: numbers out of the fixtures' JSON. Missing members read as 0 or as empty. */
#ifndef DULM_TESTS_GOLDEN_VALUES_H
#define DULM_TESTS_GOLDEN_VALUES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

double golden_number(const json_t *object, const char *key);
int32_t golden_int(const json_t *object, const char *key);
/* A 64-bit seed, written as a decimal string. */
uint64_t golden_seed(const json_t *object);
/* A 32-bit word, written as eight hexadecimal digits. */
uint32_t golden_word(const json_t *word);

/* Fresh arrays (free) of an array member; *n may be NULL. null reads as -inf. */
int32_t *golden_ints(const json_t *object, const char *key, size_t *n);
double *golden_doubles(const json_t *object, const char *key, size_t *n);
/* Whether an array member holds exactly these values. */
bool golden_same_ints(const json_t *object, const char *key, size_t n, const int32_t *have);
bool golden_same_flags(const json_t *object, const char *key, size_t n, const uint8_t *have);

/* |have - want| <= relative * |want|; a want of 0 must be met exactly. NaN is never close. */
bool golden_close(double have, double want, double relative);

#endif
