/* The intrinsics of the headers that clang leaves to the back end, each with pseudo-random operands.
 * `test(n)` gives a number that says what intrinsic `n % count()` made of operands of seed `n`.
 * Compiled with this program's own clang for -march=x86-64-v3 -mpclmul, natively and as bitcode. */
#include <immintrin.h>

typedef union {
    __m128 f;
    __m128d d;
    __m128i i;
    unsigned u[4];
    unsigned char b[16];
} V;
typedef union {
    __m256 f;
    __m256d d;
    __m256i i;
    unsigned u[8];
} W;

static unsigned state;
static unsigned next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

/* Any bits; numbers like 3.25; or small whole numbers, in which lanes are often equal. */
static void fill(unsigned *words, int count, int kind)
{
    for (int i = 0; i < count; i++) {
        unsigned bits = next();
        float small = (float)((int)(bits % 4001) - 2000) / 8;
        words[i] = kind == 0 ? bits : kind == 1 ? *(unsigned *)&small : bits % 7 * 0x01000100u ^ (bits & 0x80008000u);
    }
}
static void doubles(double *numbers, int count)
{
    for (int i = 0; i < count; i++)
        numbers[i] = (double)((int)(next() % 4001) - 2000) / 8;
}

static unsigned hash;
static void note(unsigned word) { hash = (hash << 7 | hash >> 25) * 0x9e3779b1u ^ word; }
static void note4(V v) { for (int i = 0; i < 4; i++) note(v.u[i]); }
static void note8(W w) { for (int i = 0; i < 8; i++) note(w.u[i]); }
/* Approximations are compared by their first bits, rounded: they differ from processor to processor. */
static void near(float value, double exact)
{
    double error = value / exact - 1;
    note(error < 0.0004 && error > -0.0004);
}

static int table[64];
static double reals[64];
static V a, b, c, p, q, x, y;   /* any bits, lanes often equal, floats, doubles */
static W d, e, f, g, h, s, t;

static void operands(unsigned seed)
{
    state = seed * 2654435761u | 1;
    hash = 0;
    fill(a.u, 4, 0), fill(b.u, 4, 0), fill(c.u, 4, 2);
    fill(p.u, 4, 1), fill(q.u, 4, 1), doubles((double *)&x, 2), doubles((double *)&y, 2);
    fill(d.u, 8, 0), fill(e.u, 8, 0), fill(f.u, 8, 2);
    fill(g.u, 8, 1), fill(h.u, 8, 1), doubles((double *)&s, 4), doubles((double *)&t, 4);
    for (int i = 0; i < 64; i++)
        table[i] = (int)next(), reals[i] = (double)(int)next() / 64;
}

#define CASE case __COUNTER__:
#define I4(call) CASE { V r; r.i = call; note4(r); } break;
#define F4(call) CASE { V r; r.f = call; note4(r); } break;
#define D2(call) CASE { V r; r.d = call; note4(r); } break;
#define I8(call) CASE { W r; r.i = call; note8(r); } break;
#define F8(call) CASE { W r; r.f = call; note8(r); } break;
#define D4(call) CASE { W r; r.d = call; note8(r); } break;
#define N(call) CASE note((unsigned)(call)); break;

