/* Calls address 0.
 *
 * fault: bad-jump
 */
int main(void)
{
    int (*volatile nothing)(void) = 0;
    return nothing();
}
