/*
 * What a virtqueue is made of, in memory (Virtual I/O Device specification 1.3, 2.7 and 2.8).
 *
 *   PACKED 0   a split queue: three areas. The descriptor table is the driver's: address, length, flags, the index of the next
 *              part. The available ring has the index of the first descriptor of each buffer; the used ring gives that index
 *              back, with the bytes that were written. Each ring has an index that counts for ever
 *   PACKED 1   a packed queue: one ring of descriptors, which both sides write. A buffer's parts follow each other; the device
 *              writes what is used over the first of them. Two flags, AVAIL and USED, say whose a descriptor is: what they
 *              mean is turned round with every round of the ring (the wrap counter)
 *
 * The same buffers go through either: of one part, of PARTS parts (a chain), of PARTS parts in a table of descriptors beside the
 * ring (indirect), and then so many that the ring has been gone round more than once. One at a time, so that each one's way can be
 * seen: which bytes of which area the device reads and writes is in its DMA lane. The device is the entropy device: it fills them.
 */
#include "trapline-virtio.h"

#ifndef PACKED
#define PACKED 0
#endif
#ifndef BUFFERS
#define BUFFERS 6 /* of each phase but the last */
#endif

enum { ENTRIES = 8, PARTS = 3, BYTES = 16, ROUNDS = 2, MOST = 3 * BUFFERS + ROUNDS * ENTRIES + 2 };
enum phase { SINGLE, CHAIN, INDIRECT, ROUND, PHASES };
static const char *const names[PHASES] = {"one part", "a chain", "indirect", "round the ring"};
/* Marks: a phase begins, its number is the value; it ends, the value is how many buffers it had. */
enum { BEGINS = 1, ENDS = 2 };

/* Where the areas are, and where in the ring or the table each buffer began; read by whoever checks the trace. */
struct {
    uint32_t entries, buffers, kicks, written;
    struct {
        uint32_t address, bytes;
    } descriptors, driver, device, tables;
    struct {
        uint32_t phase, begin, slots, address; /* the last: of its data */
    } of[MOST];
} c2_log;

static struct tl_virtio device;
static struct tl_virtq queue;
static uint8_t memory[PARTS][BYTES];

/* ---- What is there -------------------------------------------------------------------------------------------------------- */

enum { NEXT = 1, WRITE = 2, INDIRECT_FLAG = 4, AVAIL = 1 << 7, USED = 1 << 15 };
struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t third, fourth; /* split: flags, next; packed: id, flags */
};

static void show_descriptor(unsigned at, const volatile struct descriptor *descriptor)
{
    const uint16_t flags = PACKED ? descriptor->fourth : descriptor->third;
    const uint16_t link = PACKED ? descriptor->third : descriptor->fourth;
    tl_printf("    [%u] 0x%06lx %4u bytes  %s%s%s", at, descriptor->address, descriptor->length, flags & NEXT ? "NEXT " : "",
              flags & WRITE ? "WRITE " : "", flags & INDIRECT_FLAG ? "INDIRECT " : "");
    if (PACKED)
        tl_printf("AVAIL %u USED %u id %u\n", !!(flags & AVAIL), !!(flags & USED), link);
    else
        tl_printf("next %u\n", link);
}

static void show(const char *when)
{
    const volatile struct descriptor *table = queue.descriptors;
    tl_printf("  %s\n", when);
    for (unsigned i = 0; i < queue.size; i++)
        show_descriptor(i, &table[i]);
    if (PACKED)
        return;
    const volatile uint16_t *available = queue.driver, *used = queue.device;
    tl_printf("    available: index %u, ring", available[1]);
    for (unsigned i = 0; i < queue.size; i++)
        tl_printf(" %u", available[2 + i]);
    tl_printf("\n    used: index %u, ring", used[1]);
    for (unsigned i = 0; i < queue.size; i++)
        tl_printf(" %u/%u", used[2 + 4 * i], used[4 + 4 * i]);
    tl_printf("\n");
}

/* ---- A buffer there and back ---------------------------------------------------------------------------------------------- */

