/*
 * The way to CPL 3 and back. Down there is no other way than IRET: it loads CS, and with it the privilege level, from a frame
 * that looks as if an interrupt had come from there. Back up is a trap, whose handler (user-mode.c) has its own IRET end at
 * label 1 below, on the stack that was left.
 */
#define USER_DATA 0x33 /* selectors with RPL 3; also in user-mode.c */
#define USER_CODE 0x3b

    .cfi_sections .debug_frame      /* for debuggers only: nothing of it is loaded */

    .macro push_register name
    pushq %\name
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \name, 0
    .endm

    .macro pop_register name
    popq %\name
    .cfi_adjust_cfa_offset -8
    .cfi_restore \name
    .endm

    .macro push_word what
    pushq \what
    .cfi_adjust_cfa_offset 8
    .endm

    .text
/* void tl_user_enter(rip, rsp, argument, rflags, struct { uint64_t rip, rsp; } *resume) */
    .globl tl_user_enter
    .type tl_user_enter, @function
tl_user_enter:
    .cfi_startproc
    push_register rbx               /* what the function may change and our caller wants back */
    push_register rbp
    push_register r12
    push_register r13
    push_register r14
    push_register r15
    leaq 1f(%rip), %rax
    movq %rax, (%r8)
    movq %rsp, 8(%r8)
    .cfi_remember_state
    push_word $USER_DATA            /* SS */
    push_word %rsi                  /* RSP */
    push_word %rcx                  /* RFLAGS */
    push_word $USER_CODE            /* CS */
    push_word %rdi                  /* RIP */
    movq %rdx, %rdi                 /* its only argument */
    xorl %ebp, %ebp                 /* RBP = 0 ends every walk up the stack frames */
    iretq
    .cfi_restore_state
1:  pop_register r15
    pop_register r14
    pop_register r13
    pop_register r12
    pop_register rbp
    pop_register rbx
    ret
    .cfi_endproc
    .size tl_user_enter, . - tl_user_enter

/*
 * A function at CPL 3 returns to the byte after this label, with its result in RAX. Debuggers look a return address up by the
 * byte before it, and the place that a trap has interrupted by the byte after the trap: both are of this function.
 */
    .globl tl_user_return
    .type tl_user_return, @function
tl_user_return:
    .cfi_startproc
    .cfi_undefined rip              /* nobody has called: stacks of CPL 3 end here */
    nop
    int $0x80                       /* TL_USER_VECTOR */
    ud2
    .cfi_endproc
    .size tl_user_return, . - tl_user_return

    .section .note.GNU-stack, "", @progbits
