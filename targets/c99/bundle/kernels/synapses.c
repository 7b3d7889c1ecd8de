#include "synapses.h"

static void clear(int32_t *current, int32_t size)
{
    for (int32_t i = 0; i < size; i++)
        current[i] = 0;
}

/* trace_k x + bias, in 32 bits: beyond these any potential saturates all the same. */
static int32_t traced(int32_t x, int32_t trace, int32_t bias)
{
    return clip((int64_t)x * trace + bias, 32);
}

int dense_step(const struct dense *p, int32_t t, const int8_t *z, int32_t *current)
{
    const int32_t k = t - p->start;
    if (!z && k != 0)
        return 0;
    clear(current, p->rows * p->outputs);
    for (int32_t r = 0; z && r < p->rows; r++)
        for (int32_t j = 0; j < p->inputs; j++) {
            const int32_t spike = z[r * p->inputs + j];
            if (spike == 0)
                continue;
            const int8_t *w = p->weight + j * p->outputs;
            for (int32_t i = 0; i < p->outputs; i++)
                current[r * p->outputs + i] += spike * w[i];
        }
    for (int32_t n = 0; n < p->rows * p->outputs; n++)
        current[n] = traced(current[n], p->trace[k], k == 0 ? p->bias[n % p->outputs] : 0);
    return 1;
}

/* One spike of channel c at (y, x): its weights, at every position whose kernel covers it. */
static void push(const struct conv2d *p, int32_t c, int32_t y, int32_t x, int32_t spike, int32_t *current)
{
    const int32_t each = p->outputs / p->groups, pixels = p->out_height * p->out_width;
    const int32_t first = c / (p->channels / p->groups) * each;
    for (int32_t i = 0; i < p->kernel_y; i++) {
        const int32_t down = y + p->padding_y - i * p->dilation_y;
        if (down < 0 || down % p->stride_y != 0 || down / p->stride_y >= p->out_height)
            continue;
        for (int32_t j = 0; j < p->kernel_x; j++) {
            const int32_t right = x + p->padding_x - j * p->dilation_x;
            if (right < 0 || right % p->stride_x != 0 || right / p->stride_x >= p->out_width)
                continue;
            const int8_t *w = p->weight + ((c * p->kernel_y + i) * p->kernel_x + j) * each;
            int32_t *out = current + first * pixels + down / p->stride_y * p->out_width + right / p->stride_x;
            for (int32_t o = 0; o < each; o++)
                out[o * pixels] += spike * w[o];
        }
    }
}

int conv2d_step(const struct conv2d *p, int32_t t, const int8_t *z, int32_t *current)
{
    const int32_t k = t - p->start, pixels = p->out_height * p->out_width;
    if (!z && k != 0)
        return 0;
    clear(current, p->images * p->outputs * pixels);
    for (int32_t c = 0; z && c < p->images * p->channels; c++)
        for (int32_t y = 0; y < p->height; y++)
            for (int32_t x = 0; x < p->width; x++) {
                const int32_t spike = z[(c * p->height + y) * p->width + x];
                if (spike != 0)
                    push(p, c % p->channels, y, x, spike, current + c / p->channels * p->outputs * pixels);
            }
    for (int32_t n = 0; n < p->images * p->outputs * pixels; n++)
        current[n] = traced(current[n], p->trace[k], k == 0 ? p->bias[n / pixels % p->outputs] : 0);
    return 1;
}

int scale_step(const struct scale *p, int32_t t, const int8_t *z, int32_t *current)
{
    const int32_t k = t - p->start;
    if (!z && k != 0)
        return 0;
    clear(current, p->outputs);
    for (int32_t n = 0; z && n < p->inputs; n++)
        if (z[n] != 0)
            current[of(&p->target, n)] += z[n] * p->weight[of(&p->weights, n)];
    for (int32_t n = 0; n < p->outputs; n++)
        current[n] = traced(current[n], p->trace[k], k == 0 ? p->bias[of(&p->biases, n)] : 0);
    return 1;
}
