/*
 * Control plane and data plane of a paravirtual device.
 *
 * Registers are the control plane: who the device is, status, features, where the queues are, MSI-X, the configuration. They are
 * emulated, and each access leaves the guest and goes on to QEMU. It costs thousands of cycles, and there are some dozens of them.
 *
 * Buffers are the data plane. They lie in memory that the guest shares with QEMU (or with vhost, in the kernel): descriptors, rings
 * and data are loads and stores on both sides, and nobody leaves anything for them. What is left is the notification, one for as many
 * buffers as there are, and that ends in the kernel, which signals an eventfd; and the interrupt the other way, by a message.
 *
 * The driver goes through four phases, a mark before each: it sets the device up (1), moves BUFFERS frames there and back (2),
 * looks into the configuration, masks and unmasks an interrupt (3), and moves as many frames again (4). It notes how many accesses
 * it has made in each: compare with the user exits of the trace.
 */
#include "trapline-virtio.h"

#ifndef BUFFERS
#define BUFFERS 64 /* frames in each phase of data */
#endif
#ifndef BATCH
#define BATCH 16 /* frames for one notification */
#endif

_Static_assert(BUFFERS % BATCH == 0, "whole batches");

#define LOCAL_APIC 0xfee00000ul
#define NET_MAC (1ull << 5)
#define NET_STATUS (1ull << 16)

enum { SET_UP, DATA, CONFIGURE, DATA_AGAIN, PHASES, END = PHASES }; /* marks are one more */
enum { RECEIVE = 0, TRANSMIT = 1, ENTRIES = 64, FRAME = 60 };
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6 };        /* the device's configuration (5.1.4) */
enum { COMMON_STATUS = 0x14, COMMON_GENERATION = 0x15, COMMON_QUEUES = 0x12 }; /* the common configuration (4.1.4.3) */
enum { CAP_MSIX = 0x11, MSIX_ENTRY = 16, MSIX_VECTOR_CONTROL = 12, MSIX_MASKED = 1 };

struct buffer {
    uint8_t header[12], frame[FRAME]; /* the header (5.1.6) is all zero */
};

/* Of each phase; read by whoever checks the trace. */
struct {
    uint32_t memory_accesses, port_accesses; /* all of the kit's log */
    uint32_t apic_accesses;                  /* those of the first to the local APIC, which KVM serves itself */
    uint32_t kicks, sent, received, interrupts;
} c5_log[PHASES];

static struct tl_virtio device;
static struct tl_virtq receive, transmit;
static struct buffer out[BATCH], in[ENTRIES];
static unsigned phase;
static volatile bool woken;

/* ---- Phases ---------------------------------------------------------------------------------------------------------------- */

static uint32_t memory_accesses(void)
{
    return (uint32_t)(tl_access_log.mmio_reads + tl_access_log.mmio_writes);
}

static uint32_t apic_accesses(void)
{
    for (uint32_t i = 0; i < tl_access_log.entries_used; i++) {
        const struct tl_access_counter *entry = &tl_access_log.entries[i];
        if (!entry->is_port && entry->address == LOCAL_APIC)
            return (uint32_t)(entry->reads + entry->writes);
    }
    return 0;
}

static uint32_t port_accesses(void)
{
    return (uint32_t)(tl_access_log.pio_reads + tl_access_log.pio_writes);
}

static void run(unsigned number, void (*what)(void))
{
    phase = number;
    const uint32_t memory = memory_accesses(), ports = port_accesses(), apic = apic_accesses();
    tl_mark(number + 1, 0);
    what();
    c5_log[number].memory_accesses = memory_accesses() - memory;
    c5_log[number].port_accesses = port_accesses() - ports;
    c5_log[number].apic_accesses = apic_accesses() - apic;
}

/* ---- Control plane --------------------------------------------------------------------------------------------------------- */

static uint8_t vector;

static void on_receive(void *argument)
{
    (void)argument;
    c5_log[phase].interrupts++;
    woken = true;
}

