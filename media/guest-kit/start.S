/*
 * The first and the most machine-near instructions of a guest: the entry point, the 256 interrupt stubs, and the stack.
 *
 * On entry (from the boot loader): 64-bit mode, interrupts off, flat segments, identity page tables for 0..4 GiB,
 * RDI = bytes of RAM. Nothing else may be relied on.
 */

    .cfi_sections .debug_frame      /* for debuggers only: nothing of it is loaded */

    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    .cfi_undefined rip              /* nobody has called: stacks end here */
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
    .cfi_endproc
    .size _start, . - _start

/*
 * One stub per vector, 16 bytes apart, so that the stub of vector v is at tl_stubs + 16 * v. The processor pushes an
 * error code for some exceptions only (SDM vol. 3, 6.13); the other stubs push a zero in its place, so that the frame
 * looks the same for all of them.
 *
 * The call frame information has the CFA above what the processor has pushed: SS, RSP, RFLAGS, CS, RIP from there downwards. As a
 * signal frame it tells debuggers that RIP is that of the next instruction and not what a call has left.
 */
    .macro interrupt_frame bytes
    .cfi_def_cfa rsp, \bytes
    .cfi_offset rip, -40
    .cfi_offset 51, -32             /* CS, RFLAGS and SS below: not all assemblers know their names */
    .cfi_offset 49, -24
    .cfi_offset rsp, -16
    .cfi_offset 52, -8
    .endm

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

    .text
    .balign 16
    .globl tl_stubs
    .type tl_stubs, @function
tl_stubs:
    .cfi_startproc
    .cfi_signal_frame
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    interrupt_frame 40
    pushq $0
    .endif
    interrupt_frame 48
    pushq $vector
    .cfi_adjust_cfa_offset 8
    jmp tl_stub_common
    .set vector, vector + 1
    .endr
    .cfi_endproc
    .size tl_stubs, . - tl_stubs

/*
 * Saves what C may change, calls tl_interrupt(frame), restores, returns. The processor has aligned RSP to 16 bytes before it
 * pushed five quadwords; with error code, vector and these fifteen registers that makes 176 bytes: aligned again.
 */
    .balign 16
    .type tl_stub_common, @function
tl_stub_common:
    .cfi_startproc
    .cfi_signal_frame
    interrupt_frame 56
    push_register rax
    push_register rcx
    push_register rdx
    push_register rbx
    push_register rbp
    push_register rsi
    push_register rdi
    push_register r8
    push_register r9
    push_register r10
    push_register r11
    push_register r12
    push_register r13
    push_register r14
    push_register r15
    cld                             /* the interrupted code may have set DF; C expects it clear */
    movq %rsp, %rdi
    call tl_interrupt
    pop_register r15
    pop_register r14
    pop_register r13
    pop_register r12
    pop_register r11
    pop_register r10
    pop_register r9
    pop_register r8
    pop_register rdi
    pop_register rsi
    pop_register rbp
    pop_register rbx
    pop_register rdx
    pop_register rcx
    pop_register rax
    addq $16, %rsp                  /* vector and error code */
    .cfi_adjust_cfa_offset -16
    iretq
    .cfi_endproc
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
