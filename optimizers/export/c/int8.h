/* Reference int8 layers in plain C99, the yardstick for xnor.c: int8 activations and weights, int32 sums, no packing and no intrinsics.
 * Activations are (height, width, channels), weights (outs, kernel, kernel, channels). */
#ifndef INT8_H
#define INT8_H

#include "xnor.h"

/* Sums (out_height, out_width, outs); zero padding. */
void int8_conv2d(const xnor_conv *shape, const int8_t *x, const int8_t *w, int32_t *sums);

/* Sums (outs). w: (outs, ins). */
void int8_dense(const int8_t *x, const int8_t *w, int32_t ins, int32_t outs, int32_t *sums);

#endif
