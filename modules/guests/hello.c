/* The smallest program: prints through a host call.
 *
 * check: length 0
 */
#include <bareflow.h>

static const char greeting[] = "Hello from a bitcode module.\n";

int length(int extra) { return (int)sizeof greeting - 1 + extra; }

int main(void) { return bf_write(1, greeting, (unsigned)length(0)) == length(0) ? 0 : 1; }
