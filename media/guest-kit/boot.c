/*
 * What a processor in 64-bit mode needs before C code may take interrupts: segments, a task state segment, an interrupt
 * descriptor table, page tables. Called once by start.S, and in part by each further CPU; everything here is data
 * structures of SDM vol. 3.
 */
#include "trapline.h"
#include "kit.h"

uint64_t tl_ram_bytes;

/* ---- Segments (SDM vol. 3, 3.4.5 and 7.2.3) ------------------------------------------------------------------------ */

enum { KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, TASK = 0x18, PER_CPU = 0x28 };

/* The CPU that boots. On a PC the identifier of its local APIC is 0. */
static struct tl_cpu boot_cpu;

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

/* Bits 0..31 of a base, where a descriptor has them. */
static uint64_t descriptor_base(uint64_t base)
{
    return (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
}

static void load_segments(struct tl_cpu *cpu)
{
    const uint64_t tss = tl_physical(&cpu->tss);

    cpu->tss.rsp[0] = cpu->stack_top;
    cpu->tss.ist[0] = tl_physical(cpu->double_fault_stack) + sizeof(cpu->double_fault_stack);
    cpu->tss.io_map_base = sizeof(cpu->tss); /* beyond the limit: no port is allowed outside ring 0 */

    /* Base and limit mean nothing in 64-bit mode (but for FS and GS); what counts is present, type, and L (64-bit code). */
    cpu->gdt[0] = 0;
    cpu->gdt[KERNEL_CODE / 8] = 0x00209a0000000000ull; /* present, ring 0, execute/read, L */
    cpu->gdt[KERNEL_DATA / 8] = 0x0000920000000000ull; /* present, ring 0, read/write */
    cpu->gdt[TASK / 8] = (sizeof(cpu->tss) - 1) | descriptor_base(tss) | 0x89ull << 40; /* TSS: two slots */
    cpu->gdt[TASK / 8 + 1] = tss >> 32;
    /* Data again, with a base: a load of GS from it sets the base without a write to an MSR. */
    cpu->gdt[PER_CPU / 8] = 0x0000920000000000ull | descriptor_base(tl_physical(cpu));

    const struct table_pointer pointer = {sizeof(cpu->gdt) - 1, tl_physical(cpu->gdt)};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t" /* CS can only be loaded by a far transfer */
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %3, %%eax\n\t"
                     "ltr %%ax\n\t"
                     "movl %4, %%eax\n\t"
                     "movl %%eax, %%gs"
                     :
                     : "m"(pointer), "i"(KERNEL_CODE), "i"(KERNEL_DATA), "i"(TASK), "i"(PER_CPU)
                     : "rax", "memory");
}

uint32_t tl_cpu_id(void)
{
    uint32_t id;
    __asm__("movl %%gs:%c1, %0" : "=r"(id) : "i"(offsetof(struct tl_cpu, id)));
    return id;
}

/* ---- Interrupt descriptor table (SDM vol. 3, 6.14.1) --------------------------------------------------------------- */

enum { VECTORS = 256, STUB_BYTES = 16, DOUBLE_FAULT = 8 };

static struct {
    uint64_t low, high;
} idt[VECTORS] __attribute__((aligned(16)));

static void fill_idt(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        const uint64_t stub = (uint64_t)(uintptr_t)tl_stubs + vector * STUB_BYTES;
        const uint64_t ist = vector == DOUBLE_FAULT ? 1 : 0;
        /* 0x8e: present, ring 0, interrupt gate (the processor clears IF on the way in) */
        idt[vector].low = (stub & 0xffff) | (uint64_t)KERNEL_CODE << 16 | ist << 32 | 0x8eull << 40 | (stub >> 16 & 0xffff) << 48;
        idt[vector].high = stub >> 32;
    }
}

void tl_load_cpu_tables(struct tl_cpu *cpu)
{
    load_segments(cpu);
    const struct table_pointer pointer = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

/* ---- Page tables (SDM vol. 3, 4.5) --------------------------------------------------------------------------------- */

enum { PRESENT = 1, WRITABLE = 2, WRITE_THROUGH = 8, CACHE_DISABLE = 16, LARGE = 128 };
enum { ENTRIES = 512, GIBIBYTES = 4 };

#define PAGE 0x1000ull
#define LARGE_PAGE 0x200000ull

static uint64_t pml4[ENTRIES] __attribute__((aligned(4096)));
static uint64_t pdpt[ENTRIES] __attribute__((aligned(4096)));
static uint64_t directories[GIBIBYTES * ENTRIES] __attribute__((aligned(4096)));
static uint64_t first_table[ENTRIES] __attribute__((aligned(4096)));

/* What is not RAM is registers: a cached register would be read once and never again. */
static uint64_t caching(uint64_t address)
{
    return address < tl_ram_bytes ? 0 : CACHE_DISABLE | WRITE_THROUGH;
}

/*
 * Maps 0..4 GiB one to one in 2 MiB pages. The first 2 MiB are cut finer, to leave two pages out: page 0, where NULL points,
 * and the page below the stack.
 */
static void load_page_tables(void)
{
    for (uint64_t i = 0; i < GIBIBYTES * ENTRIES; i++)
        directories[i] = i * LARGE_PAGE | caching(i * LARGE_PAGE) | LARGE | WRITABLE | PRESENT;
    for (uint64_t i = 0; i < ENTRIES; i++)
        first_table[i] = i * PAGE | WRITABLE | PRESENT;
    first_table[0] = 0;

    const uint64_t guard = (uint64_t)(uintptr_t)tl_stack_guard;
    if (guard < LARGE_PAGE)
        first_table[guard / PAGE] = 0;

    directories[0] = tl_physical(first_table) | WRITABLE | PRESENT;
    for (uint64_t i = 0; i < GIBIBYTES; i++)
        pdpt[i] = tl_physical(&directories[i * ENTRIES]) | WRITABLE | PRESENT;
    pml4[0] = tl_physical(pdpt) | WRITABLE | PRESENT;
    __asm__ volatile("movq %0, %%cr3" : : "r"(tl_physical(pml4)) : "memory");
}

void tl_boot(uint64_t ram_bytes)
{
    tl_ram_bytes = ram_bytes;
    boot_cpu.stack_top = tl_physical(tl_stack_top);
    fill_idt();
    tl_load_cpu_tables(&boot_cpu);
    load_page_tables();
}

/* What has to run before main, in the order in which the linker has laid it. */
void tl_run_constructors(void)
{
    for (void (**constructor)(void) = __init_array_start; constructor != __init_array_end; constructor++)
        (*constructor)();
}

_Noreturn void tl_exit(uint32_t code)
{
    tl_outl(TL_EXIT_PORT, code);
    for (;;)
        __asm__ volatile("cli\n\thlt" : : : "memory");
}
