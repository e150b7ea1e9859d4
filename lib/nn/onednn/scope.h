/* scope.h: what surrounds every call of oneDNN: the size of its team, and signals that wait. A scope inside another of the calling
 * thread's for as many threads has nothing to do. */
#ifndef DULM_NN_ONEDNN_SCOPE_H
#define DULM_NN_ONEDNN_SCOPE_H

#include <signal.h>

struct dulm_onednn_scope {
    sigset_t signals;
    int threads, before, outer; /* `outer`: threads of the scope that this one is in; 0: none */
};

void dulm_onednn_enter(int threads, struct dulm_onednn_scope *scope);
void dulm_onednn_leave(const struct dulm_onednn_scope *scope);

#endif
