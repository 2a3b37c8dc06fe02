/*
 * Interrupts: from the stub to the handler, the local APIC, the IOAPIC and the APIC timer.
 * (SDM vol. 3, chapter 10; 82093AA IOAPIC data sheet.)
 */
#include "trapline.h"
#include "kit.h"

#ifndef TL_X2APIC
#define TL_X2APIC 0
#endif

#define APIC_BASE 0xfee00000ul
#define IOAPIC_SELECT 0xfec00000ul
#define IOAPIC_WINDOW 0xfec00010ul

enum {
    FIRST_VECTOR = 0x30, /* vectors below 0x20 are exceptions; 0x20..0x2f is where the masked 8259s could still stray to */
    GSIS = 24,
    FIRST_FREE_VECTOR = 0x60,
    TIMER_VECTOR = 0x50,
    SPURIOUS_VECTOR = 0xff,
};

/* Bits of an IOAPIC redirection entry's low half. */
enum { ACTIVE_LOW = 1 << 13, LEVEL_TRIGGERED = 1 << 15, MASKED = 1 << 16 };

static struct {
    tl_irq_handler handler;
    void *argument;
} handlers[256];

static tl_trap_handler traps[256];

static uint8_t next_free_vector = FIRST_FREE_VECTOR;

/* ---- Local APIC --------------------------------------------------------------------------------------------------- */

uint32_t tl_apic_read(uint32_t offset)
{
    if (TL_X2APIC)
        return (uint32_t)tl_rdmsr(0x800 + (offset >> 4));
    return tl_read32(APIC_BASE + offset);
}

void tl_apic_write(uint32_t offset, uint32_t value)
{
    if (TL_X2APIC)
        tl_wrmsr(0x800 + (offset >> 4), value);
    else
        tl_write32(APIC_BASE + offset, value);
}

uint32_t tl_apic_id(void)
{
    return TL_X2APIC ? tl_apic_read(TL_APIC_ID) : tl_apic_read(TL_APIC_ID) >> 24;
}

void tl_apic_enable(void)
{
    if (TL_X2APIC)
        tl_wrmsr(0x1b, tl_rdmsr(0x1b) | 0xc00); /* IA32_APIC_BASE: EN and EXTD */
    tl_apic_write(TL_APIC_SVR, 0x100 | SPURIOUS_VECTOR);
    tl_apic_write(TL_APIC_TPR, 0); /* accept every priority */
}

void tl_apic_command(uint32_t destination, uint32_t command)
{
    if (TL_X2APIC) {
        tl_wrmsr(0x830, (uint64_t)destination << 32 | command);
        return;
    }
    /* The second write sends. With interrupts off: a handler that sends too must not come between the two. */
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    tl_apic_write(TL_APIC_ICR_HIGH, destination << 24);
    tl_apic_write(TL_APIC_ICR, command);
    if (flags & 0x200)
        tl_sti();
}

static void enable_interrupt_controllers(void)
{
    static bool enabled;
    if (enabled)
        return;
    enabled = true;

    /* The IOAPIC does their work: all inputs of both 8259s masked. */
    tl_outb(0x21, 0xff);
    tl_outb(0xa1, 0xff);
    tl_apic_enable();
}

/* ---- IOAPIC ------------------------------------------------------------------------------------------------------- */

static void ioapic_write(uint32_t index, uint32_t value)
{
    tl_write32(IOAPIC_SELECT, index);
    tl_write32(IOAPIC_WINDOW, value);
}

static uint32_t ioapic_read(uint32_t index)
{
    tl_write32(IOAPIC_SELECT, index);
    return tl_read32(IOAPIC_WINDOW);
}

static uint8_t route(unsigned gsi, uint32_t mode, tl_irq_handler handler, void *argument)
{
    tl_check(gsi < GSIS, "interrupt %u: the IOAPIC has inputs 0..%d", gsi, GSIS - 1);
    enable_interrupt_controllers();

    const uint8_t vector = (uint8_t)(FIRST_VECTOR + gsi);
    handlers[vector].argument = argument;
    handlers[vector].handler = handler;

    /* High half first: the entry must not be live with a wrong destination. */
    ioapic_write(0x10 + 2 * gsi + 1, tl_apic_id() << 24);
    ioapic_write(0x10 + 2 * gsi, mode | vector);
    return vector;
}

uint8_t tl_irq_register(unsigned gsi, tl_irq_handler handler, void *argument)
{
    return route(gsi, LEVEL_TRIGGERED | ACTIVE_LOW, handler, argument);
}

uint8_t tl_irq_register_edge(unsigned gsi, tl_irq_handler handler, void *argument)
{
    return route(gsi, 0, handler, argument);
}

void tl_irq_mask(unsigned gsi, bool masked)
{
    tl_check(gsi < GSIS, "interrupt %u: the IOAPIC has inputs 0..%d", gsi, GSIS - 1);
    const uint32_t entry = ioapic_read(0x10 + 2 * gsi);
    ioapic_write(0x10 + 2 * gsi, masked ? entry | MASKED : entry & ~(uint32_t)MASKED);
}

uint8_t tl_irq_vector(tl_irq_handler handler, void *argument)
{
    tl_check(next_free_vector < SPURIOUS_VECTOR, "no interrupt vector is left");
    enable_interrupt_controllers();
    const uint8_t vector = next_free_vector++;
    handlers[vector].argument = argument;
    handlers[vector].handler = handler;
    return vector;
}

/* ---- APIC timer --------------------------------------------------------------------------------------------------- */

void tl_timer_start(uint32_t ticks, bool periodic, tl_irq_handler handler, void *argument)
{
    enable_interrupt_controllers();
    handlers[TIMER_VECTOR].argument = argument;
    handlers[TIMER_VECTOR].handler = handler;
    tl_apic_write(TL_APIC_TIMER_DIVIDE, 0xb); /* divide by 1 */
    tl_apic_write(TL_APIC_LVT_TIMER, TIMER_VECTOR | (periodic ? 1u << 17 : 0));
    tl_apic_write(TL_APIC_TIMER_INITIAL, ticks); /* this write starts it */
}

void tl_timer_stop(void)
{
    tl_apic_write(TL_APIC_TIMER_INITIAL, 0);
    tl_apic_write(TL_APIC_LVT_TIMER, TIMER_VECTOR | MASKED);
}

/* ---- From the stub to the handler ---------------------------------------------------------------------------------- */

void tl_trap_register(uint8_t vector, tl_trap_handler handler)
{
    traps[vector] = handler;
}

void tl_interrupt(struct tl_frame *frame)
{
    const uint64_t vector = frame->vector;
    if (traps[vector] && traps[vector](frame))
        return;
    if (vector < 32)
        tl_exception(frame);
    if (vector == SPURIOUS_VECTOR)
        return; /* a spurious interrupt is not in service: no end of interrupt (SDM vol. 3, 10.9) */
    if (!handlers[vector].handler) {
        tl_printf("interrupt vector 0x%02lx has no handler\n", vector);
        tl_exception(frame);
    }
    handlers[vector].handler(handlers[vector].argument);
    tl_apic_write(TL_APIC_EOI, 0);
}
