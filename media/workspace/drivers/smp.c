/*
 * Two CPUs: CPU 0 starts CPU 1, they pass a token ROUNDS times back and forth by inter-processor interrupts (IPIs), and then
 * both add to one counter under a spin lock.
 *
 * Under a hypervisor each IPI is a write to the local APIC, which exits on the sender's side; and an interrupt for a vCPU that
 * sleeps, which has to be woken. The spin lock costs no exit at all: what two CPUs do in shared memory the hypervisor never
 * sees.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 8
#endif
#ifndef ADDS
#define ADDS 200 /* of each CPU */
#endif

static uint8_t vector;

/* What has come in for each CPU. Only the CPU itself writes its own: no lock is needed. */
static volatile unsigned received[2];

static struct tl_spinlock lock;
static uint64_t counter; /* guarded by lock */

/* Runs on the CPU that the IPI was sent to. */
static void on_ipi(void *argument)
{
    (void)argument;
    received[tl_cpu_id()]++;
}

/* Sleeps until this CPU has received `count` IPIs. The look comes with interrupts off: see tl_wait_for_interrupt. */
static void wait_for(unsigned count)
{
    tl_cli();
    while (received[tl_cpu_id()] < count)
        tl_wait_for_interrupt();
    tl_sti();
}

/* Waits, without sleeping, until both CPUs are here: waking one would take longer than all the additions. */
static void meet(void)
{
    static volatile unsigned arrived;
    __asm__ volatile("lock incl %0" : "+m"(arrived) : : "cc");
    while (arrived < 2)
        tl_pause();
}

static void add_under_lock(void)
{
    meet();
    for (unsigned i = 0; i < ADDS; i++) {
        tl_spin_lock(&lock);
        counter++; /* a load and a store: without the lock the other CPU's addition could get lost between them */
        tl_spin_unlock(&lock);
    }
}

/* All that CPU 1 does. */
static void second_cpu(void)
{
    for (unsigned round = 1; round <= ROUNDS; round++) {
        wait_for(round); /* the token is here */
        tl_send_ipi(0, vector);
    }
    wait_for(ROUNDS + 1);
    add_under_lock();
    tl_send_ipi(0, vector); /* done */
}

int main(void)
{
    vector = tl_irq_vector(on_ipi, NULL);
    tl_start_ap(1, second_cpu);

    const uint64_t start = tl_rdtsc();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        tl_mark(1, round);
        tl_send_ipi(1, vector);
        wait_for(round);
    }
    const uint64_t cycles = tl_rdtsc() - start;

    tl_mark(2, ADDS);
    tl_send_ipi(1, vector);
    add_under_lock();
    wait_for(ROUNDS + 1);
    tl_mark(3, counter);

    tl_check(counter == 2 * ADDS, "%lu additions are lost", 2 * ADDS - counter);
    tl_printf("%u round trips of an IPI, %lu cycles each; counter %lu\n", (unsigned)ROUNDS, cycles / ROUNDS, counter);
    return 0;
}
