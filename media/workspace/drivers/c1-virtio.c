/*
 * From power-on to a working virtio device, step by step (Virtual I/O Device specification 1.3), three times over: a network, a
 * console and an entropy device. The steps are the same on every transport; only where the registers are differs:
 *
 *   MMIO 0   PCI (4.1): a function says by its capabilities in which BAR, and where there, each structure is. The fields have 8,
 *            16, 32 or 64 bits, and each queue has a register of its own that notifies it
 *   MMIO 1   memory (4.2): 512 bytes of registers at an address that the driver has to know, for nobody tells it. This machine
 *            has them as QEMU's microvm: device n at 0xFEB00000 + n * 512 with IOAPIC input 16 + n. All registers have 32 bits,
 *            and one of them notifies all queues: the number of the queue is what is written
 *
 * The handshake (3.1.1): reset; ACKNOWLEDGE (somebody has seen the device) and DRIVER (and can drive it); the features that both
 * sides know; FEATURES_OK, which the device does not keep when it cannot work with this set, so that a driver has to read it
 * back; the queues; DRIVER_OK. A device that finds its driver's rings broken sets DEVICE_NEEDS_RESET, tells that by a
 * configuration interrupt, and does nothing more until it is reset (2.1.2).
 *
 * Both things that may go wrong are done here on purpose, to the entropy device.
 */
#include "trapline-virtio.h"

#ifndef MMIO
#define MMIO 0
#endif

/* Registers, in the common configuration structure or in memory. Of the same width on both but for the status. */
#if MMIO
enum { DEVICE_FEATURES_SELECT = 0x14, DEVICE_FEATURES = 0x10, DRIVER_FEATURES_SELECT = 0x24, DRIVER_FEATURES = 0x20, STATUS = 0x70 };
#define READ_STATUS(device) ((uint8_t)tl_read32((device)->common + STATUS))
#define WRITE_STATUS(device, value) tl_write32((device)->common + STATUS, value)
#else
enum { DEVICE_FEATURES_SELECT = 0x00, DEVICE_FEATURES = 0x04, DRIVER_FEATURES_SELECT = 0x08, DRIVER_FEATURES = 0x0c, STATUS = 0x14 };
#define READ_STATUS(device) tl_read8((device)->common + STATUS)
#define WRITE_STATUS(device, value) tl_write8((device)->common + STATUS, value)
#endif
#define MMIO_BASE 0xfeb00000ul
enum { MMIO_BYTES = 0x200, MMIO_FIRST_GSI = 16, MMIO_PLACES = 8 };

/* Features of the types (5.1.3, 5.3.3). */
#define NET_MAC (1ull << 5)
#define NET_STATUS (1ull << 16)
#define CONSOLE_SIZE (1ull << 0)
#define CONSOLE_MULTIPORT (1ull << 1)

enum { ENTRIES = 16, RANDOM = 64, FRAME = 60, MESSAGES = 4, TEXT = 32 };
enum { USED_BUFFER = 1, CONFIGURATION = 2 }; /* why a device interrupts, when not by MSI-X */
/* Marks. The value of STATUS_IS is the device's position * 256 + its status as it reads back. */
enum { FOUND = 1, STATUS_IS = 2, REFUSED = 3, WORKS = 4, BROKEN = 5, WORKS_AGAIN = 6, END = 7 };

enum which { NET, CONSOLE, ENTROPY, DEVICES };
static struct tl_virtio devices[DEVICES];
static const char *const names[DEVICES] = {"network", "console", "entropy"};
static const uint8_t types[DEVICES] = {TL_VIRTIO_NET, TL_VIRTIO_CONSOLE, TL_VIRTIO_ENTROPY};

/* What was seen and done; read by whoever checks the trace. */
struct {
    struct {
        uint32_t offered_low, offered_high, accepted_low, accepted_high;
        uint32_t status_writes, status_reads, kicks;
        uint32_t queue_interrupts, configuration_interrupts;
    } of[DEVICES];
    uint32_t refused_without_version, refused_not_offered, broken_status; /* the status as it read back */
    uint32_t random_bytes, frames, messages_sent, messages_received, console_bytes, echoed_bytes;
} c1_log;

