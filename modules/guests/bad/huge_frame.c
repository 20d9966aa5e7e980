/* Steps over the guard below the stack with one frame larger than it.
 *
 * The index is not known to the compiler, so the whole array stays at every level.
 *
 * fault: stack-overflow
 */
int main(void)
{
    volatile int first = 0;
    volatile char frame[8 << 20];
    frame[first] = 1;
    return frame[first];
}
