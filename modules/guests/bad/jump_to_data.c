/* Calls an array of bytes that would be a return instruction.
 *
 * fault: bad-jump
 */
static unsigned char code[4] = {0xc3, 0xc3, 0xc3, 0xc3};

int main(void)
{
    unsigned char *volatile data = code;
    return ((int (*)(void))data)();
}
