/* paint.c: colours and shapes on SDL's renderer. */
#include "paint.h"

#include <math.h>

void paint_fill(SDL_Renderer *renderer, SDL_Color c, int x, int y, int width, int height)
{
    const SDL_Rect rect = {x, y, width, height};
    SDL_SetRenderDrawColor(renderer, c.r, c.g, c.b, c.a);
    SDL_RenderFillRect(renderer, &rect);
}

void paint_disc(SDL_Renderer *renderer, SDL_Color color, int x, int y, int radius)
{
    for (int dy = -radius; dy <= radius; dy++) {
        const int half = (int)sqrt((double)(radius * radius - dy * dy));
        paint_fill(renderer, color, x - half, y + dy, 2 * half + 1, 1);
    }
}

static Uint8 channel(double value)
{
    return (Uint8)(value < 0 ? 0 : value > 255 ? 255 : value);
}

SDL_Color paint_shade(SDL_Color c, double by)
{
    return (SDL_Color){channel(c.r * by), channel(c.g * by), channel(c.b * by), c.a};
}

SDL_Color paint_mix(SDL_Color a, SDL_Color b, double share)
{
    return (SDL_Color){channel(a.r + share * (b.r - a.r)), channel(a.g + share * (b.g - a.g)),
                       channel(a.b + share * (b.b - a.b)), 255};
}
