/* Stores to a constant.
 *
 * fault: bad-access
 */
static const int constant = 7;

int main(void)
{
    int *volatile target = (int *)&constant;
    *(volatile int *)target = 8;
    return *(volatile int *)target;
}
