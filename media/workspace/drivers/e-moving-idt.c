/*
 * A guest that keeps its interrupt descriptor table moving while its device interrupts: what a hypervisor that delivers by a shadow of
 * the table has to follow.
 *
 *   boot      the table of the kit
 *   moved     a copy of it in a page of its own, which SIDT and LIDT take over
 *   changed   the gate of the device leads to another handler, and back, once for each interrupt
 *   left      stores into the table of the kit, which is nobody's any more
 *
 * The device is behind e-device.h.
 */
#ifndef TL_X2APIC
#define TL_X2APIC 0 /* 1: the registers of the local APIC are MSRs */
#endif
#include "e-device.h"

#ifndef ROUNDS
#define ROUNDS 8 /* interrupts of each way */
#endif

enum { VECTORS = 256, WORDS = 2 };
enum way { BOOT, MOVED, CHANGED, LEFT, END };

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static uint64_t table[VECTORS * WORDS] __attribute__((aligned(4096)));

/* Read by whoever checks the trace. */
struct {
    uint64_t vector, kit_table, own_table;
    uint64_t first, second;  /* interrupts, by the handler that took them */
    uint64_t stores, strays; /* to the gate of the device in its own table; to the kit's table afterwards */
} moving_log;

volatile unsigned handled;

static void on_first(void *argument)
{
    (void)argument;
    moving_log.first++;
    handled++;
}

static void on_second(void *argument)
{
    (void)argument;
    moving_log.second++;
    handled++;
}

static void await(void)
{
    while (!handled)
        __asm__ volatile("" : : : "memory");
}

static void rounds(enum way way)
{
    tl_mark(way, ROUNDS);
    for (unsigned round = 0; round != ROUNDS; round++) {
        device_fire();
        await();
    }
}

static void move_table(void)
{
    struct table_pointer pointer;
    __asm__ volatile("sidt %0" : "=m"(pointer));
    moving_log.kit_table = pointer.base;
    moving_log.own_table = tl_physical(table);
    memcpy(table, (const void *)pointer.base, sizeof(table));
    pointer.base = moving_log.own_table;
    __asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
}

/* The address of the handler alone is another, in its lower 32 bits: one store changes them. */
static void lead_to(const uint64_t *gate)
{
    volatile uint64_t *mine = &table[moving_log.vector * WORDS];
    mine[0] = gate[0];
    moving_log.stores++;
}

static void change(unsigned other)
{
    uint64_t first[WORDS], second[WORDS];
    memcpy(first, &table[moving_log.vector * WORDS], sizeof(first));
    memcpy(second, &table[other * WORDS], sizeof(second));
    tl_check(first[1] == second[1], "the handlers are more than 4 GiB apart");
    tl_mark(CHANGED, ROUNDS);
    for (unsigned round = 0; round != ROUNDS; round++) {
        device_fire();
        lead_to(round & 1 ? first : second);
        await();
    }
}

static void leave(void)
{
    tl_mark(LEFT, ROUNDS);
    volatile uint64_t *old = (volatile uint64_t *)moving_log.kit_table;
    for (unsigned round = 0; round != ROUNDS; round++) {
        old[moving_log.vector * WORDS] = 0;
        moving_log.strays++;
    }
    for (unsigned round = 0; round != ROUNDS; round++) {
        device_fire();
        await();
    }
}

int main(void)
{
    moving_log.vector = tl_irq_vector(on_first, NULL);
    const unsigned other = tl_irq_vector(on_second, NULL);
    device_start((uint8_t)moving_log.vector);
    tl_sti();
    rounds(BOOT);
    move_table();
    rounds(MOVED);
    change(other);
    leave();
    tl_cli();
    tl_mark(END, 0);
    tl_printf("%lu interrupts by one handler, %lu by the other; %lu changes of the gate\n", moving_log.first, moving_log.second,
              moving_log.stores);
    return 0;
}
