#include "int8.h"

void int8_conv2d(const xnor_conv *s, const int8_t *x, const int8_t *w, int32_t *sums)
{
    for (int32_t oy = 0; oy < s->out_height; oy++)
        for (int32_t ox = 0; ox < s->out_width; ox++)
            for (int32_t out = 0; out < s->outs; out++) {
                int32_t sum = 0;
                for (int32_t ky = 0; ky < s->kernel_height; ky++) {
                    const int32_t y = oy * s->stride_height - s->pad_top + ky;
                    if (y < 0 || y >= s->height)
                        continue;
                    for (int32_t kx = 0; kx < s->kernel_width; kx++) {
                        const int32_t column = ox * s->stride_width - s->pad_left + kx;
                        if (column < 0 || column >= s->width)
                            continue;
                        const int8_t *here = x + (y * s->width + column) * s->channels;
                        const int8_t *tap = w + ((out * s->kernel_height + ky) * s->kernel_width + kx) * s->channels;
                        for (int32_t c = 0; c < s->channels; c++)
                            sum += here[c] * tap[c];
                    }
                }
                *sums++ = sum;
            }
}

void int8_dense(const int8_t *x, const int8_t *w, int32_t ins, int32_t outs, int32_t *sums)
{
    for (int32_t out = 0; out < outs; out++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < ins; i++)
            sum += x[i] * w[out * ins + i];
        sums[out] = sum;
    }
}
