/*
 * A driver for the Intel 82540EM ("e1000"), complete and in one file: it sends PACKETS frames to a peer that echoes them,
 * and checks every byte that comes back.
 *
 * The NIC and the driver share two rings of descriptors in memory. The driver fills descriptors and moves a ring's TAIL;
 * the NIC works through them by DMA and moves its HEAD. An interrupt says that something was done; a bit in each
 * descriptor (DD) says what. Names and numbers: PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual (8254x SDM).
 */
#include "trapline.h"

#ifndef PACKETS
#define PACKETS 64
#endif
#ifndef TX_RING
#define TX_RING 16 /* descriptors; a multiple of 8, for a ring's length is a multiple of 128 bytes */
#endif
#ifndef RX_RING
#define RX_RING 32
#endif

#define BUFFER_BYTES 2048 /* RCTL.BSIZE = 0 */
#define MIN_FRAME 60      /* without the checksum, which the NIC adds and strips */
#define MAX_FRAME 1514
#define HEADER 14 /* destination, source, type */

/* Registers (8254x SDM, table 13-2). */
enum {
    CTRL = 0x0000, STATUS = 0x0008, EERD = 0x0014, ICR = 0x00c0, IMS = 0x00d0, IMC = 0x00d8,
    RCTL = 0x0100, TCTL = 0x0400, TIPG = 0x0410,
    RDBAL = 0x2800, RDBAH = 0x2804, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818,
    TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818,
    MTA = 0x5200, RAL0 = 0x5400, RAH0 = 0x5404,
};

enum { CTRL_AUTO_SPEED = 1 << 5, CTRL_SET_LINK_UP = 1 << 6, CTRL_RESET = 1 << 26, STATUS_LINK_UP = 1 << 1 };
enum { EERD_START = 1 << 0, EERD_DONE = 1 << 4 };
enum { RCTL_ENABLE = 1 << 1, RCTL_BROADCAST = 1 << 15, RCTL_STRIP_CRC = 1 << 26 };
enum { TCTL_ENABLE = 1 << 1, TCTL_PAD_SHORT = 1 << 3, TCTL_COLLISIONS = 0x0f << 4, TCTL_DISTANCE = 0x40 << 12 };
/* Interrupt causes: transmit descriptor written back, link change, receive ring low, receive overrun, frame received. */
enum { TXDW = 1 << 0, LSC = 1 << 2, RXDMT0 = 1 << 4, RXO = 1 << 6, RXT0 = 1 << 7 };

enum { TX_END_OF_PACKET = 1, TX_INSERT_CHECKSUM = 2, TX_REPORT_STATUS = 8 }; /* command */
enum { DESCRIPTOR_DONE = 1, RX_END_OF_PACKET = 2 };                          /* status */

struct tx_descriptor {
    uint64_t buffer;
    uint16_t length;
    uint8_t checksum_offset, command, status, checksum_start;
    uint16_t special;
};

struct rx_descriptor {
    uint64_t buffer;
    uint16_t length, checksum;
    uint8_t status, errors;
    uint16_t special;
};

static uint64_t registers;
static uint8_t mac[6];

static volatile struct tx_descriptor *tx_ring;
static uint8_t *tx_buffers;
static unsigned tx_next;  /* descriptor that the next frame goes into */
static unsigned tx_clean; /* oldest descriptor not yet reclaimed */

static volatile struct rx_descriptor *rx_ring;
static uint8_t *rx_buffers;
static unsigned rx_next; /* descriptor that the next frame will come in */

/* Macros, so that in the timeline an access leads to the line that wants it. */
#define REG_READ(reg) tl_read32(registers + (reg))
#define REG_WRITE(reg, value) tl_write32(registers + (reg), value)

/* ---- Interrupt ---------------------------------------------------------------------------------------------------- */

static volatile uint32_t pending; /* causes that the main loop has not looked at */

/* Reading ICR acknowledges all causes and lowers the line. The work itself is left to the main loop. */
static void on_interrupt(void *argument)
{
    (void)argument;
    pending |= REG_READ(ICR);
}

/* ---- Starting the NIC --------------------------------------------------------------------------------------------- */

