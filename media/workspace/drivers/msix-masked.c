/*
 * A vector of MSI-X that is masked while its device interrupts (PCI Local Bus Specification 3.0, 6.8.2): the message is not lost,
 * it waits as a bit of the Pending Bit Array, and goes out once when the vector is unmasked.
 *
 * The device is a virtio-net, whose frames come back from the other end of its wire. In each round the driver masks the vector of
 * the receive queue, sends a frame, sees in memory that the frame is back, and unmasks the vector. In every other round it reads
 * the pending bit before. Who sends the message depends on that where the queues are the work of vhost: QEMU does, once it has
 * taken the interrupt over to show the bit; otherwise an irqfd brings it.
 */
#include "trapline-virtio.h"

#ifndef ROUNDS
#define ROUNDS 4
#endif

#define NET_MAC (1ull << 5) /* VIRTIO_NET_F_MAC: the device has an address */
#define SETTLE 200000       /* cycles: longer than the device takes from the frame to its interrupt */

enum { RECEIVE = 0, TRANSMIT = 1, QUEUE = 16, FRAME = 60, HEADER = 12, BUFFER_BYTES = 2048 };
enum { CAP_MSIX = 0x11, CAP_TABLE = 4, CAP_PENDING = 8, ENTRY_BYTES = 16, ENTRY_CONTROL = 12, MASKED = 1 };
enum { MARK_MASKED = 1, MARK_UNMASK = 2, MARK_DONE = 3 };

/* Read by whoever checks the trace. */
struct {
    uint32_t rounds, looked; /* all of them, and those that read the pending bit */
    uint32_t table_writes, pending_reads;
    uint32_t interrupts, vector;
} masked_log;

static struct tl_virtio device;
static struct tl_virtq receive, transmit;
static uint8_t incoming[BUFFER_BYTES], outgoing[HEADER + FRAME]; /* a header of zeros: nothing is left to the device (5.1.6) */
static uint64_t table, pending;
static volatile uint32_t interrupts;

static void on_receive(void *argument)
{
    (void)argument;
    interrupts++;
    masked_log.interrupts++;
}

/* Where a structure of MSI-X is: the BAR in bits 0 to 2 of its register, the offset above. */
static uint64_t msix_structure(unsigned at)
{
    const uint32_t place = tl_pci_read32(&device.pci, tl_pci_capability(&device.pci, CAP_MSIX) + at);
    return tl_pci_bar(&device.pci, place & 7) + (place & ~7u);
}

static void set_mask(uint32_t control)
{
    masked_log.table_writes++;
    tl_write32(table + ENTRY_BYTES * RECEIVE + ENTRY_CONTROL, control);
}

static bool is_pending(void)
{
    masked_log.pending_reads++;
    return tl_read32(pending) >> RECEIVE & 1;
}

static void settle(void)
{
    for (const uint64_t begin = tl_rdtsc(); tl_rdtsc() - begin < SETTLE;)
        tl_pause();
}

static void send_frame(void)
{
    const struct tl_virtq_part room = {incoming, sizeof(incoming)};
    const struct tl_virtq_part frame = {outgoing, sizeof(outgoing)};
    tl_check(tl_virtq_add(&receive, &room, 0, 1, incoming), "no room for a receive buffer");
    tl_virtq_publish(&receive);
    tl_virtq_kick(&receive);
    tl_check(tl_virtq_add(&transmit, &frame, 1, 0, outgoing), "no room for a frame");
    tl_virtq_publish(&transmit);
    tl_virtq_kick(&transmit);
}

static void take_frame(void)
{
    uint32_t written;
    while (!tl_virtq_has_used(&receive))
        tl_pause();
    tl_check(tl_virtq_used(&receive, &written) == incoming, "another buffer came back");
    tl_check(written == sizeof(outgoing), "%u bytes came back, and not %u", written, (unsigned)sizeof(outgoing));
    tl_check(tl_virtq_used(&transmit, &written) == outgoing, "the frame came back before it was sent");
}

static void round_of(unsigned round, bool looks)
{
    const uint32_t before = interrupts;
    set_mask(MASKED);
    tl_mark(MARK_MASKED, round);
    send_frame();
    take_frame();
    if (looks) {
        while (!is_pending())
            tl_pause();
        masked_log.looked++;
    } else {
        settle();
    }
    tl_check(interrupts == before, "an interrupt came while the vector was masked");
    tl_mark(MARK_UNMASK, round);
    tl_cli();
    set_mask(0);
    while (interrupts == before)
        tl_wait_for_interrupt();
    tl_sti();
    settle();
    tl_check(interrupts == before + 1, "%u interrupts came after unmasking", interrupts - before);
    tl_check(!looks || !is_pending(), "the bit is still pending");
    masked_log.rounds++;
}

int main(void)
{
    tl_check(tl_virtio_find(TL_VIRTIO_NET, 0, &device), "no virtio network device on the PCI bus");
    tl_virtio_accept(&device, TL_VIRTIO_VERSION_1 | NET_MAC);
    masked_log.vector = tl_irq_vector(on_receive, NULL);
    tl_check(tl_pci_msix(&device.pci, RECEIVE, (uint8_t)masked_log.vector), "the device has no MSI-X");
    table = msix_structure(CAP_TABLE);
    pending = msix_structure(CAP_PENDING);
    tl_virtq_init(&receive, &device, RECEIVE, QUEUE, RECEIVE);
    tl_virtq_init(&transmit, &device, TRANSMIT, QUEUE, TL_VIRTIO_NO_VECTOR);
    for (unsigned i = 0; i < 6; i++) /* to itself, from itself: the other end sends it back */
        outgoing[HEADER + i] = outgoing[HEADER + 6 + i] = tl_virtio_config8(&device, i);
    tl_virtio_go(&device);
    tl_sti();

    for (unsigned round = 0; round < ROUNDS; round++)
        round_of(round, round % 2 == 1);
    tl_mark(MARK_DONE, 0);

    tl_printf("%u rounds, %u of them with a look at the pending bit: %u interrupts\n", masked_log.rounds, masked_log.looked,
              masked_log.interrupts);
    return 0;
}
