/*
 * A driver for the physical function of an Intel 82599 (10 GbE): reset, addresses, one queue in each direction with advanced descriptors,
 * MSI-X. It sends PACKETS packets to a peer that sends them back, a WINDOW of them at a time, checks each that comes, and compares the
 * controller's statistics with its own count.
 *
 * Names and numbers are of the Intel 82599 10 GbE Controller Datasheet.
 */
#include "trapline.h"

#ifndef PACKETS
#define PACKETS 64
#endif
#ifndef WINDOW
#define WINDOW 8 /* packets on their way together */
#endif
#ifndef FRAME
#define FRAME 256 /* bytes of a packet, without FCS */
#endif
#ifndef THROTTLE
#define THROTTLE 0 /* EITR interval: units of 2 microseconds */
#endif

enum { VENDOR = 0x8086, DEVICE = 0x10f7 };
enum {
    CTRL = 0x00000, STATUS = 0x00008, EICR = 0x00800, EIAC = 0x00810, EITR0 = 0x00820, EIMS = 0x00880, EIMC = 0x00888, EIAM = 0x00890,
    GPIE = 0x00898, IVAR0 = 0x00900, RDRXCTL = 0x02f00, RXCTRL = 0x03000, GPRC = 0x04074, GPTC = 0x04080, HLREG0 = 0x04240,
    LINKS = 0x042a4, DMATXCTL = 0x04a80, FCTRL = 0x05080, EERD = 0x10014, RAL0 = 0x0a200, RAH0 = 0x0a204,
    RDBAL0 = 0x01000, RDBAH0 = 0x01004, RDLEN0 = 0x01008, RDH0 = 0x01010, SRRCTL0 = 0x01014, RDT0 = 0x01018, RXDCTL0 = 0x01028,
    TDBAL0 = 0x06000, TDBAH0 = 0x06004, TDLEN0 = 0x06008, TDH0 = 0x06010, TDT0 = 0x06018, TXDCTL0 = 0x06028,
};
#define CTRL_RST (1u << 26)
#define LINK_UP (1u << 30)
#define DMA_IDLE (1u << 3)
#define QUEUE_ENABLE (1u << 25)
#define TRANSMIT_ENABLE 1u
#define RECEIVE_ENABLE 1u
#define ACCEPT_BROADCAST (1u << 10)
#define ONE_BUFFER (1u << 25) /* SRRCTL.DESCTYPE: advanced descriptors with one buffer */
#define GPIE_MULTIPLE_MSIX (1u << 4)
#define GPIE_AUTO_MASK (1u << 30)
#define IVAR_VALID 0x80u
enum { EERD_START = 1, EERD_DONE = 2, EEPROM_WORDS = 0x40, EEPROM_SUM = 0xbaba };
enum { RING = 32, BUFFER_BYTES = 2048, VECTOR_ENTRY = 0 };
enum { DONE = 1, LAST = 2 }; /* DD and EOP of a receive descriptor's status */
#define TX_DATA (3u << 20)
#define TX_COMMAND ((1u | 2u | 8u | 32u) << 24) /* EOP, IFCS, RS, DEXT */
enum { BEGIN = 1, END = 2 }; /* marks */

union descriptor {
    struct {
        uint64_t buffer;
        uint32_t command, length; /* of the data; of the packet, from bit 14 on */
    } transmit;
    struct {
        uint64_t buffer, header;
    } receive;
    struct {
        uint64_t facts; /* of the packet: its type, a hash */
        uint32_t status;
        uint16_t length, vlan;
    } received;
};

/* Read by whoever checks the trace. */
struct {
    uint32_t reads, writes; /* of registers of the device, between the marks */
    uint32_t sent, received, interrupts, kicks, refills, vector;
    uint32_t counted_sent, counted_received; /* GPTC and GPRC */
} ixgbe_log;

static uint64_t nic;
static volatile union descriptor *tx_ring, *rx_ring;
static uint8_t *tx_buffers, *rx_buffers, mac[6];
static volatile bool woken;

