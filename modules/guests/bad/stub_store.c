/* Stores to the code behind a function pointer.
 *
 * fault: bad-access
 */
int victim(void) { return 1; }

int main(void)
{
    int (*volatile function)(void) = victim;
    *(volatile unsigned char *)function = 0xc3;
    return function();
}