static void set_up(void)
{
    tl_check(tl_virtio_find(TL_VIRTIO_NET, 0, &device), "no virtio network device");
    tl_virtio_accept(&device, TL_VIRTIO_VERSION_1 | TL_VIRTIO_EVENT_IDX | NET_MAC | NET_STATUS);
    tl_check(tl_pci_msix(&device.pci, RECEIVE, vector), "the device has no MSI-X");
    tl_virtq_init(&receive, &device, RECEIVE, ENTRIES, RECEIVE);
    tl_virtq_init(&transmit, &device, TRANSMIT, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_interrupts(&receive, true);
    tl_virtq_interrupts(&transmit, false); /* what was sent is taken back when all of it has come round */
    tl_virtio_go(&device);
    for (unsigned i = 0; i < 6; i++) /* to ourselves, for the peer sends back what it gets */
        out[0].frame[i] = out[0].frame[6 + i] = tl_virtio_config8(&device, CONFIG_MAC + i);
}

/* What a driver asks of a device that is at work. Each line is one access, but the first: two ports. */
static void configure(void)
{
    const uint16_t command = tl_pci_read16(&device.pci, TL_PCI_COMMAND);
    const uint8_t before = tl_read8(device.common + COMMON_GENERATION);
    const uint16_t link = tl_read16(device.device + CONFIG_STATUS);
    const uint8_t after = tl_read8(device.common + COMMON_GENERATION); /* as before: what was read belongs together (2.5.1) */
    const uint16_t queues = tl_read16(device.common + COMMON_QUEUES);
    const uint8_t status = tl_read8(device.common + COMMON_STATUS);
    tl_check((command & TL_PCI_COMMAND_MASTER) && before == after && (link & 1) && queues >= 2 && status == 15,
             "command 0x%x, generation %u and %u, link %u, %u queues, status 0x%x", command, before, after, link, queues, status);

    const unsigned capability = tl_pci_capability(&device.pci, CAP_MSIX);
    const uint32_t where = tl_pci_read32(&device.pci, capability + 4); /* which BAR, and where in it */
    const uint64_t entry = tl_pci_bar(&device.pci, where & 7) + (where & ~7u) + RECEIVE * MSIX_ENTRY;
    tl_write32(entry + MSIX_VECTOR_CONTROL, MSIX_MASKED);
    tl_write32(entry + MSIX_VECTOR_CONTROL, 0);
}

/* ---- Data plane ------------------------------------------------------------------------------------------------------------ */

static void kick(struct tl_virtq *queue)
{
    tl_virtq_publish(queue);
    if (!tl_virtq_kick_needed(queue))
        return;
    c5_log[phase].kicks++;
    tl_virtq_kick(queue);
}

static void offer(struct buffer *buffer)
{
    const struct tl_virtq_part whole = {buffer, sizeof(*buffer)};
    tl_check(tl_virtq_add(&receive, &whole, 0, 1, buffer), "no room for a receive buffer");
}

static void send_batch(void)
{
    for (unsigned i = 0; i < BATCH; i++) {
        const struct tl_virtq_part whole = {&out[i], sizeof(out[i])};
        out[i].frame[14] = (uint8_t)c5_log[phase].sent++;
        tl_check(tl_virtq_add(&transmit, &whole, 1, 0, &out[i]), "the transmit queue is full");
    }
    kick(&transmit);
}

/* Sleeps until something has come, takes it, and gives the buffers back, with one notification for all. */
static void receive_some(void)
{
    uint32_t written;
    struct buffer *buffer;
    tl_cli();
    while (!tl_virtq_has_used(&receive))
        tl_wait_for_interrupt();
    tl_sti();
    while ((buffer = tl_virtq_used(&receive, &written))) {
        tl_check(written == sizeof(*buffer) && buffer->frame[14] == (uint8_t)c5_log[phase].received, "frame %u is lost",
                 c5_log[phase].received);
        c5_log[phase].received++;
        offer(buffer);
    }
    kick(&receive);
}

static void move_data(void)
{
    uint32_t written;
    while (c5_log[phase].sent < BUFFERS) {
        send_batch();
        while (c5_log[phase].received < c5_log[phase].sent)
            receive_some();
        while (tl_virtq_used(&transmit, &written))
            ;
    }
}

/* The frames, and buffers for what comes: memory, and nothing but memory. */
static void fill(void)
{
    for (unsigned i = 0; i < BATCH; i++) {
        memcpy(&out[i], &out[0], 12 + 12);
        out[i].frame[12] = 0x88; /* type 0x88b5: local experiment */
        out[i].frame[13] = 0xb5;
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        offer(&in[i]);
}

static void first_data(void)
{
    fill();
    kick(&receive);
    move_data();
}

int main(void)
{
    static const char *const names[PHASES] = {"set up", "data", "configuration", "data again"};
    vector = tl_irq_vector(on_receive, NULL);
    tl_sti();
    run(SET_UP, set_up);
    run(DATA, first_data);
    run(CONFIGURE, configure);
    run(DATA_AGAIN, move_data);
    tl_mark(END + 1, 0);
    tl_printf("                 sent  received  kicks  registers  ports  local APIC  interrupts\n");
    for (unsigned i = 0; i < PHASES; i++)
        tl_printf("%u %-13s  %4u  %8u  %5u  %9u  %5u  %10u  %10u\n", i + 1, names[i], c5_log[i].sent, c5_log[i].received,
                  c5_log[i].kicks, c5_log[i].memory_accesses - c5_log[i].apic_accesses - c5_log[i].kicks,
                  c5_log[i].port_accesses, c5_log[i].apic_accesses, c5_log[i].interrupts);
    return 0;
}
