/*
 * A driver for a virtual function of an Intel 82599 (10 GbE): what it may not do itself it asks of the physical function's driver, by
 * the mailbox between them; rings of advanced descriptors and MSI-X are its own. It sends PACKETS packets to a peer that sends them back,
 * a WINDOW of them at a time, checks each that comes, and compares the controller's statistics with its own count.
 *
 * With TRESPASS it first tries what a virtual function may not do, and is content when all of it is refused.
 *
 * Names and numbers of registers are of the Intel 82599 10 GbE Controller Datasheet, 8.3. The words in the mailbox are software's
 * affair: these are Linux' (ixgbevf).
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
#ifndef TRESPASS
#define TRESPASS 0
#endif
#ifndef FUNCTION_RESET
#define FUNCTION_RESET 0 /* 1: it resets itself by its configuration space, as any function of PCI Express does */
#endif

enum { VENDOR = 0x8086, DEVICE = 0x10ed, CAP_EXPRESS = 0x10, DEVICE_CONTROL = 8, INITIATE_RESET = 1 << 15 };
enum {
    VFCTRL = 0x0000, VFLINKS = 0x0010, VTEIMS = 0x0108, VTEIMC = 0x010c, VTEIAC = 0x0110, VTEIAM = 0x0114, VTIVAR0 = 0x0120,
    VTIVAR_MISC = 0x0140, VFMBMEM = 0x0200, VFMAILBOX = 0x02fc, VTEITR0 = 0x0820, VFGPRC = 0x101c, VFGPTC = 0x201c,
    VFRDBAL0 = 0x1000, VFRDBAH0 = 0x1004, VFRDLEN0 = 0x1008, VFRDH0 = 0x1010, VFSRRCTL0 = 0x1014, VFRDT0 = 0x1018, VFRXDCTL0 = 0x1028,
    VFTDBAL0 = 0x2000, VFTDBAH0 = 0x2004, VFTDLEN0 = 0x2008, VFTDH0 = 0x2010, VFTDT0 = 0x2018, VFTXDCTL0 = 0x2028,
    QUEUE_STRIDE = 0x40,
};
#define VFCTRL_RST (1u << 26)
#define LINK_UP (1u << 30)
#define QUEUE_ENABLE (1u << 25)
#define ONE_BUFFER (1u << 25) /* VFSRRCTL.DESCTYPE: advanced descriptors with one buffer */
#define IVAR_VALID 0x80u
enum { RING = 32, BUFFER_BYTES = 2048, VECTOR_ENTRY = 0 };
enum { DONE = 1, LAST = 2 }; /* DD and EOP of a receive descriptor's status */
#define TX_DATA (3u << 20)
#define TX_COMMAND ((1u | 2u | 8u | 32u) << 24) /* EOP, IFCS, RS, DEXT */

/* VFMAILBOX: the last three clear when they are read. */
enum { REQUEST = 1 << 0, ACKNOWLEDGE = 1 << 1, LOCK = 1 << 2, SENT = 1 << 4, ACKNOWLEDGED = 1 << 5, RESET_DONE = 1 << 7 };
enum {
    RESET = 1, SET_ADDRESS = 2, SET_MULTICAST = 3, SET_VLAN = 4, SET_FRAME_LENGTH = 5, SET_FURTHER_ADDRESS = 6, NOTHING = 7, NEGOTIATE = 8,
    GET_QUEUES = 9,
};
enum { VERSION_1_1 = 2, INFO_SHIFT = 16, MOST_WORDS = 5 };
#define REFUSED (1u << 30)
#define SUCCEEDED (1u << 31)

enum { BEGIN = 1, END = 2, TRESPASSING = 3 }; /* marks */

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
    uint32_t resets, requests, refused; /* of the function; by the mailbox */
    uint32_t ignored, spoofed;          /* writes to registers that it has not; packets with another's address */
    uint32_t sent, received, interrupts, kicks, refills, vector;
    uint32_t reads, writes;                   /* of registers, between the first two marks */
    uint32_t counted_sent, counted_received; /* VFGPTC and VFGPRC */
    uint32_t queues, last_byte;               /* in each direction; of its address */
} vf_log;

