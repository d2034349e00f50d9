#include "xnor.h"

#define MOST 31         /* words whose ones a byte can count: 8 each, 255 at most */

#ifdef XNOR_BUILTIN     /* where counting ones is one instruction for the whole group */
static inline uint32_t counted(uint32_t v) { return (uint32_t)__builtin_popcount(v); }
static inline int32_t settled(uint32_t v) { return (int32_t)v; }
#else
/* Ones of each byte, in that byte. The four are added up once for many words: multiplying for each word costs more than counting. */
static inline uint32_t counted(uint32_t v)
{
    v -= (v >> 1) & 0x55555555u;
    v = (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
    return (v + (v >> 4)) & 0x0f0f0f0fu;
}

static inline int32_t settled(uint32_t v)
{
    v = (v & 0x00ff00ffu) + ((v >> 8) & 0x00ff00ffu);
    return (int32_t)((v & 0xffffu) + (v >> 16));
}
#endif

void xnor_pack(const float *x, const float *threshold, int32_t channels, int32_t places, uint32_t *bits)
{
    const int32_t words = XNOR_WORDS(channels);
    for (int32_t i = 0; i < places * words; i++)
        bits[i] = 0;
    for (int32_t c = 0; c < channels; c++)
        for (int32_t p = 0; p < places; p++)
            bits[p * words + c / 32] |= (uint32_t)!(x[c * places + p] < threshold[c]) << (c % 32);
}

/* The part of a window that lies inside the picture: rows and columns of the kernel from .. to. */
typedef struct {
    int32_t top, left, from_y, to_y, from_x, to_x;
} window;

static inline int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

static window window_at(const xnor_conv *s, int32_t oy, int32_t ox)
{
    window v;
    v.top = oy * s->stride_height - s->pad_top;
    v.left = ox * s->stride_width - s->pad_left;
    v.from_y = larger(0, -v.top);
    v.to_y = smaller(s->kernel_height, s->height - v.top);
    v.from_x = larger(0, -v.left);
    v.to_x = smaller(s->kernel_width, s->width - v.left);
    return v;
}

static inline void settle(uint32_t *part, int32_t *sums)
{
    for (int32_t j = 0; j < XNOR_LANES; j++) {
        sums[j] -= 2 * settled(part[j]);
        part[j] = 0;
    }
}

/* Sums of one group of filters at one place. x: the picture.  w: the group. */
static inline void group_at(const xnor_conv *s, const window *v, const uint32_t *x, const uint32_t *w, int32_t *sums)
{
    const int32_t words = XNOR_WORDS(s->channels), run = (v->to_x - v->from_x) * words;
    const int32_t all = (v->to_y - v->from_y) * (v->to_x - v->from_x) * s->channels;
    uint32_t part[XNOR_LANES];
    int32_t since = 0;
    for (int32_t j = 0; j < XNOR_LANES; j++) {
        part[j] = 0;
        sums[j] = all;
    }
    for (int32_t ky = v->from_y; ky < v->to_y; ky++) {      /* a row of the window lies in one piece, in picture and filter */
        const uint32_t *here = x + ((v->top + ky) * s->width + v->left + v->from_x) * words;
        const uint32_t *tap = w + (ky * s->kernel_width + v->from_x) * words * XNOR_LANES;
        for (int32_t i = 0; i < run; i++, tap += XNOR_LANES) {
            for (int32_t j = 0; j < XNOR_LANES; j++)
                part[j] += counted(here[i] ^ tap[j]);
            if (++since == MOST) {
                settle(part, sums);
                since = 0;
            }
        }
    }
    settle(part, sums);
}

void xnor_conv2d(const xnor_conv *s, const uint32_t *x, const uint32_t *w, int32_t *sums)
{
    const int32_t size = s->kernel_height * s->kernel_width * XNOR_WORDS(s->channels);
    int32_t found[XNOR_LANES];
    for (int32_t oy = 0; oy < s->out_height; oy++)
        for (int32_t ox = 0; ox < s->out_width; ox++) {
            const window v = window_at(s, oy, ox);
            for (int32_t out = 0; out < s->outs; out += XNOR_LANES) {
                group_at(s, &v, x, w + out * size, found);
                for (int32_t j = 0; j < smaller(XNOR_LANES, s->outs - out); j++)
                    *sums++ = found[j];
            }
        }
}

void xnor_conv2d_sign(const xnor_conv *s, const uint32_t *x, const uint32_t *w, const int32_t *threshold, const uint8_t *flip,
                      uint32_t *bits)
{
    const int32_t size = s->kernel_height * s->kernel_width * XNOR_WORDS(s->channels), made = XNOR_WORDS(s->outs);
    int32_t found[XNOR_LANES];
    for (int32_t oy = 0; oy < s->out_height; oy++)
        for (int32_t ox = 0; ox < s->out_width; ox++, bits += made) {
            const window v = window_at(s, oy, ox);
            for (int32_t i = 0; i < made; i++)
                bits[i] = 0;
            for (int32_t out = 0; out < s->outs; out += XNOR_LANES) {
                group_at(s, &v, x, w + out * size, found);
                for (int32_t j = 0; j < smaller(XNOR_LANES, s->outs - out); j++)
                    bits[(out + j) / 32] |= (uint32_t)((found[j] >= threshold[out + j]) ^ flip[out + j]) << ((out + j) % 32);
            }
        }
}

void xnor_dense(const uint32_t *x, const uint32_t *w, int32_t ins, int32_t outs, int32_t *sums)
{
    const xnor_conv one = {ins, 1, 1, outs, 1, 1, 1, 1, 1, 1, 0, 0};
    xnor_conv2d(&one, x, w, sums);
}