/* ---- Finding them ------------------------------------------------------------------------------------------------------- */

#if MMIO
/* Magic value, version, type, vendor (4.2.2). A type of 0 would be a place that is kept free. */
static void list_devices(void)
{
    for (unsigned place = 0; place < MMIO_PLACES; place++) {
        const uint64_t at = MMIO_BASE + place * MMIO_BYTES;
        if (tl_read32(at) != 0x74726976)
            break;
        tl_printf("0x%08lx  \"virt\" version %u, type %u, vendor 0x%08x, IOAPIC input %u\n", at, tl_read32(at + 4),
                  tl_read32(at + 8), tl_read32(at + 12), MMIO_FIRST_GSI + place);
    }
}

static bool find(enum which which, unsigned *gsi)
{
    for (unsigned place = 0; place < MMIO_PLACES; place++)
        if (tl_virtio_at(MMIO_BASE + place * MMIO_BYTES, types[which], &devices[which])) {
            *gsi = MMIO_FIRST_GSI + place;
            return true;
        }
    return false;
}
#else
/* The vendor's capabilities (4.1.4): type of the structure, BAR, offset and length. */
static void list_devices(void)
{
    static const char *const structures[] = {"?", "common", "notify", "ISR", "device", "PCI access"};
    struct tl_pci pci;
    for (unsigned i = 0; i < DEVICES; i++) {
        for (unsigned n = 0; tl_pci_find(0x1af4, (uint16_t)(0x1040 + types[i]), n, &pci); n++) {
            tl_printf("%02x:%02x.%x  1af4:%04x\n", pci.bus, pci.device, pci.function, pci.device_id);
            for (unsigned at = tl_pci_capability(&pci, 9); at; at = tl_pci_next_capability(&pci, at, 9)) {
                const uint8_t type = tl_pci_read8(&pci, at + 3);
                tl_printf("  capability at 0x%02x: %-10s BAR %u + 0x%04x, %u bytes\n", at, structures[type < 6 ? type : 0],
                          tl_pci_read8(&pci, at + 4), tl_pci_read32(&pci, at + 8), tl_pci_read32(&pci, at + 12));
            }
        }
    }
}

static bool find(enum which which, unsigned *gsi)
{
    if (!tl_virtio_find(types[which], 0, &devices[which]))
        return false;
    *gsi = tl_pci_interrupt_line(&devices[which].pci);
    return true;
}
#endif

/* A line says that somebody has asked, not who: PCI devices share it. Reading the ISR status of PCI acknowledges. */
static void on_interrupt(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < DEVICES; i++) {
        const uint32_t why = tl_virtio_interrupt_status(&devices[i]);
        c1_log.of[i].queue_interrupts += why & USED_BUFFER;
        c1_log.of[i].configuration_interrupts += (why & CONFIGURATION) != 0;
    }
}

static void find_all(void)
{
    list_devices();
    uint32_t routed = 0;
    for (unsigned i = 0; i < DEVICES; i++) {
        unsigned gsi;
        tl_check(find((enum which)i, &gsi), "there is no %s device", names[i]);
        if (!(routed & 1u << gsi))
            tl_irq_register(gsi, on_interrupt, NULL);
        routed |= 1u << gsi;
    }
    tl_mark(FOUND, DEVICES);
}

/* ---- The handshake ------------------------------------------------------------------------------------------------------ */

static uint8_t status_of(enum which which)
{
    c1_log.of[which].status_reads++;
    return READ_STATUS(&devices[which]);
}

/* Bits are only ever added; 0 is the reset. */
static uint8_t set_status(enum which which, uint8_t value)
{
    c1_log.of[which].status_writes++;
    WRITE_STATUS(&devices[which], value);
    const uint8_t status = status_of(which);
    tl_mark(STATUS_IS, which << 8 | status);
    return status;
}

