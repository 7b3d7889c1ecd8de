/* Synapses: what a step's spikes z in {-1, 0, +1} add to potentials.
 *
 *     current_i = trace_k sum_j w_ij z_j          and the bias once, at k = 0
 *
 * k = t - start is the step of the window. Steps return whether anything is sent; z is null where nothing arrives. */
#ifndef SYNAPSES_H
#define SYNAPSES_H

#include "integers.h"

struct dense {
    int32_t start, rows, inputs, outputs;
    const int32_t *trace;
    const int8_t *weight; /* [inputs][outputs] */
    const int32_t *bias;  /* [outputs] */
};
int dense_step(const struct dense *p, int32_t t, const int8_t *z, int32_t *current);

struct conv2d {
    int32_t start, images, channels, height, width, outputs, out_height, out_width, groups;
    int32_t kernel_y, kernel_x, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
    const int32_t *trace;
    const int8_t *weight; /* [channels][kernel_y][kernel_x][outputs / groups] */
    const int32_t *bias;  /* [outputs] */
};
int conv2d_step(const struct conv2d *p, int32_t t, const int8_t *z, int32_t *current);

struct scale {
    int32_t start, inputs, outputs;
    struct fold weights, target, biases; /* of inputs, of inputs, of outputs */
    const int32_t *trace;
    const int8_t *weight;
    const int32_t *bias;
};
int scale_step(const struct scale *p, int32_t t, const int8_t *z, int32_t *current);

#endif