static struct tl_pci pci;
static uint64_t vf;
static volatile union descriptor *tx_ring, *rx_ring;
static uint8_t *tx_buffers, *rx_buffers, mac[6];
static uint32_t words[MOST_WORDS], signals;
static volatile bool woken;

#define READ(reg) (vf_log.reads++, tl_read32(vf + (reg)))
#define WRITE(reg, value)                                                                                                        \
    do {                                                                                                                         \
        vf_log.writes++;                                                                                                         \
        tl_write32(vf + (reg), value);                                                                                           \
    } while (0)

/* VTEIAC clears the vector's cause, and VTEIAM masks it, as the message goes out: nothing of it is to be done here. */
static void on_interrupt(void *argument)
{
    (void)argument;
    vf_log.interrupts++;
    woken = true;
}

/* Waits for a signal of the physical function. Reading clears them, so those that came early are kept. */
static void wait_for(uint32_t signal)
{
    while (!(signals & signal))
        signals |= READ(VFMAILBOX);
    signals &= ~signal;
}

static void lock_mailbox(void)
{
    uint32_t seen;
    do {
        WRITE(VFMAILBOX, LOCK);
        seen = READ(VFMAILBOX);
        signals |= seen;
    } while (!(seen & LOCK));
}

/* Sends `count` words and fetches as many as the answer has. True: what was asked for is done. */
static bool ask(unsigned count, unsigned answered)
{
    lock_mailbox();
    for (unsigned i = 0; i < count; i++)
        WRITE(VFMBMEM + 4 * i, words[i]);
    WRITE(VFMAILBOX, REQUEST); /* and gives the lock back */
    vf_log.requests++;
    wait_for(ACKNOWLEDGED);
    wait_for(SENT);
    lock_mailbox();
    for (unsigned i = 0; i < answered; i++)
        words[i] = READ(VFMBMEM + 4 * i);
    WRITE(VFMAILBOX, ACKNOWLEDGE);
    if (words[0] & REFUSED)
        vf_log.refused++;
    return words[0] & SUCCEEDED;
}

static bool ask_with(uint32_t message, uint32_t first, uint32_t second)
{
    words[0] = message;
    words[1] = first;
    words[2] = second;
    return ask(3, MOST_WORDS);
}

/* The function's own reset. After it the physical function's driver wants to hear of it before anything else. */
static void reset_function(void)
{
    WRITE(VTEIMC, 7);
    if (FUNCTION_RESET) {
        const unsigned control = tl_pci_capability(&pci, CAP_EXPRESS) + DEVICE_CONTROL;
        tl_pci_write16(&pci, control, tl_pci_read16(&pci, control) | INITIATE_RESET);
        tl_pci_enable(&pci);
    } else {
        WRITE(VFCTRL, VFCTRL_RST);
    }
    vf_log.resets++;
    signals = 0;
    wait_for(RESET_DONE);
}

static void introduce(void)
{
    words[0] = RESET;
    tl_check(ask(1, 4), "the reset was refused");
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)(words[1 + i / 4] >> 8 * (i % 4));
    vf_log.last_byte = mac[5];
    tl_check(READ(VFLINKS) & LINK_UP, "the link is down");
}

static uint32_t address_word(unsigned word)
{
    const uint8_t *bytes = mac + 4 * word;
    const uint32_t low = bytes[0] | (uint32_t)bytes[1] << 8;
    return word == 0 ? low | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24 : low;
}

static void agree(void)
{
    tl_check(ask_with(NEGOTIATE, VERSION_1_1, 0), "version 1.1 of the mailbox was refused");
    tl_check(ask_with(GET_QUEUES, 0, 0), "the number of queues was refused");
    vf_log.queues = words[1];
    tl_check(words[1] > 0 && words[1] == words[2], "%u and %u queues", words[1], words[2]);
    tl_check(ask_with(SET_ADDRESS, address_word(0), address_word(1)), "its own address was refused");
    tl_check(ask_with(SET_FRAME_LENGTH, FRAME + 18, 0), "frames of %u bytes were refused", FRAME);
    tl_check(ask_with(SET_MULTICAST | 1 << INFO_SHIFT, 0x123, 0), "a group was refused");
    tl_check(ask_with(SET_VLAN | 1 << INFO_SHIFT, 5, 0), "VLAN 5 was refused");
    tl_check(ask_with(SET_VLAN, 5, 0), "leaving VLAN 5 was refused");
}

