/* Loads from address 0.
 *
 * fault: bad-access
 */
int main(void)
{
    int *volatile nowhere = 0;
    return *(volatile int *)nowhere;
}
