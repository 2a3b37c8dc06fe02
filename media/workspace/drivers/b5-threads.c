/*
 * A virtual machine is some threads of the host: one for each vCPU, and QEMU's main loop for what no vCPU waits for. They take
 * turns on the physical CPUs like any threads, and in QEMU they exclude each other by one lock.
 *
 * Two vCPUs read a register of the NIC without pause, each read a stay in QEMU with the lock held. Meanwhile packets arrive: the
 * main loop has to get a CPU, then the lock, and writes them into the receive ring. There are two physical CPUs for the three.
 */
#include "e1000-lite.h"

#ifndef PACKETS
#define PACKETS 24 /* as many as the peer sends */
#endif

enum { RING = 32, CPUS = 2 };
enum { BEGIN = 1, END = 2 }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint32_t packets, tail_writes;
    struct {
        volatile uint32_t reads; /* of STATUS, by this CPU */
    } cpu[CPUS];
} b5_log;

static struct nic nic;
static volatile bool begun, stop, stopped;

static void read_status(void)
{
    NIC_READ(&nic, NIC_STATUS);
    b5_log.cpu[tl_cpu_id()].reads++;
}

static void second_cpu(void)
{
    begun = true;
    while (!stop)
        read_status();
    stopped = true;
}

/* Takes what is in the ring and gives the descriptors back. No interrupts: the NIC is looked at between two reads. */
static void poll_ring(void)
{
    static unsigned next;
    const unsigned first = next;
    while (nic.rx_ring[next].status & NIC_DONE) {
        nic.rx_ring[next].status = 0;
        next = (next + 1) % RING;
        b5_log.packets++;
    }
    if (next != first) {
        NIC_WRITE(&nic, NIC_RDT, (next + RING - 1) % RING);
        b5_log.tail_writes++;
    }
}

int main(void)
{
    nic_open(&nic);
    tl_start_ap(1, second_cpu);
    while (!begun)
        tl_pause();
    nic_start_receiver(&nic, RING);

    tl_mark(BEGIN, PACKETS);
    while (b5_log.packets < PACKETS) {
        read_status();
        poll_ring();
    }
    stop = true;
    while (!stopped)
        tl_pause();
    tl_mark(END, b5_log.packets);
    tl_printf("%u packets came while the two CPUs read %u and %u times\n", b5_log.packets, b5_log.cpu[0].reads,
              b5_log.cpu[1].reads);
    return 0;
}
