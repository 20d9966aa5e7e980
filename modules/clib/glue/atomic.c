/* atomic.c: the __atomic functions that clang calls where it emits no instruction.
 *
 * It does so for objects that may be less aligned than they are large (a plain long long on i386) and
 * for structs. An object of 1, 2, 4 or 8 bytes that happens to be aligned is still handled by an
 * instruction, so it agrees with code that knows about the alignment; every other one by a lock
 * chosen by its address. C on i386 has no scalar above 8 bytes, so there are no calls for 16: those
 * are structs, and go through the calls for any size. All orderings are treated as sequentially consistent.
 */
#include <bareflow.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LOCKS 64

static struct {
    int word;
    char rest_of_cache_line[60];
} locks[LOCKS];

/* Held for a few instructions: a task that finds it taken lets another run and tries again. */
static int *lock(const volatile void *object)
{
    int *word = &locks[((uintptr_t)object >> 4) % LOCKS].word;
    while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
        bf_yield();
    return word;
}

static void unlock(int *word) { __atomic_store_n(word, 0, __ATOMIC_RELEASE); }

/* uint64_t with the alignment that its instructions are emitted for. */
typedef uint64_t aligned_u64 __attribute__((aligned(8)));

#define ALIGNED(object, size) ((uintptr_t)(object) % (size) == 0)

/* ---- any size ---- */

/* The instruction for an aligned object of that size, or else nothing. */
#define BY_SIZE(CASE)                                                                               \
    switch (size) {                                                                                 \
        CASE(1, uint8_t)                                                                            \
        CASE(2, uint16_t)                                                                           \
        CASE(4, uint32_t)                                                                           \
        CASE(8, aligned_u64)                                                                          \
    default:                                                                                        \
        break;                                                                                      \
    }

void load(size_t size, void *from, void *to, int order) __asm__("__atomic_load");
void load(size_t size, void *from, void *to, int order)
{
    (void)order;
#define CASE(n, T)                                                                                  \
    case n:                                                                                         \
        if (ALIGNED(from, n)) {                                                                     \
            T value = __atomic_load_n((T *)__builtin_assume_aligned(from, n), __ATOMIC_SEQ_CST);    \
            memcpy(to, &value, n);                                                                  \
            return;                                                                                 \
        }                                                                                           \
        break;
    BY_SIZE(CASE)
#undef CASE
    int *held = lock(from);
    memcpy(to, from, size);
    unlock(held);
}

void store(size_t size, void *to, void *from, int order) __asm__("__atomic_store");
void store(size_t size, void *to, void *from, int order)
{
    (void)order;
#define CASE(n, T)                                                                                  \
    case n:                                                                                         \
        if (ALIGNED(to, n)) {                                                                       \
            T value;                                                                                \
            memcpy(&value, from, n);                                                                \
            __atomic_store_n((T *)__builtin_assume_aligned(to, n), value, __ATOMIC_SEQ_CST);        \
            return;                                                                                 \
        }                                                                                           \
        break;
    BY_SIZE(CASE)
#undef CASE
    int *held = lock(to);
    memcpy(to, from, size);
    unlock(held);
}

void exchange(size_t size, void *object, void *from, void *old, int order)
    __asm__("__atomic_exchange");
void exchange(size_t size, void *object, void *from, void *old, int order)
{
    (void)order;
#define CASE(n, T)                                                                                  \
    case n:                                                                                         \
        if (ALIGNED(object, n)) {                                                                   \
            T value;                                                                                \
            memcpy(&value, from, n);                                                                \
            value = __atomic_exchange_n((T *)__builtin_assume_aligned(object, n), value,            \
                                        __ATOMIC_SEQ_CST);                                          \
            memcpy(old, &value, n);                                                                 \
            return;                                                                                 \
        }                                                                                           \
        break;
    BY_SIZE(CASE)
#undef CASE
    int *held = lock(object);
    memcpy(old, object, size);
    memcpy(object, from, size);
    unlock(held);
}

bool compare_exchange(size_t size, void *object, void *expected, void *wanted, int success,
                      int failure) __asm__("__atomic_compare_exchange");
