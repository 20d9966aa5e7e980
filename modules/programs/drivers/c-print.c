/* c-print.c: what the C library turns numbers into text and back with, and other pure functions.
 *
 * Functions that no standard defines to the last bit (sin and its kind) are printed with 12 digits.
 */
#include <complex.h>
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

static uint32_t seed = 1;

static uint32_t next_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static double any_double(void)
{
    union {
        uint32_t word[2];
        double value;
    } any;
    do {
        any.word[0] = next_number();
        any.word[1] = next_number();
    } while (!isfinite(any.value));
    return any.value;
}

static void integers(void)
{
    static const long long values[] = {0, 1, -1, 42, -12345, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN};
    static const char *const formats[] = {"%d",   "%5d",   "%-5d|", "%05d", "%+d", "% d",
                                          "%.3d", "%8.5d", "%x",    "%#X",  "%#o", "%u"};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        for (unsigned f = 0; f < sizeof formats / sizeof *formats; f++) {
            printf(formats[f], (int)values[i]);
            putchar(' ');
        }
        printf("%hhd %hd %ld %lld %llx %jd %zu %td\n", (signed char)values[i], (short)values[i],
               (long)values[i], values[i], values[i], (intmax_t)values[i], (size_t)values[i],
               (ptrdiff_t)values[i]);
    }
    int count;
    printf("%s%n %c %.3s %*d %-*d| %% %p\n", "text", &count, 'c', "abcdef", 6, 7, 6, 7, (void *)0x1234);
    printf("%" PRId64 " %" PRIx32 " %" PRIuPTR "\n", INT64_MIN, UINT32_MAX, (uintptr_t)7);
}

static void floats(void)
{
    static const double values[] = {0,       -0.0,    1,        -1.5,    0.1,     1e-5,     123456.789,
                                    1e15,    1e16,    1e21,     9.9995,  0.5,     2.5,      1e308,
                                    5e-324,  DBL_MIN, DBL_MAX,  1 / 3.0, 1e100,   99999.95, 0x1p-1074,
                                    INFINITY, -INFINITY};
    static const char *const formats[] = {"%f",   "%.0f", "%10.3f", "%-12.2f|", "%e",   "%.0e",  "%E",
                                          "%g",   "%.3g", "%#g",    "%G",       "%.17g", "%+.1f", "%012.4f",
                                          "%a",   "%.2a", "%.20f"};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        for (unsigned f = 0; f < sizeof formats / sizeof *formats; f++) {
            /* Libraries write subnormal numbers with %a in different ways, all of them right. */
            if (strchr(formats[f], 'a') && fpclassify(values[i]) == FP_SUBNORMAL)
                continue;
            printf(formats[f], values[i]);
            putchar(' ');
        }
        putchar('\n');
    }
    printf("%Lf %Lg %f\n", (long double)1.25, (long double)1e300, (double)1.1f);
}

/* Every double comes back from its 17 digits, and from the shortest digits that do so. */
static void round_trips(void)
{
    uint32_t sum = 0, bad = 0;
    for (int i = 0; i < 3000; i++) {
        double value = any_double();
        char text[64];
        for (int digits = 1; digits <= 17; digits += i % 10 ? 16 : 1) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            for (const char *c = text; *c; c++)
                sum = sum * 31 + (unsigned char)*c;
        }
        bad += strtod(text, 0) != value;
        snprintf(text, sizeof text, "%a", value);
        bad += strtod(text, 0) != value;
        float narrow = (float)i / 7;
        snprintf(text, sizeof text, "%.9g", narrow);
        bad += strtof(text, 0) != narrow;
    }
    printf("round trips %08" PRIx32 " %" PRIu32 "\n", sum, bad);
    static const char *const texts[] = {"1e400", "-1e-400", "0x1.8p3", "inf", "nan(7)", "1.7976931348623159e308",
                                        "2.2250738585072011e-308", "  12.5abc", ".5", "5.", "-", "1e", "infinit",
                                        "9007199254740993", "0.500000000000000166533453693773481063544750213623046875"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *end;
        errno = 0;
        double value = strtod(texts[i], &end);
        printf("%s -> %.17g rest \"%s\" %d\n", texts[i], value, end,
               errno == ERANGE && (value == 0 || isinf(value)));
    }
}

static void reading(void)
{
    int a = 0, b = 0, used = 0;
    long long c = 0;
    double d = 0;
    float e = 0;
    char word[16], set[16], pair[3] = {0};
    int n = sscanf("12 0x1f -99999999999 3.25e2 1.5 hello abc123 xy]", "%d %i %lld %lf %f %15s %15[a-c]%n", &a, &b, &c,
                   &d, &e, word, set, &used);
    printf("%d: %d %d %lld %g %g %s %s %d\n", n, a, b, c, d, e, word, set, used);
    n = sscanf("a,b;77", "%c,%2c%*d%d", pair, word, &a);
    printf("%d %c %.2s\n", n, pair[0], word);
    printf("%d %d\n", sscanf("", "%d", &a), sscanf("x", "%d", &a));
    char *end;
    errno = 0;
    printf("%ld %lu %lld %d\n", strtol("0x7fz", &end, 0), strtoul("-1", 0, 10), strtoll("-777", 0, 8), *end);
    long high = strtol("99999999999", 0, 10);
    printf("%ld %d %d %ld\n", high, errno == ERANGE, atoi(" -42x"), strtol("zz", 0, 36));
}

