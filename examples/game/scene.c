/* scene.c: backdrop, figures and speech bubbles. The backdrop never changes and is drawn once, into a texture. */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "bubble.h"
#include "cast.h"
#include "font.h"
#include "paint.h"

enum { GROUND = 470 };

struct scene {
    SDL_Renderer *renderer;
    SDL_Texture *font, *backdrop;
};

static int middle(int character)
{
    return SCENE_WIDTH * (2 * character + 1) / (2 * CAST);
}

static void draw_house(SDL_Renderer *r, int x, int width, int top, SDL_Color wall)
{
    const SDL_Color roof = {150, 84, 66, 255}, pane = {250, 226, 150, 255};
    paint_fill(r, wall, x, top, width, GROUND - top);
    for (int i = 0; i < width / 2; i += 2) /* a gable of steps */
        paint_fill(r, roof, x + i - 6, top - 2 - i / 2, width - 2 * i + 12, 2);
    for (int y = top + 20; y < top + 110; y += 44)
        for (int i = x + 18; i + 18 < x + width; i += 40) {
            paint_fill(r, paint_shade(wall, 0.7), i - 2, y - 2, 22, 28);
            paint_fill(r, pane, i, y, 18, 24);
            paint_fill(r, paint_shade(wall, 0.7), i + 8, y, 2, 24);
        }
}

static void draw_stall(SDL_Renderer *r, int x, SDL_Color awning)
{
    const SDL_Color wood = {134, 92, 56, 255}, cream = {248, 240, 222, 255};
    paint_fill(r, paint_shade(wood, 0.8), x - 84, GROUND - 140, 5, 140);
    paint_fill(r, paint_shade(wood, 0.8), x + 79, GROUND - 140, 5, 140);
    for (int i = 0; i < 8; i++) {
        paint_fill(r, i % 2 ? cream : awning, x - 88 + 22 * i, GROUND - 150, 22, 20);
        paint_disc(r, i % 2 ? cream : awning, x - 77 + 22 * i, GROUND - 130, 10);
    }
    paint_fill(r, wood, x - 80, GROUND - 34, 160, 34);
    paint_fill(r, paint_shade(wood, 1.2), x - 84, GROUND - 40, 168, 7);
    for (int i = 0; i < 9; i++) /* what is sold */
        paint_disc(r, paint_shade(awning, i % 3 ? 1.0 : 0.8), x - 66 + 8 * i,
                   GROUND - 47 - 4 * (i % 2), 6);
}

static void draw_backdrop(SDL_Renderer *r)
{
    static const SDL_Color walls[] = {
        {214, 196, 170, 255}, {190, 172, 158, 255}, {222, 184, 150, 255}, {178, 184, 176, 255}};
    for (int y = 0; y < GROUND; y += 10) /* an evening sky in bands */
        paint_fill(
            r, (SDL_Color){(Uint8)(96 + y / 4), (Uint8)(134 + y / 8), (Uint8)(186 - y / 10), 255},
            0, y, SCENE_WIDTH, 10);
    for (int i = 0; i < 8; i++)
        draw_house(r, 124 * i - 20, 116, 276 + 17 * (i * 5 % 4), walls[i % 4]);
    paint_fill(r, (SDL_Color){122, 112, 104, 255}, 0, GROUND - 12, SCENE_WIDTH,
               SCENE_HEIGHT - GROUND + 12);
    for (int y = 0; y < 4; y++) /* cobbles */
        for (int x = 0; x < SCENE_WIDTH / 40 + 1; x++)
            paint_fill(r, (SDL_Color){134, 124, 115, 255}, 40 * x - 20 * (y % 2),
                       GROUND - 8 + 12 * y, 36, 9);
    for (int i = 0; i < CAST; i++)
        draw_stall(r, middle(i), cast[i].awning);
}

/* Stands in front of the stall; who speaks nods. */
static void draw_character(const struct scene *s, int i, const struct line *line, int64_t frame)
{
    const SDL_Color skin = {238, 196, 160, 255}, ink = {40, 30, 30, 255};
    const struct character *c = &cast[i];
    const int speaking = line->cells && !line->done, x = middle(i) + 24;
    const int nod = speaking ? (int)(frame / 8 % 2) * 2 : 0, top = GROUND + 16 - c->height + nod;
    SDL_Renderer *r = s->renderer;
    for (int y = 0; y < c->height - 34; y++) /* a coat, wider below */
        paint_fill(r, paint_shade(c->coat, y % 24 == 23 ? 0.85 : 1.0), x - 13 - y / 6, top + 34 + y,
                   26 + y / 3, 1);
    paint_disc(r, c->hair, x, top + 19, 17);
    paint_disc(r, skin, x, top + 22, 14);
    paint_fill(r, c->hat, x - 21, top + 8, 42, 4);
    paint_fill(r, c->hat, x - 13, top - 8, 26, 17);
    paint_fill(r, ink, x - 6, top + 19, 3, 4);
    paint_fill(r, ink, x + 4, top + 19, 3, 4);
    if (speaking && frame / 6 % 2)
        paint_fill(r, ink, x - 3, top + 28, 7, 4);
    else
        paint_fill(r, ink, x - 3, top + 29, 7, 2);
    const int width = font_length(c->name) * FONT_ADVANCE;
    font_draw(r, s->font, c->name, middle(i) - width / 2, GROUND + 24, 1,
              (SDL_Color){255, 250, 235, 255});
}

struct scene *scene_create(SDL_Renderer *renderer)
{
    struct scene *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->renderer = renderer;
    s->font = font_create(renderer);
    s->backdrop = SDL_CreateTexture(renderer, SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_TARGET,
                                    SCENE_WIDTH, SCENE_HEIGHT);
    if (!s->font || !s->backdrop || SDL_SetRenderTarget(renderer, s->backdrop) < 0) {
        scene_destroy(s);
        return NULL;
    }
    draw_backdrop(renderer);
    SDL_SetRenderTarget(renderer, NULL);
    SDL_SetTextureBlendMode(s->backdrop, SDL_BLENDMODE_NONE);
    return s;
}

void scene_destroy(struct scene *s)
{
    if (!s)
        return;
    SDL_DestroyTexture(s->backdrop);
    SDL_DestroyTexture(s->font);
    free(s);
}

void scene_draw(struct scene *s, const struct line *lines, int64_t frame, const char *status)
{
    const SDL_Color paper = {255, 250, 235, 255};
    SDL_RenderCopy(s->renderer, s->backdrop, NULL, NULL);
    for (int i = 0; i < CAST; i++)
        draw_character(s, i, &lines[i], frame);
    for (int i = 0; i < CAST; i++)
        if (lines[i].prompt)
            bubble_draw(s->renderer, s->font, &lines[i], frame, middle(i), i % 2 ? 128 : 96,
                        GROUND - cast[i].height - 2);
    bubble_draw_legend(s->renderer, s->font, 12, SCENE_HEIGHT - 20);
    const int width = font_length(status) * FONT_ADVANCE;
    font_draw(s->renderer, s->font, status, SCENE_WIDTH - 12 - width, SCENE_HEIGHT - 18, 1, paper);
}
