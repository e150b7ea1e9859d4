/* config.c: a model from a config.json. What is within the library's limits but too large to be made a
 * thousand times in a second is read only. */
#include "fuzz.h"

#include "arch/model.h"
#include "io/json.h"

enum { LARGEST = 1 << 14 };

static int small(const uint8_t *data, size_t size)
{
    json_t *root = NULL;
    struct dulm_config c = {0};
    struct dulm_parameter *parameters = NULL;
    size_t count, total = SIZE_MAX;
    diffulm_status rc = dulm_json_parse(data, size, "config", &root);
    if (rc == DIFFULM_OK)
        rc = dulm_config_read(root, "config", &c);
    CHECK_STATUS(rc);
    if (rc == DIFFULM_OK && c.layers <= 64) {
        CHECK(dulm_parameters_list(&c, &parameters, &count) == DIFFULM_OK);
        total = dulm_parameters_total(parameters, count);
        free(parameters);
    }
    json_decref(root);
    dulm_config_release(&c);
    return rc < 0 || total <= LARGEST;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diffulm_model_options o = DIFFULM_MODEL_OPTIONS_INIT;
    diffulm_model *model = NULL;
    if (!small(data, size))
        return 0;
    o.runtime = fuzz_runtime();
    const diffulm_status rc = diffulm_model_create((const char *)data, size, &o, &model);
    CHECK_STATUS(rc);
    CHECK((rc == DIFFULM_OK) == (model != NULL));
    if (!model)
        return 0;
    struct diffulm_model_info info = {.struct_size = sizeof info};
    CHECK(diffulm_model_get_info(model, &info) == DIFFULM_OK);
    CHECK(info.parameters > 0 && info.parameters <= LARGEST && info.longest_row > 0);
    const size_t offsets[2] = {0, (size_t)(info.longest_row < 4 ? info.longest_row : 4)};
    const int32_t tokens[4] = {0};
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    const size_t wanted = 0;
    float *logits = malloc((size_t)info.vocabulary * sizeof *logits);
    CHECK(logits);
    CHECK_STATUS(diffulm_model_logits(model, &batch, &wanted, 1, logits));
    free(logits);
    diffulm_model_unref(model);
    return 0;
}