static void narrow_integers(int which)
{
    switch (which) {
    I4(_mm_packs_epi32(a.i, b.i)) I4(_mm_packs_epi16(a.i, c.i)) I4(_mm_packus_epi16(a.i, c.i)) I4(_mm_packus_epi32(a.i, c.i))
    I4(_mm_madd_epi16(a.i, b.i)) I4(_mm_maddubs_epi16(a.i, b.i)) I4(_mm_mulhi_epi16(a.i, b.i)) I4(_mm_mulhi_epu16(a.i, b.i))
    I4(_mm_mulhrs_epi16(a.i, b.i)) I4(_mm_sad_epu8(a.i, b.i)) I4(_mm_shuffle_epi8(a.i, b.i)) I4(_mm_sign_epi8(a.i, c.i))
    I4(_mm_sign_epi16(a.i, c.i)) I4(_mm_sign_epi32(a.i, c.i)) I4(_mm_avg_epu8(a.i, b.i)) I4(_mm_avg_epu16(a.i, b.i))
    I4(_mm_hadd_epi16(a.i, b.i)) I4(_mm_hadd_epi32(a.i, b.i)) I4(_mm_hadds_epi16(a.i, b.i)) I4(_mm_hsub_epi16(a.i, b.i))
    I4(_mm_hsub_epi32(a.i, b.i)) I4(_mm_hsubs_epi16(a.i, b.i)) I4(_mm_minpos_epu16(a.i)) I4(_mm_minpos_epu16(c.i))
    I4(_mm_mpsadbw_epu8(a.i, b.i, 0)) I4(_mm_mpsadbw_epu8(a.i, b.i, 5)) I4(_mm_mpsadbw_epu8(a.i, b.i, 2)) I4(_mm_mpsadbw_epu8(a.i, c.i, 7))
    I4(_mm_sll_epi16(a.i, _mm_cvtsi32_si128(c.b[0] & 31))) I4(_mm_srl_epi32(a.i, _mm_cvtsi32_si128(c.b[1]))) I4(_mm_sra_epi16(a.i, b.i))
    I4(_mm_sll_epi64(a.i, _mm_cvtsi32_si128(b.b[3] & 63))) I4(_mm_srl_epi64(a.i, b.i)) I4(_mm_sra_epi32(a.i, _mm_cvtsi32_si128(b.b[0] & 63)))
    I4(_mm_slli_epi16(a.i, 3)) I4(_mm_srli_epi16(a.i, 17)) I4(_mm_srai_epi32(a.i, 40)) I4(_mm_slli_epi64(a.i, 33)) I4(_mm_srai_epi16(a.i, 5))
    I4(_mm_sllv_epi32(a.i, _mm_srli_epi32(b.i, 26))) I4(_mm_srlv_epi32(a.i, _mm_srli_epi32(b.i, 26))) I4(_mm_srav_epi32(a.i, _mm_srli_epi32(b.i, 26)))
    I4(_mm_sllv_epi64(a.i, _mm_srli_epi64(b.i, 57))) I4(_mm_srlv_epi64(a.i, _mm_srli_epi64(b.i, 57))) I4(_mm_blendv_epi8(a.i, b.i, c.i))
    I4(_mm_clmulepi64_si128(a.i, b.i, 0x00)) I4(_mm_clmulepi64_si128(a.i, b.i, 0x01)) I4(_mm_clmulepi64_si128(a.i, b.i, 0x10)) I4(_mm_clmulepi64_si128(a.i, b.i, 0x11))
    I4(_mm_lddqu_si128((void *)((char *)table + 3))) I4(_mm_maskload_epi32(table + 1, a.i)) I4(_mm_maskload_epi64((void *)(table + 1), a.i))
    CASE _mm_maskmoveu_si128(a.i, b.i, (char *)table + 5); for (int i = 0; i < 8; i++) note(table[i]); break;
    CASE _mm_maskstore_epi32(table + 3, a.i, b.i); for (int i = 0; i < 9; i++) note(table[i]); break;
    CASE _mm_maskstore_epi64((void *)(table + 3), a.i, b.i); for (int i = 0; i < 9; i++) note(table[i]); break;
    N(_mm_movemask_epi8(a.i)) N(_mm_movemask_ps(a.f)) N(_mm_movemask_pd(a.d)) N(_mm_testz_si128(a.i, b.i)) N(_mm_testz_si128(a.i, _mm_setzero_si128()))
    N(_mm_testc_si128(a.i, _mm_and_si128(a.i, b.i))) N(_mm_testc_si128(a.i, b.i)) N(_mm_testnzc_si128(a.i, b.i)) N(_mm_testnzc_si128(a.i, a.i))
    N(_mm_testz_ps(a.f, b.f)) N(_mm_testc_ps(a.f, b.f)) N(_mm_testnzc_ps(a.f, b.f)) N(_mm_testz_pd(a.d, b.d)) N(_mm_testc_pd(a.d, b.d)) N(_mm_testnzc_pd(a.d, b.d))
    I4(_mm_i32gather_epi32(table, _mm_srli_epi32(a.i, 26), 4)) I4(_mm_i64gather_epi32(table, _mm_srli_epi64(a.i, 58), 4))
    I4(_mm_i32gather_epi64((void *)table, _mm_srli_epi32(a.i, 27), 8)) I4(_mm_i64gather_epi64((void *)table, _mm_srli_epi64(a.i, 59), 8))
    I4(_mm_mask_i32gather_epi32(b.i, table, _mm_srli_epi32(a.i, 26), b.i, 4)) I4(_mm_mask_i64gather_epi32(b.i, table, _mm_srli_epi64(a.i, 58), b.i, 2))
    I4(_mm_mask_i32gather_epi64(b.i, (void *)table, _mm_srli_epi32(a.i, 27), b.i, 8)) I4(_mm_mask_i64gather_epi64(b.i, (void *)table, _mm_srli_epi64(a.i, 59), b.i, 1))
    }
}

