/* Neurons that code, divide and hold. They integrate, v <- clip(v + message), and fire in a window of their own, at steps
 * k = t - start. Steps return whether anything is sent. */
#ifndef NEURONS_H
#define NEURONS_H

#include "integers.h"

/* Fires + at the first k with v >= pos_k, or - with lo_k <= v <= hi_k, each threshold shift(entry_k mantissa, n): that of a pos_k above
 * zero at least 1, that of a hi_k below zero at most -1.
 *
 * Further spikes up to step `latest`. Of a linear function: v loses sign level_k, what is left fires at +-pos_k. Else by a
 * table whose row is what was sent: + at v >= above or v <= below, - at lo <= v <= hi. */
struct phase_neuron {
    int32_t start, steps, size, spikes, bits;
    struct fold scales;
    const int32_t *kind, *mantissa, *shift;  /* of each scale */
    const int32_t *pos, *lo, *hi;            /* [kinds][steps] */
    const int32_t *level;                    /* [steps] */
    struct fold ends;
    const int32_t *latest;                   /* null: the last step */
    int32_t rows;
    const int32_t *after;                    /* [kinds][rows][4][steps], null if the function is linear */
    const int32_t *row_after;                /* [rows][2 steps + 1] */
};
int phase_neuron_step(const struct phase_neuron *p, int32_t t, const int32_t *message, int32_t *v, int32_t *row,
                      int8_t *fired, int8_t *spikes);

/* Fires at v >= threshold_k, in the sign of the step, then v -= reset_k. */
struct si_neuron {
    int32_t start, steps, size, bits;
    struct fold scales;
    const int32_t *threshold, *reset; /* [scales][steps] */
    const int8_t *sign;               /* [steps] */
};
int si_neuron_step(const struct si_neuron *p, int32_t t, const int32_t *message, int32_t *v, int8_t *spikes);

/* Divides by its threshold. It fires in the sign of x at the first k with size >= (table_k factor) >> n:
 *
 *     after softmax    x = v, size = |x|                          factor = S, the row's sum of traced spikes
 *     normalisation    x = clip(shift(v, m)), size = x^2          factor = Qs + offset, the row's sum of squares
 *
 * Having sent A it compares with A + midpoint_k in the same sign, and with A - midpoint_k in the other. */
struct dynamic_threshold {
    int32_t start, start_factor, steps, rows, columns, sources, spikes, bits, squared, drive_shift, drive_bits;
    int64_t offset;
    struct fold scales;
    const uint32_t *table;                     /* [scales][steps] */
    const int32_t *shift;                      /* of each scale */
    const int32_t *trace;                      /* after softmax only */
    const int32_t *levels, *midpoints;         /* [steps]; several spikes only, as are the rest */
    const int64_t *gain;
    const int32_t *gain_shift;                 /* of each scale */
    struct fold ends;
    const int32_t *latest;                     /* null: the last step */
};
int dynamic_threshold_step(const struct dynamic_threshold *p, int32_t t, const int32_t *message, const void *other,
                           int64_t *factor, int32_t *v, int32_t *sent, int8_t *fired, int8_t *spikes);

/* One compartment v_b for each branch; at k = 0 it sends clip(sum_b shift(m_b v_b, n_b) + bias). */
struct residual {
    int32_t start, size, branches, bits, scale_count;
    struct fold scales, biases;
    const int32_t *mantissa, *shift; /* [branches][scales] */
    const int32_t *bias;
};
int residual_step(const struct residual *p, int32_t t, const int32_t *const *messages, int32_t *v, int32_t *sum);

/* c = clip(x - sum x / n), the mean toward zero. */
struct centre {
    int32_t rows, columns, bits;
};
int centre_step(const struct centre *p, int32_t t, const int32_t *x, int32_t *centred);

/* Integrates; v is the result, at k = 0. */
struct readout {
    int32_t start, size, bits;
};
int readout_step(const struct readout *p, int32_t t, const int32_t *message, int32_t *v, int32_t *result);

#endif
