/* font.h: a bitmap font of our own, five pixels wide, so that the game needs no file and no library for text. */
#ifndef GAME_FONT_H
#define GAME_FONT_H

#include <SDL.h>

enum { FONT_WIDTH = 5, FONT_HEIGHT = 9, FONT_ADVANCE = 6, FONT_LINE = 11 };
enum { FONT_PER_BAND = 13, FONT_BANDS = 8, FONT_GLYPHS = 102 };

/* font_table.c: '#' is ink. Band b has rows b * FONT_HEIGHT …, letter i of it columns i * FONT_ADVANCE …. */
extern const char *const font_art[FONT_BANDS * FONT_HEIGHT];

/* The letters as one texture, white on nothing; NULL and SDL_GetError() on failure. */
SDL_Texture *font_create(SDL_Renderer *renderer);

/* The glyph of the letter at *text, which moves behind it; what is no letter of the font, or no UTF-8, is '?'. */
int font_next(const char **text);

/* How many letters a text has. */
int font_length(const char *text);

void font_draw_glyph(SDL_Renderer *renderer, SDL_Texture *font, int glyph, int x, int y, int scale,
                     SDL_Color color);
void font_draw(SDL_Renderer *renderer, SDL_Texture *font, const char *text, int x, int y, int scale,
               SDL_Color color);

#endif
