/* What lies between the matrix products of an encoder, for x86 processors with AVX-512; float32, rows one after the
 * other in memory. Each number is made by the same operations in the same order wherever its row stands, so no bit of
 * a text's score depends on the texts beside it. nlp/model/forward/kernels.py says what each function is given. */

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 2 /* of the names and arguments of these functions: raised with them, and read by kernels.py */
#define LANES 16  /* floats in a register */
#define AT_ONCE 8 /* sums that grow side by side: enough to hide how long one addition takes */
#define LOG2_E 1.44269504f
#define FAST __attribute__((target("avx512f,avx512bw,avx512vl,fma")))
#define INLINE static inline FAST __attribute__((always_inline))

typedef __m512 Floats;

/* 2^x for x <= 0. The Taylor series of 2^part for -1/2 <= part <= 1/2, which is exact to 2e-7 there. */
INLINE Floats power_of_2(Floats x) {
    static const float terms[] = {1.5403530e-4f, 1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f};
    const Floats whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const Floats part = _mm512_sub_ps(x, whole);
    Floats sum = _mm512_set1_ps(terms[0]);
#pragma GCC unroll 6
    for (int n = 1; n < 7; n++) sum = _mm512_fmadd_ps(sum, part, _mm512_set1_ps(terms[n]));
    return _mm512_scalef_ps(sum, whole);
}

/* Up to 16 rows, times scale, as the columns of (width x 16); zeros where there are fewer. */
INLINE void turn(const float *rows, int64_t stride, int count, int64_t width, float scale, float *columns) {
    const __m512i place = _mm512_mullo_epi32(
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi32((int)stride));
    const __mmask16 there = (__mmask16)((1u << count) - 1);
    for (int64_t d = 0; d < width; d++) {
        const Floats column = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, place, rows + d, sizeof(float));
        _mm512_store_ps(columns + d * LANES, _mm512_mul_ps(column, _mm512_set1_ps(scale)));
    }
}

/* The products of 16 queries (width x 16) with `count` keys, which is AT_ONCE or 1, to scores (count x 16). */
INLINE void scores_of(const float *queries, const float *keys, int64_t stride, const int count, int64_t width, float *scores) {
    Floats sums[AT_ONCE];
#pragma GCC unroll 8
    for (int n = 0; n < count; n++) sums[n] = _mm512_setzero_ps();
    for (int64_t d = 0; d < width; d++) {
        const Floats query = _mm512_load_ps(queries + d * LANES);
#pragma GCC unroll 8
        for (int n = 0; n < count; n++) sums[n] = _mm512_fmadd_ps(query, _mm512_set1_ps(keys[n * stride + d]), sums[n]);
    }
#pragma GCC unroll 8
    for (int n = 0; n < count; n++) _mm512_store_ps(scores + n * LANES, sums[n]);
}

/* The softmax over the keys of scores (keys x 16), which are in units of log 2, in their place. */
INLINE void soften(float *scores, int64_t keys) {
    Floats top = _mm512_load_ps(scores), sum = _mm512_setzero_ps();
    for (int64_t j = 1; j < keys; j++) top = _mm512_max_ps(top, _mm512_load_ps(scores + j * LANES));
    for (int64_t j = 0; j < keys; j++) {
        const Floats power = power_of_2(_mm512_sub_ps(_mm512_load_ps(scores + j * LANES), top));
        sum = _mm512_add_ps(sum, power);
        _mm512_store_ps(scores + j * LANES, power);
    }
    const Floats share = _mm512_div_ps(_mm512_set1_ps(1.0f), sum);
    for (int64_t j = 0; j < keys; j++)
        _mm512_store_ps(scores + j * LANES, _mm512_mul_ps(_mm512_load_ps(scores + j * LANES), share));
}

/* The sum of values (keys x width), weighted for each of `count` <= 16 queries by weights (keys x 16). */
INLINE void gather(
    const float *weights, const float *values, int64_t stride, int64_t keys, int64_t width, int count, float *out, int64_t out_stride) {
    for (int64_t d = 0; d < width; d += 2 * LANES)
        for (int i = 0; i < count; i += AT_ONCE) {
            Floats left[AT_ONCE], right[AT_ONCE];
#pragma GCC unroll 8
            for (int n = 0; n < AT_ONCE; n++) left[n] = right[n] = _mm512_setzero_ps();
            for (int64_t j = 0; j < keys; j++) {
                const Floats value = _mm512_loadu_ps(values + j * stride + d);
                const Floats next = _mm512_loadu_ps(values + j * stride + d + LANES);
#pragma GCC unroll 8
                for (int n = 0; n < AT_ONCE; n++) {
                    const Floats weight = _mm512_set1_ps(weights[j * LANES + i + n]);
                    left[n] = _mm512_fmadd_ps(weight, value, left[n]);
                    right[n] = _mm512_fmadd_ps(weight, next, right[n]);
                }
            }
#pragma GCC unroll 8
            for (int n = 0; n < AT_ONCE; n++)
                if (i + n < count) {
                    _mm512_storeu_ps(out + (i + n) * out_stride + d, left[n]);
                    _mm512_storeu_ps(out + (i + n) * out_stride + d + LANES, right[n]);
                }
        }
}

