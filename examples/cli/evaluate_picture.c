/* evaluate_picture.c: one metric against denoising steps as SVG, a line for each policy and length beam. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"

/* The plot lies between these, in pixels; the legend below it. */
enum { LEFT = 64, RIGHT = 700, TOP = 48, BOTTOM = 348, LEGEND = 412, LEGEND_LINE = 20 };

/* Colours that people with colour blindness tell apart (Okabe and Ito 2008); dashes tell repetitions apart. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};
static const char *const dashes[] = {"none", "7 4", "2 3"};
enum { COLOURS = sizeof colours / sizeof *colours };

struct plot {
    const struct evaluation *e;
    FILE *file;
    double low, high, tick; /* of the vertical axis */
};

static void put_text(FILE *file, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        default: /* XML 1.0 has no control characters */
            fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
        }
}

static const struct figure *figure_at(const struct evaluation *e, size_t combination)
{
    return evaluation_figure(e, combination, e->task_count, 0);
}

/* Steps on a logarithmic axis; a single one stands in the middle. */
static double x_of(const struct plot *p, size_t step)
{
    const struct combination *c = p->e->combinations;
    const double first = log((double)c[0].steps);
    const double width = log((double)c[p->e->step_count - 1].steps) - first;
    const double share = width > 0 ? (log((double)c[step].steps) - first) / width : 0.5;
    return LEFT + 24 + share * (RIGHT - LEFT - 48);
}

static double y_of(const struct plot *p, double value)
{
    return BOTTOM - (value - p->low) / (p->high - p->low) * (BOTTOM - TOP);
}

/* The axis runs between round numbers around all values and intervals, with a tick at 1, 2 or 5 times a power of 10. */
static void choose_axis(struct plot *p)
{
    double low = 100, high = 0;
    for (size_t i = 0; i < p->e->combination_count; i++) {
        const struct figure *f = figure_at(p->e, i);
        low = fmin(low, p->e->resamples ? fmin(f->low, f->mean) : f->mean);
        high = fmax(high, p->e->resamples ? fmax(f->high, f->mean) : f->mean);
    }
    const double rough = fmax(high - low, 0.5) / 5, power = pow(10, floor(log10(rough)));
    const double factor = rough / power;
    p->tick = power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
    p->low = p->tick * floor(low / p->tick + 1e-9);
    p->high = p->tick * ceil(high / p->tick - 1e-9);
    if (p->high <= p->low)
        *(p->high < 100 ? &p->high : &p->low) += p->high < 100 ? p->tick : -p->tick;
}

static void draw_axes(const struct plot *p)
{
    const int decimals = p->tick < 1 ? (int)ceil(-log10(p->tick) - 1e-9) : 0;
    const int ticks = (int)lround((p->high - p->low) / p->tick);
    for (int i = 0; i <= ticks; i++) {
        const double value = p->low + i * p->tick, y = y_of(p, value);
        fprintf(p->file,
                "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
                "text-anchor=\"end\">%.*f</text>\n",
                LEFT, y, RIGHT, LEFT - 8, y + 4, decimals, value);
    }
    double last = 0;
    for (size_t k = 0; k < p->e->step_count; k++) {
        const double x = x_of(p, k);
        fprintf(p->file, "<path d=\"M%.1f %dv5\" stroke=\"#444\"/>", x, BOTTOM);
        if (x - last >= 36) /* room for the last label and this one */
            fprintf(p->file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%lld</text>\n",
                    last = x, BOTTOM + 20, (long long)p->e->combinations[k].steps);
    }
    fprintf(p->file, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#444\"/>\n", LEFT, TOP,
            BOTTOM, RIGHT);
    fprintf(p->file,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">denoising steps (logarithmic)</text>\n",
            (LEFT + RIGHT) / 2, BOTTOM + 42);
    fprintf(
        p->file,
        "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">%s, %%</text>\n",
        (TOP + BOTTOM) / 2, metric_titles[p->e->metrics[0]]);
}