static void give_buffer(unsigned index)
{
    rx_ring[index].receive.buffer = tl_physical(rx_buffers + index * BUFFER_BYTES);
    rx_ring[index].receive.header = 0; /* and no status */
}

static void make_rings(void)
{
    tx_ring = tl_alloc(RING * sizeof(*tx_ring), 128);
    rx_ring = tl_alloc(RING * sizeof(*rx_ring), 128);
    tx_buffers = tl_alloc(RING * BUFFER_BYTES, 4096);
    rx_buffers = tl_alloc(RING * BUFFER_BYTES, 4096);
}

static void start(void)
{
    WRITE(VFRDBAL0, (uint32_t)tl_physical(rx_ring));
    WRITE(VFRDBAH0, (uint32_t)(tl_physical(rx_ring) >> 32));
    WRITE(VFRDLEN0, RING * sizeof(*rx_ring));
    WRITE(VFSRRCTL0, ONE_BUFFER | BUFFER_BYTES / 1024);
    WRITE(VFRDH0, 0);
    WRITE(VFRXDCTL0, QUEUE_ENABLE);
    while (!(READ(VFRXDCTL0) & QUEUE_ENABLE))
        ;
    for (unsigned i = 0; i < RING; i++)
        give_buffer(i);
    WRITE(VFRDT0, RING - 1); /* head equal to tail would mean: none */
    WRITE(VFTDBAL0, (uint32_t)tl_physical(tx_ring));
    WRITE(VFTDBAH0, (uint32_t)(tl_physical(tx_ring) >> 32));
    WRITE(VFTDLEN0, RING * sizeof(*tx_ring));
    WRITE(VFTDH0, 0);
    WRITE(VFTXDCTL0, QUEUE_ENABLE);
    while (!(READ(VFTXDCTL0) & QUEUE_ENABLE))
        ;
}

/* Vector 0 for what is received; what is sent shows when it comes back. */
static void use_messages(void)
{
    vf_log.vector = tl_irq_vector(on_interrupt, NULL);
    tl_check(tl_pci_msix(&pci, VECTOR_ENTRY, (uint8_t)vf_log.vector), "no MSI-X");
    WRITE(VTIVAR0, IVAR_VALID | VECTOR_ENTRY);
    WRITE(VTEIAC, 1 << VECTOR_ENTRY);
    WRITE(VTEIAM, 1 << VECTOR_ENTRY);
}

static uint8_t payload(unsigned packet, unsigned at)
{
    return (uint8_t)(packet * 7 + at);
}

static void put(unsigned slot, unsigned packet, uint8_t last_of_source)
{
    static const uint8_t peer[6] = {2, 0, 0, 0, 0, 1};
    const unsigned index = slot % RING;
    uint8_t *frame = tx_buffers + index * BUFFER_BYTES;
    for (unsigned i = 0; i < 6; i++) {
        frame[i] = peer[i];
        frame[6 + i] = mac[i];
    }
    frame[11] = last_of_source;
    frame[12] = 0x88; /* a local experiment's type (IEEE 802) */
    frame[13] = 0xb5;
    for (unsigned at = 14; at < FRAME; at++)
        frame[at] = payload(packet, at);
    tx_ring[index].transmit.buffer = tl_physical(frame);
    tx_ring[index].transmit.length = FRAME << 14;
    tx_ring[index].transmit.command = TX_COMMAND | TX_DATA | FRAME;
}

/* Packets with another's address come first in the ring, and never come back. */
static void send_some(void)
{
    const unsigned before = vf_log.sent;
    while (vf_log.sent < PACKETS && vf_log.sent - vf_log.received < WINDOW) {
        put(vf_log.spoofed + vf_log.sent, vf_log.sent, mac[5]);
        vf_log.sent++;
    }
    if (vf_log.sent == before)
        return;
    vf_log.kicks++;
    WRITE(VFTDT0, (vf_log.spoofed + vf_log.sent) % RING);
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
    return rx_ring[vf_log.received % RING].received.status & DONE;
}

