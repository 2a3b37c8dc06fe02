/*
 * Interrupt coalescing: fewer interrupts, later.
 *
 * The register ITR of the NIC is a throttle: after an interrupt the next one comes 256 ns times its value later at the
 * earliest, and whatever has arrived meanwhile is told by that one. The driver sends a frame every GAP_NS to a peer that
 * echoes it. Each frame carries the time at which it was sent, so the driver knows how old it is when the interrupt
 * handler finds it. That is done PACKETS times for each of several throttles, and the sums are kept.
 *
 * For a throttle T longer than the gap G, one interrupt tells of T / G packets: interrupts per packet fall as G / T, and a
 * packet waits T / 2 on average. There is no best value; a web server and a trading system choose differently.
 */
#include "e1000-lite.h"

#ifndef PACKETS
#define PACKETS 64 /* for each throttle */
#endif
#ifndef GAP_NS
#define GAP_NS 10000
#endif
#ifndef TSC_MHZ
#define TSC_MHZ 2900 /* host.frequencyGHz of the scenario */
#endif

enum { SETTINGS = 4, TX_RING = 64, RX_RING = 128, FRAME = 60, STAMP = 16 /* offset in the frame */ };

/* In units of 256 ns: none, 20 us, 82 us, 328 us. */
static const uint16_t throttles[SETTINGS] = {0, 80, 320, 1280};

static struct nic nic;
static unsigned tx_next, rx_next;

/* What the driver measured; read by whoever checks the trace. */
struct {
    struct {
        uint64_t throttle, interrupts, packets, latency_cycles; /* the last: summed over the packets */
    } of[SETTINGS];
} a6_log;
static volatile unsigned setting;

static void on_interrupt(void *argument)
{
    (void)argument;
    if (!(NIC_READ(&nic, NIC_ICR) & NIC_CAUSE_RECEIVED))
        return;
    const uint64_t now = tl_rdtsc();
    a6_log.of[setting].interrupts++;
    while (nic.rx_ring[rx_next].status & NIC_DONE) {
        uint64_t sent_at;
        memcpy(&sent_at, nic_rx_buffer(&nic, rx_next) + STAMP, sizeof(sent_at));
        a6_log.of[setting].latency_cycles += now - sent_at;
        a6_log.of[setting].packets++;
        nic.rx_ring[rx_next].status = 0;
        rx_next = (rx_next + 1) % RX_RING;
    }
    NIC_WRITE(&nic, NIC_RDT, (rx_next + RX_RING - 1) % RX_RING);
}

static void send(void)
{
    uint8_t *frame = nic_tx_buffer(&nic, tx_next);
    memset(frame, 0xff, 6);
    const uint64_t now = tl_rdtsc();
    memcpy(frame + STAMP, &now, sizeof(now));
    nic_describe(&nic, tx_next, FRAME);
    tx_next = (tx_next + 1) % TX_RING;
    NIC_WRITE(&nic, NIC_TDT, tx_next);
}

static void measure(void)
{
    const uint64_t gap = (uint64_t)GAP_NS * TSC_MHZ / 1000;
    a6_log.of[setting].throttle = throttles[setting];
    NIC_WRITE(&nic, NIC_ITR, throttles[setting]);
    tl_mark(setting + 1, throttles[setting]);

    uint64_t next = tl_rdtsc();
    for (unsigned i = 0; i < PACKETS; i++) {
        while (tl_rdtsc() < next) /* with interrupts on: they come in here */
            tl_pause();
        next += gap;
        send();
    }
    volatile uint64_t *packets = &a6_log.of[setting].packets;
    tl_cli();
    while (*packets < PACKETS)
        tl_wait_for_interrupt();
    tl_sti();
}

int main(void)
{
    nic_open(&nic);
    nic_set_tx_ring(&nic, TX_RING);
    nic_start_receiver(&nic, RX_RING);
    nic_start_transmitter(&nic);
    while (!(NIC_READ(&nic, NIC_STATUS) & NIC_LINK_UP))
        tl_pause();
    NIC_READ(&nic, NIC_ICR); /* the link change */
    tl_irq_register(nic.gsi, on_interrupt, NULL);
    NIC_WRITE(&nic, NIC_IMS, NIC_CAUSE_RECEIVED); /* frames that have left interrupt nobody */
    tl_sti();

    for (setting = 0; setting < SETTINGS; setting++)
        measure();
    tl_cli();
    tl_mark(SETTINGS + 1, 0);
    NIC_WRITE(&nic, NIC_IMC, 0xffffffff);

    for (unsigned i = 0; i < SETTINGS; i++)
        tl_printf("throttle %6lu ns: %3lu interrupts for %lu packets, %7lu cycles from sending to the handler\n",
                  a6_log.of[i].throttle * 256, a6_log.of[i].interrupts, a6_log.of[i].packets,
                  a6_log.of[i].latency_cycles / a6_log.of[i].packets);
    return 0;
}
