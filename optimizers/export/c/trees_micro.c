#if MODE_ORDERED
/* Floats as integers in the same order, without floating point: the bits are read as sign and magnitude. */
static int32_t key_of(float number, int32_t missing) {
    union { float number; int32_t bits; } as;
    as.number = number;
    if ((as.bits & INT32_MAX) > 0x7f800000) return missing;
    return as.bits ^ (int32_t)((uint32_t)(as.bits >> 31) >> 1);
}
#endif

#if MODE_FLOAT
/* NaN is above nothing and at most nothing, so each of the two comparisons sends it one way. */
#define RIGHT(node, x) ((node)->missing_left ? (x)[(node)->column] > (node)->threshold : !((x)[(node)->column] <= (node)->threshold))
#else
#define RIGHT(node, x) ((x)[(node)->column] > (node)->threshold)
#endif

/* The leaves a row falls into, added up: outputs times 1 / SCALE, before the link. */
void NAME_sums(const NAME_feature *x, int32_t *sums) {
#if MODE_ORDERED
    int32_t row[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) row[c] = key_of(x[column_feature[c]], column_missing[c]);
#else
    const NAME_feature *row = x;
#endif
    for (int o = 0; o < OUTPUTS; o++) sums[o] = base[o];
    for (int t = 0; t < TREES; t++) {
        child_t at = roots[t];
        while (at >= 0) {
            const struct node *node = nodes + at;
            at = node->child[RIGHT(node, row)];
        }
#if !SINGLE
        for (int o = 0; o < OUTPUTS; o++) sums[o] += leaves[~at][o];
#elif OUTPUTS == 1
        sums[0] += leaves[~at];
#else
        sums[tree_output[t]] += leaves[~at];
#endif
    }
}

/* Outputs before the link. */
void NAME_predict(const NAME_feature *x, float *out) {
    int32_t sums[OUTPUTS];
    NAME_sums(x, sums);
    for (int o = 0; o < OUTPUTS; o++) out[o] = (float)sums[o] * SCALE;
}

/* The number of the class, 0 or 1 for one output; the first of equals. No floating point in the modes of integers. */
int NAME_class(const NAME_feature *x) {
    int32_t sums[OUTPUTS];
    NAME_sums(x, sums);
#if OUTPUTS == 1
    return sums[0] > CUT;
#else
    int best = 0;
    for (int o = 1; o < OUTPUTS; o++) best = sums[o] > sums[best] ? o : best;
    return best;
#endif
}
