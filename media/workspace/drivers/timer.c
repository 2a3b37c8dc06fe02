/*
 * The local APIC's timer: TICKS periodic interrupts, slept through with HLT.
 *
 * Under a hypervisor a tick is an exit of the host's own (its timer fires), an injection, a handler, and an EOI that exits
 * unless the APIC is virtualised in hardware; and each sleep is a HLT exit.
 */
#include "trapline.h"

#ifndef TICKS
#define TICKS 10
#endif
#ifndef PERIOD
#define PERIOD 100000 /* in clocks of the APIC timer */
#endif

static volatile unsigned ticks;

static void on_tick(void *argument)
{
    (void)argument;
    ticks++;
    tl_mark(1, ticks);
}

int main(void)
{
    tl_timer_start(PERIOD, true, on_tick, NULL);
    const uint64_t start = tl_rdtsc();

    tl_cli();
    while (ticks < TICKS)
        tl_wait_for_interrupt();
    tl_sti();

    const uint64_t cycles = tl_rdtsc() - start;
    tl_timer_stop();
    tl_printf("%u ticks in %lu cycles, %lu cycles each\n", ticks, cycles, cycles / TICKS);
    return 0;
}
