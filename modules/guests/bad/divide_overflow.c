/* Divides the smallest number by -1: the quotient does not fit.
 *
 * fault: divide-error
 */
int main(void)
{
    volatile int smallest = (int)0x80000000, minus_one = -1;
    return smallest / minus_one;
}