#define READ(reg) (ixgbe_log.reads++, tl_read32(nic + (reg)))
#define WRITE(reg, value)                                                                                                        \
    do {                                                                                                                         \
        ixgbe_log.writes++;                                                                                                      \
        tl_write32(nic + (reg), value);                                                                                          \
    } while (0)

/* EIAC clears the vector's cause, and EIAM masks it, as the message goes out: nothing of it is to be done here. */
static void on_interrupt(void *argument)
{
    (void)argument;
    ixgbe_log.interrupts++;
    woken = true;
}

static void reset(void)
{
    WRITE(EIMC, 0x7fffffff);
    WRITE(CTRL, READ(CTRL) | CTRL_RST);
    while (READ(CTRL) & CTRL_RST)
        ;
    WRITE(EIMC, 0x7fffffff);
    READ(EICR);
    while (!(READ(RDRXCTL) & DMA_IDLE))
        ;
    tl_check(READ(LINKS) & LINK_UP, "the link is down");
}

static uint16_t eeprom_word(unsigned word)
{
    uint32_t value;
    WRITE(EERD, word << 2 | EERD_START);
    while (!((value = READ(EERD)) & EERD_DONE))
        ;
    return (uint16_t)(value >> 16);
}

static void read_address(void)
{
    uint16_t sum = 0;
    for (unsigned word = 0; word < EEPROM_WORDS; word++)
        sum = (uint16_t)(sum + eeprom_word(word));
    tl_check(sum == EEPROM_SUM, "the EEPROM's sum is 0x%x", sum);
    const uint32_t low = READ(RAL0), high = READ(RAH0);
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
}

static void give_buffer(unsigned index)
{
    rx_ring[index].receive.buffer = tl_physical(rx_buffers + index * BUFFER_BYTES);
    rx_ring[index].receive.header = 0; /* and no status */
}

static void start(void)
{
    tx_ring = tl_alloc(RING * sizeof(*tx_ring), 128);
    rx_ring = tl_alloc(RING * sizeof(*rx_ring), 128);
    tx_buffers = tl_alloc(RING * BUFFER_BYTES, 4096);
    rx_buffers = tl_alloc(RING * BUFFER_BYTES, 4096);
    WRITE(FCTRL, ACCEPT_BROADCAST);
    WRITE(RDBAL0, (uint32_t)tl_physical(rx_ring));
    WRITE(RDBAH0, (uint32_t)(tl_physical(rx_ring) >> 32));
    WRITE(RDLEN0, RING * sizeof(*rx_ring));
    WRITE(SRRCTL0, ONE_BUFFER | BUFFER_BYTES / 1024);
    WRITE(RDH0, 0);
    WRITE(RXDCTL0, QUEUE_ENABLE);
    while (!(READ(RXDCTL0) & QUEUE_ENABLE))
        ;
    for (unsigned i = 0; i < RING; i++)
        give_buffer(i);
    WRITE(RDT0, RING - 1); /* head equal to tail would mean: none */
    WRITE(RXCTRL, RECEIVE_ENABLE);
    WRITE(TDBAL0, (uint32_t)tl_physical(tx_ring));
    WRITE(TDBAH0, (uint32_t)(tl_physical(tx_ring) >> 32));
    WRITE(TDLEN0, RING * sizeof(*tx_ring));
    WRITE(TDH0, 0);
    WRITE(DMATXCTL, READ(DMATXCTL) | TRANSMIT_ENABLE); /* before the queue: 4.6.8 */
    WRITE(TXDCTL0, QUEUE_ENABLE);
    while (!(READ(TXDCTL0) & QUEUE_ENABLE))
        ;
}