static uint16_t read_eeprom(unsigned word)
{
    uint32_t value;
    REG_WRITE(EERD, EERD_START | word << 8);
    while (!((value = REG_READ(EERD)) & EERD_DONE))
        tl_pause();
    return (uint16_t)(value >> 16);
}

static void reset(void)
{
    REG_WRITE(IMC, 0xffffffff);
    REG_WRITE(CTRL, REG_READ(CTRL) | CTRL_RESET);
    while (REG_READ(CTRL) & CTRL_RESET)
        tl_pause();
    REG_WRITE(IMC, 0xffffffff); /* the reset may have changed it */
    REG_READ(ICR);
}

static void set_address(void)
{
    for (unsigned word = 0; word < 3; word++) { /* the EEPROM begins with the MAC address */
        const uint16_t value = read_eeprom(word);
        mac[2 * word] = (uint8_t)value;
        mac[2 * word + 1] = (uint8_t)(value >> 8);
    }
    REG_WRITE(RAL0, mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24);
    REG_WRITE(RAH0, mac[4] | mac[5] << 8 | 1u << 31); /* bit 31: the address is valid */
    for (unsigned i = 0; i < 128; i++)
        REG_WRITE(MTA + 4 * i, 0); /* no multicast */
}

static void start_transmitter(void)
{
    tx_ring = tl_alloc(TX_RING * sizeof(*tx_ring), 128);
    tx_buffers = tl_alloc(TX_RING * BUFFER_BYTES, 4096);
    for (unsigned i = 0; i < TX_RING; i++)
        tx_ring[i].buffer = tl_physical(tx_buffers + i * BUFFER_BYTES);

    REG_WRITE(TDBAL, (uint32_t)tl_physical(tx_ring));
    REG_WRITE(TDBAH, (uint32_t)(tl_physical(tx_ring) >> 32));
    REG_WRITE(TDLEN, TX_RING * sizeof(*tx_ring));
    REG_WRITE(TDH, 0);
    REG_WRITE(TDT, 0);
    REG_WRITE(TIPG, 10 | 8 << 10 | 6 << 20); /* gaps between frames, as the manual recommends */
    REG_WRITE(TCTL, TCTL_ENABLE | TCTL_PAD_SHORT | TCTL_COLLISIONS | TCTL_DISTANCE);
}

static void start_receiver(void)
{
    rx_ring = tl_alloc(RX_RING * sizeof(*rx_ring), 128);
    rx_buffers = tl_alloc(RX_RING * BUFFER_BYTES, 4096);
    for (unsigned i = 0; i < RX_RING; i++)
        rx_ring[i].buffer = tl_physical(rx_buffers + i * BUFFER_BYTES);

    REG_WRITE(RDBAL, (uint32_t)tl_physical(rx_ring));
    REG_WRITE(RDBAH, (uint32_t)(tl_physical(rx_ring) >> 32));
    REG_WRITE(RDLEN, RX_RING * sizeof(*rx_ring));
    REG_WRITE(RDH, 0);
    REG_WRITE(RDT, RX_RING - 1); /* all but one: HEAD = TAIL means empty */
    REG_WRITE(RCTL, RCTL_ENABLE | RCTL_BROADCAST | RCTL_STRIP_CRC);
}

static void start(void)
{
    struct tl_pci nic;
    tl_check(tl_pci_find(0x8086, 0x100e, 0, &nic), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&nic);
    registers = tl_pci_bar(&nic, 0);

    reset();
    set_address();
    REG_WRITE(CTRL, REG_READ(CTRL) | CTRL_SET_LINK_UP | CTRL_AUTO_SPEED);
    start_receiver();
    start_transmitter();
    tl_irq_register(tl_pci_interrupt_line(&nic), on_interrupt, NULL);
    REG_WRITE(IMS, TXDW | LSC | RXDMT0 | RXO | RXT0);
    while (!(REG_READ(STATUS) & STATUS_LINK_UP))
        tl_pause();
}

/* ---- Frames ------------------------------------------------------------------------------------------------------- */

/* Lengths go all over the allowed range; the last frame is the longest. */
static unsigned frame_length(unsigned number)
{
    return number == PACKETS - 1 ? MAX_FRAME : MIN_FRAME + number * 283 % (MAX_FRAME - MIN_FRAME + 1);
}