/* Combinations [first, first + step_count). */
static void draw_line(const struct plot *p, size_t first, size_t line)
{
    const size_t n = p->e->step_count;
    const char *colour = colours[line % COLOURS], *dash = dashes[line / COLOURS];
    if (p->e->resamples) {
        fprintf(p->file,
                "<polygon fill=\"%s\" fill-opacity=\"0.12\" stroke=\"%s\" stroke-opacity=\"0.3\" "
                "points=\"",
                colour, colour);
        for (size_t k = 0; k < n; k++)
            fprintf(p->file, "%.1f,%.1f ", x_of(p, k), y_of(p, figure_at(p->e, first + k)->high));
        for (size_t k = n; k-- > 0;)
            fprintf(p->file, "%.1f,%.1f ", x_of(p, k), y_of(p, figure_at(p->e, first + k)->low));
        fputs("\"/>\n", p->file);
    }
    fprintf(p->file,
            "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" "
            "points=\"",
            colour, dash);
    for (size_t k = 0; k < n; k++)
        fprintf(p->file, "%.1f,%.1f ", x_of(p, k), y_of(p, figure_at(p->e, first + k)->mean));
    fputs("\"/>\n", p->file);
    for (size_t k = 0; k < n; k++)
        fprintf(p->file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x_of(p, k),
                y_of(p, figure_at(p->e, first + k)->mean), colour);
}

static void draw_legend(const struct plot *p, size_t first, size_t line)
{
    const struct combination *c = &p->e->combinations[first];
    const int y = LEGEND + LEGEND_LINE * (int)line;
    fprintf(p->file,
            "<path d=\"M%d %dh36\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>"
            "<text x=\"%d\" y=\"%d\">",
            LEFT, y, colours[line % COLOURS], dashes[line / COLOURS], LEFT + 46, y + 4);
    put_text(p->file, c->policy);
    if (p->e->answer_length == LENGTH_PREDICTED)
        fprintf(p->file, ", length beam %lld", (long long)c->beam);
    fputs("</text>\n", p->file);
}

static void draw_title(const struct plot *p)
{
    const struct evaluation *e = p->e;
    fprintf(p->file, "<text x=\"%d\" y=\"24\" font-size=\"15\">", LEFT);
    put_text(p->file, strrchr(e->data, '/') ? strrchr(e->data, '/') + 1 : e->data);
    fprintf(p->file, ": %zu rows", e->rows.count);
    if (e->task_count > 1)
        fprintf(p->file, ", mean of %zu tasks", e->task_count);
    if (e->seeds > 1)
        fprintf(p->file, ", mean of %lld seeds", (long long)e->seeds);
    if (e->resamples)
        fputs("; shaded: 95 % interval", p->file);
    fputs("</text>\n", p->file);
}

int evaluation_write_picture(const struct evaluation *e, const char *path)
{
    struct plot p = {.e = e, .file = fopen(path, "wb")};
    if (!p.file)
        return cli_error(EVALUATE, CLI_FAILED, "%s: %s", path, strerror(errno));
    const size_t lines = e->combination_count / e->step_count;
    const int height = LEGEND + LEGEND_LINE * (int)lines;
    choose_axis(&p);
    fprintf(p.file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 740 %d\" role=\"img\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"740\" height=\"%d\" "
            "fill=\"#fff\"/>\n",
            height, height);
    draw_title(&p);
    draw_axes(&p);
    for (size_t line = 0; line < lines; line++)
        draw_line(&p, line * e->step_count, line);
    for (size_t line = 0; line < lines; line++)
        draw_legend(&p, line * e->step_count, line);
    fputs("</svg>\n", p.file);
    const bool failed = ferror(p.file);
    return fclose(p.file) != 0 || failed
               ? cli_error(EVALUATE, CLI_FAILED, "%s: could not be written", path)
               : 0;
}
