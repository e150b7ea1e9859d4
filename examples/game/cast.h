/* cast.h: who stands on the market, and what they are asked to say. */
#ifndef GAME_CAST_H
#define GAME_CAST_H

#include <SDL.h>

enum { CAST = 5, CAST_PROMPTS = 5 };

struct character {
    const char *name;
    const char *prompt[CAST_PROMPTS]; /* in turn */
    SDL_Color coat, hat, hair, awning;
    int height; /* pixels */
};

extern const struct character cast[CAST];

#endif
