/* network.h: a small model with random weights, its gradients, and a pass over a ragged batch. */
#ifndef DULM_TESTS_GRADCHECK_NETWORK_H
#define DULM_TESTS_GRADCHECK_NETWORK_H

#include "arch/length_head.h"
#include "arch/tape.h"
#include "gradcheck.h"

enum { NETWORK_TOKENS = 9, NETWORK_ROWS = 2 };

struct network {
    struct diffulm_model *model;
    struct dulm_weights grads;
    float *gradient; /* of all parameters, in their order */
    size_t total;
    struct dulm_batch batch;
    struct dulm_pass_buffers buffers;
    struct dulm_pass pass;
    float *x, *w; /* [T, d] input or output weights of a pass */
    size_t tokens, d;
};

/* The configuration of a family with `layers` layers, as the text of a config.json. */
const char *network_config(const char *family, int layers, char *buffer, size_t capacity);

void network_create(struct network *n, void **state, const char *family, int layers);
void network_destroy(struct network *n);
/* Prepares n->pass anew; with dropout at the configuration's rates if asked. */
void network_prepare(struct network *n, bool dropout);
/* Checks every parameter whose gradient was written by a backward pass; `layer` -2: all, else only
 * that layer's (-1: outside the layers). */
void network_check_parameters(const struct network *n, const struct gradcheck_loss *loss,
                              const char *family, int layer);

#endif
