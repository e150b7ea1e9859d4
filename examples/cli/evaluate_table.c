/* evaluate_table.c: the figures as a table, a line for each combination and task. */
#include <string.h>

#include "evaluate.h"

/* Widths of the columns whose entries are names. */
struct widths {
    int policy, task;
};

static const char mean_of_tasks[] = "mean of tasks";

static int longer(int width, const char *text)
{
    const int length = (int)strlen(text);
    return length > width ? length : width;
}

static void print_cell(const struct evaluation *e, const struct figure *f)
{
    printf("  %9.1f", f->mean);
    if (e->seeds > 1)
        printf(" ±%5.1f", f->deviation);
    if (e->resamples)
        printf(" [%5.1f, %5.1f]", f->low, f->high);
}

static void print_head(const struct evaluation *e, const struct widths *w)
{
    const int more = (e->seeds > 1 ? 7 : 0) + (e->resamples ? 15 : 0);
    if (e->choosing == CHOOSE_LIKELIHOOD)
        printf("%5s", "draws");
    else
        printf("%-*s %4s %5s", w->policy, "policy", "beam", "steps");
    printf("  %-*s %5s", w->task, "task", "rows");
    for (size_t m = 0; m < e->metric_count; m++)
        printf("  %9s%*s", metric_titles[e->metrics[m]], more, "");
    printf("  %9s %8s\n", "seconds", "tokens/s");
}

/* task == task_count: the mean. The combination's time stands on its last line. */
static void print_line(const struct evaluation *e, const struct widths *w, size_t i, size_t task,
                       bool last)
{
    const struct combination *c = &e->combinations[i];
    const bool mean = task == e->task_count;
    if (e->choosing == CHOOSE_LIKELIHOOD)
        printf("%5lld", (long long)e->draws);
    else
        printf("%-*s %4lld %5lld", w->policy, c->policy, (long long)c->beam, (long long)c->steps);
    printf("  %-*s %5zu", w->task, mean ? mean_of_tasks : e->tasks[task].name,
           mean ? e->rows.count : e->tasks[task].count);
    for (size_t m = 0; m < e->metric_count; m++)
        print_cell(e, evaluation_figure(e, i, task, m));
    if (last)
        printf("  %9.2f %8.0f", combination_seconds(e, c), combination_tokens_per_second(e, c));
    putchar('\n');
}

static int print_signature(const struct evaluation *e)
{
    char signature[256];
    size_t length;
    for (size_t m = 0; m < e->metric_count; m++)
        if (e->metrics[m] == BLEU) {
            if (diffulm_bleu_signature(&e->scoring.bleu, 1, signature, sizeof signature, &length) <
                0)
                return cli_fail(EVALUATE);
            printf("BLEU: %s\n", signature);
        }
    return 0;
}

int evaluation_print_table(const struct evaluation *e)
{
    /* The mean of one task is that task. */
    const size_t lines = e->task_count > 1 ? e->task_count + 1 : 1;
    struct widths w = {6, lines > 1 ? longer(4, mean_of_tasks) : 4};
    for (size_t i = 0; i < e->combination_count; i++)
        w.policy = longer(w.policy, e->combinations[i].policy);
    for (size_t t = 0; t < e->task_count; t++)
        w.task = longer(w.task, e->tasks[t].name);
    print_head(e, &w);
    for (size_t i = 0; i < e->combination_count; i++)
        for (size_t t = 0; t < lines; t++)
            print_line(e, &w, i, t, t + 1 == lines);
    return print_signature(e);
}