static uint64_t begin(enum which which)
{
    struct tl_virtio *device = &devices[which];
    for (uint8_t status = set_status(which, 0); status; status = status_of(which)) /* the reset is done when it reads as 0 */
        tl_pause();
    set_status(which, TL_VIRTIO_ACKNOWLEDGE);
    set_status(which, TL_VIRTIO_ACKNOWLEDGE | TL_VIRTIO_DRIVER);
    tl_write32(device->common + DEVICE_FEATURES_SELECT, 0);
    const uint32_t low = tl_read32(device->common + DEVICE_FEATURES);
    tl_write32(device->common + DEVICE_FEATURES_SELECT, 1);
    const uint32_t high = tl_read32(device->common + DEVICE_FEATURES);
    c1_log.of[which].offered_low = low;
    c1_log.of[which].offered_high = high;
    return (uint64_t)high << 32 | low;
}

/* Whether the device can work with this set of features. */
static bool agree(enum which which, uint64_t features)
{
    struct tl_virtio *device = &devices[which];
    tl_write32(device->common + DRIVER_FEATURES_SELECT, 0);
    tl_write32(device->common + DRIVER_FEATURES, (uint32_t)features);
    tl_write32(device->common + DRIVER_FEATURES_SELECT, 1);
    tl_write32(device->common + DRIVER_FEATURES, (uint32_t)(features >> 32));
    device->features = features;
    c1_log.of[which].accepted_low = (uint32_t)features;
    c1_log.of[which].accepted_high = (uint32_t)(features >> 32);
    return set_status(which, TL_VIRTIO_ACKNOWLEDGE | TL_VIRTIO_DRIVER | TL_VIRTIO_FEATURES_OK) & TL_VIRTIO_FEATURES_OK;
}

static void negotiate(enum which which, uint64_t wanted)
{
    const uint64_t offered = begin(which);
    tl_check(agree(which, offered & wanted), "the %s device refuses the features 0x%lx", names[which], offered & wanted);
}

static void go(enum which which)
{
    set_status(which, TL_VIRTIO_ACKNOWLEDGE | TL_VIRTIO_DRIVER | TL_VIRTIO_FEATURES_OK | TL_VIRTIO_DRIVER_OK);
}

/* Two sets that no device accepts: packed rings without VIRTIO_F_VERSION_1 (6.1), and one with what it has not offered. */
static void negotiate_badly(void)
{
    begin(ENTROPY);
    tl_check(!agree(ENTROPY, TL_VIRTIO_PACKED), "the device has packed rings without VIRTIO_F_VERSION_1");
    c1_log.refused_without_version = status_of(ENTROPY);
    tl_mark(REFUSED, c1_log.refused_without_version);
    const uint64_t offered = begin(ENTROPY);
    tl_check(!(offered & TL_VIRTIO_IN_ORDER), "VIRTIO_F_IN_ORDER is offered: take another feature for this");
    tl_check(!agree(ENTROPY, TL_VIRTIO_VERSION_1 | TL_VIRTIO_IN_ORDER), "the device accepts what it has not offered");
    c1_log.refused_not_offered = status_of(ENTROPY);
    tl_mark(REFUSED, c1_log.refused_not_offered);
}

/* ---- Buffers --------------------------------------------------------------------------------------------------------------- */

static void kick(enum which which, struct tl_virtq *queue)
{
    tl_virtq_publish(queue);
    if (!tl_virtq_kick_needed(queue))
        return;
    c1_log.of[which].kicks++;
    tl_virtq_kick(queue);
}

/* Adds a buffer of one part. */
static void add(struct tl_virtq *queue, void *data, uint32_t length, bool device_writes)
{
    const struct tl_virtq_part part = {data, length};
    tl_check(tl_virtq_add(queue, &part, !device_writes, device_writes, data), "queue %u is full", queue->index);
}

/* The same, and tells the device. */
static void give(enum which which, struct tl_virtq *queue, void *data, uint32_t length, bool device_writes)
{
    add(queue, data, length, device_writes);
    kick(which, queue);
}

/* Sleeps until a buffer is back: the one that has come, and how much the device has written. */
static void *take(struct tl_virtq *queue, uint32_t *written)
{
    void *token;
    tl_cli();
    while (!(token = tl_virtq_used(queue, written)))
        tl_wait_for_interrupt();
    tl_sti();
    return token;
}

/* Gives a buffer to read, and waits until the device has read it. */
static void send(enum which which, struct tl_virtq *queue, void *data, uint32_t length)
{
    uint32_t written;
    give(which, queue, data, length, false);
    take(queue, &written);
}

