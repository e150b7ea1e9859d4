/* models.c: gradients of whole models by their cross entropies: embeddings, blocks, final norm,
 * head and tied decoder together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

enum { TARGETS = 4 };
static const size_t position[TARGETS] = {7, 1, 4, 6};
static const int32_t target[TARGETS] = {3, 10, 0, 5};

struct whole {
    struct network *n;
    struct dulm_tape *tape;
    struct dulm_dropout dropout;
    float d_ce[TARGETS], d_uniform[TARGETS];
};

static double run(struct whole *m, const struct dulm_weights *grads)
{
    double ce[TARGETS], uniform[TARGETS], sum = 0;
    const struct dulm_targets targets = {TARGETS,      position, target, m->d_ce,
                                         m->d_uniform, ce,       uniform};
    assert_int_equal(dulm_tape_forward(m->tape, m->n->model->runtime, &m->n->model->config,
                                       &m->n->model->weights, &m->n->batch, &m->dropout, grads),
                     DIFFULM_OK);
    assert_int_equal(dulm_tape_loss(m->tape, &targets, grads), DIFFULM_OK);
    if (grads)
        assert_int_equal(dulm_tape_backward(m->tape, grads), DIFFULM_OK);
    for (int i = 0; i < TARGETS; i++)
        sum += (double)m->d_ce[i] * ce[i] + (double)m->d_uniform[i] * uniform[i];
    return sum;
}

static double whole_loss(void *user)
{
    return run(user, NULL);
}

static void whole_create(struct whole *m, struct network *n, void **state, const char *family,
                         bool dropout)
{
    network_create(n, state, family, 2);
    network_prepare(n, dropout);
    *m = (struct whole){.n = n, .dropout = n->pass.dropout};
    gradcheck_fill_around(51, TARGETS, 1, 0.5f, m->d_ce);
    gradcheck_fill_around(52, TARGETS, 0.25f, 0.125f, m->d_uniform);
    assert_int_equal(dulm_tape_create(false, &m->tape), DIFFULM_OK);
}

static void whole_destroy(struct whole *m)
{
    dulm_tape_destroy(m->tape);
    network_destroy(m->n);
}

void gradients_of_whole_models(void **state)
{
    static const char *const families[] = {"xlm-roberta", "xlm-roberta-xl", "bert", "modernbert"};
    for (size_t i = 0; i < 8; i++) {
        struct network n;
        struct whole m;
        whole_create(&m, &n, state, families[i / 2], i % 2);
        run(&m, &n.grads);
        const struct gradcheck_loss loss = {GRADCHECK_NETWORK, whole_loss, &m};
        network_check_parameters(&n, &loss, families[i / 2], -2);
        whole_destroy(&m);
    }
}

void targets_that_do_not_count_have_no_gradient(void **state)
{
    struct network n;
    struct whole m;
    whole_create(&m, &n, state, "xlm-roberta", false);
    memset(m.d_ce, 0, sizeof m.d_ce);
    memset(m.d_uniform, 0, sizeof m.d_uniform);
    run(&m, &n.grads);
    for (size_t i = 0; i < n.total; i++)
        assert_true(n.gradient[i] == 0);
    whole_destroy(&m);
}
