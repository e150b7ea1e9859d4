/* prune.c: checks; the tokenizer's file read, pruned and replaced. */
#include <diffulm/prune.h>
#include <diffulm/tokenizer.h>
#include <stdlib.h>
#include <string.h>

#include "arch/model.h"
#include "arch/prune.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/file.h"
#include "io/json.h"
#include "text/prune.h"

diffulm_status diffulm_model_prune(const diffulm_model *model, const int32_t *kept, size_t count,
                                   diffulm_model **out)
{
    dulm_error_clear();
    if (!model || !kept || !out || count == 0)
        return dulm_fail(DIFFULM_E_ARGUMENT,
                         "model prune: an argument is NULL, or nothing is kept");
    if (model->adapter)
        return dulm_fail(DIFFULM_E_STATE, "model prune: the model has an adapter; merge it first");
    return dulm_model_keep_rows(model, kept, count, out);
}

struct pruning {
    diffulm_tokenizer *tokenizer;
    json_t *root;
    uint8_t *keep;
    int32_t *place; /* [vocabulary] new ids, -1: gone */
    size_t kept;
};

static diffulm_status mark(struct pruning *p, const int32_t *used, size_t count)
{
    const size_t vocabulary = p->tokenizer->vocabulary;
    p->keep = dulm_alloc_zero(vocabulary, 1);
    p->place = dulm_alloc(vocabulary, sizeof *p->place);
    if (!p->keep || !p->place)
        return dulm_fail_memory();
    for (size_t i = 0; i < count; i++) {
        if (used[i] < 0 || (size_t)used[i] >= vocabulary)
            return dulm_fail(DIFFULM_E_ARGUMENT, "used[%zu] is %d, the vocabulary has %zu", i,
                             used[i], vocabulary);
        p->keep[used[i]] = 1;
    }
    diffulm_status rc = dulm_prune_close(p->tokenizer, p->root, p->keep);
    for (size_t id = 0; id < vocabulary; id++)
        p->place[id] = p->keep[id] ? (int32_t)p->kept++ : -1;
    return rc;
}

static diffulm_status write(const struct pruning *p, const char *from, const char *to)
{
    diffulm_status rc = dulm_prune_json(p->tokenizer, p->root, from, p->place);
    if (rc < 0)
        return rc;
    char *text = json_dumps(p->root, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    rc = text ? dulm_file_replace(to, text, strlen(text)) : dulm_fail_memory();
    free(text);
    return rc;
}

static void release(struct pruning *p)
{
    diffulm_tokenizer_unref(p->tokenizer);
    json_decref(p->root);
    dulm_free(p->keep);
    dulm_free(p->place);
}

diffulm_status diffulm_tokenizer_prune(const char *from, const char *to, const int32_t *used,
                                       size_t used_count, int32_t *kept, size_t capacity,
                                       size_t *count)
{
    dulm_error_clear();
    struct pruning p = {0};
    if (!from || !to || (!used && used_count) || (!kept && capacity) || !count)
        return dulm_fail(DIFFULM_E_ARGUMENT, "tokenizer prune: an argument is NULL");
    diffulm_status rc = dulm_json_open(from, &p.root);
    if (rc == DIFFULM_OK)
        rc = diffulm_tokenizer_open(from, NULL, &p.tokenizer);
    if (rc == DIFFULM_OK)
        rc = mark(&p, used, used_count);
    if (rc == DIFFULM_OK) {
        *count = p.kept;
        rc = p.kept <= capacity ? write(&p, from, to) : DIFFULM_BUFFER_TOO_SMALL;
    }
    for (size_t id = 0, n = 0; rc == DIFFULM_OK && id < p.tokenizer->vocabulary; id++)
        if (p.keep[id])
            kept[n++] = (int32_t)id;
    release(&p);
    return rc;
}
