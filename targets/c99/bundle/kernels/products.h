/* Products of two populations' spikes. A neuron that spikes copies the trace of its step: the local traces r are what it
 * has copied so far. A spike reads the other side's. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include "integers.h"

/* current_ij = sum_d [(r_a + da)(r_b + db) - r_a r_b]          da, db: what is copied in this step */
struct trace_product {
    int32_t start, start_a, start_b, lead, rows, columns, depth;
    int32_t b_column, b_depth; /* strides of b: [columns][depth], or [depth][columns] */
    const int32_t *trace_a, *trace_b;
    struct fold biases;
    const int32_t *bias; /* null if there is none */
};
int trace_product_step(const struct trace_product *p, int32_t t, const int8_t *a, const int8_t *b, int32_t *held_a,
                       int32_t *held_b, int64_t *sum, int32_t *current);

/* sum += sum_d shift(d (d + 2 r), n), whose whole part is sent and whose fraction is kept          d: what is copied in this step */
struct square_sum {
    int32_t start, rows, columns, fraction;
    const int32_t *trace;
    struct fold shifts;
    const int32_t *shift;
};
int square_sum_step(const struct square_sum *p, int32_t t, const int8_t *z, int32_t *held, int32_t *rest, int32_t *current);

/* current_n = (r_a + da)(r_b + db) - r_a r_b          of the two values that neuron n has */
struct elementwise_product {
    int32_t start, start_a, start_b, size, size_a, size_b;
    struct fold of_a, of_b;
    const int32_t *trace_a, *trace_b;
};
int elementwise_product_step(const struct elementwise_product *p, int32_t t, const int8_t *a, const int8_t *b,
                             int32_t *held_a, int32_t *held_b, int32_t *current);

#endif
