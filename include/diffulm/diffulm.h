/* diffulm.h: everything. */
#ifndef DIFFULM_DIFFULM_H
#define DIFFULM_DIFFULM_H

#include <diffulm/adapter.h>
#include <diffulm/common.h>
#include <diffulm/dataset.h>
#include <diffulm/error.h>
#include <diffulm/files.h>
#include <diffulm/length.h>
#include <diffulm/likelihood.h>
#include <diffulm/memory.h>
#include <diffulm/metrics.h>
#include <diffulm/model.h>
#include <diffulm/prune.h>
#include <diffulm/runtime.h>
#include <diffulm/sampler.h>
#include <diffulm/schedule.h>
#include <diffulm/session.h>
#include <diffulm/text.h>
#include <diffulm/tokenizer.h>
#include <diffulm/trainer.h>

#endif
