/* SPDX-License-Identifier: MIT */
/*
 * The smallest program that can be run: no C library, no start-up, it reads how to end from argv[2]
 * ("7": exit with 7; "s15": end by signal 15; "p": wait to be killed) and does so. See truth.h.
 */
#include <asm/unistd.h>

static long system_call4(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#else
#error "storm_child knows x86-64 and aarch64"
#endif
}

static long system_call(long number, long a, long b)
{
	return system_call4(number, a, b, 0, 0);
}

/* `stack` is what the kernel left: argc, then the argv pointers. */
__attribute__((noreturn, used)) void storm_child(const long *stack);
void storm_child(const long *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);
	const char *text = stack[0] > 2 ? argv[2] : "0";
	int by_signal = *text == 's';
	long number = 0;

	if (*text == 'p') { /* not to outlive a storm that was killed */
		system_call(__NR_prctl, 1 /* PR_SET_PDEATHSIG */, 9 /* SIGKILL */);
		for (;;) /* an empty set of descriptors: sleeps until a signal comes */
			system_call4(__NR_ppoll, 0, 0, 0, 0);
	}
	for (text += by_signal; *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (*text - '0');
	if (by_signal)
		system_call(__NR_kill, system_call(__NR_getpid, 0, 0), number);
	for (;;)
		system_call(__NR_exit_group, number, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\t"
	"call storm_child\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl storm_child\n");
#endif