bool compare_exchange(size_t size, void *object, void *expected, void *wanted, int success,
                      int failure)
{
    (void)success, (void)failure;
#define CASE(n, T)                                                                                  \
    case n:                                                                                         \
        if (ALIGNED(object, n)) {                                                                   \
            T old, new;                                                                             \
            memcpy(&old, expected, n);                                                              \
            memcpy(&new, wanted, n);                                                                \
            bool done =                                                                             \
                __atomic_compare_exchange_n((T *)__builtin_assume_aligned(object, n), &old, new, 0, \
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                    \
            memcpy(expected, &old, n);                                                              \
            return done;                                                                            \
        }                                                                                           \
        break;
    BY_SIZE(CASE)
#undef CASE
    int *held = lock(object);
    bool same = memcmp(object, expected, size) == 0;
    if (same)
        memcpy(object, wanted, size);
    else
        memcpy(expected, object, size);
    unlock(held);
    return same;
}

bool is_lock_free(size_t size, const volatile void *object) __asm__("__atomic_is_lock_free");
bool is_lock_free(size_t size, const volatile void *object)
{
    return size && size <= 8 && (size & (size - 1)) == 0 && ALIGNED(object, size);
}

/* ---- one size ---- */

#define ONE_SIZE(n, T)                                                                              \
    T load_##n(void *from, int order) __asm__("__atomic_load_" #n);                                 \
    T load_##n(void *from, int order)                                                               \
    {                                                                                               \
        T value;                                                                                    \
        load(n, from, &value, order);                                                               \
        return value;                                                                               \
    }                                                                                               \
    void store_##n(void *to, T value, int order) __asm__("__atomic_store_" #n);                     \
    void store_##n(void *to, T value, int order) { store(n, to, &value, order); }                   \
    T exchange_##n(void *object, T value, int order) __asm__("__atomic_exchange_" #n);              \
    T exchange_##n(void *object, T value, int order)                                                \
    {                                                                                               \
        T old;                                                                                      \
        exchange(n, object, &value, &old, order);                                                   \
        return old;                                                                                 \
    }                                                                                               \
    bool compare_exchange_##n(void *object, void *expected, T wanted, int success, int failure)     \
        __asm__("__atomic_compare_exchange_" #n);                                                   \
    bool compare_exchange_##n(void *object, void *expected, T wanted, int success, int failure)     \
    {                                                                                               \
        return compare_exchange(n, object, expected, &wanted, success, failure);                    \
    }                                                                                               \
    FETCH(n, T, add, old + value)                                                                   \
    FETCH(n, T, sub, old - value)                                                                   \
    FETCH(n, T, and, old & value)                                                                   \
    FETCH(n, T, or, old | value)                                                                    \
    FETCH(n, T, xor, old ^ value)                                                                   \
    FETCH(n, T, nand, ~(old & value))

#define FETCH(n, T, name, result)                                                                   \
    T fetch_##name##_##n(void *object, T value, int order) __asm__("__atomic_fetch_" #name "_" #n); \
    T fetch_##name##_##n(void *object, T value, int order)                                          \
    {                                                                                               \
        T old;                                                                                      \
        load(n, object, &old, order);                                                               \
        for (;;) {                                                                                  \
            T new = result;                                                                         \
            if (compare_exchange(n, object, &old, &new, order, order))                              \
                return old;                                                                         \
        }                                                                                           \
    }

#define ORDERED(n, T, S)                                                                            \
    FETCH(n, T, umax, old > value ? old : value)                                                    \
    FETCH(n, T, umin, old < value ? old : value)                                                    \
    FETCH(n, T, max, (S)old > (S)value ? old : value)                                               \
    FETCH(n, T, min, (S)old < (S)value ? old : value)

ONE_SIZE(1, uint8_t)
ONE_SIZE(2, uint16_t)
ONE_SIZE(4, uint32_t)
ONE_SIZE(8, uint64_t)
ORDERED(1, uint8_t, int8_t)
ORDERED(2, uint16_t, int16_t)
ORDERED(4, uint32_t, int32_t)
ORDERED(8, uint64_t, int64_t)
