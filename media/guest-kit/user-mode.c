/*
 * Code at CPL 3: its segments, a task state segment with an I/O permission bitmap, the gate it may come back by, and page
 * tables that let it in. Nothing of it exists before the first use. (SDM vol. 3, 5.8, 7.2 and 7.7; vol. 1, chapter 19.)
 */
#include "trapline-privilege.h"
#include "kit.h"

/* Selectors beyond those of boot.c, whose table has 6 entries; also in user-enter.S. */
enum { OLD_ENTRIES = 6, USER_DATA = 0x30, USER_CODE = 0x38, TASK = 0x40, ENTRIES = 10 };
enum { KERNEL_CODE = 0x08, KERNEL_DATA = 0x10, PER_CPU = 0x28 };
enum { EXCEPTIONS = 32, STACK_BYTES = 16 * 1024, PORTS = 65536 };
enum { PRESENT = 1, USER = 4, LARGE = 128, PAGE_ENTRIES = 512 };
#define ADDRESS_BITS 0x000ffffffffff000ull
#define RFLAGS_IF 0x200ull
#define RFLAGS_FIXED 2ull
#define GATE_DPL3 (3ull << 45)

/* A TSS with the bitmap behind it: a bit for each port, and one byte of ones, for an access reads two bytes (vol. 1, 19.5.2). */
static struct __attribute__((packed, aligned(16))) {
    struct tl_tss tss;
    uint8_t io_map[PORTS / 8 + 1];
} task;

static uint64_t gdt[ENTRIES] __attribute__((aligned(16)));
static uint8_t user_stack[STACK_BYTES] __attribute__((aligned(16)));
static uint8_t trap_stack[STACK_BYTES] __attribute__((aligned(16)));
static uint64_t io_privilege;

static struct {
    uint64_t rip, rsp;
} resume;
static struct tl_user_end end;

/* user-enter.S */
void tl_user_enter(uint64_t rip, uint64_t rsp, uint64_t argument, uint64_t rflags, void *to_resume);
extern uint8_t tl_user_return[];

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

/* ---- Tables --------------------------------------------------------------------------------------------------------- */

static void load_tables(void)
{
    struct table_pointer old;
    __asm__ volatile("sgdt %0" : "=m"(old));
    tl_check(old.limit + 1u == OLD_ENTRIES * sizeof(gdt[0]), "CPL 3 is for the CPU that booted, and the kit's own GDT");
    memcpy(gdt, (const void *)old.base, OLD_ENTRIES * sizeof(gdt[0]));

    gdt[USER_DATA / 8] = 0x0000f20000000000ull; /* present, ring 3, read/write */
    gdt[USER_CODE / 8] = 0x0020fa0000000000ull; /* present, ring 3, execute/read, L */
    const uint64_t base = tl_physical(&task);
    gdt[TASK / 8] = (sizeof(task) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[TASK / 8 + 1] = base >> 32;

    const uint64_t per_cpu = gdt[PER_CPU / 8];
    const struct tl_cpu *cpu = (const struct tl_cpu *)((per_cpu >> 16 & 0xffffff) | (per_cpu >> 56) << 24);
    task.tss = cpu->tss; /* with the stack for double faults */
    task.tss.rsp[0] = tl_physical(trap_stack) + sizeof(trap_stack);
    task.tss.io_map_base = sizeof(task.tss);
    memset(task.io_map, 0xff, sizeof(task.io_map));

    const struct table_pointer pointer = {sizeof(gdt) - 1, tl_physical(gdt)};
    __asm__ volatile("lgdt %0\n\t"
                     "ltr %w1"
                     :
                     : "m"(pointer), "r"(TASK)
                     : "memory");
}

/* INT 0x80 at CPL 3 needs a gate whose DPL is 3; all others stay closed, and an INT there raises #GP. */
static void open_gate(void)
{
    struct table_pointer pointer;
    __asm__ volatile("sidt %0" : "=m"(pointer));
    uint64_t *gates = (uint64_t *)pointer.base;
    gates[2 * TL_USER_VECTOR] |= GATE_DPL3;
}

/* The U bit has to be set at every level of the walk. */
static void open_pages(uint64_t *table, unsigned level)
{
    for (unsigned i = 0; i < PAGE_ENTRIES; i++) {
        if (!(table[i] & PRESENT))
            continue;
        table[i] |= USER;
        if (level > 1 && !(table[i] & LARGE))
            open_pages((uint64_t *)(table[i] & ADDRESS_BITS), level - 1);
    }
}

static void prepare(void)
{
    static bool ready;
    if (ready)
        return;
    ready = true;
    load_tables();
    open_gate();

    uint64_t root;
    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    open_pages((uint64_t *)(root & ADDRESS_BITS), 4);
    __asm__ volatile("movq %0, %%cr3" : : "r"(root) : "memory"); /* forget what was cached without the U bit */
}

void tl_user_set_iopl(unsigned level)
{
    tl_check(level <= 3, "IOPL %u: there are the levels 0 to 3", level);
    io_privilege = level;
}

void tl_user_allow_port(uint16_t port, bool allowed)
{
    prepare();
    const uint8_t bit = (uint8_t)(1u << port % 8);
    task.io_map[port / 8] = (uint8_t)(allowed ? task.io_map[port / 8] & ~bit : task.io_map[port / 8] | bit);
}

struct tl_stack tl_user_stack(void)
{
    return (struct tl_stack){tl_physical(user_stack), tl_physical(user_stack) + sizeof(user_stack)};
}

struct tl_stack tl_user_trap_stack(void)
{
    return (struct tl_stack){tl_physical(trap_stack), tl_physical(trap_stack) + sizeof(trap_stack)};
}

/* ---- There and back ------------------------------------------------------------------------------------------------- */

/* Notes why the stay ends, and has IRET go on in tl_user_enter instead of at CPL 3. */
static bool leave(struct tl_frame *frame)
{
    if ((frame->cs & 3) != 3)
        return false;
    end = (struct tl_user_end){frame->vector, frame->error_code, frame->rip, frame->rax};
    frame->rip = resume.rip;
    frame->rsp = resume.rsp;
    frame->cs = KERNEL_CODE;
    frame->ss = KERNEL_DATA;
    frame->rflags &= ~(3ull << 12); /* the IOPL was that of the code at CPL 3 */
    return true;
}

struct tl_user_end tl_user_run(uint64_t (*function)(void *), void *argument)
{
    prepare();
    for (unsigned vector = 0; vector < EXCEPTIONS; vector++)
        tl_trap_register((uint8_t)vector, leave);
    tl_trap_register(TL_USER_VECTOR, leave);

    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags) : : "memory");
    uint64_t *top = (uint64_t *)(user_stack + sizeof(user_stack)) - 1;
    *top = tl_physical(tl_user_return) + 1; /* the function returns to there: past a NOP, see user-enter.S */
    tl_user_enter((uint64_t)(uintptr_t)function, tl_physical(top), (uint64_t)(uintptr_t)argument,
                  (flags & RFLAGS_IF) | RFLAGS_FIXED | io_privilege << 12, &resume);

    /* IRET to CPL 3 has emptied the data segment registers, which belong to ring 0. */
    __asm__ volatile("movl %0, %%ds\n\t"
                     "movl %0, %%es\n\t"
                     "movl %1, %%gs"
                     :
                     : "r"(KERNEL_DATA), "r"(PER_CPU));

    for (unsigned vector = 0; vector < EXCEPTIONS; vector++)
        tl_trap_register((uint8_t)vector, NULL);
    tl_trap_register(TL_USER_VECTOR, NULL);
    return end;
}
