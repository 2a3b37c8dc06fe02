/* What the kit's own files share. Drivers need only trapline.h. */
#ifndef TRAPLINE_KIT_H
#define TRAPLINE_KIT_H

#include "trapline.h"

/* start.S */
extern uint8_t tl_stubs[];
extern uint8_t tl_stack_guard[];
extern uint8_t tl_stack_top[];
/* guest.ld */
extern uint8_t tl_image_end[];

/* The stack after an interrupt, from low addresses to high: pushed by start.S, then by the processor. */
struct tl_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Called by start.S. */
void tl_boot(uint64_t ram_bytes);
void tl_interrupt(struct tl_frame *frame);

/* Prints the registers and ends the guest. */
_Noreturn void tl_exception(const struct tl_frame *frame);

#endif