/* ---- What they are for ---------------------------------------------------------------------------------------------------- */

static struct tl_virtq requests;

static void start_entropy(void)
{
    negotiate(ENTROPY, TL_VIRTIO_VERSION_1);
    tl_virtq_init(&requests, &devices[ENTROPY], 0, ENTRIES, TL_VIRTIO_NO_VECTOR);
    go(ENTROPY);
}

static void draw(void)
{
    static uint8_t random[RANDOM];
    uint32_t written;
    memset(random, 0, sizeof(random));
    give(ENTROPY, &requests, random, RANDOM, true);
    tl_check(take(&requests, &written) == random && written > 0, "no random numbers");
    c1_log.random_bytes += written;
    tl_printf("entropy: %u bytes, %02x %02x %02x %02x ...\n", written, random[0], random[1], random[2], random[3]);
}

/* The descriptor table is the driver's, and so are its mistakes: two descriptors that name each other as the next one. */
static void break_chain(void)
{
    struct descriptor {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    };
    static uint8_t halves[2][RANDOM];
    const struct tl_virtq_part parts[] = {{halves[0], RANDOM}, {halves[1], RANDOM}};
    volatile struct descriptor *table = requests.descriptors;
    const uint16_t head = requests.free_head;
    tl_check(tl_virtq_add(&requests, parts, 0, 2, halves), "the queue is full");
    volatile struct descriptor *second = &table[table[head].next];
    second->flags |= 1; /* NEXT */
    second->next = head;

    const uint32_t interrupts = c1_log.of[ENTROPY].configuration_interrupts;
    const volatile uint32_t *now = &c1_log.of[ENTROPY].configuration_interrupts;
    tl_cli();
    kick(ENTROPY, &requests);
    while (*now == interrupts)
        tl_wait_for_interrupt();
    tl_sti();
    c1_log.broken_status = status_of(ENTROPY);
    tl_check(c1_log.broken_status & TL_VIRTIO_NEEDS_RESET, "the device has not found the loop");
    tl_mark(BROKEN, c1_log.broken_status);
    tl_printf("entropy: a chain that is a loop; status 0x%02x, DEVICE_NEEDS_RESET\n", c1_log.broken_status);
}

