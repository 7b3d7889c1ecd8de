/* Wiring: value i of the output is value source_i of the input, 0 where source_i is -1.
 *
 * With i counting (i_0, i_1, ...) in `shape`, source_i = offset + sum_d stride_d i_d; other wiring has an index map. */
#ifndef ROUTING_H
#define ROUTING_H

#include "integers.h"

struct route {
    int32_t size, dimensions, offset;
    const int32_t *shape, *stride; /* [dimensions] */
    const int32_t *index;          /* [size], or null */
};
int route_spikes_step(const struct route *p, int32_t t, const int8_t *in, int8_t *out);
int route_numbers_step(const struct route *p, int32_t t, const int32_t *in, int32_t *out);

#endif
