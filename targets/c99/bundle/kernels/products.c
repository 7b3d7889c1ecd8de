#include "products.h"

/* Spikes of b read the traces of a, then leave their own. */
static void from_b(const struct trace_product *p, int32_t trace, const int8_t *b, const int32_t *held_a, int32_t *held_b,
                   int64_t *sum)
{
    for (int32_t j = 0; j < p->columns; j++)
        for (int32_t d = 0; d < p->depth; d++) {
            const int32_t n = j * p->b_column + d * p->b_depth;
            if (b[n] == 0)
                continue;
            for (int32_t i = 0; i < p->rows; i++)
                sum[i * p->columns + j] += (int64_t)(b[n] * trace) * held_a[i * p->depth + d];
            held_b[n] += b[n] * trace;
        }
}

static void from_a(const struct trace_product *p, int32_t trace, const int8_t *a, int32_t *held_a, const int32_t *held_b,
                   int64_t *sum)
{
    for (int32_t i = 0; i < p->rows; i++)
        for (int32_t d = 0; d < p->depth; d++) {
            const int32_t n = i * p->depth + d;
            if (a[n] == 0)
                continue;
            for (int32_t j = 0; j < p->columns; j++)
                sum[i * p->columns + j] += (int64_t)(a[n] * trace) * held_b[j * p->b_column + d * p->b_depth];
            held_a[n] += a[n] * trace;
        }
}

int trace_product_step(const struct trace_product *p, int32_t t, const int8_t *a, const int8_t *b, int32_t *held_a,
                       int32_t *held_b, int64_t *sum, int32_t *current)
{
    const int32_t size = p->rows * p->columns, of_a = p->rows * p->depth, of_b = p->columns * p->depth;
    const int biased = p->bias && t == p->start, sends = a || b || biased;
    for (int32_t l = 0; sends && l < p->lead; l++) {
        for (int32_t n = 0; n < size; n++)
            sum[n] = 0;
        if (b)
            from_b(p, p->trace_b[t - p->start_b], b + l * of_b, held_a + l * of_a, held_b + l * of_b, sum);
        if (a)
            from_a(p, p->trace_a[t - p->start_a], a + l * of_a, held_a + l * of_a, held_b + l * of_b, sum);
        if (t < p->start) /* one of the operands has not begun: all sums are 0 */
            continue;
        for (int32_t n = 0; n < size; n++) {
            const int32_t bias = biased ? p->bias[of(&p->biases, l * size + n)] : 0;
            current[l * size + n] = clip((int64_t)clip(sum[n], 32) + bias, 32);
        }
    }
    return sends && t >= p->start;
}

int square_sum_step(const struct square_sum *p, int32_t t, const int8_t *z, int32_t *held, int32_t *rest, int32_t *current)
{
    const int64_t one = (int64_t)1 << p->fraction;
    if (!z)
        return 0;
    for (int32_t r = 0; r < p->rows; r++) {
        int64_t sum = rest[r];
        for (int32_t c = 0; c < p->columns; c++) {
            const int32_t n = r * p->columns + c;
            if (z[n] == 0)
                continue;
            const int32_t d = z[n] * p->trace[t - p->start];
            sum += shift((int64_t)d * (d + 2 * held[n]), p->shift[of(&p->shifts, n)]);
            held[n] += d;
        }
        const int64_t whole = (sum < 0 ? sum - one + 1 : sum) / one; /* rounded down */
        rest[r] = (int32_t)(sum - whole * one);
        current[r] = clip(whole, 32);
    }
    return 1;
}

static void copy(const int8_t *z, int32_t trace, int32_t size, int32_t *held)
{
    for (int32_t n = 0; z && n < size; n++)
        held[n] = clip((int64_t)held[n] + (int64_t)z[n] * trace, 32);
}

int elementwise_product_step(const struct elementwise_product *p, int32_t t, const int8_t *a, const int8_t *b,
                             int32_t *held_a, int32_t *held_b, int32_t *current)
{
    const int32_t trace_a = a ? p->trace_a[t - p->start_a] : 0, trace_b = b ? p->trace_b[t - p->start_b] : 0;
    const int sends = (a || b) && t >= p->start;
    for (int32_t n = 0; sends && n < p->size; n++) {
        const int32_t i = of(&p->of_a, n), j = of(&p->of_b, n);
        const int64_t da = a ? (int64_t)a[i] * trace_a : 0, db = b ? (int64_t)b[j] * trace_b : 0;
        current[n] = clip(da * held_b[j] + (held_a[i] + da) * db, 32);
    }
    copy(a, trace_a, p->size_a, held_a);
    copy(b, trace_b, p->size_b, held_b);
    return sends;
}
