/* Softmax: a race of each row's neurons, or fitted exponentials and a division by their sum.
 *
 * A row's keys that take part are those of `mask` that a graded message `keys`, if there is one, does not rule out. */
#ifndef SOFTMAX_H
#define SOFTMAX_H

#include "integers.h"

struct row {
    int32_t size, columns, keys; /* keys: length of the message, 0 if there is none */
    struct fold masks, key;
    const uint8_t *mask;
    struct fold heads;           /* which row of the tables a neuron has */
};

/* After the row's neuron has found the largest v, fires at the first k with max - v <= ramp_k.
 *
 * The largest is found at k = -1 by graded messages or, in a race, among those that first reach a falling threshold.
 * Further spikes by a table whose row is what was sent: + at max - v <= after_+, - at max - v >= after_-. */
struct woss {
    struct row row;
    int32_t start, steps, exchange, bits;
    const int32_t *ramp;      /* [heads][steps] */
    const int32_t *race;      /* [heads][exchange], null if there is none */
    int32_t rows;
    const int32_t *after;     /* [heads][rows][2][steps], null for a single spike */
    const int32_t *row_after; /* [rows][2 steps + 1] */
    struct fold ends;
    const int32_t *latest;    /* null: the last step */
};
int woss_step(const struct woss *p, int32_t t, const int32_t *message, const int32_t *keys, int32_t *v, int32_t *winner,
              int32_t *row, int8_t *fired, int8_t *excluded, int8_t *spikes);

/* x = v - max. For each digit of the clock: fires at x + clock_k <= half, then x += clock_k. Then, unless x < -2 half, the
 * fitted steps: fires at x >= threshold, then x -= reset. Without a clock x = v. */
struct si_exp {
    struct row row;
    int32_t start, digits, fitted, bits;
    const int32_t *clock, *half;      /* [heads][digits], [heads] */
    const int32_t *threshold, *reset; /* [heads][fitted] */
};
int si_exp_step(const struct si_exp *p, int32_t t, const int32_t *message, const int32_t *keys, int32_t *v,
                int8_t *excluded, int8_t *spikes);

/* Reads its own exponential's spikes: N from the clock's, w = sum output_{N mod phases, t} >> N div phases from the others.
 * V = sum_j w_j is the threshold of a row. From v = 2^lift w + half a last digit: fires at v >= V, then v -= V; v doubles
 * between steps or, in a train, grows by w before each. */
struct si_norm {
    int32_t start, start_source, steps, size, columns, digits, phases, fitted, train, rounded, lift, last;
    const int32_t *output; /* [phases][fitted] */
};
int si_norm_step(const struct si_norm *p, int32_t t, const int8_t *z, int64_t *v, int64_t *total, int32_t *behind,
                 int32_t *heard, int8_t *spikes);

#endif
