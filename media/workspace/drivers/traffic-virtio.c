/*
 * A virtio network driver behind traffic.c: one pair of queues, MSI-X, merged receive buffers not wanted.
 *
 *   USE_EVENT_IDX   1: device and driver tell each other from where on they want to be notified; 0: by a flag alone
 *   USE_PACKED      1: packed rings; 0: split ones
 *   USE_INDIRECT    1: each frame through a table of descriptors of its own
 *   KICK_ALWAYS 1: the device is notified even though it says that it need not be
 */
#include "traffic-nic.h"
#include "trapline-virtio.h"

#ifndef USE_EVENT_IDX
#define USE_EVENT_IDX 1
#endif
#ifndef USE_PACKED
#define USE_PACKED 0
#endif
#ifndef USE_INDIRECT
#define USE_INDIRECT 0
#endif
#ifndef KICK_ALWAYS
#define KICK_ALWAYS 0
#endif
#ifndef QUEUE
#define QUEUE 256 /* descriptors of a queue */
#endif

#define NET_MAC (1ull << 5) /* VIRTIO_NET_F_MAC: the device has an address */

enum { RECEIVE = 0, TRANSMIT = 1 };
enum { BUFFERS = QUEUE / 2, BUFFER_BYTES = 2048 };

/* Before each frame (5.1.6). No checksum and no segmentation is left to the device: all zero. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, checksum_start, checksum_offset, buffers;
};

/* A frame with its header. Of those to send, the ones that are free are in a list. */
struct buffer {
    struct net_header header;
    uint8_t frame[BUFFER_BYTES - sizeof(struct net_header) - sizeof(void *)];
    struct buffer *next;
};

struct nic_log nic_log;

static struct tl_virtio device;
static struct tl_virtq receive, transmit;
static struct buffer *free_list;
static void (*wake)(void);

/* MSI-X: there is nothing to ask the device and nothing to acknowledge. */
static void on_receive(void *argument)
{
    (void)argument;
    nic_log.interrupts++;
    wake();
}

static void offer(struct buffer *buffer)
{
    const struct tl_virtq_part whole = {buffer, sizeof(buffer->header) + FRAME_MAX};
    tl_check(tl_virtq_add(&receive, &whole, 0, 1, buffer), "no room for a receive buffer");
}

/* Shows the device the buffers that were offered, and tells it if it waits for them. */
static void refill(void)
{
    tl_virtq_publish(&receive);
    if (tl_virtq_kick_needed(&receive)) {
        nic_log.refills++;
        tl_virtq_kick(&receive);
    } else {
        nic_log.refills_kept++;
    }
}

void nic_start(uint8_t mac[6], void (*woken)(void))
{
    wake = woken;
    tl_check(tl_virtio_find(TL_VIRTIO_NET, 0, &device), "no virtio network device on the PCI bus");
    tl_virtio_accept(&device, TL_VIRTIO_VERSION_1 | NET_MAC | (USE_EVENT_IDX ? TL_VIRTIO_EVENT_IDX : 0) |
                                  (USE_PACKED ? TL_VIRTIO_PACKED : 0) | (USE_INDIRECT ? TL_VIRTIO_INDIRECT : 0));
    tl_check(!USE_PACKED || device.features & TL_VIRTIO_PACKED, "the device has no packed rings");
    for (unsigned i = 0; i < 6; i++)
        mac[i] = tl_virtio_config8(&device, i);

    tl_check(tl_pci_msix(&device.pci, RECEIVE, tl_irq_vector(on_receive, NULL)), "the device has no MSI-X");
    tl_virtq_init(&receive, &device, RECEIVE, QUEUE, RECEIVE);
    tl_virtq_init(&transmit, &device, TRANSMIT, QUEUE, TL_VIRTIO_NO_VECTOR);
    tl_virtq_interrupts(&transmit, false); /* what was sent is taken back when there is something else to do */

    struct buffer *buffers = tl_alloc(2 * BUFFERS * sizeof(*buffers), 4096);
    for (unsigned i = 0; i < BUFFERS; i++)
        offer(&buffers[i]);
    for (unsigned i = BUFFERS; i < 2 * BUFFERS; i++) {
        buffers[i].next = free_list;
        free_list = &buffers[i];
    }
    tl_virtio_go(&device);
    refill();
}

bool nic_send(const void *frame, unsigned length)
{
    struct buffer *buffer = free_list;
    if (!buffer)
        return false;
    memcpy(buffer->frame, frame, length);
    const struct tl_virtq_part parts[] = {{&buffer->header, sizeof(buffer->header)}, {buffer->frame, length}};
    const bool added = USE_INDIRECT ? tl_virtq_add_indirect(&transmit, parts, 2, 0, buffer)
                                : tl_virtq_add(&transmit, parts, 2, 0, buffer);
    if (added)
        free_list = buffer->next;
    return added;
}

void nic_kick(void)
{
    tl_virtq_publish(&transmit);
    if (tl_virtq_kick_needed(&transmit) || KICK_ALWAYS) {
        nic_log.kicks++;
        tl_virtq_kick(&transmit);
    } else {
        nic_log.kicks_kept++;
    }
}

bool nic_has_frames(void)
{
    return tl_virtq_has_used(&receive);
}

unsigned nic_poll(void (*received)(const uint8_t *frame, unsigned length))
{
    uint32_t written;
    struct buffer *buffer;
    while ((buffer = tl_virtq_used(&transmit, &written))) {
        buffer->next = free_list;
        free_list = buffer;
    }
    unsigned frames = 0;
    for (; (buffer = tl_virtq_used(&receive, &written)); frames++) {
        received(buffer->frame, written - (uint32_t)sizeof(buffer->header));
        offer(buffer);
    }
    if (frames)
        refill();
    return frames;
}

void nic_interrupts(bool wanted)
{
    tl_virtq_interrupts(&receive, wanted);
}
