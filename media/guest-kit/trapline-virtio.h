/*
 * trapline-virtio.h - a driver's side of virtio (Virtual I/O Device specification 1.3), as small as it goes: finding a device
 * on PCI or at a place in memory, its registers, features and status, and one virtqueue, split or packed.
 *
 *     struct tl_virtio device;
 *     tl_check(tl_virtio_find(TL_VIRTIO_NET, 0, &device), "no network device");
 *     tl_virtio_accept(&device, TL_VIRTIO_VERSION_1 | TL_VIRTIO_NET_MAC);    reset, features, FEATURES_OK
 *     tl_virtq_init(&transmit, &device, 1, 256, TL_VIRTIO_NO_VECTOR);        rings, and where they are
 *     tl_virtio_go(&device);                                                 DRIVER_OK
 *     tl_virtq_add(&transmit, &buffer, 1, 0, token);                         any number of buffers ...
 *     tl_virtq_publish(&transmit);                                           ... shown to the device at once ...
 *     if (tl_virtq_kick_needed(&transmit))
 *         tl_virtq_kick(&transmit);                                          ... with one notification
 */
#ifndef TRAPLINE_VIRTIO_H
#define TRAPLINE_VIRTIO_H

#include "trapline.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Device IDs (section 5). */
enum { TL_VIRTIO_NET = 1, TL_VIRTIO_BLOCK = 2, TL_VIRTIO_CONSOLE = 3, TL_VIRTIO_ENTROPY = 4 };

/* Feature bits of transport and rings (section 6). */
#define TL_VIRTIO_INDIRECT (1ull << 28)
#define TL_VIRTIO_EVENT_IDX (1ull << 29)
#define TL_VIRTIO_VERSION_1 (1ull << 32)
#define TL_VIRTIO_PACKED (1ull << 34)
#define TL_VIRTIO_IN_ORDER (1ull << 35)

/* Bits of the device status (2.1). */
enum {
    TL_VIRTIO_ACKNOWLEDGE = 1, TL_VIRTIO_DRIVER = 2, TL_VIRTIO_DRIVER_OK = 4, TL_VIRTIO_FEATURES_OK = 8,
    TL_VIRTIO_NEEDS_RESET = 64, TL_VIRTIO_FAILED = 128,
};

/* No MSI-X vector: the queue interrupts by INTx, or not at all. */
#define TL_VIRTIO_NO_VECTOR 0xffff

/* A device. */
struct tl_virtio {
    struct tl_pci pci; /* of one on PCI */
    bool is_pci;
    uint64_t common;   /* common configuration; of a device in memory: its first register */
    uint64_t notify;   /* of queue 0 */
    uint32_t notify_multiplier;
    uint64_t isr;
    uint64_t device;   /* device-specific configuration */
    uint64_t features; /* negotiated */
};

/* Looks for the `index`-th modern device of a type on the PCI bus, and switches it on; false when there is none. */
bool tl_virtio_find(unsigned type, unsigned index, struct tl_virtio *device);
/* The device of this type whose registers are in memory at `address` (4.2); false when there is none. */
bool tl_virtio_at(uint64_t address, unsigned type, struct tl_virtio *device);

/* Resets the device and returns the features that it offers. */
uint64_t tl_virtio_offered(struct tl_virtio *device);
/* Resets the device and negotiates: those of `wanted` that it offers. Ends the guest when it refuses. Returns what is negotiated. */
uint64_t tl_virtio_accept(struct tl_virtio *device, uint64_t wanted);
/* DRIVER_OK: the device works from now on. */
void tl_virtio_go(struct tl_virtio *device);
uint8_t tl_virtio_status(const struct tl_virtio *device);
/* Reads and acknowledges what has interrupted, where that is not by MSI-X: bit 0 a queue, bit 1 the configuration. */
uint32_t tl_virtio_interrupt_status(const struct tl_virtio *device);
/* One byte of the device-specific configuration. Macros for whole fields: tl_read16(device.device + offset) and so on. */
uint8_t tl_virtio_config8(const struct tl_virtio *device, unsigned offset);

/* A part of a buffer. */
struct tl_virtq_part {
    const volatile void *data;
    uint32_t length;
};

/* A virtqueue. The driver's own; the rings that it shares with the device are behind the pointers. */
struct tl_virtq {
    uint16_t index, size;
    bool packed, event_idx;
    bool notify_is_wide; /* the register has 32 bits, not 16 */
    uint64_t notify_address;
    volatile void *descriptors, *driver, *device;
    uint16_t free_head, free_count; /* split: descriptors in a list; packed: buffer ids */
    uint16_t next_available;        /* split: counts for ever; packed: position in the ring */
    uint16_t next_used;
    bool available_wrap, used_wrap; /* packed (2.8.1) */
    bool interrupts;                /* wanted */
    uint16_t published;             /* split: index at the last look whether a kick is needed; packed: shown since then */
    uint16_t pending_at;            /* packed: first descriptor that has not been shown, its flags, and how many there are */
    uint16_t pending_flags, pending_parts;
    uint16_t *next;                 /* of the list */
    uint16_t *parts;                /* descriptors of a buffer, by its id */
    void **tokens;
    void *tables;                   /* of indirect descriptors, one for each buffer; made when the first one is used */
};
enum { TL_VIRTQ_TABLE = 8 };        /* descriptors of such a table */

/*
 * Sets queue `index` up with at most `size` descriptors (the device may have less), tells the device where it is, and which MSI-X
 * entry it shall use. Between tl_virtio_accept and tl_virtio_go.
 */
void tl_virtq_init(struct tl_virtq *queue, struct tl_virtio *device, unsigned index, unsigned size, unsigned msix_entry);

/*
 * Adds a buffer: first the parts that the device reads, then those that it writes. `token` is what tl_virtq_used gives back and
 * is not NULL. False: the queue is full. The device sees nothing of it before tl_virtq_publish.
 */
bool tl_virtq_add(struct tl_virtq *queue, const struct tl_virtq_part *parts, unsigned readable, unsigned writable, void *token);
/* The same through a table of descriptors of its own (2.7.5.3): one descriptor of the ring, whatever the number of parts, up to 8. */
bool tl_virtq_add_indirect(struct tl_virtq *queue, const struct tl_virtq_part *parts, unsigned readable, unsigned writable,
                           void *token);
/* Shows the device all buffers added since the last time. */
void tl_virtq_publish(struct tl_virtq *queue);
/* Whether the device wants to be told of what was published since the last call (2.7.10.1, 2.8.22). */
bool tl_virtq_kick_needed(struct tl_virtq *queue);
/* Tells it. A macro, so that the instruction that leaves the guest is on your line. In memory all registers have 32 bits (4.2.2). */
#define tl_virtq_kick(queue)                                                                                           \
    do {                                                                                                               \
        if ((queue)->notify_is_wide)                                                                                   \
            tl_write32((queue)->notify_address, (queue)->index);                                                       \
        else                                                                                                           \
            tl_write16((queue)->notify_address, (queue)->index);                                                       \
    } while (0)

/* Takes the next used buffer: its token and how much the device has written; NULL when there is none. */
void *tl_virtq_used(struct tl_virtq *queue, uint32_t *written);
/* Whether there is one. */
bool tl_virtq_has_used(const struct tl_virtq *queue);
/*
 * Whether the device interrupts for used buffers. To sleep: switch it on, and look once more for used buffers afterwards, for one
 * may have come before (2.7.8.2). It is a hint: an interrupt may come all the same.
 */
void tl_virtq_interrupts(struct tl_virtq *queue, bool wanted);

#ifdef __cplusplus
}
#endif

#endif
