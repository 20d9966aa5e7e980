/* process.c: a program is one process, alone, and its user is 0.
 *
 * A signal that nobody handles ends the program with 128 + its number, as a shell would say it.
 */
#include "errno_map.h"
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

int _getpid_r(struct _reent *reent)
{
    (void)reent;
    return 1;
}

static int ends_program(int signal)
{
    switch (signal) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
        return 0;
    default:
        return signal != 0;
    }
}

int _kill_r(struct _reent *reent, int pid, int signal)
{
    if (pid != 1 && pid != 0)
        return fail(reent, ESRCH);
    if (ends_program(signal)) {
        const char *name = strsignal(signal);
        bf_write(2, name, strlen(name));
        bf_write(2, "\n", 1);
        bf_exit(128u + (unsigned)signal);
    }
    return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how, (void)set;
    if (old)
        *old = 0;
    return 0;
}

int _fork_r(struct _reent *reent) { return fail(reent, ENOSYS); }

int _execve_r(struct _reent *reent, const char *path, char *const argv[], char *const envp[])
{
    (void)path, (void)argv, (void)envp;
    return fail(reent, ENOSYS);
}

int _wait_r(struct _reent *reent, int *status)
{
    (void)status;
    return fail(reent, ECHILD);
}

int system(const char *command)
{
    return command ? fail(_REENT, ENOSYS) : 0;
}

pid_t getppid(void) { return 0; }
uid_t getuid(void) { return 0; }
uid_t geteuid(void) { return 0; }
gid_t getgid(void) { return 0; }
gid_t getegid(void) { return 0; }
int getpagesize(void) { return 4096; }

long sysconf(int name)
{
    switch (name) {
    case _SC_PAGESIZE:
        return 4096;
    case _SC_NPROCESSORS_CONF:
    case _SC_NPROCESSORS_ONLN:
        return bf_core_count();
    case _SC_OPEN_MAX:
        return BF_MAX_OPEN;
    case _SC_CLK_TCK:
        return CLOCKS_PER_SEC;
    default:
        return fail(_REENT, EINVAL);
    }
}
