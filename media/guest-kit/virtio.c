/* Virtio devices: finding them, their registers, features and status (Virtual I/O Device specification 1.3, 3.1, 4.1 and 4.2). */
#include "trapline-virtio.h"

enum { VENDOR = 0x1af4, MODERN = 0x1040, CAPABILITY_VENDOR = 9 };
/* The vendor-specific capability (4.1.4). */
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_MULTIPLIER = 16 };
enum { TYPE_COMMON = 1, TYPE_NOTIFY = 2, TYPE_ISR = 3, TYPE_DEVICE = 4 };

/* Registers of the common configuration (4.1.4.3) and, behind them, of a device in memory (4.2.2), by what they are for. */
enum field {
    DEVICE_FEATURES_SELECT, DEVICE_FEATURES, DRIVER_FEATURES_SELECT, DRIVER_FEATURES, STATUS, QUEUE_SELECT, QUEUE_SIZE_MAX,
    QUEUE_SIZE, QUEUE_DESCRIPTORS, QUEUE_DRIVER, QUEUE_DEVICE, QUEUE_ENABLE,
};

static const uint8_t pci_offset[] = {0x00, 0x04, 0x08, 0x0c, 0x14, 0x16, 0x18, 0x18, 0x20, 0x28, 0x30, 0x1c};
static const uint16_t mmio_offset[] = {0x14, 0x10, 0x24, 0x20, 0x70, 0x30, 0x34, 0x38, 0x80, 0x90, 0xa0, 0x44};
enum { PCI_QUEUE_VECTOR = 0x1a, PCI_NOTIFY_OFFSET = 0x1e };
enum { MMIO_MAGIC = 0x00, MMIO_VERSION = 0x04, MMIO_TYPE = 0x08, MMIO_NOTIFY = 0x50, MMIO_INTERRUPT_STATUS = 0x60,
       MMIO_INTERRUPT_ACKNOWLEDGE = 0x64, MMIO_CONFIG = 0x100 };
#define MAGIC 0x74726976u /* "virt" */

/* On PCI the fields have widths of their own (4.1.3.1); in memory all are 32 bits wide. */
static uint32_t get(const struct tl_virtio *device, enum field field)
{
    if (!device->is_pci)
        return tl_read32(device->common + mmio_offset[field]);
    const uint64_t at = device->common + pci_offset[field];
    switch (field) {
    case STATUS:
        return tl_read8(at);
    case DEVICE_FEATURES:
        return tl_read32(at);
    default:
        return tl_read16(at);
    }
}

static void set(const struct tl_virtio *device, enum field field, uint32_t value)
{
    if (!device->is_pci) {
        tl_write32(device->common + mmio_offset[field], value);
        return;
    }
    const uint64_t at = device->common + pci_offset[field];
    switch (field) {
    case STATUS:
        tl_write8(at, (uint8_t)value);
        break;
    case QUEUE_SELECT:
    case QUEUE_SIZE:
    case QUEUE_ENABLE:
        tl_write16(at, (uint16_t)value);
        break;
    default:
        tl_write32(at, value);
    }
}

/* A 64-bit field, written by halves (4.1.3.1, 4.2.2). */
static void set_address(const struct tl_virtio *device, enum field field, const volatile void *area)
{
    const uint64_t at = device->common + (device->is_pci ? pci_offset[field] : mmio_offset[field]);
    tl_write32(at, (uint32_t)tl_physical(area));
    tl_write32(at + 4, (uint32_t)(tl_physical(area) >> 32));
}

/* Where the structure of a capability is. */
static uint64_t structure(const struct tl_pci *pci, unsigned capability)
{
    return tl_pci_bar(pci, tl_pci_read8(pci, capability + CAP_BAR)) + tl_pci_read32(pci, capability + CAP_OFFSET);
}

bool tl_virtio_find(unsigned type, unsigned index, struct tl_virtio *device)
{
    memset(device, 0, sizeof(*device));
    struct tl_pci *pci = &device->pci;
    if (!tl_pci_find(VENDOR, (uint16_t)(MODERN + type), index, pci))
        return false;
    device->is_pci = true;
    tl_pci_enable(pci);
    for (unsigned at = tl_pci_capability(pci, CAPABILITY_VENDOR); at;
         at = tl_pci_next_capability(pci, at, CAPABILITY_VENDOR)) {
        switch (tl_pci_read8(pci, at + CAP_TYPE)) {
        case TYPE_COMMON:
            device->common = structure(pci, at);
            break;
        case TYPE_NOTIFY:
            device->notify = structure(pci, at);
            device->notify_multiplier = tl_pci_read32(pci, at + CAP_MULTIPLIER);
            break;
        case TYPE_ISR:
            device->isr = structure(pci, at);
            break;
        case TYPE_DEVICE:
            device->device = structure(pci, at);
            break;
        }
    }
    return device->common && device->notify && device->isr;
}

bool tl_virtio_at(uint64_t address, unsigned type, struct tl_virtio *device)
{
    memset(device, 0, sizeof(*device));
    if (tl_read32(address + MMIO_MAGIC) != MAGIC || tl_read32(address + MMIO_VERSION) != 2 ||
        tl_read32(address + MMIO_TYPE) != type)
        return false;
    device->common = address;
    device->notify = address + MMIO_NOTIFY;
    device->device = address + MMIO_CONFIG;
    return true;
}

