/* areas.h: the areas of the golden runner. Each looks for its own sub-folders of `folder` and does
 * nothing where there are none. */
#ifndef DULM_TESTS_GOLDEN_AREAS_H
#define DULM_TESTS_GOLDEN_AREAS_H

void golden_diffusion(const char *folder);
void golden_draws(const char *folder);
void golden_lengths(const char *folder);
void golden_metrics(const char *folder);
void golden_models(const char *folder);
void golden_samplers(const char *folder);
void golden_schedules(const char *folder);
void golden_sessions(const char *folder);
void golden_tokenizers(const char *folder);
void golden_training(const char *folder);

#endif