static void texts(void)
{
    char to[64] = "start";
    strcat(to, "-middle");
    strncat(to, "-endless", 4);
    printf("%s %zu %d %d\n", to, strlen(to), strcmp("a", "b") < 0, strncmp("abc", "abd", 2));
    printf("%s %s %s %s\n", strchr(to, '-'), strrchr(to, '-'), strstr(to, "dle"), strpbrk(to, "xyzm"));
    printf("%zu %zu %d\n", strspn("aabbc", "ab"), strcspn("hello", "lo"), memcmp("abc", "abd", 3) < 0);
    char list[] = "one,two;;three", *rest, *part = strtok_r(list, ",;", &rest);
    for (; part; part = strtok_r(0, ",;", &rest))
        printf("<%s>", part);
    memmove(to + 2, to, 8);
    printf(" %s %s\n", to, (char *)memchr("abcdef", 'd', 6));
    unsigned classes = 0;
    for (int c = 0; c < 128; c++)
        classes = classes * 33 + (unsigned)(!!isalpha(c) | !!isdigit(c) << 1 | !!isspace(c) << 2 | !!ispunct(c) << 3 |
                                            !!iscntrl(c) << 4 | !!isxdigit(c) << 5 | !!isprint(c) << 6);
    printf("%u %c%c %s %s\n", classes, toupper('q'), tolower('Q'), strerror(ENOENT), strerror(EINVAL));
    wchar_t wide[16];
    printf("%zu %ls %d\n", mbstowcs(wide, "wide text", 16), wide, wcscmp(wide, L"wide") > 0);
    printf("%s %s\n", setlocale(LC_ALL, "C"), localeconv()->decimal_point);
}

static void times(void)
{
    time_t moment = 951827696; /* 2000-02-29 12:34:56 */
    struct tm *parts = gmtime(&moment);
    char text[80];
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %a %A %b %B %U %w %y %p %I %%", parts);
    printf("%s %s", text, asctime(parts));
    struct tm date = {.tm_year = 124, .tm_mon = 13, .tm_mday = 31, .tm_hour = 25, .tm_isdst = 0};
    printf("%ld %g %d\n", (long)mktime(&date), difftime(10, 3), date.tm_wday);
}

static void functions(void)
{
    for (double x = -2; x <= 2.01; x += 0.75) {
        printf("%.12g %.12g %.12g %.12g %.12g %.12g ", sin(x), cos(x), tan(x), atan(x), exp(x), sinh(x));
        printf("%.12g %.12g %.12g %.12g %.12g ", log(x + 3), pow(x + 3, 1.7), cbrt(x), tanh(x), erf(x));
        printf("%.12g %.12g %.12g %.5g\n", tgamma(x + 3.3), hypot(x, 2), atan2(x, 0.5), (double)sinf((float)x));
    }
    static const double values[] = {-2.5, -1.5, -0.4, 0.5, 1.5, 2.5, 1e17, -0.0};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        double x = values[i], whole;
        int exponent;
        printf("%g %g %g %g %g %g %ld ", floor(x), ceil(x), trunc(x), round(x), rint(x), nearbyint(x),
               i == 6 ? 0 : lrint(x));
        double part = modf(x, &whole);
        printf("%g %g %g ", part, whole, frexp(x, &exponent));
        printf("%d %g %g %g %d\n", exponent, fmod(x, 0.7), remainder(x, 0.7), copysign(3, x), signbit(x) != 0);
    }
    printf("%.17g %.17g %.17g %.17g\n", sqrt(2), fma(0.1, 10, -1), ldexp(0.7, -5), nextafter(1, 2));
    printf("%d %d %g %g %g\n", isnan(fmax(NAN, NAN)), fpclassify(5e-324) == FP_SUBNORMAL, fmin(1, NAN), fdim(3, 1),
           scalbn(3, 4));
    double complex z = (1.5 + 2 * I) * (0.5 - I) / (3 + 0.25 * I);
    float complex w = (2 + 3 * I) * (1 - 1 * I);
    printf("%.15g %.15g %g %g %.12g\n", creal(z), cimag(z), crealf(w), cimagf(w), cabs(csqrt(z)));
}

static int print_list(char *to, size_t size, const char *format, ...)
{
    va_list list, copy;
    va_start(list, format);
    va_copy(copy, list);
    int first = vsnprintf(0, 0, format, list), second = vsnprintf(to, size, format, copy);
    va_end(copy);
    va_end(list);
    return first * 1000 + second;
}

int main(void)
{
    char text[32];
    integers();
    floats();
    round_trips();
    reading();
    texts();
    times();
    functions();
    int lengths = print_list(text, sizeof text, "%s %lld %.2f %c", "mixed", 1234567890123ll, 2.345, 'z');
    printf("%d %s\n", lengths, text);
    div_t halves = div(-7, 2);
    lldiv_t wide = lldiv(-7000000000ll, 3);
    printf("%d %d %lld %lld %d\n", halves.quot, halves.rem, wide.quot, wide.rem, abs(-5));
    return fflush(stdout);
}
