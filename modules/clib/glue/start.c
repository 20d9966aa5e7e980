/* start.c: from the runtime's first call to main, and out again.
 *
 * The runtime enters _start in place of main when the program is linked with this library. It
 * passes the words of the command line and, perhaps, an environment. Constructors run before
 * main; exit handlers, destructors and the flushing of streams after it: both ways out of a
 * program, returning from main and calling exit, are one.
 */
#include <bareflow.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;
int main(int argc, char **argv, char **envp);

/* The linker makes these of the constructors and destructors of all files. Where it does not, the
 * runtime runs constructors itself and the names stay undefined, which a weak reference may. */
__attribute__((weak)) void __bf_ctors(void);
__attribute__((weak)) void __bf_dtors(void);

_Noreturn void _start(int argc, char **argv, char **envp)
{
    if (envp)
        environ = envp;
    /* Registered first, so run last: handlers may still use what constructors made. */
    if (__bf_dtors)
        atexit(__bf_dtors);
    if (__bf_ctors)
        __bf_ctors();
    exit(main(argc, argv, environ));
}

void _exit(int status)
{
    bf_exit((unsigned)status);
}
