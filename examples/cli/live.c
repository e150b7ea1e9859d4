/* live.c: the canvas on a terminal, drawn anew after each step. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "denoise.h"

static size_t lines_drawn;

static size_t width(void)
{
    struct winsize size;
    return ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void live_clear(void)
{
    if (lines_drawn)
        printf("\r\x1b[%zuA\x1b[J", lines_drawn);
    lines_drawn = 0;
    fflush(stdout);
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void live_draw(const struct cli_bundle *bundle, const struct frames *frames, int32_t mask)
{
    static const char *const colour[] = {"", "\x1b[1;32m", "\x1b[1;30;43m", "\x1b[1;36m"};
    const struct frame *f = &frames->list[frames->count - 1];
    size_t columns = 0;
    live_clear();
    for (size_t i = frames->canvas->answer_begin; i < frames->canvas->answer_end; i++) {
        const bool masked = f->tokens[i] == mask;
        char *text = masked ? NULL : piece_text(bundle->tokenizer, f->tokens[i]);
        const char *shown = masked ? " \xe2\x96\x91\xe2\x96\x91" : text;
        printf("%s%s%s", masked && !f->change[i] ? "\x1b[2m" : colour[f->change[i]], shown,
               "\x1b[0m");
        columns += characters(shown);
        free(text);
    }
    printf("\n\x1b[2mstep %zu\x1b[0m\n", frames->count - 1);
    lines_drawn = 2 + (columns ? (columns - 1) / width() : 0);
    fflush(stdout);
}
