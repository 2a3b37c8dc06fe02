/* What the kit's own files share. Drivers need only trapline.h. */
#ifndef TRAPLINE_KIT_H
#define TRAPLINE_KIT_H

#include "trapline.h"
#include "trapline-privilege.h"

/* start.S */
extern uint8_t tl_stubs[];
extern uint8_t tl_stack_guard[];
extern uint8_t tl_stack_top[];
/* guest.ld */
extern uint8_t tl_image_end[];
extern void (*__init_array_start[])(void);
extern void (*__init_array_end[])(void);

/* ap-start.S */
extern uint8_t tl_ap_code[], tl_ap_code_end[];
extern uint64_t tl_ap_cr0[], tl_ap_cr3[], tl_ap_cr4[], tl_ap_stack[], tl_ap_cpu[], tl_ap_entry[];

struct __attribute__((packed)) tl_tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};

/* What each CPU has for itself. The base of its GS segment is the address of this. */
struct tl_cpu {
    uint32_t id; /* of its local APIC */
    volatile bool running;
    void (*function)(void);
    uint64_t stack_top;
    uint64_t gdt[6];
    struct tl_tss tss;
    /* A double fault gets a stack of its own: it may come because the normal one is used up. */
    uint8_t double_fault_stack[4096] __attribute__((aligned(16)));
};

/* boot.c: loads segments and task register from `cpu`, and the interrupt descriptor table that all CPUs share. */
void tl_load_cpu_tables(struct tl_cpu *cpu);

/* interrupts.c: switches this CPU's local APIC on; writes its interrupt command register. */
void tl_apic_enable(void);
void tl_apic_command(uint32_t destination, uint32_t command);

/* Called by start.S. */
void tl_boot(uint64_t ram_bytes);
void tl_run_constructors(void);
void tl_interrupt(struct tl_frame *frame);

/* Prints the registers and ends the guest. */
_Noreturn void tl_exception(const struct tl_frame *frame);

#endif
