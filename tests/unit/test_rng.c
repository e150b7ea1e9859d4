/* The generator against the vectors published with Philox (Salmon et al. 2011, kat_vectors). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"

static void philox_matches_published_vectors(void **state)
{
    (void)state;
    const uint32_t counter[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    const uint32_t key[2] = {0xa4093822, 0x299f31d0};
    uint32_t out[4];
    dulm_philox(counter, key, out);
    assert_int_equal(out[0], 0xd16cfe09);
    assert_int_equal(out[1], 0x94fdcceb);
    assert_int_equal(out[2], 0x5001e420);
    assert_int_equal(out[3], 0x24126ea1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(philox_matches_published_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
