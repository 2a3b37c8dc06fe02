/*
 * A kernel without the guest kit: loaded by Multiboot 1, as GRUB and `qemu -kernel` do it. It begins in 32-bit protected mode,
 * prints its command line and the memory map to the first serial port, enters 64-bit mode and ends.
 * (Multiboot Specification 0.6.96, chapter 3; SDM vol. 3, 9.8.5 for the way to 64-bit mode.)
 *
 * Named as the "kernel" of a scenario, a source is compiled and linked by itself, at 1 MiB, with _start as its entry.
 */

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define TRANSMITTER_EMPTY 0x20
#define EXIT_PORT 0xf4          /* a 32-bit write ends the guest with that exit code */

#define CODE64 0x08
#define DATA 0x10

/* ---- The header: in the first 8 KiB of the file, so that a loader knows a kernel when it sees one ------------------------ */

#define MAGIC 0x1badb002
#define WANTS_MEMORY_MAP 0x2
#define LOADED_BY_MULTIBOOT 0x2badb002

    .section .text.start, "ax", @progbits
    .balign 4
    .long MAGIC
    .long WANTS_MEMORY_MAP
    .long -(MAGIC + WANTS_MEMORY_MAP) /* the three add up to 0 */

/* Fields of the information structure that EBX points to. */
#define INFO_CMDLINE 16
#define INFO_MMAP_LENGTH 44
#define INFO_MMAP_ADDRESS 48
/* Fields of an entry of the memory map; `size` does not count itself. */
#define ENTRY_SIZE 0
#define ENTRY_BASE 4
#define ENTRY_LENGTH 12
#define ENTRY_TYPE 20

/* ---- 32-bit protected mode: flat segments, paging off, interrupts off; no stack yet -------------------------------------- */

    .code32
    .globl _start
    .type _start, @function
_start:
    movl $stack_top, %esp
    xorl %ebp, %ebp             /* EBP = 0 ends every walk up the stack frames */
    cld
    cmpl $LOADED_BY_MULTIBOOT, %eax
    jne not_multiboot

    movl $text_cmdline, %esi
    call print32
    movl INFO_CMDLINE(%ebx), %esi
    call print32

    movl INFO_MMAP_ADDRESS(%ebx), %edi
    movl INFO_MMAP_LENGTH(%ebx), %ebx
    addl %edi, %ebx             /* EDI: this entry, EBX: end of the map */
next_entry:
    movl $text_range, %esi
    cmpl $1, ENTRY_TYPE(%edi)   /* 1 is RAM that may be used; everything else is taken */
    je print_entry
    movl $text_reserved, %esi
print_entry:
    call print32
    movl ENTRY_BASE(%edi), %eax
    call print_hex32
    movl $text_length, %esi
    call print32
    movl ENTRY_LENGTH(%edi), %eax
    call print_hex32
    addl ENTRY_SIZE(%edi), %edi
    addl $4, %edi
    cmpl %ebx, %edi
    jb next_entry

    call fill_page_tables
    lgdt gdt_pointer

    movl %cr4, %eax
    orl $0x20, %eax             /* PAE: page table entries of 64 bits */
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      /* IA32_EFER */
    rdmsr
    orl $0x100, %eax            /* LME: with paging comes IA-32e mode ... */
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax       /* PG: ... now */
    movl %eax, %cr0
    ljmp $CODE64, $long_mode    /* still 32-bit code until CS has a descriptor with L set */
    .size _start, . - _start

not_multiboot:
    movl $1, %eax
    movw $EXIT_PORT, %dx
    outl %eax, %dx
1:  hlt
    jmp 1b

/* Maps the first GiB one to one: one entry of the PML4, one of the next table, 512 large pages of 2 MiB. */
    .type fill_page_tables, @function
fill_page_tables:
    movl $pdpt + 3, pml4        /* + 3: present and writable */
    movl $directory + 3, pdpt
    movl $0x83, %eax            /* present, writable, large */
    xorl %ecx, %ecx
1:  movl %eax, directory(, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jb 1b
    ret
    .size fill_page_tables, . - fill_page_tables

/* Prints EAX as eight hexadecimal digits. Changes EAX, ECX, EDX. */
    .type print_hex32, @function
print_hex32:
    movl $8, %ecx
1:  roll $4, %eax               /* the highest digit comes down first */
    pushl %eax
    andl $15, %eax
    movb digits(%eax), %al
    call put_char32
    popl %eax
    decl %ecx
    jnz 1b
    ret
    .size print_hex32, . - print_hex32

/*
 * Printing, written once and assembled twice: the same lines give other bytes in 32-bit and in 64-bit code.
 * put_char: AL to the serial port, when it is free; changes EDX. print: the text at ESI up to its zero; changes EAX, EDX, ESI.
 */
    .macro printing bits
    .type put_char\bits, @function
put_char\bits:
    movb %al, %ah
    movw $LINE_STATUS, %dx
1:  inb %dx, %al
    testb $TRANSMITTER_EMPTY, %al
    jz 1b
    movb %ah, %al
    movw $COM1, %dx
    outb %al, %dx
    ret
    .size put_char\bits, . - put_char\bits

    .type print\bits, @function
print\bits:
1:  lodsb
    testb %al, %al
    jz 2f
    call put_char\bits
    jmp 1b
2:  ret
    .size print\bits, . - print\bits
    .endm

    printing 32

/* ---- 64-bit mode --------------------------------------------------------------------------------------------------------- */

    .code64
    printing 64

    .type long_mode, @function
long_mode:
    movl $DATA, %eax
    movl %eax, %ss
    movl %eax, %ds
    movl %eax, %es
    movl $stack_top, %esp
    movl $text_long, %esi
    call print64
    movabsq $0x0123456789abcdef, %rbx /* a register of 64 bits: in 32-bit code this instruction does not exist */
    shrq $32, %rbx
    xorl %eax, %eax
    cmpq $0x01234567, %rbx
    setne %al                   /* exit code 0 when its upper half was there */
    movw $EXIT_PORT, %dx
    outl %eax, %dx
1:  hlt
    jmp 1b
    .size long_mode, . - long_mode

/* ---- Data ---------------------------------------------------------------------------------------------------------------- */

    .section .rodata
digits:        .ascii "0123456789abcdef"
text_cmdline:  .asciz "32-bit mode, loaded as: "
text_range:    .asciz "\nRAM       0x"
text_reserved: .asciz "\nreserved  0x"
text_length:   .asciz ", bytes 0x"
text_long:     .asciz "\n64-bit mode\n"

    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000    /* code: present, ring 0, execute/read, L (64-bit) */
    .quad 0x0000920000000000    /* data: present, ring 0, read/write */
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .section .bss
    .balign 4096
pml4:      .skip 4096
pdpt:      .skip 4096
directory: .skip 4096
    .skip 4096
stack_top:

    .section .note.GNU-stack, "", @progbits
