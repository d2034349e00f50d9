/* Rows go in blocks of 32, one lane each: VECTORS vectors of WIDTH. GNU C's vectors become AVX2, SSE2 or NEON, whatever the target has. */

#if defined(__AVX2__)
#include <immintrin.h>
#define WIDTH 8
#else
#define WIDTH 4
#endif
#define LANES 32
#define VECTORS (LANES / WIDTH)
#define FLIGHT 8                /* rows of one tree that are walked together: while one waits for its node, others go on */
#define CHUNK 256               /* rows that meet a walked tree before the next tree comes into the cache */

static void linked(float *row) {
#if LINK == 1
    for (int o = 0; o < OUTPUTS; o++) row[o] = 1.0f / (1.0f + expf(-row[o]));
#elif LINK == 2
    float most = row[0], total = 0.0f;
    for (int o = 1; o < OUTPUTS; o++) most = row[o] > most ? row[o] : most;
    for (int o = 0; o < OUTPUTS; o++) total += row[o] = expf(row[o] - most);
    for (int o = 0; o < OUTPUTS; o++) row[o] /= total;
#else
    (void)row;
#endif
}

/* What a leaf of tree t adds: a number to the tree's one output, or a row of values. */
#if SINGLE && OUTPUTS == 1
#define ADD(t, held, sum) ((sum)[0] += (held))
#elif SINGLE
#define ADD(t, held, sum) ((sum)[tree_output[t]] += (held))
#else
#define ADD(t, held, sum) do { \
    const float *row_ = values[held]; \
    for (int o_ = 0; o_ < OUTPUTS; o_++) (sum)[o_] += row_[o_]; \
} while (0)
#endif

#if SCORED
typedef int32_t ints __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t words __attribute__((vector_size(4 * WIDTH)));

union lanes { float number[LANES]; ints bits[VECTORS]; };

static int32_t key_of(float number, int32_t missing) {
    union { float number; int32_t bits; } as;
    as.number = number;
    if (number != number) return missing;
    return as.bits ^ (int32_t)((uint32_t)(as.bits >> 31) >> 1);
}