enum { END_NARROW = __COUNTER__ };

static void narrow_floats(int which)
{
    switch (which) {
    F4(_mm_addsub_ps(p.f, q.f)) D2(_mm_addsub_pd(x.d, y.d)) F4(_mm_hadd_ps(p.f, q.f)) F4(_mm_hsub_ps(p.f, q.f)) D2(_mm_hadd_pd(x.d, y.d)) D2(_mm_hsub_pd(x.d, y.d))
    F4(_mm_min_ps(p.f, q.f)) F4(_mm_max_ps(p.f, q.f)) D2(_mm_min_pd(x.d, y.d)) D2(_mm_max_pd(x.d, y.d)) F4(_mm_min_ss(p.f, q.f)) F4(_mm_max_ss(p.f, q.f))
    D2(_mm_min_sd(x.d, y.d)) D2(_mm_max_sd(x.d, y.d)) F4(_mm_dp_ps(p.f, q.f, 0xff)) F4(_mm_dp_ps(p.f, q.f, 0x71)) F4(_mm_dp_ps(p.f, q.f, 0xa5)) F4(_mm_dp_ps(p.f, q.f, 0x5c))
    D2(_mm_dp_pd(x.d, y.d, 0x33)) D2(_mm_dp_pd(x.d, y.d, 0x21)) D2(_mm_dp_pd(x.d, y.d, 0x12))
    F4(_mm_insert_ps(p.f, q.f, 0x00)) F4(_mm_insert_ps(p.f, q.f, 0xd2)) F4(_mm_insert_ps(p.f, q.f, 0x61)) F4(_mm_insert_ps(p.f, q.f, 0xbf))
    F4(_mm_blendv_ps(p.f, q.f, a.f)) D2(_mm_blendv_pd(x.d, y.d, a.d)) F4(_mm_permutevar_ps(p.f, a.i)) D2(_mm_permutevar_pd(x.d, a.i))
    F4(_mm_cvtpd_ps(x.d)) F4(_mm_cvtsd_ss(p.f, x.d)) I4(_mm_cvtps_epi32(p.f)) I4(_mm_cvttps_epi32(p.f)) I4(_mm_cvtpd_epi32(x.d)) I4(_mm_cvttpd_epi32(x.d))
    I4(_mm_cvtps_epi32(a.f)) N(_mm_cvtss_si32(p.f)) N(_mm_cvttss_si32(p.f)) N(_mm_cvtsd_si32(x.d)) N(_mm_cvttsd_si32(x.d))
    F4(_mm_cmp_ps(p.f, a.f, _CMP_NGE_UQ)) F4(_mm_cmp_ps(p.f, p.f, _CMP_EQ_OS)) D2(_mm_cmp_pd(x.d, a.d, _CMP_ORD_Q)) F4(_mm_cmp_ss(p.f, q.f, _CMP_LT_OQ)) D2(_mm_cmp_sd(x.d, y.d, _CMP_NEQ_US))
    N(_mm_comilt_ss(p.f, q.f)) N(_mm_comieq_ss(p.f, p.f)) N(_mm_comigt_sd(x.d, y.d)) N(_mm_ucomineq_ss(p.f, a.f)) N(_mm_ucomile_sd(x.d, x.d)) N(_mm_comige_sd(x.d, a.d))
    F4(_mm_round_ps(p.f, 0)) F4(_mm_round_ps(p.f, 1)) F4(_mm_round_ps(p.f, 10)) D2(_mm_round_pd(x.d, 3)) F4(_mm_round_ss(p.f, q.f, 2)) D2(_mm_round_sd(x.d, y.d, 1))
    F4(_mm_fmaddsub_ps(p.f, q.f, c.f)) D2(_mm_fmaddsub_pd(x.d, y.d, x.d)) F4(_mm_fmsubadd_ps(p.f, q.f, p.f)) D2(_mm_fmsubadd_pd(x.d, y.d, y.d)) F4(_mm_fmadd_ps(p.f, q.f, p.f))
    I4(_mm_cvtps_ph(p.f, 0)) I4(_mm_cvtps_ph(p.f, 4)) F4(_mm_cvtph_ps(c.i)) F4(_mm_maskload_ps((float *)table, a.i)) D2(_mm_maskload_pd(reals, a.i))
    F4(_mm_i32gather_ps((float *)table, _mm_srli_epi32(a.i, 26), 4)) F4(_mm_i64gather_ps((float *)table, _mm_srli_epi64(a.i, 58), 4))
    D2(_mm_i32gather_pd(reals, _mm_srli_epi32(a.i, 26), 8)) D2(_mm_i64gather_pd(reals, _mm_srli_epi64(a.i, 58), 8))
    D2(_mm_mask_i32gather_pd(x.d, reals, _mm_srli_epi32(a.i, 26), b.d, 8)) F4(_mm_mask_i32gather_ps(p.f, (float *)table, _mm_srli_epi32(a.i, 26), b.f, 4))
    CASE { V r; r.f = _mm_rcp_ps(p.f); for (int i = 0; i < 4; i++) if (p.f[i] != 0) near(r.f[i], 1.0 / p.f[i]); } break;
    CASE { V r; p.f = p.f * p.f + 1; r.f = _mm_rsqrt_ps(p.f * p.f); for (int i = 0; i < 4; i++) near(r.f[i], 1.0 / p.f[i]); } break;
    CASE { V r; q.f[0] = q.f[0] * q.f[0] + 1; r.f = _mm_rcp_ss(q.f); near(r.f[0], 1.0 / q.f[0]); note(r.u[1]), note(r.u[2]), note(r.u[3]); } break;
    CASE { V r; q.f[0] = q.f[0] * q.f[0] + 1; r.f = _mm_rsqrt_ss(_mm_mul_ss(q.f, q.f)); near(r.f[0], 1.0 / q.f[0]); note(r.u[1]), note(r.u[2]), note(r.u[3]); } break;
    }
}
enum { END_FLOATS = __COUNTER__ };

