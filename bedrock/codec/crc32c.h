/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in RFC 3720 appendix B.4.
 *
 * The crc32 instruction takes 3 cycles but can be started every cycle.  So long input is cut in
 * three lanes that are summed side by side and then joined: shifting a sum past n zero bytes is a
 * multiplication by x^(8n) mod P, one carry-less multiplication with a tabled constant.
 *
 *     input   | lane 0: k words | lane 1: k words | lane 2: k words | rest
 *     crc     = a * x^(128k) + b * x^(64k) + c
 *
 * In reflected form clmul(a, K) read as 64 bits is a*K*x, and the crc32 instruction over such a
 * word multiplies it by x^32 and reduces it; hence the table holds shift[k] = x^(64k - 33) mod P:
 * shift[1] = x^31 is 1, and shift[k+1] is shift[k] summed over one zero word.
 *
 * Without SSE4.2 and PCLMUL: slicing by 8 (Kounavis and Berry, 2005).
 */
#ifndef BEDROCK_CRC32C_H
#define BEDROCK_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CRC32C_POLYNOMIAL 0x82F63B78u
#define CRC32C_LANE_WORDS 256 /* 2 KiB a lane: all three stay in the first-level cache */

static uint32_t crc32c_slices[8][256];
static uint32_t crc32c_shift[2 * CRC32C_LANE_WORDS + 1];
static int crc32c_hardware;

static inline uint64_t crc32c_load(const unsigned char *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static uint32_t crc32c_portable(uint32_t crc, const unsigned char *p, size_t n) {
    while (n >= 8) {
        /* Bytes are taken one by one, so that the order of bytes in a word does not matter. */
        uint32_t low = crc ^ (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = crc32c_slices[7][low & 0xFF] ^ crc32c_slices[6][low >> 8 & 0xFF]
            ^ crc32c_slices[5][low >> 16 & 0xFF] ^ crc32c_slices[4][low >> 24]
            ^ crc32c_slices[3][p[4]] ^ crc32c_slices[2][p[5]]
            ^ crc32c_slices[1][p[6]] ^ crc32c_slices[0][p[7]];
        p += 8;
        n -= 8;
    }
    while (n--)
        crc = crc >> 8 ^ crc32c_slices[0][(crc ^ *p++) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("sse4.2,pclmul")))
static inline uint64_t crc32c_shifted(uint64_t crc, size_t words) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
                                           _mm_cvtsi32_si128((int)crc32c_shift[words]), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul")))
static uint32_t crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n) {
    uint64_t a = crc;
    while (n >= 192) {
        size_t words = n / 24 < CRC32C_LANE_WORDS ? n / 24 : CRC32C_LANE_WORDS;
        const unsigned char *q = p + 8 * words, *r = q + 8 * words, *end = q;
        uint64_t b = 0, c = 0;
        for (; p < end; p += 8, q += 8, r += 8) {
            a = _mm_crc32_u64(a, crc32c_load(p));
            b = _mm_crc32_u64(b, crc32c_load(q));
            c = _mm_crc32_u64(c, crc32c_load(r));
        }
        a = crc32c_shifted(a, 2 * words) ^ crc32c_shifted(b, words) ^ c;
        p = r;
        n -= 24 * words;
    }
    for (; n >= 8; p += 8, n -= 8)
        a = _mm_crc32_u64(a, crc32c_load(p));
    for (; n; p++, n--)
        a = _mm_crc32_u8((uint32_t)a, *p);
    return (uint32_t)a;
}

static int crc32c_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
#else
static uint32_t crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n) {
    return crc32c_portable(crc, p, n);
}

static int crc32c_supported(void) { return 0; }
#endif

static void crc32c_prepare(void) {
    static const unsigned char zeros[8];
    for (int i = 0; i < 256; i++) {
        uint32_t crc = (uint32_t)i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CRC32C_POLYNOMIAL : 0);
        crc32c_slices[0][i] = crc;
    }
    for (int i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            crc32c_slices[k][i] = crc32c_slices[k - 1][i] >> 8
                ^ crc32c_slices[0][crc32c_slices[k - 1][i] & 0xFF];
    crc32c_shift[1] = 1;
    for (int k = 1; k < 2 * CRC32C_LANE_WORDS; k++)
        crc32c_shift[k + 1] = crc32c_portable(crc32c_shift[k], zeros, 8);
    crc32c_hardware = crc32c_supported();
}

static inline uint32_t crc32c_sum(const void *p, size_t n, uint32_t crc) {
    const unsigned char *bytes = (const unsigned char *)p;
    return ~(crc32c_hardware ? crc32c_sse42(~crc, bytes, n) : crc32c_portable(~crc, bytes, n));
}

#endif