/* One frame to the peer, which sends it back. Before each frame there is a header (5.1.6), here all zero. */
static void use_net(void)
{
    static struct {
        uint8_t header[12], frame[FRAME];
    } out, in;
    static struct tl_virtq receive, transmit;
    struct tl_virtio *device = &devices[NET];
    negotiate(NET, TL_VIRTIO_VERSION_1 | NET_MAC | NET_STATUS);
    tl_virtq_init(&receive, device, 0, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_init(&transmit, device, 1, ENTRIES, TL_VIRTIO_NO_VECTOR);
    go(NET);
    for (unsigned i = 0; i < 6; i++)
        out.frame[i] = out.frame[6 + i] = tl_virtio_config8(device, i);
    out.frame[12] = 0x88; /* type 0x88b5: local experiment */
    out.frame[13] = 0xb5;
    for (unsigned i = 14; i < FRAME; i++)
        out.frame[i] = (uint8_t)i;
    uint32_t written;
    give(NET, &receive, &in, sizeof(in), true);
    send(NET, &transmit, &out, sizeof(out));
    take(&receive, &written);
    tl_check(written == sizeof(in) && memcmp(in.frame, out.frame, FRAME) == 0, "another frame has come back");
    c1_log.frames++;
    tl_printf("network: %02x:%02x:%02x:%02x:%02x:%02x, %u bytes there and back\n", out.frame[0], out.frame[1], out.frame[2],
              out.frame[3], out.frame[4], out.frame[5], FRAME);
    tl_mark(WORKS, NET);
}

/* Ports of the console are agreed on by messages, which have a pair of queues of their own (5.3.6.2). */
struct message {
    uint32_t port;
    uint16_t event, value;
    char name[TEXT];
};
enum { MESSAGE = 8, DEVICE_READY = 0, DEVICE_ADD = 1, PORT_READY = 3, CONSOLE_PORT = 4, PORT_OPEN = 6, PORT_NAME = 7 };
enum { CONSOLE_OUT = 1, CONTROL_IN = 2, CONTROL_OUT = 3, CHANNEL_IN = 4, CHANNEL_OUT = 5, CHANNEL = 1, PORTS = 2 };
static struct tl_virtq control_in, control_out;

static void tell(uint32_t port, uint16_t event)
{
    static struct message message;
    message = (struct message){.port = port, .event = event, .value = 1};
    send(CONSOLE, &control_out, &message, MESSAGE);
    c1_log.messages_sent++;
}

/* The next message, which has to be this one. */
static void hear(uint32_t port, uint16_t event)
{
    uint32_t written;
    struct message *message = take(&control_in, &written);
    tl_check(message->port == port && message->event == event && message->value == 1,
             "event %u of port %u, not %u of port %u", message->event, message->port, event, port);
    if (event == PORT_NAME) /* behind the value, and without a zero */
        tl_printf("console: port %u is \"%.*s\"\n", port, (int)(written - MESSAGE), message->name);
    c1_log.messages_received++;
    give(CONSOLE, &control_in, message, sizeof(*message), true);
}

static void use_console(void)
{
    static struct message messages[MESSAGES];
    static struct tl_virtq console_out, channel_in, channel_out;
    static char text[] = "A line by the virtio console.\n", sent[] = "there and back", received[TEXT];
    struct tl_virtio *device = &devices[CONSOLE];
    negotiate(CONSOLE, TL_VIRTIO_VERSION_1 | CONSOLE_SIZE | CONSOLE_MULTIPORT);
    tl_virtq_init(&console_out, device, CONSOLE_OUT, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_init(&control_in, device, CONTROL_IN, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_init(&control_out, device, CONTROL_OUT, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_init(&channel_in, device, CHANNEL_IN, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_init(&channel_out, device, CHANNEL_OUT, ENTRIES, TL_VIRTIO_NO_VECTOR);
    go(CONSOLE);
    tl_printf("console: %u columns, %u rows, %u ports\n", tl_read16(device->device), tl_read16(device->device + 2),
              tl_read32(device->device + 4));
    for (unsigned i = 0; i < MESSAGES; i++)
        add(&control_in, &messages[i], sizeof(messages[i]), true);
    kick(CONSOLE, &control_in); /* one for all four */
    tell(0, DEVICE_READY);
    for (unsigned port = 0; port < PORTS; port++)
        hear(port, DEVICE_ADD);
    for (unsigned port = 0; port < PORTS; port++) {
        tell(port, PORT_READY);
        hear(port, port == 0 ? CONSOLE_PORT : PORT_NAME);
        hear(port, PORT_OPEN);
        tell(port, PORT_OPEN);
    }
    send(CONSOLE, &console_out, text, sizeof(text) - 1);
    c1_log.console_bytes = sizeof(text) - 1;

    uint32_t written;
    give(CONSOLE, &channel_in, received, sizeof(received), true);
    send(CONSOLE, &channel_out, sent, sizeof(sent));
    take(&channel_in, &written);
    tl_check(written == sizeof(sent) && memcmp(sent, received, sizeof(sent)) == 0, "the channel gives back something else");
    c1_log.echoed_bytes = written;
    tl_mark(WORKS, CONSOLE);
}

int main(void)
{
    find_all();
    negotiate_badly();
    start_entropy();
    draw();
    tl_mark(WORKS, ENTROPY);
    use_net();
    use_console();
    break_chain();
    start_entropy(); /* a device that needs a reset gets one, and all begins anew */
    draw();
    tl_mark(WORKS_AGAIN, ENTROPY);
    tl_mark(END, 0);

    tl_printf("device    offered           accepted          status  kicks  interrupts\n");
    for (unsigned i = 0; i < DEVICES; i++)
        tl_printf("%-8s  %08x%08x  %08x%08x  0x%02x    %5u  %u + %u\n", names[i], c1_log.of[i].offered_high,
                  c1_log.of[i].offered_low, c1_log.of[i].accepted_high, c1_log.of[i].accepted_low, status_of((enum which)i),
                  c1_log.of[i].kicks, c1_log.of[i].queue_interrupts, c1_log.of[i].configuration_interrupts);
    return 0;
}
