/* bubble.h: a speech bubble: the prompt, small, and under it the line as far as it is written. */
#ifndef GAME_BUBBLE_H
#define GAME_BUBBLE_H

#include <SDL.h>

#include "writer.h"

/* Its middle is at x, its top at y, its tail ends at `mouth`. */
void bubble_draw(SDL_Renderer *renderer, SDL_Texture *font, const struct line *line, int64_t frame,
                 int x, int y, int mouth);

/* What the colours mean. */
void bubble_draw_legend(SDL_Renderer *renderer, SDL_Texture *font, int x, int y);

#endif
