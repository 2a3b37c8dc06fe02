/*
 * The way to CPL 3 and back. Down there is no other way than IRET: it loads CS, and with it the privilege level, from a frame
 * that looks as if an interrupt had come from there. Back up is a trap, whose handler (user-mode.c) has its own IRET end at
 * label 1 below, on the stack that was left.
 */
#define USER_DATA 0x33 /* selectors with RPL 3; also in user-mode.c */
#define USER_CODE 0x3b

    .text
/* void tl_user_enter(rip, rsp, argument, rflags, struct { uint64_t rip, rsp; } *resume) */
    .globl tl_user_enter
    .type tl_user_enter, @function
tl_user_enter:
    pushq %rbx                      /* what the function may change and our caller wants back */
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    leaq 1f(%rip), %rax
    movq %rax, (%r8)
    movq %rsp, 8(%r8)
    pushq $USER_DATA                /* SS */
    pushq %rsi                      /* RSP */
    pushq %rcx                      /* RFLAGS */
    pushq $USER_CODE                /* CS */
    pushq %rdi                      /* RIP */
    movq %rdx, %rdi                 /* its only argument */
    xorl %ebp, %ebp                 /* RBP = 0 ends every walk up the stack frames */
    iretq
1:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .size tl_user_enter, . - tl_user_enter

/* Where a function at CPL 3 returns to: its result is in RAX. */
    .globl tl_user_return
    .type tl_user_return, @function
tl_user_return:
    int $0x80                       /* TL_USER_VECTOR */
    .size tl_user_return, . - tl_user_return

    .section .note.GNU-stack, "", @progbits
