/* evaluate_figures.c: sorts the rows into tasks and sums up the answers of every combination. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

static struct task *task_of(struct evaluation *e, const char *name)
{
    for (size_t i = e->task_count; i-- > 0;) /* rows of a task mostly follow each other */
        if (strcmp(e->tasks[i].name, name) == 0)
            return &e->tasks[i];
    e->tasks = cli_grow(e->tasks, e->task_count + 1, sizeof *e->tasks);
    e->tasks[e->task_count] = (struct task){.name = name};
    return &e->tasks[e->task_count++];
}

static void sort_rows(struct evaluation *e)
{
    for (size_t r = 0; r < e->rows.count; r++) {
        struct task *t = task_of(e, e->rows.tasks[r]);
        if (t->count == t->capacity) {
            t->capacity = 2 * t->capacity + 16;
            t->rows = cli_grow(t->rows, t->capacity, sizeof *t->rows);
        }
        t->rows[t->count++] = r;
    }
}

/* Mean and deviation over seeds of the mean over groups. */
static struct figure figure_of(const struct evaluation *e, const struct combination *c,
                               enum metric metric, const struct answer_group *groups, size_t count)
{
    const double seeds = (double)e->seeds;
    double *values = cli_alloc((size_t)e->seeds, sizeof *values), squares = 0;
    struct figure f = {0};
    for (size_t s = 0; s < (size_t)e->seeds; s++) {
        for (size_t g = 0; g < count; g++)
            values[s] +=
                answers_score(&e->scoring, metric, c->answers[s], groups[g].rows, groups[g].count) /
                (double)count;
        f.mean += values[s] / seeds;
    }
    for (size_t s = 0; s < (size_t)e->seeds; s++)
        squares += (values[s] - f.mean) * (values[s] - f.mean);
    f.deviation = e->seeds > 1 ? sqrt(squares / (seeds - 1)) : 0;
    if (e->resamples)
        answers_interval(&e->scoring, metric, c->answers, (size_t)e->seeds, groups, count,
                         e->resamples, &f.low, &f.high);
    free(values);
    return f;
}

void evaluation_summarise(struct evaluation *e)
{
    sort_rows(e);
    const size_t tasks = e->task_count;
    struct answer_group *groups = cli_alloc(tasks, sizeof *groups);
    for (size_t t = 0; t < tasks; t++)
        groups[t] = (struct answer_group){e->tasks[t].rows, e->tasks[t].count};
    e->figures =
        cli_alloc(e->combination_count * (tasks + 1) * e->metric_count, sizeof *e->figures);
    struct figure *next = e->figures;
    for (size_t i = 0; i < e->combination_count; i++)
        for (size_t t = 0; t <= tasks; t++)
            for (size_t m = 0; m < e->metric_count; m++)
                *next++ = t < tasks
                              ? figure_of(e, &e->combinations[i], e->metrics[m], &groups[t], 1)
                              : figure_of(e, &e->combinations[i], e->metrics[m], groups, tasks);
    free(groups);
}

const struct figure *evaluation_figure(const struct evaluation *e, size_t combination, size_t task,
                                       size_t metric)
{
    return &e->figures[(combination * (e->task_count + 1) + task) * e->metric_count + metric];
}

double combination_seconds(const struct evaluation *e, const struct combination *c)
{
    return c->seconds / (double)e->seeds + e->length_seconds;
}

double combination_tokens_per_second(const struct evaluation *e, const struct combination *c)
{
    return (double)c->tokens / (double)e->seeds / combination_seconds(e, c);
}
