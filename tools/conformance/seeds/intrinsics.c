// Intrinsics of the processor that the loader writes out. For x86-64-v3.
#ifdef __AVX2__
#include <immintrin.h>
__m128i ints(__m128i a, __m128i b) {
    a = _mm_packs_epi32(_mm_madd_epi16(a, b), _mm_sad_epu8(a, b));
    return _mm_mpsadbw_epu8(_mm_shuffle_epi8(a, b), _mm_minpos_epu16(a), 5);
}
__m256 floats(__m256 a, __m256 b) {
    return _mm256_addsub_ps(_mm256_dp_ps(a, b, 0x7a), _mm256_blendv_ps(_mm256_rcp_ps(a), _mm256_cmp_ps(a, b, 9), b));
}
__m256i gathered(int *base, __m256i at, __m256i mask) { return _mm256_mask_i32gather_epi32(at, base, at, mask, 4); }
void stored(int *to, __m128i mask, __m128i what) { _mm_maskstore_epi32(to, mask, what); }
int words(unsigned a, unsigned b, __m128i c) {
    return _pext_u32(a, b) + _mm_crc32_u16(a, b) + _bextr_u32(a, b, 7) + _mm_movemask_epi8(c) + _mm_testz_si128(c, c);
}
__m128i halves(__m128 a, __m128i by) { return _mm_sra_epi16(_mm_cvtps_ph(a, 0), by); }
#endif