static void wide(int which)
{
    switch (which) {
    I8(_mm256_packs_epi32(d.i, e.i)) I8(_mm256_packs_epi16(d.i, f.i)) I8(_mm256_packus_epi16(d.i, f.i)) I8(_mm256_packus_epi32(d.i, f.i))
    I8(_mm256_madd_epi16(d.i, e.i)) I8(_mm256_maddubs_epi16(d.i, e.i)) I8(_mm256_mulhi_epi16(d.i, e.i)) I8(_mm256_mulhi_epu16(d.i, e.i)) I8(_mm256_mulhrs_epi16(d.i, e.i))
    I8(_mm256_sad_epu8(d.i, e.i)) I8(_mm256_shuffle_epi8(d.i, e.i)) I8(_mm256_permutevar8x32_epi32(d.i, e.i)) F8(_mm256_permutevar8x32_ps(g.f, d.i))
    I8(_mm256_sign_epi8(d.i, f.i)) I8(_mm256_sign_epi16(d.i, f.i)) I8(_mm256_sign_epi32(d.i, f.i)) I8(_mm256_avg_epu8(d.i, e.i)) I8(_mm256_avg_epu16(d.i, e.i))
    I8(_mm256_hadd_epi16(d.i, e.i)) I8(_mm256_hadd_epi32(d.i, e.i)) I8(_mm256_hadds_epi16(d.i, e.i)) I8(_mm256_hsubs_epi16(d.i, e.i)) I8(_mm256_hsub_epi32(d.i, e.i))
    I8(_mm256_mpsadbw_epu8(d.i, e.i, 0)) I8(_mm256_mpsadbw_epu8(d.i, e.i, 0x2d)) I8(_mm256_mpsadbw_epu8(d.i, f.i, 0x17))
    I8(_mm256_sll_epi16(d.i, _mm_cvtsi32_si128(9))) I8(_mm256_srl_epi32(d.i, _mm_cvtsi32_si128(c.b[0] & 63))) I8(_mm256_sra_epi32(d.i, a.i)) I8(_mm256_slli_epi32(d.i, 7)) I8(_mm256_srai_epi16(d.i, 99))
    I8(_mm256_sllv_epi32(d.i, _mm256_srli_epi32(e.i, 26))) I8(_mm256_srlv_epi64(d.i, _mm256_srli_epi64(e.i, 57))) I8(_mm256_srav_epi32(d.i, _mm256_srli_epi32(e.i, 26)))
    I8(_mm256_blendv_epi8(d.i, e.i, f.i)) F8(_mm256_blendv_ps(g.f, h.f, d.f)) D4(_mm256_blendv_pd(s.d, t.d, d.d)) I8(_mm256_maskload_epi32(table, d.i)) F8(_mm256_maskload_ps((float *)table, d.i))
    CASE _mm256_maskstore_epi32(table + 3, d.i, e.i); for (int i = 0; i < 13; i++) note(table[i]); break;
    CASE _mm256_maskstore_pd(reals + 1, d.i, s.d); for (int i = 0; i < 12; i++) note(((unsigned *)reals)[i]); break;
    N(_mm256_movemask_epi8(d.i)) N(_mm256_movemask_ps(d.f)) N(_mm256_movemask_pd(d.d)) N(_mm256_testz_si256(d.i, e.i)) N(_mm256_testc_si256(d.i, _mm256_and_si256(d.i, e.i))) N(_mm256_testnzc_si256(d.i, e.i))
    N(_mm256_testz_ps(d.f, e.f)) N(_mm256_testc_ps(d.f, _mm256_and_ps(d.f, e.f))) N(_mm256_testnzc_ps(d.f, e.f)) N(_mm256_testz_pd(d.d, e.d)) N(_mm256_testc_pd(d.d, e.d)) N(_mm256_testnzc_pd(d.d, e.d))
    F8(_mm256_addsub_ps(g.f, h.f)) D4(_mm256_addsub_pd(s.d, t.d)) F8(_mm256_hadd_ps(g.f, h.f)) D4(_mm256_hsub_pd(s.d, t.d)) F8(_mm256_min_ps(g.f, h.f)) F8(_mm256_max_ps(g.f, h.f)) D4(_mm256_min_pd(s.d, t.d)) D4(_mm256_max_pd(s.d, t.d))
    F8(_mm256_dp_ps(g.f, h.f, 0xff)) F8(_mm256_dp_ps(g.f, h.f, 0x71)) F8(_mm256_dp_ps(g.f, h.f, 0x9a)) F8(_mm256_permutevar_ps(g.f, d.i)) D4(_mm256_permutevar_pd(s.d, d.i))
    F4(_mm256_cvtpd_ps(s.d)) I8(_mm256_cvtps_epi32(g.f)) I8(_mm256_cvttps_epi32(g.f)) I4(_mm256_cvtpd_epi32(s.d)) I4(_mm256_cvttpd_epi32(s.d)) F8(_mm256_cmp_ps(g.f, d.f, _CMP_NLT_UQ)) D4(_mm256_cmp_pd(s.d, t.d, _CMP_LE_OS))
    F8(_mm256_round_ps(g.f, 0)) D4(_mm256_round_pd(s.d, 2)) F8(_mm256_fmaddsub_ps(g.f, h.f, g.f)) D4(_mm256_fmaddsub_pd(s.d, t.d, s.d)) F8(_mm256_fmsubadd_ps(g.f, h.f, h.f)) I4(_mm256_cvtps_ph(g.f, 0)) F8(_mm256_cvtph_ps(c.i))
    I8(_mm256_lddqu_si256((void *)((char *)table + 1)))
    I8(_mm256_i32gather_epi32(table, _mm256_srli_epi32(d.i, 26), 4)) I4(_mm256_i64gather_epi32(table, _mm256_srli_epi64(d.i, 58), 4)) I8(_mm256_i32gather_epi64((void *)table, _mm_srli_epi32(a.i, 27), 8)) I8(_mm256_i64gather_epi64((void *)table, _mm256_srli_epi64(d.i, 59), 8))
    F8(_mm256_i32gather_ps((float *)table, _mm256_srli_epi32(d.i, 26), 4)) F4(_mm256_i64gather_ps((float *)table, _mm256_srli_epi64(d.i, 58), 4)) D4(_mm256_i32gather_pd(reals, _mm_srli_epi32(a.i, 26), 8)) D4(_mm256_i64gather_pd(reals, _mm256_srli_epi64(d.i, 58), 8))
    I8(_mm256_mask_i32gather_epi32(e.i, table, _mm256_srli_epi32(d.i, 26), e.i, 4)) D4(_mm256_mask_i64gather_pd(t.d, reals, _mm256_srli_epi64(d.i, 58), e.d, 8)) F4(_mm256_mask_i64gather_ps(p.f, (float *)table, _mm256_srli_epi64(d.i, 58), a.f, 4))
    CASE { W r; g.f = g.f * g.f + 1; r.f = _mm256_rcp_ps(g.f); for (int i = 0; i < 8; i++) near(r.f[i], 1.0 / g.f[i]); } break;
    CASE { W r; g.f = g.f * g.f + 1; r.f = _mm256_rsqrt_ps(g.f * g.f); for (int i = 0; i < 8; i++) near(r.f[i], 1.0 / g.f[i]); } break;
    }
}
enum { END_WIDE = __COUNTER__ };

