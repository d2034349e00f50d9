/* One-bit layers: a product of +1 and -1 is XNOR, a sum of n of them is n - 2 * (ones in x ^ w).
 *
 * Freestanding C99: needs stdint.h alone, allocates nothing, keeps no state. Sums are exact integers.
 *
 * Layout: a pixel's channels lie in XNOR_WORDS(channels) words, channel c in bit c % 32 of word c / 32, 1 for +1; the unused bits of a
 * last word are 0 in activations and in weights. Activations are (height, width, words). Filters stand side by side in groups of
 * XNOR_LANES, so that one word of the picture meets all of a group: (groups, kernel, kernel, words, XNOR_LANES), zeros where the last
 * group lacks filters. Sixteen suits vector units; compile with -DXNOR_LANES=4 and pack alike where there are few registers.
 *
 * Padding is masked: a place outside the picture adds nothing, as the zero padding of a Conv on +1 and -1 does. It is neither +1 nor -1.
 */
#ifndef XNOR_H
#define XNOR_H

#include <stdint.h>

#ifndef XNOR_LANES
#define XNOR_LANES 16
#endif
#define XNOR_WORDS(channels) (((channels) + 31) / 32)

typedef struct {
    int32_t channels, height, width;            /* of the input */
    int32_t outs, out_height, out_width;        /* of the output */
    int32_t kernel_height, kernel_width, stride_height, stride_width;
    int32_t pad_top, pad_left;                  /* what lies beyond right and bottom follows from the output's extents */
} xnor_conv;

/* Bits of (channels, places) floats: 1 where x >= threshold of its channel. */
void xnor_pack(const float *x, const float *threshold, int32_t channels, int32_t places, uint32_t *bits);

/* Sums (out_height, out_width, outs). */
void xnor_conv2d(const xnor_conv *shape, const uint32_t *x, const uint32_t *w, int32_t *sums);

/* The next binary layer's input at once: bit = (sum >= threshold) ^ flip, of each output channel. This stands for batch norm and sign
 * where nothing else lies between; flip is 1 where the norm's factor is negative. */
void xnor_conv2d_sign(const xnor_conv *shape, const uint32_t *x, const uint32_t *w, const int32_t *threshold, const uint8_t *flip,
                      uint32_t *bits);

/* Sums (outs). w: (groups, words, XNOR_LANES). */
void xnor_dense(const uint32_t *x, const uint32_t *w, int32_t ins, int32_t outs, int32_t *sums);

#endif