static void receive_some(void)
{
    const unsigned before = vf_log.received;
    for (; has_frame(); vf_log.received++) {
        check(vf_log.received);
        give_buffer(vf_log.received % RING);
    }
    if (vf_log.received == before)
        return;
    vf_log.refills++;
    WRITE(VFRDT0, (vf_log.received + RING - 1) % RING); /* one write for all of them */
}

/* What the physical function's driver has to refuse. */
static void ask_too_much(void)
{
    tl_check(!ask_with(SET_ADDRESS, address_word(0), address_word(1) ^ 1 << 8), "it got the address of another");
    tl_check(!ask_with(SET_ADDRESS, address_word(0) | 1, address_word(1)), "it got the address of a group");
    tl_check(!ask_with(SET_FURTHER_ADDRESS | 1 << INFO_SHIFT, address_word(0), address_word(1) ^ 1 << 8), "it got a further address");
    tl_check(!ask_with(SET_FRAME_LENGTH, 16000, 0), "it got frames of 16000 bytes");
    tl_check(!ask_with(NEGOTIATE, 99, 0), "it got version 99");
    tl_check(!ask_with(NOTHING, 0, 0), "it got what is nothing");
}

/* Registers of the physical function, at their offsets there: in this window there are none. */
static void write_too_much(void)
{
    static const uint16_t others[] = {0x0018 /* CTRL_EXT */, 0x0898 /* GPIE */, 0x3000 /* RXCTRL */};
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
        WRITE(others[i], 0xffffffff);
        vf_log.ignored++;
        tl_check(READ(others[i]) == 0, "register 0x%x kept a value", others[i]);
    }
    /* A queue of the next function. */
    WRITE(VFRDBAL0 + vf_log.queues * QUEUE_STRIDE, 0x1000);
    tl_check(READ(VFRDBAL0 + vf_log.queues * QUEUE_STRIDE) == 0, "it has a queue of another's");
    WRITE(VFCTRL, 1 << 3); /* CTRL.LRST there, which resets the link */
    tl_check(READ(VFLINKS) & LINK_UP, "it has reset the link");
}

static void send_with_anothers_address(void)
{
    put(vf_log.spoofed, 0, (uint8_t)(mac[5] + 1));
    vf_log.spoofed++;
    WRITE(VFTDT0, vf_log.spoofed % RING);
    const volatile union descriptor *sent = &tx_ring[vf_log.spoofed - 1];
    while (!(sent->transmit.length & DONE)) /* written back in place of the length */
        tl_pause();
}

static void trespass(void)
{
    tl_mark(TRESPASSING, 0);
    ask_too_much();
    write_too_much();
    reset_function();
    tl_check(!ask_with(NEGOTIATE, VERSION_1_1, 0), "it need not say that it was reset");
    introduce();
    agree();
}

int main(void)
{
    tl_check(tl_pci_find(VENDOR, DEVICE, 0, &pci), "no virtual function of an 82599 (8086:10ed) on the PCI bus");
    tl_pci_enable(&pci);
    vf = tl_pci_bar(&pci, 0);
    reset_function();
    introduce();
    agree();
    if (TRESPASS)
        trespass();
    use_messages();
    make_rings();
    start();
    if (TRESPASS)
        send_with_anothers_address();
    vf_log.reads = vf_log.writes = 0;
    tl_mark(BEGIN, PACKETS);
    tl_cli();
    while (vf_log.received < PACKETS) {
        send_some();
        woken = false;
        WRITE(VTEIMS, 1 << VECTOR_ENTRY); /* what came meanwhile interrupts now */
        while (!woken)
            tl_wait_for_interrupt();
        receive_some();
    }
    vf_log.counted_sent = READ(VFGPTC);
    vf_log.counted_received = READ(VFGPRC);
    tl_mark(END, vf_log.interrupts);
    tl_check(vf_log.counted_received == PACKETS, "VFGPRC is %u", vf_log.counted_received);
    tl_check(vf_log.counted_sent == PACKETS, "VFGPTC is %u", vf_log.counted_sent);
    tl_printf("%u packets there and back, %u interrupts, %u of %u requests refused\n", vf_log.received, vf_log.interrupts, vf_log.refused,
              vf_log.requests);
    return 0;
}
