/* prologue.c: what every program of our own generator starts with. */
#include "runtime.h"
typedef int8_t i8; typedef uint8_t u8; typedef int16_t i16; typedef uint16_t u16;
typedef int32_t i32; typedef uint32_t u32; typedef int64_t i64; typedef uint64_t u64;
static volatile u32 seed = 0x2545F491;
static u64 state;
static u32 checksum = 0x811C9DC5;
typedef int JMP_BUF[16];
int setjmp(int *) __attribute__((returns_twice));
_Noreturn void longjmp(int *, int);
#define NOINLINE __attribute__((noinline))
/* The inputs: nothing about them is known to a compiler. */
static NOINLINE u64 rnd(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
/* Inputs near the ends of ranges are as frequent as others. */
static NOINLINE u64 odd(void) {
    u64 value = rnd();
    switch (value & 7) {
    case 0: return (value >> 3) & 3;
    case 1: return ~((value >> 3) & 3);
    case 2: return 1ull << ((value >> 3) & 63);
    case 3: return (1ull << ((value >> 3) & 63)) - 1;
    default: return rnd();
    }
}
static NOINLINE void mix(u32 value) { checksum = (checksum ^ value) * 0x01000193u; checksum ^= checksum >> 15; }
static NOINLINE void mix64(u64 value) { mix((u32)value), mix((u32)(value >> 32)); }
static NOINLINE void mix_float(float value) {
    u32 bits;
    __builtin_memcpy(&bits, &value, 4);
    mix(value != value ? 0x7fc00000u : bits);
}
static NOINLINE void mix_double(double value) {
    u64 bits;
    __builtin_memcpy(&bits, &value, 8);
    mix64(value != value ? 0x7ff8000000000000ull : bits);
}
/* Any bits: denormals, infinities, NaNs and zeros of both signs among them. */
static NOINLINE double any_double(void) {
    u64 bits = rnd();
    double value;
    switch (bits & 15) {
    case 0: bits = (bits >> 4) & 1 ? 1ull << 63 : 0; break;
    case 1: bits = 0x7ff0000000000000ull | (bits << 59 & 1ull << 63); break;
    case 2: bits = 0x7ff8000000000000ull; break;
    case 3: bits = bits >> 16; break;
    case 4: case 5: case 6: return (double)(i32)(bits >> 32);
    case 7: case 8: return (double)(i64)bits / 256;
    default: bits = (bits & ~(0x7ffull << 52)) | (u64)(0x3e0 + (bits >> 4 & 63)) << 52;
    }
    __builtin_memcpy(&value, &bits, 8);
    return value;
}
static NOINLINE float any_float(void) { return (float)any_double(); }
static NOINLINE double tame(void) { return (double)(i32)rnd() / (double)(1 + (rnd() & 1023)); }
static NOINLINE void run(int number, void (*piece)(void)) {
    state = 0x9E3779B97F4A7C15ull * (u32)(seed + (u32)number) | 1;
    for (int round = 0; round < 6; round++) piece();
    printf("piece %d: %08x\n", number, checksum);
}