/* Byte `offset` of frame `number`: addressed to ourselves, for the peer sends back what it gets. */
static uint8_t frame_byte(unsigned number, unsigned offset)
{
    if (offset < 12)
        return mac[offset % 6];
    if (offset < HEADER)
        return offset == 12 ? 0x88 : 0xb5; /* type 0x88b5: local experiment */
    if (offset < HEADER + 4)
        return (uint8_t)(number >> 8 * (offset - HEADER)); /* which frame this is */
    return (uint8_t)(number * 31 + offset * 7 + (offset >> 8));
}

static bool transmit_ring_full(void)
{
    return (tx_next + 1) % TX_RING == tx_clean;
}

static void send(unsigned number)
{
    uint8_t *buffer = tx_buffers + tx_next * BUFFER_BYTES;
    const unsigned length = frame_length(number);
    for (unsigned offset = 0; offset < length; offset++)
        buffer[offset] = frame_byte(number, offset);

    volatile struct tx_descriptor *descriptor = &tx_ring[tx_next];
    descriptor->length = (uint16_t)length;
    descriptor->status = 0;
    descriptor->command = TX_END_OF_PACKET | TX_INSERT_CHECKSUM | TX_REPORT_STATUS;
    tx_next = (tx_next + 1) % TX_RING;
    REG_WRITE(TDT, tx_next); /* the doorbell: from here on the descriptor is the NIC's */
}

/* Takes back the descriptors that the NIC is done with. */
static void reclaim(void)
{
    while (tx_clean != tx_next && tx_ring[tx_clean].status & DESCRIPTOR_DONE)
        tx_clean = (tx_clean + 1) % TX_RING;
}

static void check_frame(const uint8_t *frame, unsigned length, unsigned expected)
{
    tl_check(length == frame_length(expected), "frame %u: %u bytes came back of %u", expected, length,
             frame_length(expected));
    for (unsigned offset = 0; offset < length; offset++)
        tl_check(frame[offset] == frame_byte(expected, offset), "frame %u, byte %u: 0x%02x instead of 0x%02x", expected,
                 offset, frame[offset], frame_byte(expected, offset));
}

/* Checks the frames that have come, and gives their descriptors back to the NIC. Returns how many frames are in now. */
static unsigned receive(unsigned received)
{
    const unsigned first = rx_next;
    while (rx_ring[rx_next].status & DESCRIPTOR_DONE) {
        volatile struct rx_descriptor *descriptor = &rx_ring[rx_next];
        tl_check(descriptor->status & RX_END_OF_PACKET, "frame %u does not fit one buffer", received);
        tl_check(descriptor->errors == 0, "frame %u: receive errors 0x%02x", received, descriptor->errors);
        check_frame(rx_buffers + rx_next * BUFFER_BYTES, descriptor->length, received);
        descriptor->status = 0;
        rx_next = (rx_next + 1) % RX_RING;
        if (++received % 16 == 0)
            tl_printf("%u of %u frames are back\n", received, (unsigned)PACKETS);
    }
    if (rx_next != first)
        REG_WRITE(RDT, (rx_next + RX_RING - 1) % RX_RING); /* one write for all of them */
    return received;
}

int main(void)
{
    unsigned sent = 0;
    unsigned received = 0;

    start();
    tl_printf("e1000 at 0x%lx, MAC %02x:%02x:%02x:%02x:%02x:%02x\n", registers, mac[0], mac[1], mac[2], mac[3], mac[4],
              mac[5]);

    tl_mark(1, PACKETS);
    while (received < PACKETS) {
        /* Never more under way than the receive ring can take: then nothing is dropped. */
        while (sent < PACKETS && sent - received < RX_RING - 1 && !transmit_ring_full())
            send(sent++);

        tl_cli();
        while (!pending)
            tl_wait_for_interrupt();
        const uint32_t causes = pending;
        pending = 0; /* before the rings are looked at: what comes later interrupts again */
        tl_sti();

        tl_check(!(causes & RXO), "the NIC had no descriptor for a frame");
        reclaim();
        received = receive(received);
    }
    tl_mark(2, received);

    REG_WRITE(IMC, 0xffffffff);
    tl_printf("all %u frames came back unchanged\n", received);
    return 0;
}
