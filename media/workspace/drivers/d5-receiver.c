/*
 * Receives what comes, until nothing does: an e1000 whose buffers the device reaches only once it has asked for them in vain. A NIC has
 * nowhere to keep a packet that it cannot store, so that every first touch of a page costs the packet that touched it.
 *
 * A fetch of descriptors that failed is not tried again before the tail is written: this driver writes it whenever it waits.
 */
#include "e1000-lite.h"

#ifndef RX_RING
#define RX_RING 16
#endif
#ifndef IDLE_POLLS
#define IDLE_POLLS 4000
#endif

/* Read by whoever checks the trace. */
struct {
    uint64_t buffers; /* guest-physical */
    uint64_t bytes;   /* of all buffers together */
    uint64_t received;
} receiver_log;

int main(void)
{
    struct nic nic;
    nic_open(&nic);
    nic_start_receiver(&nic, RX_RING);
    receiver_log.buffers = tl_physical(nic.rx_buffers);
    receiver_log.bytes = RX_RING * NIC_BUFFER_BYTES;
    unsigned next = 0;
    for (unsigned idle = 0; idle < IDLE_POLLS; idle++) {
        if (!(nic.rx_ring[next].status & NIC_DONE)) {
            if (idle % 256 == 255)
                NIC_WRITE(&nic, NIC_RDT, (next + RX_RING - 1) % RX_RING);
            tl_pause();
            continue;
        }
        nic.rx_ring[next].status = 0;
        next = (next + 1) % RX_RING;
        NIC_WRITE(&nic, NIC_RDT, (next + RX_RING - 1) % RX_RING);
        receiver_log.received++;
        idle = 0;
    }
    tl_printf("%u packets received\n", (unsigned)receiver_log.received);
    return 0;
}
