/* Divides by a zero that no compiler can see.
 *
 * fault: divide-error
 */
int main(void)
{
    volatile int zero = 0;
    return 1000 / zero;
}
