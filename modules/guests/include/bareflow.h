/* bareflow.h: what a module may ask of the runtime.
 *
 * Modules are freestanding C for 32-bit pointers. Every function below is an import that the
 * runtime binds when it loads the module; the Rust side of this list is modules/abi, and a test
 * there compiles this header and compares the two.
 *
 * Results below zero are negated error numbers. A pointer that does not lie in the module's own
 * memory is answered with -BF_EFAULT; it never ends the program.
 */
#ifndef BAREFLOW_H
#define BAREFLOW_H

#define BF_EBADF 9   /* not a descriptor that can be used this way */
#define BF_EFAULT 14 /* an address outside the module's memory */
#define BF_EINVAL 22 /* an argument that has no meaning */
#define BF_ENOSYS 38 /* the runtime has no such call */

/* Ends the program with this status. */
_Noreturn void bf_exit(unsigned status);

/* Writes to the console (fd 1 or 2); returns the number of bytes taken, at most length. */
int bf_write(unsigned fd, const void *data, unsigned length);

/* Puts one line into the runtime's event log. */
int bf_log(const void *text, unsigned length);

/* The core that runs the caller at this moment; the number of cores that run tasks. */
int bf_core(void);
int bf_core_count(void);

/* Microseconds since the runtime started; never falls. */
long long bf_ticks_us(void);

/* Lets another task of this core run; waits at least so many microseconds. */
void bf_yield(void);
void bf_sleep_us(unsigned duration_us);

#endif