uint64_t tl_virtio_offered(struct tl_virtio *device)
{
    set(device, STATUS, 0);
    while (get(device, STATUS)) /* 4.1.4.3.2: the reset is done when it reads as 0 */
        tl_pause();
    set(device, STATUS, TL_VIRTIO_ACKNOWLEDGE);
    set(device, STATUS, TL_VIRTIO_ACKNOWLEDGE | TL_VIRTIO_DRIVER);
    set(device, DEVICE_FEATURES_SELECT, 0);
    const uint32_t low = get(device, DEVICE_FEATURES);
    set(device, DEVICE_FEATURES_SELECT, 1);
    return (uint64_t)get(device, DEVICE_FEATURES) << 32 | low;
}

uint64_t tl_virtio_accept(struct tl_virtio *device, uint64_t wanted)
{
    device->features = tl_virtio_offered(device) & wanted;
    set(device, DRIVER_FEATURES_SELECT, 0);
    set(device, DRIVER_FEATURES, (uint32_t)device->features);
    set(device, DRIVER_FEATURES_SELECT, 1);
    set(device, DRIVER_FEATURES, (uint32_t)(device->features >> 32));
    const uint8_t status = TL_VIRTIO_ACKNOWLEDGE | TL_VIRTIO_DRIVER | TL_VIRTIO_FEATURES_OK;
    set(device, STATUS, status);
    tl_check(get(device, STATUS) & TL_VIRTIO_FEATURES_OK, "the device refuses the features 0x%lx", device->features);
    return device->features;
}

void tl_virtio_go(struct tl_virtio *device)
{
    set(device, STATUS, get(device, STATUS) | TL_VIRTIO_DRIVER_OK);
}

uint8_t tl_virtio_status(const struct tl_virtio *device)
{
    return (uint8_t)get(device, STATUS);
}

uint32_t tl_virtio_interrupt_status(const struct tl_virtio *device)
{
    if (device->is_pci)
        return tl_read8(device->isr); /* reading acknowledges */
    const uint32_t status = tl_read32(device->common + MMIO_INTERRUPT_STATUS);
    tl_write32(device->common + MMIO_INTERRUPT_ACKNOWLEDGE, status);
    return status;
}

uint8_t tl_virtio_config8(const struct tl_virtio *device, unsigned offset)
{
    return tl_read8(device->device + offset);
}

/* ---- Queues: what is the transport's of them ------------------------------------------------------------------------------ */

/* How much the parts of a queue take, and how they are to lie (2.7, 2.8). */
enum { DESCRIPTOR = 16, SPLIT_USED_ENTRY = 8, SPLIT_RING_EXTRA = 6, PACKED_EVENT = 4 };

static void allocate(struct tl_virtq *queue)
{
    const size_t size = queue->size;
    queue->descriptors = tl_alloc(DESCRIPTOR * size, 16);
    queue->driver = tl_alloc(queue->packed ? PACKED_EVENT : SPLIT_RING_EXTRA + 2 * size, 4);
    queue->device = tl_alloc(queue->packed ? PACKED_EVENT : SPLIT_RING_EXTRA + SPLIT_USED_ENTRY * size, 4);
    queue->next = tl_alloc(2 * size, 8);
    queue->parts = tl_alloc(2 * size, 8);
    queue->tokens = tl_alloc(sizeof(void *) * size, 8);
    for (unsigned i = 0; i < size; i++)
        queue->next[i] = (uint16_t)(i + 1);
}

void tl_virtq_init(struct tl_virtq *queue, struct tl_virtio *device, unsigned index, unsigned size, unsigned msix_entry)
{
    memset(queue, 0, sizeof(*queue));
    set(device, QUEUE_SELECT, index);
    const unsigned most = get(device, QUEUE_SIZE_MAX);
    tl_check(most != 0, "the device has no queue %u", index);
    queue->index = (uint16_t)index;
    queue->size = (uint16_t)(size < most ? size : most);
    queue->free_count = queue->size;
    queue->packed = device->features & TL_VIRTIO_PACKED;
    queue->event_idx = device->features & TL_VIRTIO_EVENT_IDX;
    queue->available_wrap = queue->used_wrap = true; /* 2.8.1 */
    allocate(queue);

    set(device, QUEUE_SIZE, queue->size);
    set_address(device, QUEUE_DESCRIPTORS, queue->descriptors);
    set_address(device, QUEUE_DRIVER, queue->driver);
    set_address(device, QUEUE_DEVICE, queue->device);
    queue->notify_address = device->notify;
    queue->notify_is_wide = !device->is_pci;
    if (device->is_pci) {
        const uint64_t vector = device->common + PCI_QUEUE_VECTOR;
        tl_write16(vector, (uint16_t)msix_entry);
        tl_check(tl_read16(vector) == msix_entry, "queue %u: the device refuses MSI-X entry %u", index, msix_entry);
        queue->notify_address += (uint64_t)tl_read16(device->common + PCI_NOTIFY_OFFSET) * device->notify_multiplier;
    }
    set(device, QUEUE_ENABLE, 1);
}
