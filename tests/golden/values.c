/* values.c: numbers out of the fixtures' JSON. */
#include "values.h"

#include <math.h>
#include <stdlib.h>

static double value_of(const json_t *value)
{
    return json_is_null(value) ? -INFINITY : json_is_true(value) ? 1 : json_number_value(value);
}

double golden_number(const json_t *object, const char *key)
{
    return value_of(json_object_get(object, key));
}

int32_t golden_int(const json_t *object, const char *key)
{
    return (int32_t)golden_number(object, key);
}

uint64_t golden_seed(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "seed"));
    return text ? strtoull(text, NULL, 10) : 0;
}

uint32_t golden_word(const json_t *word)
{
    const char *text = json_string_value(word);
    return text ? (uint32_t)strtoul(text, NULL, 16) : 0;
}

int32_t *golden_ints(const json_t *object, const char *key, size_t *n)
{
    const json_t *array = json_object_get(object, key);
    const size_t count = json_array_size(array);
    int32_t *out = calloc(count + 1, sizeof *out);
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(array, i));
    if (n)
        *n = count;
    return out;
}

double *golden_doubles(const json_t *object, const char *key, size_t *n)
{
    const json_t *array = json_object_get(object, key);
    const size_t count = json_array_size(array);
    double *out = calloc(count + 1, sizeof *out);
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++)
        out[i] = value_of(json_array_get(array, i));
    if (n)
        *n = count;
    return out;
}

bool golden_same_ints(const json_t *object, const char *key, size_t n, const int32_t *have)
{
    const json_t *array = json_object_get(object, key);
    if (!json_is_array(array) || json_array_size(array) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (json_integer_value(json_array_get(array, i)) != have[i])
            return false;
    return true;
}

bool golden_same_flags(const json_t *object, const char *key, size_t n, const uint8_t *have)
{
    const json_t *array = json_object_get(object, key);
    if (!json_is_array(array) || json_array_size(array) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (json_integer_value(json_array_get(array, i)) != have[i])
            return false;
    return true;
}

bool golden_close(double have, double want, double relative)
{
    return have == want || fabs(have - want) <= relative * fabs(want);
}
