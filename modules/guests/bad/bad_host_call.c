/* Passes host calls what they must refuse; each refusal is an error number, not a fault.
 *
 * result: 7
 */
#include <bareflow.h>

static char inside[4] = "abc";

int main(void)
{
    int refused = 0;
    refused += bf_write(1, (const void *)0, 4) == -BF_EFAULT;
    refused += bf_write(1, (const void *)0xfffffff0, 16) == -BF_EFAULT;
    refused += bf_write(1, (const void *)0xfffffff0, 64) == -BF_EFAULT; /* wraps */
    refused += bf_write(1, inside, 0xffffffff) == -BF_EFAULT;
    refused += bf_write(77, inside, 3) == -BF_EBADF;
    refused += bf_log((const char *)16, 8) == -BF_EFAULT;
    refused += bf_write(1, inside, 0) == 0; /* nothing is not an error */
    return refused;
}
