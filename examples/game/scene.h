/* scene.h: the market, drawn with SDL's lines and rectangles. */
#ifndef GAME_SCENE_H
#define GAME_SCENE_H

#include <SDL.h>

#include "writer.h"

enum { SCENE_WIDTH = 960, SCENE_HEIGHT = 540 };

struct scene;

/* NULL and SDL_GetError() on failure. */
struct scene *scene_create(SDL_Renderer *renderer);
void scene_destroy(struct scene *scene); /* NULL is allowed */

/* One frame of the cast with their lines, and a line of text at the bottom. */
void scene_draw(struct scene *scene, const struct line *lines, int64_t frame, const char *status);

#endif
