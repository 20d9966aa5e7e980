/* Steps over the guard below the stack with one frame larger than it.
 *
 * fault: stack-overflow
 */
int main(void)
{
    volatile char frame[8 << 20];
    frame[0] = 1;
    return frame[0];
}
