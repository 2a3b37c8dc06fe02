/*
 * An Intel 82599 for e-interrupts.c: one queue in each direction and one vector of MSI-X. A peer sends each packet back, and each that
 * comes back interrupts.
 *
 * Names and numbers are of the Intel 82599 10 GbE Controller Datasheet; ixgbe.c is a driver that says more of them.
 */
#include "e-device.h"

#ifndef WINDOW
#define WINDOW 4 /* packets on their way together: the next has come before one is done with */
#endif

#ifndef FRAME
#define FRAME 1500 /* bytes of a packet, without FCS: the CPU reads each of them */
#endif

enum { VENDOR = 0x8086, DEVICE = 0x10f7, RING = 32, BUFFER_BYTES = 2048, VECTOR_ENTRY = 0 };
enum {
    CTRL = 0x00000, EICR = 0x00800, EICS = 0x00808, EIAC = 0x00810, EITR0 = 0x00820, EIMS = 0x00880, EIMC = 0x00888, EIAM = 0x00890,
    GPIE = 0x00898, IVAR0 = 0x00900, RXCTRL = 0x03000, DMATXCTL = 0x04a80, FCTRL = 0x05080, RAL0 = 0x0a200, RAH0 = 0x0a204,
    RDBAL0 = 0x01000, RDBAH0 = 0x01004, RDLEN0 = 0x01008, SRRCTL0 = 0x01014, RDT0 = 0x01018, RXDCTL0 = 0x01028,
    TDBAL0 = 0x06000, TDBAH0 = 0x06004, TDLEN0 = 0x06008, TDT0 = 0x06018, TXDCTL0 = 0x06028,
};
#define CTRL_RST (1u << 26)
#define QUEUE_ENABLE (1u << 25)
#define ENABLE 1u
#define ACCEPT_BROADCAST (1u << 10)
#define ONE_BUFFER (1u << 25)
#define GPIE_MULTIPLE_MSIX (1u << 4)
#define GPIE_AUTO_MASK (1u << 30)
#define IVAR_VALID 0x80u
#define CAUSE (1u << VECTOR_ENTRY)
enum { DONE = 1, LAST = 2 };
#define TX_DATA (3u << 20)
#define TX_COMMAND ((1u | 2u | 8u | 32u) << 24) /* EOP, IFCS, RS, DEXT */

struct descriptor {
    uint64_t buffer;
    uint32_t status;
    uint16_t length, vlan;
};

static uint64_t nic;
static volatile struct descriptor *tx_ring, *rx_ring;
static uint8_t *tx_buffers, *rx_buffers;
static unsigned sent, received;

static void write(unsigned reg, uint32_t value)
{
    tl_write32(nic + reg, value);
}

static void write_ring(unsigned base, volatile struct descriptor *ring)
{
    write(base, (uint32_t)tl_physical(ring));
    write(base + 4, (uint32_t)(tl_physical(ring) >> 32));
    write(base + 8, RING * sizeof(*ring));
}

static void give_buffer(unsigned index)
{
    rx_ring[index].buffer = tl_physical(rx_buffers + index * BUFFER_BYTES);
    rx_ring[index].status = 0;
}

/* The peer answers everybody, by the address of the sender. */
static void put_addresses(uint8_t *frame)
{
    const uint64_t own = tl_read32(nic + RAL0) | (uint64_t)(uint16_t)tl_read32(nic + RAH0) << 32;
    for (unsigned at = 0; at < 6; at++) {
        frame[at] = 0xff;
        frame[6 + at] = (uint8_t)(own >> 8 * at);
    }
}

