/*
 * The guest that this house and QEMU run side by side. Multiboot 1 brings it up in 32-bit mode; it goes to long mode with
 * the first 4 GiB mapped onto themselves, puts the e1000 where it wants it, and runs one loop twice: to warm up, and between
 * two bytes to the debug console (port 0xe9), by which whoever listens takes the time. Then it leaves by port 0xf4.
 *
 * LOOP: 1 alu, 2 calls, 3 mmio. WARM_UP, ITERATIONS: how often it goes round.
 */
#define BAR 0xe0000000
#define STATUS 8

        .section .text
        .code32
        .globl _start
header:
        .long 0x1badb002, 0, -0x1badb002
        /* For a loader that starts in 64-bit mode: where to, and with which CR3. */
        .long long_mode, pml4

_start:
        cli
        lgdt gdt_pointer
        movl %cr4, %eax
        orl $0x20, %eax                 /* PAE */
        movl %eax, %cr4
        movl $pml4, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx          /* EFER.LME */
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80000001, %eax           /* PG, PE */
        movl %eax, %cr0
        ljmp $8, $long_mode

        .code64
long_mode:
        movl $stack_top, %esp

        /* Finds 8086:100e on bus 0; its registers go to BAR, memory decoding on. */
        movl $0x80000000, %ebp
1:      movl %ebp, %eax
        movw $0xcf8, %dx
        outl %eax, %dx
        movw $0xcfc, %dx
        inl %dx, %eax
        cmpl $0x100e8086, %eax
        je 2f
        addl $0x800, %ebp
        cmpl $0x80010000, %ebp
        jne 1b
        jmp leave
2:      leal 0x10(%rbp), %eax
        movw $0xcf8, %dx
        outl %eax, %dx
        movl $BAR, %eax
        movw $0xcfc, %dx
        outl %eax, %dx
        leal 4(%rbp), %eax
        movw $0xcf8, %dx
        outl %eax, %dx
        movl $6, %eax
        movw $0xcfc, %dx
        outw %ax, %dx

        movl $WARM_UP, %r8d
        call measured
        movb $'S', %al
        outb %al, $0xe9
        movl $ITERATIONS, %r8d
        call measured
        movb $'E', %al
        outb %al, $0xe9
leave:
        xorl %eax, %eax
        outl %eax, $0xf4
        cli
        hlt

        .balign 64
#if LOOP == 1
measured:
        movq $0x200000, %rsi
        movq $0xfff8, %rdx
        xorl %edi, %edi
1:      movq (%rsi,%rdi), %rax
        addq %rbx, %rax
        xorq %rcx, %rax
        movq %rax, (%rsi,%rdi)
        addq $8, %rdi
        andq %rdx, %rdi
        movq %rax, %rbx
        shrq $3, %rbx
        subq $1, %r8
        jnz 1b
        ret
#elif LOOP == 2
function:
        pushq %rbp
        movq %rsp, %rbp
        addq $1, %rax
        popq %rbp
        ret
measured:
1:      call function
        subq $1, %r8
        jnz 1b
        ret
#else
measured:
        movl $BAR, %ebx
1:      movl STATUS(%rbx), %eax
        subq $1, %r8
        jnz 1b
        ret
#endif

        .section .data
        .balign 8
gdt:    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word . - gdt - 1
        .long gdt

        /* Present, writable; in the directories also 2 MiB pages. */
        .balign 4096
pml4:   .long pdpt + 3, 0
        .fill 511, 8, 0
pdpt:   .set directory, 0
        .rept 4
        .long directories + 3 + directory, 0
        .set directory, directory + 4096
        .endr
        .fill 508, 8, 0
directories:
        .set page, 0
        .rept 2048
        .long page + 0x83, 0
        .set page, page + 0x200000
        .endr

        .section .bss
        .balign 16
        .skip 4096
stack_top:
