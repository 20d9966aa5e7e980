/* Steps over the guard below the stack with one frame larger than it.
 *
 * fault: stack-overflow
 */
int main(void)
{
    volatile char frame[8 << 20];
    volatile int at = 0; /* the compiler must not see that one byte is enough */
    frame[at] = 1;
    return frame[at];
}
