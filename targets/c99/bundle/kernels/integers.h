/* Integers that every kernel uses. Products and sums are taken in 64 bits; nothing negative is shifted, nothing wraps. */
#ifndef INTEGERS_H
#define INTEGERS_H

#include <stdint.h>

/* x 2^-n with the fraction dropped, toward zero; to the left if n < 0. */
static inline int64_t shift(int64_t x, int32_t n)
{
    if (n <= 0)
        return x * ((int64_t)1 << -n);
    if (n > 62)
        return 0;
    return x < 0 ? -(-x >> n) : x >> n;
}

/* x limited to n signed bits, +-(2^(n-1) - 1). */
static inline int32_t clip(int64_t x, int32_t n)
{
    const int64_t limit = ((int64_t)1 << (n - 1)) - 1;
    return (int32_t)(x > limit ? limit : x < -limit ? -limit : x);
}

/* v <- clip(v + message). */
static inline void integrate(int32_t *v, const int32_t *message, int32_t size, int32_t bits)
{
    if (message)
        for (int32_t n = 0; n < size; n++)
            v[n] = clip((int64_t)v[n] + message[n], bits);
}

/* Which of a d parameters neuron n has: they vary along a and d, and repeat along m and before a. */
struct fold {
    int32_t a, m, d;
};

static inline int32_t of(const struct fold *f, int32_t n)
{
    return n / (f->m * f->d) % f->a * f->d + n % f->d;
}

#endif
