/*
 * What an interrupt of a device costs the guest that it comes to, by where the virtual CPU is:
 *
 *   running     it turns in a loop without a single exit
 *   off         the same with IF=0; it takes the interrupt behind STI
 *   asleep      it has halted
 *   streaming   packets keep it busy, an interrupt each
 *
 * and each ends with a write to the EOI register of the local APIC, in memory or by an MSR. How many exits that are is the
 * hypervisor's choice and the processor's: this program is the same under all of them.
 *
 * The device is behind e-device.h.
 */
#ifndef TL_X2APIC
#define TL_X2APIC 0 /* 1: the registers of the local APIC are MSRs */
#endif
#include "e-device.h"

#ifndef ROUNDS
#define ROUNDS 8 /* interrupts of each way but the last, unless it has a number of its own */
#endif
#ifndef OFF_ROUNDS
#define OFF_ROUNDS ROUNDS
#endif
#ifndef ASLEEP_ROUNDS
#define ASLEEP_ROUNDS ROUNDS
#endif
#ifndef PACKETS
#define PACKETS 200 /* of the stream */
#endif
#ifndef BARE_CYCLES
#define BARE_CYCLES 0 /* of a packet without a hypervisor, as e-bare prints them; 0: nothing to compare with */
#endif
#ifndef PUBLISHED_FROM
#define PUBLISHED_FROM 0 /* per cent of the throughput without a hypervisor that others have measured */
#endif
#ifndef PUBLISHED_TO
#define PUBLISHED_TO 0
#endif

enum way { RUNNING, OFF, ASLEEP, STREAMING, WAYS };
enum { END = WAYS }; /* marks: a way's number before it, this behind the last */

/* Read by whoever checks the trace. */
struct {
    uint32_t vector;
    uint32_t handled[WAYS];
    uint32_t packets, cycles_per_packet; /* of the stream */
} e_log;

static volatile enum way way;
volatile unsigned handled;

static void on_interrupt(void *argument)
{
    (void)argument;
    e_log.handled[way]++;
    handled++;
}

/* ---- The ways ------------------------------------------------------------------------------------------------------ */

static void begin(enum way next)
{
    tl_cli();
    way = next;
    tl_mark(next, ROUNDS);
}

static void running(void)
{
    begin(RUNNING);
    tl_sti();
    for (unsigned round = 0; round != ROUNDS; round++) {
        device_fire();
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
}

/* Long enough that it has come: with interrupts off there is no other way to know without an exit. */
#define LONG_ENOUGH 200000ul /* cycles */

static void off(void)
{
    begin(OFF);
    for (unsigned round = 0; round != OFF_ROUNDS; round++) {
        tl_cli();
        device_fire();
        const uint64_t start = tl_rdtsc();
        while (tl_rdtsc() - start < LONG_ENOUGH)
            ;
        tl_check(handled == 0, "an interrupt was handled with interrupts off");
        tl_sti();
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
}

static void asleep(void)
{
    begin(ASLEEP);
    for (unsigned round = 0; round != ASLEEP_ROUNDS; round++) {
        tl_cli();
        device_fire();
        while (!handled)
            tl_wait_for_interrupt();
    }
}

/* With a device that has packets: how fast this CPU takes them. */
static void streaming(void)
{
    begin(STREAMING);
    tl_sti();
    const uint64_t start = tl_rdtsc();
    e_log.packets = device_stream(PACKETS);
    const uint64_t cycles = tl_rdtsc() - start;
    if (e_log.packets)
        e_log.cycles_per_packet = (uint32_t)(cycles / e_log.packets);
}

static void compare(void)
{
    const unsigned permille = 1000 * (unsigned)BARE_CYCLES / e_log.cycles_per_packet;
    tl_printf("%u.%u%% of the packets a second without a hypervisor; published: %u to %u%%\n", permille / 10, permille % 10,
              (unsigned)PUBLISHED_FROM, (unsigned)PUBLISHED_TO);
}

int main(void)
{
    e_log.vector = tl_irq_vector(on_interrupt, NULL);
    device_start((uint8_t)e_log.vector);
    running();
    off();
    asleep();
    streaming();
    tl_cli();
    tl_mark(END, 0);
    tl_printf("%u interrupts running, %u with interrupts off, %u asleep\n", e_log.handled[RUNNING], e_log.handled[OFF],
              e_log.handled[ASLEEP]);
    if (e_log.packets)
        tl_printf("%u packets, %u cycles each\n", e_log.packets, e_log.cycles_per_packet);
    if (e_log.packets && BARE_CYCLES)
        compare();
    return 0;
}
