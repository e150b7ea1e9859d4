/* paint.h: colours and the two shapes that all is made of. */
#ifndef GAME_PAINT_H
#define GAME_PAINT_H

#include <SDL.h>

void paint_fill(SDL_Renderer *renderer, SDL_Color color, int x, int y, int width, int height);
void paint_disc(SDL_Renderer *renderer, SDL_Color color, int x, int y, int radius);

/* Darker below 1, lighter above it. */
SDL_Color paint_shade(SDL_Color color, double by);
/* `share` of the second, 0 to 1. */
SDL_Color paint_mix(SDL_Color first, SDL_Color second, double share);

#endif
