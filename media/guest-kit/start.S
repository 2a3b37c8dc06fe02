/*
 * The first and the most machine-near instructions of a guest: the entry point, the 256 interrupt stubs, and the stack.
 *
 * On entry (from the boot loader): 64-bit mode, interrupts off, flat segments, identity page tables for 0..4 GiB,
 * RDI = bytes of RAM. Nothing else may be relied on.
 */

    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    cld
    movq $tl_stack_top, %rsp        /* the loader's stack is not ours to keep */
    xorl %ebp, %ebp                 /* RBP = 0 ends every walk up the stack frames */
    call tl_boot                    /* GDT, TSS, IDT, page tables; takes RDI */
    call tl_run_constructors
    call main
    movl %eax, %edi
    call tl_exit                    /* main's result is the guest's exit code */
1:  cli
    hlt
    jmp 1b
    .size _start, . - _start

/*
 * One stub per vector, 16 bytes apart, so that the stub of vector v is at tl_stubs + 16 * v. The processor pushes an
 * error code for some exceptions only (SDM vol. 3, 6.13); the other stubs push a zero in its place, so that the frame
 * looks the same for all of them.
 */
    .text
    .balign 16
    .globl tl_stubs
    .type tl_stubs, @function
tl_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp tl_stub_common
    .set vector, vector + 1
    .endr
    .size tl_stubs, . - tl_stubs

/*
 * Saves what C may change, calls tl_interrupt(frame), restores, returns. The processor has aligned RSP to 16 bytes before it
 * pushed five quadwords; with error code, vector and these fifteen registers that makes 176 bytes: aligned again.
 */
    .balign 16
    .type tl_stub_common, @function
tl_stub_common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld                             /* the interrupted code may have set DF; C expects it clear */
    movq %rsp, %rdi
    call tl_interrupt
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp                  /* vector and error code */
    iretq
    .size tl_stub_common, . - tl_stub_common

/* The stack, with a page below it that tl_boot leaves unmapped: a stack that overflows faults. */
    .section .bss
    .balign 4096
    .globl tl_stack_guard
tl_stack_guard:
    .skip 4096
    .skip 65536
    .globl tl_stack_top
tl_stack_top:

    .section .note.GNU-stack, "", @progbits
