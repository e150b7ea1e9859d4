/* api.h: what the matmul primitive needs, the same in oneDNN's 2.x and 3.x interfaces: 3.x makes descriptors by pointer and has no
 * operation descriptors. */
#ifndef DULM_NN_ONEDNN_API_H
#define DULM_NN_ONEDNN_API_H

#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>

#if DNNL_VERSION_MAJOR >= 3
#define DULM_AS_ARGUMENT(d) (d)
typedef const_dnnl_memory_desc_t dulm_onednn_described;
#else
#define DULM_AS_ARGUMENT(d) (&(d))
typedef const dnnl_memory_desc_t *dulm_onednn_described;
#endif

/* The CPU, made by the first call; *status says whether there is one. */
dnnl_engine_t dulm_onednn_engine(dnnl_status_t *status);

/* A matrix by its strides, in elements. */
dnnl_status_t dulm_onednn_describe(dnnl_memory_desc_t *d, size_t rows, size_t columns,
                                   dnnl_data_type_t type, size_t row_stride, size_t column_stride);
void dulm_onednn_forget(dnnl_memory_desc_t *d);

/* C = A B + bias (NULL: none), or as `attributes` have it, with scratch memory from the caller where they say so. */
dnnl_status_t dulm_onednn_matmul_plan(dnnl_primitive_desc_t *plan, const dnnl_memory_desc_t *a,
                                      const dnnl_memory_desc_t *b, const dnnl_memory_desc_t *bias,
                                      const dnnl_memory_desc_t *c,
                                      dnnl_primitive_attr_t attributes);

#endif