/* One head of one text: queries, keys and values lie `all` apart in each row of 3 * all. */
INLINE void attend_to(const float *own, int64_t length, int64_t width, int64_t all, float *scratch, float *out) {
    const int64_t stride = 3 * all;
    float *queries = scratch, *scores = scratch + width * LANES;
    const float scale = LOG2_E / __builtin_sqrtf((float)width);
    for (int64_t i = 0; i < length; i += LANES) {
        const int count = length - i < LANES ? (int)(length - i) : LANES;
        int64_t j = 0;
        turn(own + i * stride, stride, count, width, scale, queries);
        for (; j + AT_ONCE <= length; j += AT_ONCE)
            scores_of(queries, own + all + j * stride, stride, AT_ONCE, width, scores + j * LANES);
        for (; j < length; j++) scores_of(queries, own + all + j * stride, stride, 1, width, scores + j * LANES);
        soften(scores, length);
        gather(scores, own + 2 * all, stride, length, width, count, out + i * all, all);
    }
}

FAST int attend(const float *qkv, const int32_t *cuts, int64_t texts, int64_t rows, int64_t heads, int64_t width, float *out) {
    int64_t longest = 0;
    for (int64_t t = 0; t < texts; t++) longest = cuts[t + 1] - cuts[t] > longest ? cuts[t + 1] - cuts[t] : longest;
    float *scratch = aligned_alloc(sizeof(Floats), sizeof(Floats) * (size_t)(width + longest));
    if (!scratch) return 1;
    const int64_t all = heads * width;
    for (int64_t t = 0; t < texts; t++)
        for (int64_t h = 0; h < heads; h++)
            attend_to(qkv + cuts[t] * 3 * all + h * width, cuts[t + 1] - cuts[t], width, all, scratch, out + cuts[t] * all + h * width);
    memset(out + cuts[texts] * all, 0, sizeof(float) * (size_t)((rows - cuts[texts]) * all));
    free(scratch);
    return 0;
}

/* The sum over a row of `width`, a multiple of four registers, of (x - off), or of its square. */
INLINE float sum_of(const float *row, int64_t width, Floats off, const int squared) {
    Floats sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t d = 0; d < width; d += 4 * LANES)
#pragma GCC unroll 4
        for (int n = 0; n < 4; n++) {
            const Floats x = _mm512_sub_ps(_mm512_loadu_ps(row + d + n * LANES), off);
            sums[n] = squared ? _mm512_fmadd_ps(x, x, sums[n]) : _mm512_add_ps(x, sums[n]);
        }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

FAST void normalise(float *rows, int64_t count, int64_t width, const float *weight, const float *bias, float eps) {
    for (float *row = rows; row < rows + count * width; row += width) {
        const Floats mean = _mm512_set1_ps(sum_of(row, width, _mm512_setzero_ps(), 0) / (float)width);
        const Floats over = _mm512_set1_ps(1.0f / __builtin_sqrtf(sum_of(row, width, mean, 1) / (float)width + eps));
        for (int64_t d = 0; d < width; d += LANES) {
            const Floats x = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(row + d), mean), over);
            _mm512_storeu_ps(row + d, _mm512_fmadd_ps(x, _mm512_loadu_ps(weight + d), _mm512_loadu_ps(bias + d)));
        }
    }
}

/* Truncated towards zero; what lies beyond 0 and 255 becomes its end, and what is no number 0. */
FAST void quantize(const float *rows, int64_t count, int64_t width, const float *scale, const float *shift, uint8_t *out) {
    for (int64_t r = 0; r < count; r++, rows += width, out += width)
        for (int64_t d = 0; d < width; d += LANES) {
            const Floats x = _mm512_fmadd_ps(_mm512_loadu_ps(rows + d), _mm512_loadu_ps(scale + d), _mm512_loadu_ps(shift + d));
            const __m512i whole = _mm512_cvttps_epi32(_mm512_max_ps(x, _mm512_setzero_ps()));
            _mm_storeu_si128((__m128i *)(out + d), _mm512_cvtusepi32_epi8(whole));
        }
}

int version(void) { return VERSION; }

#else

int version(void) { return 0; }

#endif
