/* test_fork.c: a child of a process that has computed on several threads. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tiny.h"

enum { TOKENS = 8, PATIENCE = 60000 /* ms */ };

static const size_t offsets[2] = {0, TOKENS};
static const int32_t tokens[TOKENS] = {0, 4, 5, 6, 7, 8, 9, 2};

static int score(const diffulm_model *model, float *out)
{
    const struct diffulm_batch batch = {
        .struct_size = sizeof batch, .rows = 1, .offsets = offsets, .tokens = tokens};
    return diffulm_model_logits(model, &batch, NULL, TOKENS, out);
}

/* One training step on a model of the parent, and one on a model of the child's own. */
static int compute_in_child(diffulm_model *inherited)
{
    struct diffulm_trainer_options o = DIFFULM_TRAINER_OPTIONS_INIT;
    const struct diffulm_rows rows = {sizeof rows, 1, offsets, tokens, NULL};
    diffulm_model *own = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_AUTO, 4, 2);
    diffulm_model *const models[2] = {inherited, own};
    o.mask_id = TINY_MASK;
    for (int i = 0; i < 2; i++) {
        diffulm_trainer *trainer = NULL;
        if (diffulm_trainer_create(models[i], &o, &trainer) < 0 ||
            diffulm_trainer_accumulate(trainer, &rows, NULL) < 0 ||
            diffulm_trainer_apply(trainer, NULL) < 0)
            return 1;
        diffulm_trainer_destroy(trainer);
    }
    return 0;
}

static void a_forked_child_computes_with_its_parent_s_model_and_with_its_own(void **state)
{
    (void)state;
    static float before[TOKENS * TINY_VOCABULARY], in_child[TOKENS * TINY_VOCABULARY];
    diffulm_model *model = tiny_model_on("xlm-roberta", DIFFULM_BACKEND_AUTO, 4, 1);
    int pipes[2], status;
    assert_int_equal(score(model, before), DIFFULM_OK); /* there is a team now */
    assert_int_equal(pipe(pipes), 0);
    const pid_t child = fork();
    if (child == 0) {
        const int code = score(model, in_child) == DIFFULM_OK ? compute_in_child(model) : 2;
        const ssize_t sent = write(pipes[1], in_child, sizeof in_child);
        _exit(sent == (ssize_t)sizeof in_child ? code : 3);
    }
    assert_true(child > 0);
    size_t received = 0;
    close(pipes[1]);
    /* A child that waits for dead threads says nothing, and may wait with its signals blocked. */
    struct pollfd answer = {pipes[0], POLLIN, 0};
    if (poll(&answer, 1, PATIENCE) == 0)
        kill(child, SIGKILL);
    for (ssize_t n;
         (n = read(pipes[0], (char *)in_child + received, sizeof in_child - received)) > 0;)
        received += (size_t)n;
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(received, sizeof in_child);
    for (size_t i = 0; i < TOKENS * TINY_VOCABULARY; i++)
        assert_float_equal(before[i], in_child[i], 1e-5);
    assert_int_equal(score(model, before), DIFFULM_OK); /* the parent goes on */
    diffulm_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forked_child_computes_with_its_parent_s_model_and_with_its_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