static void start_queues(void)
{
    tx_ring = tl_alloc(RING * sizeof(*tx_ring), 128);
    rx_ring = tl_alloc(RING * sizeof(*rx_ring), 128);
    tx_buffers = tl_alloc(RING * BUFFER_BYTES, 4096);
    rx_buffers = tl_alloc(RING * BUFFER_BYTES, 4096);
    for (unsigned i = 0; i < RING; i++) {
        uint8_t *frame = tx_buffers + i * BUFFER_BYTES;
        for (unsigned at = 0; at < FRAME; at++)
            frame[at] = (uint8_t)at;
        put_addresses(frame);
        give_buffer(i);
    }
    write(FCTRL, ACCEPT_BROADCAST);
    write_ring(RDBAL0, rx_ring);
    write(SRRCTL0, ONE_BUFFER | BUFFER_BYTES / 1024);
    write(RXDCTL0, QUEUE_ENABLE);
    while (!(tl_read32(nic + RXDCTL0) & QUEUE_ENABLE))
        ;
    write(RDT0, RING - 1);
    write(RXCTRL, ENABLE);
    write_ring(TDBAL0, tx_ring);
    write(DMATXCTL, tl_read32(nic + DMATXCTL) | ENABLE);
    write(TXDCTL0, QUEUE_ENABLE);
    while (!(tl_read32(nic + TXDCTL0) & QUEUE_ENABLE))
        ;
}

void device_start(uint8_t vector)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(VENDOR, DEVICE, 0, &pci), "no 82599 (8086:10f7) on the PCI bus");
    tl_pci_enable(&pci);
    nic = tl_pci_bar(&pci, 0);
    write(EIMC, 0x7fffffff);
    write(CTRL, tl_read32(nic + CTRL) | CTRL_RST);
    while (tl_read32(nic + CTRL) & CTRL_RST)
        ;
    tl_read32(nic + EICR);
    tl_check(tl_pci_msix(&pci, VECTOR_ENTRY, vector), "no MSI-X");
    write(GPIE, GPIE_MULTIPLE_MSIX);
    write(IVAR0, IVAR_VALID | VECTOR_ENTRY);
    write(EITR0, 0);
    write(EIAC, CAUSE); /* the message clears its cause */
    start_queues();
    write(EIMS, CAUSE);
}

static void put(void)
{
    const unsigned index = sent++ % RING;
    tx_ring[index].buffer = tl_physical(tx_buffers + index * BUFFER_BYTES);
    tx_ring[index].status = TX_COMMAND | TX_DATA | FRAME;
    /* Length of the packet, above the bits of the status that the controller writes. */
    ((volatile uint32_t *)&tx_ring[index])[3] = FRAME << 14;
    write(TDT0, sent % RING);
}

/* Of those that have not been taken yet. */
static bool has_packet(unsigned index)
{
    return rx_ring[(received + index) % RING].status & DONE;
}

/* The application reads the packet: all of it has come back as it went. */
static void take(void)
{
    const unsigned index = received++ % RING;
    const uint8_t *frame = rx_buffers + index * BUFFER_BYTES;
    tl_check(rx_ring[index].length == FRAME && rx_ring[index].status & LAST, "a packet of %u bytes", rx_ring[index].length);
    for (unsigned at = 12; at < FRAME; at++)
        tl_check(frame[at] == (uint8_t)at, "a packet differs at byte %u", at);
    give_buffer(index);
    write(RDT0, index);
}

void device_fire(void)
{
    while (received < sent)
        take();
    handled = 0;
    put();
}

/*
 * A poll with a budget of one packet. An interrupt masks itself; it is unmasked before the packet is looked at, and comes again at once
 * when there is another one. So the CPU never waits while there are packets.
 */
unsigned device_stream(unsigned packets)
{
    while (received < sent)
        take();
    write(EIAM, CAUSE);
    write(GPIE, GPIE_MULTIPLE_MSIX | GPIE_AUTO_MASK);
    handled = 0;
    const unsigned end = received + packets;
    while (sent != end && sent - received < WINDOW)
        put();
    while (received != end) {
        while (!handled)
            __asm__ volatile("" : : : "memory");
        handled = 0;
        const bool found = has_packet(0);
        if (found && has_packet(1))
            write(EICS, CAUSE);
        write(EIMS, CAUSE);
        if (!found)
            continue;
        take();
        if (sent != end)
            put();
    }
    return packets;
}
