/*
 * The way of an application processor (AP) from a start-up IPI to C.
 *
 * A start-up IPI with vector v starts a CPU in 16-bit real mode at physical address v * 4096, with CS = v * 256 and IP = 0
 * (SDM vol. 3, 8.4). That is below 1 MiB, where no guest is linked to: tl_start_ap copies this code there. So nothing here
 * may use the address that the linker gave it; each address is TL_AP_PAGE plus the distance from tl_ap_code.
 *
 *   16-bit real mode  -> CR0.PE ->  32-bit protected mode  -> CR4.PAE, CR3, EFER.LME, CR0.PG ->  64-bit mode
 */
#define TL_AP_PAGE 0x8000 /* also in cpus.c */
#define AT(label) (TL_AP_PAGE + label - tl_ap_code)

#define CODE32 0x08
#define DATA 0x10
#define CODE64 0x18

    .text
    .balign 16
    .globl tl_ap_code
    .type tl_ap_code, @function
tl_ap_code:
    .code16
    cli
    cld
    xorw %ax, %ax                   /* DS = 0: addresses are physical addresses */
    movw %ax, %ds
    lgdtl AT(gdt_pointer)
    movl %cr0, %eax
    orl $1, %eax                    /* PE */
    movl %eax, %cr0
    ljmpl $CODE32, $AT(protected)   /* CS is still a real-mode one until it is loaded */

    .code32
protected:
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl AT(tl_ap_cr4), %eax        /* with PAE: 64-bit mode cannot do without */
    movl %eax, %cr4
    movl AT(tl_ap_cr3), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          /* IA32_EFER */
    rdmsr
    orl $0x100, %eax                /* LME: paging will mean 64-bit mode */
    wrmsr
    movl AT(tl_ap_cr0), %eax        /* PG, and caching on: INIT has left CD and NW set */
    movl %eax, %cr0
    ljmpl $CODE64, $AT(long_mode)

    .code64
long_mode:
    movq AT(tl_ap_stack), %rsp
    movq AT(tl_ap_cpu), %rdi
    movq AT(tl_ap_entry), %rax
    xorl %ebp, %ebp                 /* RBP = 0 ends every walk up the stack frames */
    call *%rax                      /* tl_ap_main does not return */

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff        /* 32-bit code, base 0, limit 4 GiB */
    .quad 0x00cf92000000ffff        /* data, base 0, limit 4 GiB */
    .quad 0x00209a0000000000        /* 64-bit code */
gdt_pointer:
    .word . - gdt - 1
    .long AT(gdt)

/* What tl_start_ap writes into the copy. */
    .balign 8
    .globl tl_ap_cr0, tl_ap_cr3, tl_ap_cr4, tl_ap_stack, tl_ap_cpu, tl_ap_entry, tl_ap_code_end
tl_ap_cr0:   .quad 0
tl_ap_cr3:   .quad 0
tl_ap_cr4:   .quad 0
tl_ap_stack: .quad 0
tl_ap_cpu:   .quad 0
tl_ap_entry: .quad 0
tl_ap_code_end:
    .size tl_ap_code, . - tl_ap_code

    .section .note.GNU-stack, "", @progbits
