/*
 * trapline-privilege.h - what a guest needs that does not live in ring 0 alone: traps of its own, and code at CPL 3.
 *
 * The kit's handlers of trapline.h do not see the interrupted code. A trap handler does: it gets the frame that the processor
 * and the kit have pushed, may change it, and the changed frame is what IRET takes up. (SDM vol. 3, chapters 5, 6 and 7.)
 */
#ifndef TRAPLINE_PRIVILEGE_H
#define TRAPLINE_PRIVILEGE_H

#include "trapline.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The stack after an interrupt, from low addresses to high: pushed by the kit's stub, then by the processor. */
struct tl_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/*
 * Runs with interrupts off. Returns true when it has dealt with the trap; false leaves an interrupt to its tl_irq_handler, and
 * an exception to the kit, which prints the registers and ends the guest. No end of interrupt is signalled after true: the
 * trap handler of a device's vector does that itself.
 */
typedef bool (*tl_trap_handler)(struct tl_frame *frame);

/* Sets the trap handler of a vector, NULL for none; it is asked before anybody else. */
void tl_trap_register(uint8_t vector, tl_trap_handler handler);

/* ---- Code at CPL 3 -------------------------------------------------------------------------------------------------- */

#define TL_USER_VECTOR 0x80 /* software interrupt that CPL 3 may make: it ends the stay there */

/* How a stay at CPL 3 ended. */
struct tl_user_end {
    uint64_t vector;     /* TL_USER_VECTOR: the function returned; below 32: the exception that ended it */
    uint64_t error_code; /* of the exception */
    uint64_t rip;        /* of the instruction that raised it */
    uint64_t value;      /* what the function returned */
};

/*
 * Runs `function(argument)` at CPL 3 on a stack of its own, with the interrupt flag as it is, until it returns or raises an
 * exception. On the CPU that booted. All memory is open to it: what this is about is privileged instructions and ports.
 *
 * An interrupt that comes meanwhile takes RSP from the TSS (RSP0), so that its frame lies on another stack than the code that
 * it interrupts: tl_user_trap_stack.
 */
struct tl_user_end tl_user_run(uint64_t (*function)(void *), void *argument);

/* I/O privilege level of the code that tl_user_run runs, 0 (as it starts) to 3. CPL 3 may use ports, CLI and STI at 3. */
void tl_user_set_iopl(unsigned level);

/*
 * Clears (true) or sets the bit of a port in the I/O permission bitmap of the TSS. All are set at first. An access needs the
 * bits of all ports that it covers clear: of two neighbours for INW (SDM vol. 1, 19.5.2).
 */
void tl_user_allow_port(uint16_t port, bool allowed);

/* The stack that traps from CPL 3 use: lowest address and first one beyond. */
struct tl_stack {
    uint64_t base, top;
};
struct tl_stack tl_user_trap_stack(void);
struct tl_stack tl_user_stack(void);

#ifdef __cplusplus
}
#endif

#endif