static inline int any(ints mask) {
#if defined(__AVX2__)
    return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#else
    return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

/* The leaf is the first bit that is left. w: the tree's first word; its others are `stride` apart. */
static inline int first_leaf(const uint32_t *w, int count, size_t stride) {
#if DEEPEST == 1
    (void)count; (void)stride;
    return __builtin_ctz(w[0]);
#elif DEEPEST == 2
    return __builtin_ctzll(w[0] | (uint64_t)w[(count - 1) * stride] << 32);         /* of one word, twice the same */
#else
    int first = 0;
    while (first < count - 1 && !w[first * stride]) first++;
    return 32 * first + __builtin_ctz(w[first * stride]);
#endif
}

/* count: 1 to 32 rows; lanes beyond them repeat the last. */
static void scored_block(const float *x, int count_rows, float *out) {
    float sum[LANES][OUTPUTS];
    size_t row[LANES];
    for (int l = 0; l < LANES; l++) {
        row[l] = (size_t)(l < count_rows ? l : count_rows - 1) * FEATURES;
        for (int o = 0; o < OUTPUTS; o++) sum[l][o] = base[o];
    }
    union { words vector[GROUP_WORDS][VECTORS]; uint32_t word[GROUP_WORDS][LANES]; } left;
    for (int g = 0; g < GROUPS; g++) {
        const int first = tree_words[group_trees[g]], count = tree_words[group_trees[g + 1]] - first;
        for (int w = 0; w < count; w++)
            for (int v = 0; v < VECTORS; v++) left.vector[w][v] = ~(words){0};
        for (int c = group_columns[g]; c < (int)group_columns[g + 1]; c++) {
            union lanes lane;
            ints key[VECTORS];
            for (int l = 0; l < LANES; l++) lane.number[l] = x[row[l] + column_feature[c]];
            for (int v = 0; v < VECTORS; v++) {
                const ints bits = lane.bits[v], magnitude = bits & INT32_MAX, missing = magnitude > 0x7f800000;
                key[v] = ((bits ^ (ints)((words)(bits >> 31) >> 1)) & ~missing) | (missing & column_missing[c]);
            }
            for (unsigned k = column_keys[c]; k < column_keys[c + 1]; k++) {
                words right[VECTORS];
                ints some = {0};
                for (int v = 0; v < VECTORS; v++) {
                    const ints above = key[v] > keys[k];
                    some |= above;
                    right[v] = (words)above;
                }
                if (!any(some)) break;
                for (unsigned e = key_entries[k]; e < key_entries[k + 1]; e++) {
                    words *word = left.vector[entry_word[e] - first];
                    const uint32_t clears = entry_clears[e];
                    for (int v = 0; v < VECTORS; v++) word[v] &= ~(right[v] & clears);
                }
            }
        }
        for (int t = group_trees[g]; t < (int)group_trees[g + 1]; t++) {
            const uint32_t *word = left.word[tree_words[t] - first];
            for (int l = 0; l < LANES; l++)
                ADD(t, leaf[32 * tree_words[t] + first_leaf(word + l, tree_words[t + 1] - tree_words[t], LANES)], sum[l]);
        }
    }
    for (int l = 0; l < count_rows; l++)
        for (int o = 0; o < OUTPUTS; o++) out[l * OUTPUTS + o] = sum[l][o];
}

static void scored_row(const float *x, float *sum) {
    uint32_t left[GROUP_WORDS];
    for (int g = 0; g < GROUPS; g++) {
        const int first = tree_words[group_trees[g]], count = tree_words[group_trees[g + 1]] - first;
        for (int w = 0; w < count; w++) left[w] = UINT32_MAX;
        for (int c = group_columns[g]; c < (int)group_columns[g + 1]; c++) {
            const int32_t key = key_of(x[column_feature[c]], column_missing[c]);
            for (unsigned k = column_keys[c]; k < column_keys[c + 1] && key > keys[k]; k++)
                for (unsigned e = key_entries[k]; e < key_entries[k + 1]; e++) left[entry_word[e] - first] &= ~entry_clears[e];
        }
        for (int t = group_trees[g]; t < (int)group_trees[g + 1]; t++) {
            const int count_t = tree_words[t + 1] - tree_words[t];
            ADD(t, leaf[32 * tree_words[t] + first_leaf(left + (tree_words[t] - first), count_t, 1)], sum);
        }
    }
}
#endif

#if SCORED < TREES
/* x > t is false for NaN, which so goes left; the lowest bit of `asks` sends it right. */
static inline uint32_t next(const struct node *node, const float *x) {
    const float number = x[node->asks >> 1];
    return node->child + (uint32_t)((number > node->threshold) | ((number != number) & (int)(node->asks & 1)));
}

static void walked_rows(const float *x, int rows, float *out) {
    for (int t = SCORED; t < TREES; t++)
        for (int begin = 0; begin < rows; begin += FLIGHT) {
            const int count = rows - begin < FLIGHT ? rows - begin : FLIGHT;
            const float *row[FLIGHT];
            uint32_t at[FLIGHT], moved = 1;
            for (int l = 0; l < FLIGHT; l++) {
                at[l] = roots[t - SCORED];
                row[l] = x + (size_t)(begin + (l < count ? l : 0)) * FEATURES;
            }
            while (moved) {
                moved = 0;
                for (int l = 0; l < FLIGHT; l++) {
                    const uint32_t to = next(nodes + at[l], row[l]);
                    moved |= to ^ at[l];
                    at[l] = to;
                }
            }
            for (int l = 0; l < count; l++) ADD(t, walked_leaf[at[l]], out + (size_t)(begin + l) * OUTPUTS);
        }
}

static void walked_row(const float *x, float *sum) {
    for (int begin = SCORED; begin < TREES; begin += FLIGHT) {
        const int count = TREES - begin < FLIGHT ? TREES - begin : FLIGHT;
        uint32_t at[FLIGHT], moved = 1;
        for (int t = 0; t < count; t++) at[t] = roots[begin + t - SCORED];
        while (moved) {
            moved = 0;
            for (int t = 0; t < count; t++) {
                const uint32_t to = next(nodes + at[t], x);
                moved |= to ^ at[t];
                at[t] = to;
            }
        }
        for (int t = 0; t < count; t++) ADD(begin + t, walked_leaf[at[t]], sum);
    }
}
#endif

void NAME_predict(const float *x, float *out) {
    for (int o = 0; o < OUTPUTS; o++) out[o] = base[o];
#if SCORED
    scored_row(x, out);
#endif
#if SCORED < TREES
    walked_row(x, out);
#endif
    linked(out);
}

static void chunk(const float *x, int rows, float *out) {
    int done = 0;
#if SCORED
    for (; rows - done >= 4; done += LANES)             /* three rows one by one take less than a block */
        scored_block(x + (size_t)done * FEATURES, rows - done < LANES ? rows - done : LANES, out + (size_t)done * OUTPUTS);
#endif
    for (; done < rows; done++) {
        float *sum = out + (size_t)done * OUTPUTS;
        for (int o = 0; o < OUTPUTS; o++) sum[o] = base[o];
#if SCORED
        scored_row(x + (size_t)done * FEATURES, sum);
#endif
    }
#if SCORED < TREES
    walked_rows(x, rows, out);
#endif
    for (int r = 0; r < rows; r++) linked(out + (size_t)r * OUTPUTS);
}

void NAME_predict_rows(const float *x, int rows, float *out) {
    for (int done = 0; done < rows; done += CHUNK)
        chunk(x + (size_t)done * FEATURES, rows - done < CHUNK ? rows - done : CHUNK, out + (size_t)done * OUTPUTS);
}