/* Vector 0 for what is received; what is sent shows when it comes back. */
static void use_messages(const struct tl_pci *pci)
{
    ixgbe_log.vector = tl_irq_vector(on_interrupt, NULL);
    tl_check(tl_pci_msix(pci, VECTOR_ENTRY, (uint8_t)ixgbe_log.vector), "no MSI-X");
    WRITE(GPIE, GPIE_MULTIPLE_MSIX | GPIE_AUTO_MASK);
    WRITE(IVAR0, IVAR_VALID | VECTOR_ENTRY);
    WRITE(EITR0, THROTTLE << 3);
    WRITE(EIAC, 1 << VECTOR_ENTRY);
    WRITE(EIAM, 1 << VECTOR_ENTRY);
}

static uint8_t payload(unsigned packet, unsigned at)
{
    return (uint8_t)(packet * 7 + at);
}

static void put(unsigned packet)
{
    const unsigned index = packet % RING;
    uint8_t *frame = tx_buffers + index * BUFFER_BYTES;
    for (unsigned i = 0; i < 6; i++) {
        frame[i] = 0xff; /* the peer answers everybody */
        frame[6 + i] = mac[i];
    }
    frame[12] = 0x88; /* a local experiment's type (IEEE 802) */
    frame[13] = 0xb5;
    for (unsigned at = 14; at < FRAME; at++)
        frame[at] = payload(packet, at);
    tx_ring[index].transmit.buffer = tl_physical(frame);
    tx_ring[index].transmit.length = FRAME << 14;
    tx_ring[index].transmit.command = TX_COMMAND | TX_DATA | FRAME;
}

static void send_some(void)
{
    const unsigned before = ixgbe_log.sent;
    while (ixgbe_log.sent < PACKETS && ixgbe_log.sent - ixgbe_log.received < WINDOW)
        put(ixgbe_log.sent++);
    if (ixgbe_log.sent == before)
        return;
    ixgbe_log.kicks++;
    WRITE(TDT0, ixgbe_log.sent % RING);
}

static void check(unsigned packet)
{
    const unsigned index = packet % RING;
    const uint8_t *frame = rx_buffers + index * BUFFER_BYTES;
    tl_check(rx_ring[index].received.status & LAST, "packet %u is in several buffers", packet);
    tl_check(rx_ring[index].received.length == FRAME, "packet %u has %u bytes", packet, rx_ring[index].received.length);
    for (unsigned at = 14; at < FRAME; at++)
        tl_check(frame[at] == payload(packet, at), "packet %u differs at byte %u", packet, at);
}

static bool has_frame(void)
{
    return rx_ring[ixgbe_log.received % RING].received.status & DONE;
}

static void receive_some(void)
{
    const unsigned before = ixgbe_log.received;
    for (; has_frame(); ixgbe_log.received++) {
        check(ixgbe_log.received);
        give_buffer(ixgbe_log.received % RING);
    }
    if (ixgbe_log.received == before)
        return;
    ixgbe_log.refills++;
    WRITE(RDT0, (ixgbe_log.received + RING - 1) % RING); /* one write for all of them */
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(VENDOR, DEVICE, 0, &pci), "no 82599 (8086:10f7) on the PCI bus");
    tl_pci_enable(&pci);
    nic = tl_pci_bar(&pci, 0);
    reset();
    read_address();
    use_messages(&pci);
    start();
    ixgbe_log.reads = ixgbe_log.writes = 0;
    tl_mark(BEGIN, PACKETS);
    tl_cli();
    while (ixgbe_log.received < PACKETS) {
        send_some();
        woken = false;
        WRITE(EIMS, 1 << VECTOR_ENTRY); /* what came meanwhile interrupts now */
        while (!woken)
            tl_wait_for_interrupt();
        receive_some();
    }
    ixgbe_log.counted_sent = READ(GPTC);
    ixgbe_log.counted_received = READ(GPRC);
    tl_mark(END, ixgbe_log.interrupts);
    tl_check(ixgbe_log.counted_sent == PACKETS, "GPTC is %u", ixgbe_log.counted_sent);
    tl_check(ixgbe_log.counted_received == PACKETS, "GPRC is %u", ixgbe_log.counted_received);
    tl_printf("%u packets there and back, %u interrupts\n", ixgbe_log.received, ixgbe_log.interrupts);
    return 0;
}
