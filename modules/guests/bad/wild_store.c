/* Reads its own stub to learn where a dispatch slot lies, and stores to that slot.
 *
 * A stub is an indirect jump through an absolute address: FF 24 25 and four bytes, or FF 25 and a
 * distance. Where no such jump is found the program stores to the stub, which must fault as well.
 *
 * fault: bad-access
 */
int victim(void) { return 1; }

int main(void)
{
    int (*volatile function)(void) = victim;
    const volatile unsigned char *stub = (const volatile unsigned char *)function;
    unsigned target = (unsigned)stub;
    for (int i = 0; i < 8; i++)
        if (stub[i] == 0xff && stub[i + 1] == 0x24 && stub[i + 2] == 0x25) {
            target = 0;
            for (int byte = 3; byte >= 0; byte--)
                target = target << 8 | stub[i + 3 + byte];
            break;
        }
    *(volatile unsigned *)target = (unsigned)&victim;
    return function();
}
