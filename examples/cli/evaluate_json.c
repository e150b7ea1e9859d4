/* evaluate_json.c: the figures as a JSON array, an object for each combination and task. */
#include <string.h>

#include "evaluate.h"

static void set_figure(const struct evaluation *e, json_t *item, enum metric metric,
                       const struct figure *f)
{
    const char *name = metric == EXACT ? "exact_match" : metric_names[metric];
    char key[32];
    json_object_set_new(item, name, json_real(f->mean));
    if (e->seeds > 1) {
        snprintf(key, sizeof key, "%s_deviation", name);
        json_object_set_new(item, key, json_real(f->deviation));
    }
    if (e->resamples) {
        snprintf(key, sizeof key, "%s_interval", name);
        json_object_set_new(item, key, json_pack("[f, f]", f->low, f->high));
    }
}

static json_t *line_of(const struct evaluation *e, size_t i, size_t task)
{
    const struct combination *c = &e->combinations[i];
    const bool mean = task == e->task_count;
    json_t *item = json_object();
    json_object_set_new(item, "task", mean ? json_null() : json_string(e->tasks[task].name));
    json_object_set_new(item, "rows",
                        json_integer((json_int_t)(mean ? e->rows.count : e->tasks[task].count)));
    json_object_set_new(item, "rows_left_out", json_integer((json_int_t)e->rows.too_long));
    json_object_set_new(item, "seeds", json_integer(e->seeds));
    if (e->choosing == CHOOSE_LIKELIHOOD)
        json_object_set_new(item, "draws", json_integer(e->draws));
    else {
        json_object_set_new(item, "policy", json_string(c->policy));
        json_object_set_new(item, "length_beam", json_integer(c->beam));
        json_object_set_new(item, "steps", json_integer(c->steps));
    }
    for (size_t m = 0; m < e->metric_count; m++)
        set_figure(e, item, e->metrics[m], evaluation_figure(e, i, task, m));
    json_object_set_new(item, "seconds", json_real(combination_seconds(e, c)));
    json_object_set_new(item, "tokens_per_second", json_real(combination_tokens_per_second(e, c)));
    return item;
}

void evaluation_print_json(const struct evaluation *e)
{
    /* The mean of one task is that task. */
    const size_t lines = e->task_count > 1 ? e->task_count + 1 : 1;
    json_t *root = json_array();
    for (size_t i = 0; i < e->combination_count; i++)
        for (size_t t = 0; t < lines; t++)
            json_array_append_new(root, line_of(e, i, t));
    json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(root);
}
