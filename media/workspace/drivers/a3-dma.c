/*
 * Direct memory access: the device reads and writes memory by itself, while the CPU goes on.
 *
 * The driver hands BATCH frames to the NIC with one store to TDT, and from then on touches no register. It counts, and looks
 * now and then whether the descriptors say "done", which is a byte in ordinary memory that the NIC writes. Everything the
 * NIC does meanwhile it does as bus master: it reads descriptors and frames, it writes the status back, and when the frames
 * come back from the peer it writes them into the receive buffers.
 *
 * In the timeline the spans of the DMA lane lie beside the CPU's, not in gaps between them; and a mark that the CPU leaves
 * lies in the middle of a DMA span.
 */
#include "e1000-lite.h"

#ifndef BATCH
#define BATCH 8
#endif
#ifndef FRAME
#define FRAME 1514 /* bytes of each frame */
#endif
#ifndef ROUNDS
#define ROUNDS 4
#endif

enum { TX_RING = 16, RX_RING = 32 };
/* Marks. */
enum { DOORBELL = 1, STILL_COUNTING = 2, ALL_SENT = 3, ALL_BACK = 4 };

static struct nic nic;

/* Where everything is, and what was done; read by whoever checks the trace. */
struct {
    uint64_t tx_ring, tx_buffers, rx_ring, rx_buffers; /* physical addresses */
    uint64_t frames, bytes;                            /* sent, and come back */
    uint64_t counted_meanwhile;                        /* turns of the counting loop between the doorbells and the last frame */
    uint64_t marks_meanwhile;
} a3_log;

/* Leaves a mark every few turns, so that the timeline shows where the CPU is while the NIC works. */
static void count_until(volatile uint8_t *status, unsigned *turns)
{
    while (!(*status & NIC_DONE)) {
        if (++*turns % 16 == 0) {
            tl_mark(STILL_COUNTING, *turns);
            a3_log.marks_meanwhile++;
        }
    }
}

static void round_trip(unsigned round)
{
    const unsigned first = round * BATCH;
    unsigned turns = 0;

    for (unsigned i = 0; i < BATCH; i++) {
        const unsigned slot = (first + i) % TX_RING;
        memset(nic_tx_buffer(&nic, slot), (int)(first + i), FRAME);
        memset(nic_tx_buffer(&nic, slot), 0xff, 6); /* to everybody */
        nic_describe(&nic, slot, FRAME);
    }
    tl_mark(DOORBELL, round);
    NIC_WRITE(&nic, NIC_TDT, (first + BATCH) % TX_RING);

    /* From here to the end of the round: no register, only memory. */
    for (unsigned i = 0; i < BATCH; i++)
        count_until(&nic.tx_ring[(first + i) % TX_RING].status, &turns);
    tl_mark(ALL_SENT, round);
    for (unsigned i = 0; i < BATCH; i++)
        count_until(&nic.rx_ring[(first + i) % RX_RING].status, &turns);
    tl_mark(ALL_BACK, round);
    a3_log.counted_meanwhile += turns;

    for (unsigned i = 0; i < BATCH; i++) {
        volatile struct nic_rx_descriptor *descriptor = &nic.rx_ring[(first + i) % RX_RING];
        const uint8_t *frame = nic_rx_buffer(&nic, (first + i) % RX_RING);
        tl_check(descriptor->length == FRAME, "frame %u: %u bytes came back", first + i, descriptor->length);
        tl_check(frame[12] == (uint8_t)(first + i) && frame[FRAME - 1] == (uint8_t)(first + i), "frame %u is another",
                 first + i);
        descriptor->status = 0;
    }
    NIC_WRITE(&nic, NIC_RDT, (first + BATCH + RX_RING - 1) % RX_RING);
    a3_log.frames += BATCH;
    a3_log.bytes += BATCH * FRAME;
}

int main(void)
{
    nic_open(&nic);
    nic_set_tx_ring(&nic, TX_RING);
    nic_start_receiver(&nic, RX_RING);
    nic_start_transmitter(&nic);
    a3_log.tx_ring = tl_physical(nic.tx_ring);
    a3_log.tx_buffers = tl_physical(nic.tx_buffers);
    a3_log.rx_ring = tl_physical(nic.rx_ring);
    a3_log.rx_buffers = tl_physical(nic.rx_buffers);
    while (!(NIC_READ(&nic, NIC_STATUS) & NIC_LINK_UP))
        tl_pause();

    for (unsigned round = 0; round < ROUNDS; round++)
        round_trip(round);

    tl_printf("%lu frames there and back by DMA, while the CPU counted to %lu\n", a3_log.frames,
              a3_log.counted_meanwhile);
    return 0;
}
