/* Races of spike trains: max pooling, of which every field of values lets the largest through, and k winners of groups. */
#ifndef POOLING_H
#define POOLING_H

#include "integers.h"

/* spikes_n(k + 1) = max_j z_j(k) over the values j of field n that are not behind; values with less fall behind.
 *
 * A field begins `padding` before its operand does and may reach beyond its end: what lies outside takes no part. */
struct max_pool {
    int32_t start, channels, height, width, out_height, out_width;
    int32_t kernel_y, kernel_x, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
};
int max_pool_step(const struct max_pool *p, int32_t t, const int8_t *z, int8_t *behind, int8_t *waiting, int8_t *spikes);

/* The `count` largest values of each group fire + in step `start`; in the steps before, they race.
 *
 * Of those that are live, the values with the best message (+ before silence before -) win while there are places for all
 * that send it. Where places are too few, these stay live and values with less are out. In the end the first ones left win. */
struct winners {
    int32_t start, groups, group, count;
};
int winners_step(const struct winners *p, int32_t t, const int8_t *z, int8_t *stands, int32_t *taken, int8_t *spikes);

#endif