static void add(enum phase phase)
{
    const unsigned parts = phase == CHAIN || phase == INDIRECT ? PARTS : 1;
    struct tl_virtq_part part[PARTS];
    for (unsigned i = 0; i < parts; i++)
        part[i] = (struct tl_virtq_part){memory[i], BYTES};
    const uint16_t position = queue.next_available;
    const bool added = phase == INDIRECT ? tl_virtq_add_indirect(&queue, part, 0, parts, memory)
                                         : tl_virtq_add(&queue, part, 0, parts, memory);
    tl_check(added, "the queue is full");
    const unsigned n = c2_log.buffers++;
    c2_log.of[n].phase = phase;
    c2_log.of[n].begin = PACKED ? position : ((volatile uint16_t *)queue.driver)[2 + position % ENTRIES];
    c2_log.of[n].slots = phase == CHAIN ? PARTS : 1;
    c2_log.of[n].address = (uint32_t)tl_physical(memory);
}

static void kick(void)
{
    if (!tl_virtq_kick_needed(&queue))
        return;
    c2_log.kicks++;
    tl_virtq_kick(&queue);
}

static void take(void)
{
    uint32_t written;
    while (!tl_virtq_used(&queue, &written))
        tl_pause();
    c2_log.written += written;
}

/* The device says in memory that it wants to be notified again (2.7.10, 2.8.14): it has found nothing more and sleeps. */
static void wait_for_sleep(void)
{
    const volatile uint16_t *flags = (volatile uint16_t *)queue.device + PACKED;
    while (*flags)
        tl_pause();
}

static void run(enum phase phase)
{
    const unsigned buffers = phase == ROUND ? ROUNDS * ENTRIES : BUFFERS;
    tl_mark(BEGINS, phase);
    for (unsigned i = 0; i < buffers; i++) {
        add(phase);
        tl_virtq_publish(&queue);
        kick();
        take();
        wait_for_sleep();
    }
    tl_mark(ENDS, buffers);
    tl_printf("%-14s  %u buffers\n", names[phase], buffers);
}

/* Two more together, looked at before the device knows of them and after. */
static void look(void)
{
    tl_printf("a chain and an indirect buffer, in memory\n");
    add(CHAIN);
    add(INDIRECT);
    tl_virtq_publish(&queue);
    show("available:");
    kick();
    take();
    take();
    show("used:");
}

int main(void)
{
    tl_check(tl_virtio_find(TL_VIRTIO_ENTROPY, 0, &device), "no entropy device");
    const uint64_t features = TL_VIRTIO_VERSION_1 | TL_VIRTIO_INDIRECT | (PACKED ? TL_VIRTIO_PACKED : 0);
    tl_check(tl_virtio_accept(&device, features) == features, "the device lacks some of the features 0x%lx", features);
    tl_virtq_init(&queue, &device, 0, ENTRIES, TL_VIRTIO_NO_VECTOR);
    tl_virtq_interrupts(&queue, false);
    tl_virtio_go(&device);

    c2_log.entries = queue.size;
    c2_log.descriptors.address = (uint32_t)tl_physical(queue.descriptors);
    c2_log.descriptors.bytes = ENTRIES * sizeof(struct descriptor);
    c2_log.driver.address = (uint32_t)tl_physical(queue.driver);
    c2_log.driver.bytes = PACKED ? 4 : 6 + 2 * ENTRIES;
    c2_log.device.address = (uint32_t)tl_physical(queue.device);
    c2_log.device.bytes = PACKED ? 4 : 6 + 8 * ENTRIES;

    for (unsigned phase = SINGLE; phase < PHASES; phase++)
        run((enum phase)phase);
    look();
    c2_log.tables.address = (uint32_t)tl_physical(queue.tables);
    c2_log.tables.bytes = ENTRIES * TL_VIRTQ_TABLE * sizeof(struct descriptor);
    tl_printf("%u buffers, %u bytes, %u kicks\n", c2_log.buffers, c2_log.written, c2_log.kicks);
    return 0;
}
