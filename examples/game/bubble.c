/* bubble.c: text that denoises: a grey block for a masked position; a word that was revealed glows, and so does the block of a
 * word that was taken back. */
#include "bubble.h"

#include <diffulm/session.h>
#include <string.h>

#include "font.h"
#include "paint.h"

enum { WIDTH = 184, PAD = 10, SMALL = 1, LARGE = 2, BLOCK = 14, GLOW = 45 /* frames */ };

static const SDL_Color paper = {255, 252, 244, 255}, ink = {36, 32, 40, 255},
                       faint = {128, 120, 116, 255}, block = {196, 190, 184, 255},
                       revealed = {255, 206, 84, 255}, taken_back = {226, 84, 68, 255},
                       revised = {110, 170, 236, 255};

/* Where the next letter goes, in a column of `left` … `right`. */
struct pen {
    SDL_Renderer *renderer; /* NULL: only measures */
    SDL_Texture *font;
    SDL_Color color;
    int left, right, x, y, scale;
};

static void break_line(struct pen *p)
{
    p->x = p->left;
    p->y += FONT_LINE * p->scale;
}

/* Begins a new line unless `width` fits; what would not fit into a whole line is broken where it is. */
static void make_room(struct pen *p, int width)
{
    if (p->x + width > p->right && p->x > p->left && width <= p->right - p->left)
        break_line(p);
}

/* The width up to the next space. */
static int word_width(const struct pen *p, const char *text)
{
    int letters = 0;
    while (*text && *text != ' ') {
        font_next(&text);
        letters++;
    }
    return letters * FONT_ADVANCE * p->scale;
}

/* `rest`: how wide the word at the text's end goes on behind it. `ground`: NULL for none. */
static void put_text(struct pen *p, const char *text, int rest, const SDL_Color *ground)
{
    const int advance = FONT_ADVANCE * p->scale;
    while (*text) {
        const int space = *text == ' ';
        const int glyph = font_next(&text);
        if (space) {
            p->x += p->x > p->left ? advance : 0;
            make_room(p, word_width(p, text) + (strchr(text, ' ') ? 0 : rest));
            continue;
        }
        if (p->x + advance > p->right + p->scale)
            break_line(p);
        if (p->renderer && ground)
            paint_fill(p->renderer, *ground, p->x - p->scale, p->y - p->scale, advance + p->scale,
                       (FONT_HEIGHT + 1) * p->scale);
        if (p->renderer)
            font_draw_glyph(p->renderer, p->font, glyph, p->x, p->y, p->scale, p->color);
        p->x += advance;
    }
}

static void put_block(struct pen *p, SDL_Color color)
{
    make_room(p, BLOCK + 3);
    if (p->renderer)
        paint_fill(p->renderer, color, p->x, p->y + 2, BLOCK, 12);
    p->x += BLOCK + 3;
}

/* The whole line; returns its lower edge. */
static int put_line(struct pen *p, const struct line *line, int64_t frame)
{
    for (size_t i = 0; i < line->cells; i++) {
        const struct cell *cell = &line->cell[i];
        const int64_t age = frame - cell->frame;
        const double glow = cell->change && age < GLOW ? 1.0 - (double)age / GLOW : 0;
        if (cell->masked) {
            put_block(p, paint_mix(block, taken_back, glow));
            continue;
        }
        const SDL_Color ground =
            paint_mix(paper, cell->change == DIFFULM_CHANGE_REVISED ? revised : revealed, glow);
        int rest = 0;
        for (size_t k = i + 1; k < line->cells && !line->cell[k].masked; k++) {
            rest += word_width(p, line->cell[k].text);
            if (strchr(line->cell[k].text, ' '))
                break;
        }
        put_text(p, cell->text, rest, glow > 0 ? &ground : NULL);
    }
    return p->y + FONT_LINE * p->scale;
}

static int put_prompt(struct pen *p, const char *prompt)
{
    put_text(p, prompt, 0, NULL);
    return p->y + FONT_LINE * p->scale;
}

void bubble_draw(SDL_Renderer *r, SDL_Texture *font, const struct line *line, int64_t frame, int x,
                 int y, int mouth)
{
    const int left = x - WIDTH / 2, inner = left + PAD, right = left + WIDTH - PAD;
    struct pen p = {NULL, font, faint, inner, right, inner, y + PAD, SMALL};
    const int under_prompt = put_prompt(&p, line->prompt) + 6;
    struct pen q = {NULL, font, ink, inner, right, inner, under_prompt, LARGE};
    const int bottom = put_line(&q, line, frame) + PAD - 4;
    paint_fill(r, ink, left + 2, y - 2, WIDTH - 4, bottom - y + 4);
    paint_fill(r, ink, left - 2, y + 2, WIDTH + 4, bottom - y - 4);
    paint_fill(r, paper, left, y, WIDTH, bottom - y);
    for (int i = 0; i < 12 && bottom + i < mouth; i++) {
        paint_fill(r, ink, x + 10 + i, bottom + i, 18 - i, 1);
        paint_fill(r, paper, x + 12 + i, bottom - 1 + i, 13 - i > 0 ? 13 - i : 0, 1);
    }
    p = (struct pen){r, font, faint, inner, right, inner, y + PAD, SMALL};
    put_prompt(&p, line->prompt);
    paint_fill(r, block, inner, under_prompt - 5, WIDTH - 2 * PAD, 1);
    q = (struct pen){r, font, ink, inner, right, inner, under_prompt, LARGE};
    put_line(&q, line, frame);
}

void bubble_draw_legend(SDL_Renderer *r, SDL_Texture *font, int x, int y)
{
    static const char *const words[] = {"masked", "revealed", "taken back", "revised"};
    const SDL_Color colors[] = {block, revealed, taken_back, revised};
    for (int i = 0; i < 4; i++) {
        paint_fill(r, colors[i], x, y, BLOCK, 12);
        font_draw(r, font, words[i], x + BLOCK + 6, y + 2, 1, paper);
        x += BLOCK + 24 + font_length(words[i]) * FONT_ADVANCE;
    }
}
