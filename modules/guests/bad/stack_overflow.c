/* Recurses without an end, with a frame that must exist.
 *
 * fault: stack-overflow
 */
static int deeper(int depth)
{
    volatile int frame[64];
    frame[depth & 63] = depth;
    return depth < 0 ? 0 : deeper(depth + 1) + frame[(depth + 1) & 63];
}

int main(void) { return deeper(0); }
