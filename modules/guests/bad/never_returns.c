/* Loops for ever: ended when its time budget is used up.
 *
 * fault: out-of-time
 */
int main(void)
{
    volatile unsigned turns = 0;
    for (;;)
        turns++;
}
