/*
 * Inter-processor interrupts: one CPU interrupts another, and starts it in the first place.
 *
 * At power-on one CPU boots, the others wait. tl_start_ap sends each an INIT, which resets it, and a start-up IPI, whose
 * vector is the number of the 4 KiB page where it begins in real mode (SDM vol. 3, 8.4): both are writes to the interrupt
 * command register (ICR) of the sender's local APIC. Then the CPUs do what operating systems use IPIs for:
 *
 *   a token goes round all CPUs, ROUNDS times: each one's handler only notes it, and the CPU sends it on
 *   a call to all others at once, CALLS times, with one write (the ICR's shorthand "all excluding self"), as when a page's
 *     mapping changes and every CPU has to forget it; the caller waits until all have answered in memory
 */
#include "trapline.h"

#ifndef CPUS
#define CPUS 2 /* "vcpus" of the scenario */
#endif
#ifndef ROUNDS
#define ROUNDS 6
#endif
#ifndef CALLS
#define CALLS 4
#endif

enum { ICR_ASSERT = 1 << 14, ICR_ALL_BUT_SELF = 3 << 18 };
/* Marks. */
enum { ALL_RUN = 1, TOKEN = 2, CALL = 3, END = 4 };

static uint8_t token_vector, call_vector;
static volatile unsigned answered; /* of the present call */
static volatile bool finished;

/* What each CPU has handled, by its own count, and what has been sent; read by whoever checks the trace. */
struct {
    volatile uint32_t tokens[CPUS], calls[CPUS];
    uint32_t started, sent_tokens, sent_calls;
} a8_log;

static void on_token(void *argument)
{
    (void)argument;
    a8_log.tokens[tl_cpu_id()]++;
}

static void on_call(void *argument)
{
    (void)argument;
    a8_log.calls[tl_cpu_id()]++;
    __asm__ volatile("lock incl %0" : "+m"(answered) : : "cc");
}

/* Sleeps until this CPU has had `count` tokens. The look comes with interrupts off: see tl_wait_for_interrupt. */
static void wait_for_token(unsigned count)
{
    tl_cli();
    while (a8_log.tokens[tl_cpu_id()] < count)
        tl_wait_for_interrupt();
    tl_sti();
}

static void pass_on(void)
{
    __asm__ volatile("lock incl %0" : "+m"(a8_log.sent_tokens) : : "cc");
    tl_send_ipi((tl_cpu_id() + 1) % CPUS, token_vector);
}

/* All that a CPU does which has been started. */
static void other_cpu(void)
{
    for (unsigned round = 1; round <= ROUNDS; round++) {
        wait_for_token(round);
        pass_on();
    }
    tl_sti();
    while (!finished) /* calls come in here */
        tl_pause();
    tl_cli();
}

static void token_rounds(void)
{
    for (unsigned round = 1; round <= ROUNDS; round++) {
        tl_mark(TOKEN, round);
        pass_on();
        wait_for_token(round);
    }
}

static void calls(void)
{
    for (unsigned call = 1; call <= CALLS; call++) {
        answered = 0;
        tl_mark(CALL, call);
        a8_log.sent_calls++;
        tl_apic_write(TL_APIC_ICR, ICR_ASSERT | ICR_ALL_BUT_SELF | call_vector);
        while (answered < CPUS - 1)
            tl_pause();
    }
}

int main(void)
{
    token_vector = tl_irq_vector(on_token, NULL);
    call_vector = tl_irq_vector(on_call, NULL);
    for (uint32_t id = 1; id < CPUS; id++) {
        tl_start_ap(id, other_cpu);
        a8_log.started++;
    }
    tl_mark(ALL_RUN, a8_log.started + 1);

    token_rounds();
    calls();
    finished = true;
    tl_mark(END, 0);

    for (unsigned id = 0; id < CPUS; id++) {
        tl_check(a8_log.tokens[id] == ROUNDS, "CPU %u has had %u tokens", id, a8_log.tokens[id]);
        tl_check(a8_log.calls[id] == (id ? CALLS : 0), "CPU %u has had %u calls", id, a8_log.calls[id]);
    }
    tl_printf("%u CPUs: a token %u times round, %u calls to all others\n", (unsigned)CPUS, (unsigned)ROUNDS,
              (unsigned)CALLS);
    return 0;
}
