/* Loads across the end of the address space, where nothing is ever mapped.
 *
 * fault: bad-access
 */
int main(void)
{
    int *volatile end = (int *)0xfffffffe;
    return *(volatile int *)end;
}
