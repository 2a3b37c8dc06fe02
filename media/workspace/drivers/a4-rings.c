/*
 * A descriptor ring, and its two extremes.
 *
 * The transmit ring is SIZE descriptors in memory. Base and length are written once. Two registers say whose a descriptor is:
 *
 *   TAIL (TDT)  moved by the driver: the first descriptor that is not filled yet
 *   HEAD (TDH)  moved by the NIC: the first that it is not done with
 *
 * From HEAD up to TAIL they are the NIC's, all others the driver's. HEAD = TAIL means that none is the NIC's: the ring is
 * empty. Were all SIZE filled, TAIL would have come round to HEAD and look just like that; so one always stays free, and the
 * ring is full when (TAIL + 1) mod SIZE = HEAD.
 *
 * The driver fills the ring while the transmitter is off: HEAD stands still until the ring is full. Then it turns the
 * transmitter on and watches HEAD run until the ring is empty. LAPS times, at another place in the ring each time.
 */
#include "e1000-lite.h"

#ifndef SIZE
#define SIZE 8 /* a multiple of 8 */
#endif
#ifndef LAPS
#define LAPS 10
#endif

enum { FRAME = 200 };
enum { GPTC = 0x4080 }; /* good packets transmitted; reading clears it */
/* Marks: value is HEAD * 256 + TAIL. */
enum { FULL = 1, EMPTY = 2 };

static struct nic nic;
static unsigned tail;

/* What the driver saw; read by whoever checks the trace. */
struct {
    uint32_t tail_writes, frames;
    uint32_t times_full, times_empty;
    uint32_t ring_bytes, descriptors;
    uint64_t ring; /* physical address */
} a4_log;

static unsigned head(void)
{
    return NIC_READ(&nic, NIC_TDH);
}

static void fill(void)
{
    while ((tail + 1) % SIZE != head()) {
        memset(nic_tx_buffer(&nic, tail), 0xff, 6);
        memset(nic_tx_buffer(&nic, tail) + 6, (int)tail, FRAME - 6);
        nic_describe(&nic, tail, FRAME);
        tail = (tail + 1) % SIZE;
        NIC_WRITE(&nic, NIC_TDT, tail);
        a4_log.tail_writes++;
        a4_log.frames++;
    }
    a4_log.times_full++;
    tl_mark(FULL, head() << 8 | tail);
}

static void drain(void)
{
    nic_start_transmitter(&nic);
    while (head() != tail)
        tl_pause();
    a4_log.times_empty++;
    tl_mark(EMPTY, head() << 8 | tail);

    /* An empty ring says that the NIC has all frames, not that it has sent them: they may wait in its packet buffer. */
    static unsigned sent;
    while (sent < a4_log.frames)
        sent += NIC_READ(&nic, GPTC);
    NIC_WRITE(&nic, NIC_TCTL, 0); /* off again, so that the next lap can fill it */
}

int main(void)
{
    nic_open(&nic);
    nic_set_tx_ring(&nic, SIZE);
    while (!(NIC_READ(&nic, NIC_STATUS) & NIC_LINK_UP))
        tl_pause();
    tl_check(head() == 0 && NIC_READ(&nic, NIC_TDT) == 0, "the ring does not begin empty");
    a4_log.ring = tl_physical(nic.tx_ring);
    a4_log.ring_bytes = SIZE * sizeof(*nic.tx_ring);
    a4_log.descriptors = SIZE;
    a4_log.tail_writes = 1; /* nic_set_tx_ring's */

    for (unsigned lap = 0; lap < LAPS; lap++) {
        fill();
        drain();
    }
    tl_printf("%u frames by a ring of %u: %u times full, %u times empty\n", a4_log.frames, (unsigned)SIZE,
              a4_log.times_full, a4_log.times_empty);
    return 0;
}