static void words(int which)
{
    switch (which) {
    N(_mm_crc32_u8(a.u[0], a.u[1])) N(_mm_crc32_u16(a.u[0], a.u[1])) N(_mm_crc32_u32(a.u[0], a.u[1])) N(_bzhi_u32(a.u[0], a.u[1] & 63)) N(_bextr_u32(a.u[0], a.u[1] & 31, a.u[2] & 31))
    N(_pext_u32(a.u[0], a.u[1])) N(_pdep_u32(a.u[0], a.u[1])) N(_lzcnt_u32(a.u[0] >> (a.u[1] & 31))) N(_tzcnt_u32(a.u[0] << (a.u[1] & 31))) N(_mm_popcnt_u32(a.u[0])) N(_andn_u32(a.u[0], a.u[1])) N(_blsr_u32(a.u[0]))
    }
}
enum { COUNT = __COUNTER__ };

unsigned count(void) { return COUNT; }

unsigned test(unsigned n)
{
    operands(n + 1);
    int which = n % COUNT;
    (which < END_NARROW ? narrow_integers : which < END_FLOATS ? narrow_floats : which < END_WIDE ? wide : words)(which);
    return hash;
}

#ifdef NATIVE
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("pclmul"))
        return 77;
    for (unsigned n = 0; n < (unsigned)atoi(argv[argc - 1]); n++)
        printf("%u\n", test(n));
    return 0;
}
#endif
