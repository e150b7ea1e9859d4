/* times.c: histograms of frame times. */
#include "times.h"

#include <stdio.h>

void times_add(struct times *t, double ratio)
{
    const double place = ratio * TIMES_PER_FRAME;
    t->bin[place < TIMES_BINS - 1 ? (int)place : TIMES_BINS - 1]++;
    t->frames++;
    if (ratio > t->longest)
        t->longest = ratio;
}

static double median(const struct times *t)
{
    int64_t below = 0;
    int i = 0;
    while (i < TIMES_BINS - 1 && 2 * (below + t->bin[i]) < t->frames)
        below += t->bin[i++];
    return (i + 0.5) / TIMES_PER_FRAME;
}

/* The share of those below `limit`, a ratio. */
static double within(const struct times *t, double limit)
{
    int64_t frames = 0;
    for (int i = 0; i < (int)(limit * TIMES_PER_FRAME); i++)
        frames += t->bin[i];
    return t->frames ? (double)frames / (double)t->frames : 1;
}

static void print(FILE *file, const char *name, const struct times *t, double limit)
{
    fprintf(file, " \"%s\": {\"good\": %.4f, \"median\": %.3f, \"max\": %.3f, \"tenths\": [", name,
            within(t, limit), median(t), t->longest);
    for (int i = 0; i < TIMES_BINS; i += TIMES_PER_FRAME / 10) {
        int64_t frames = 0;
        for (int k = i; k < i + TIMES_PER_FRAME / 10; k++)
            frames += t->bin[k];
        fprintf(file, "%s%lld", i ? ", " : "", (long long)frames);
    }
    fprintf(file, "]},\n");
}

int times_save(const char *path, const struct times *busy, const struct times *apart,
               const struct writer_options *options, const struct writer_report *report)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return 0;
    fprintf(file, "{\"frames\": %lld, \"budget_us\": %lld,\n", (long long)busy->frames,
            (long long)options->budget);
    print(file, "busy", busy, 1);
    print(file, "apart", apart, 1.5); /* what a screen of 60 Hz would show in time */
    fprintf(file,
            " \"writer\": {\"threaded\": %s, \"frame_pieces\": %lld, \"thread_pieces\": %lld, "
            "\"longest_frame_us\": %.1f, \"latest_start_us\": %.1f, \"longest_piece_us\": %.1f}}\n",
            report->threaded ? "true" : "false", (long long)report->frame_pieces,
            (long long)report->thread_pieces, report->longest_frame, report->latest_start,
            report->longest_piece);
    const int failed = ferror(file);
    return fclose(file) == 0 && !failed;
}
