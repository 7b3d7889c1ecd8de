/* Max pooling: a race of spike trains, of which every field of values lets the largest through. */
#ifndef POOLING_H
#define POOLING_H

#include "integers.h"

/* spikes_n(k + 1) = max_j z_j(k) over the values j of field n that are not behind; who says less than that falls behind.
 *
 * A field begins `padding` before its operand does and may reach beyond its end: what lies outside takes no part. */
struct max_pool {
    int32_t start, channels, height, width, out_height, out_width;
    int32_t kernel_y, kernel_x, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
};
int max_pool_step(const struct max_pool *p, int32_t t, const int8_t *z, int8_t *behind, int8_t *waiting, int8_t *spikes);

#endif
