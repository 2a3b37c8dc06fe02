/* The e1000 behind traffic.c. The complete driver, explained, is e1000.c. */
#include "e1000-lite.h"
#include "traffic-nic.h"

#ifndef TX_RING
#define TX_RING 256
#endif
#ifndef RX_RING
#define RX_RING 256
#endif

struct nic_log nic_log;

static struct nic nic;
static unsigned tx_next, tx_clean, rx_next;
static void (*wake)(void);

/* Reading ICR acknowledges all causes and lowers the line. */
static void on_interrupt(void *argument)
{
    (void)argument;
    nic_log.interrupts++;
    NIC_READ(&nic, NIC_ICR);
    wake();
}

void nic_start(uint8_t mac[6], void (*woken)(void))
{
    enum { RAL0 = 0x5400, RAH0 = 0x5404 };
    wake = woken;
    nic_open(&nic);
    const uint32_t low = NIC_READ(&nic, RAL0); /* loaded from the EEPROM */
    const uint32_t high = NIC_READ(&nic, RAH0);
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
    nic_start_receiver(&nic, RX_RING);
    nic_set_tx_ring(&nic, TX_RING);
    nic_start_transmitter(&nic);
    tl_irq_register(nic.gsi, on_interrupt, NULL);
}

bool nic_send(const void *frame, unsigned length)
{
    if ((tx_next + 1) % TX_RING == tx_clean)
        return false;
    memcpy(nic_tx_buffer(&nic, tx_next), frame, length);
    nic_describe(&nic, tx_next, length);
    tx_next = (tx_next + 1) % TX_RING;
    return true;
}

void nic_kick(void)
{
    nic_log.kicks++;
    NIC_WRITE(&nic, NIC_TDT, tx_next);
}

bool nic_has_frames(void)
{
    return nic.rx_ring[rx_next].status & NIC_DONE;
}

unsigned nic_poll(void (*received)(const uint8_t *frame, unsigned length))
{
    while (tx_clean != tx_next && nic.tx_ring[tx_clean].status & NIC_DONE)
        tx_clean = (tx_clean + 1) % TX_RING;
    unsigned frames = 0;
    for (; nic_has_frames(); frames++) {
        received(nic_rx_buffer(&nic, rx_next), nic.rx_ring[rx_next].length);
        nic.rx_ring[rx_next].status = 0;
        rx_next = (rx_next + 1) % RX_RING;
    }
    if (frames) {
        nic_log.refills++;
        NIC_WRITE(&nic, NIC_RDT, (rx_next + RX_RING - 1) % RX_RING); /* one write for all of them */
    }
    return frames;
}

void nic_interrupts(bool wanted)
{
    if (wanted)
        NIC_WRITE(&nic, NIC_IMS, NIC_CAUSE_RECEIVED);
    else
        NIC_WRITE(&nic, NIC_IMC, NIC_CAUSE_RECEIVED);
}
