#include "pooling.h"

/* Where value j of field n lies in the operand; -1 if that is outside. */
static int32_t value_of(const struct max_pool *p, int32_t n, int32_t j)
{
    const int32_t x = n % p->out_width, y = n / p->out_width % p->out_height, c = n / p->out_width / p->out_height;
    const int32_t right = x * p->stride_x - p->padding_x + j % p->kernel_x * p->dilation_x;
    const int32_t down = y * p->stride_y - p->padding_y + j / p->kernel_x * p->dilation_y;
    const int inside = right >= 0 && right < p->width && down >= 0 && down < p->height;
    return inside ? (c * p->height + down) * p->width + right : -1;
}

/* What a field lets through: + before silence before -. */
static int8_t decide(const struct max_pool *p, int32_t n, const int8_t *z, int8_t *behind)
{
    const int32_t values = p->kernel_y * p->kernel_x;
    int8_t most = -2; /* less than anything says */
    for (int32_t j = 0; j < values; j++) {
        const int32_t at = value_of(p, n, j);
        if (at >= 0 && !behind[j] && z[at] > most)
            most = z[at];
    }
    for (int32_t j = 0; j < values; j++) {
        const int32_t at = value_of(p, n, j);
        if (at >= 0 && z[at] < most)
            behind[j] = 1;
    }
    return most;
}

int max_pool_step(const struct max_pool *p, int32_t t, const int8_t *z, int8_t *behind, int8_t *waiting, int8_t *spikes)
{
    const int32_t size = p->channels * p->out_height * p->out_width, values = p->kernel_y * p->kernel_x;
    int any = 0;
    for (int32_t n = 0; n < size; n++) {
        if (t >= p->start) {
            spikes[n] = waiting[n];
            any |= spikes[n];
        }
        waiting[n] = z ? decide(p, n, z, behind + n * values) : 0;
    }
    return any != 0;
}
