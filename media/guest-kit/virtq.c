/* The rings of a virtqueue, split (Virtual I/O Device specification 1.3, 2.7) and packed (2.8), as a driver works on them. */
#include "trapline-virtio.h"

/* A descriptor: of a split ring, with the index of the next one; of a packed one, with the buffer's id. */
struct split_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};
struct packed_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t id, flags;
};
enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAILABLE = 1 << 7, USED = 1 << 15 };

struct split_available {
    uint16_t flags, index, ring[]; /* then the device is told from which used entry on it shall interrupt */
};
struct split_used {
    uint16_t flags, index;
    struct {
        uint32_t id, written;
    } ring[]; /* then the driver is told from which available entry on it shall kick */
};
enum { NO_INTERRUPT = 1, NO_NOTIFY = 1 };

/* Event suppression of a packed ring (2.8.10). */
struct packed_event {
    uint16_t at, flags;
};
enum { EVENTS_ON = 0, EVENTS_OFF = 1, EVENTS_AT = 2, EVENT_WRAP = 1 << 15 };

/* Loads and stores of x86 keep their order but for a load after a store to another place: there a full barrier is needed. */
#define COMPILER_BARRIER() __asm__ volatile("" : : : "memory")
#define FULL_BARRIER() __asm__ volatile("mfence" : : : "memory")

static volatile uint16_t *used_event(const struct tl_virtq *queue)
{
    return &((volatile struct split_available *)queue->driver)->ring[queue->size];
}

static volatile uint16_t *available_event(const struct tl_virtq *queue)
{
    return (volatile uint16_t *)&((volatile struct split_used *)queue->device)->ring[queue->size];
}

/* Whether going from `old` to `now` has passed `event` (2.7.10.1, vring_need_event). */
static bool passed(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* ---- Adding ----------------------------------------------------------------------------------------------------------------- */

static void put_split(struct tl_virtq *queue, uint16_t at, const struct tl_virtq_part *part, unsigned flags)
{
    volatile struct split_descriptor *descriptor = (volatile struct split_descriptor *)queue->descriptors + at;
    descriptor->address = tl_physical(part->data);
    descriptor->length = part->length;
    descriptor->flags = (uint16_t)flags;
    descriptor->next = queue->next[at];
}

/* The flags of the first descriptor of a batch make all of it available: they are kept back until it is published. */
static void put_packed(struct tl_virtq *queue, uint16_t id, const struct tl_virtq_part *part, unsigned flags)
{
    const uint16_t at = queue->next_available;
    volatile struct packed_descriptor *descriptor = (volatile struct packed_descriptor *)queue->descriptors + at;
    flags |= queue->available_wrap ? AVAILABLE : USED; /* 2.8.1: the other one is the inverse */
    descriptor->address = tl_physical(part->data);
    descriptor->length = part->length;
    descriptor->id = id;
    if (queue->pending_parts++ == 0) {
        queue->pending_at = at;
        queue->pending_flags = (uint16_t)flags;
    } else {
        descriptor->flags = (uint16_t)flags;
    }
    if (++queue->next_available == queue->size) {
        queue->next_available = 0;
        queue->available_wrap = !queue->available_wrap;
    }
}

/* Puts descriptors into the ring, with `extra` flags; the buffer's id, or the first of its descriptors, is kept with the token. */
static bool add(struct tl_virtq *queue, const struct tl_virtq_part *parts, unsigned count, unsigned readable, unsigned extra,
                void *token)
{
    tl_check(count > 0 && token != NULL, "a buffer needs a part and a token");
    if (count > queue->free_count)
        return false;
    const uint16_t id = queue->free_head;
    uint16_t at = id;
    for (unsigned i = 0; i < count; i++) {
        const unsigned flags = extra | (i + 1 < count ? NEXT : 0) | (i >= readable ? WRITE : 0);
        if (queue->packed) {
            put_packed(queue, id, &parts[i], flags);
        } else {
            put_split(queue, at, &parts[i], flags);
            at = queue->next[at];
        }
    }
    queue->tokens[id] = token;
    queue->parts[id] = (uint16_t)count;
    queue->free_count = (uint16_t)(queue->free_count - count);
    if (queue->packed) {
        queue->free_head = queue->next[id]; /* a buffer has one id, however many descriptors it takes */
    } else {
        queue->free_head = at;
        ((volatile struct split_available *)queue->driver)->ring[queue->next_available++ & (queue->size - 1)] = id;
    }
    return true;
}

bool tl_virtq_add(struct tl_virtq *queue, const struct tl_virtq_part *parts, unsigned readable, unsigned writable, void *token)
{
    return add(queue, parts, readable + writable, readable, 0, token);
}

bool tl_virtq_add_indirect(struct tl_virtq *queue, const struct tl_virtq_part *parts, unsigned readable, unsigned writable,
                           void *token)
{
    if (queue->free_count == 0)
        return false;
    const unsigned count = readable + writable;
    tl_check(count <= TL_VIRTQ_TABLE, "a table of descriptors takes %u parts, not %u", (unsigned)TL_VIRTQ_TABLE, count);
    if (!queue->tables)
        queue->tables = tl_alloc(queue->size * TL_VIRTQ_TABLE * sizeof(struct split_descriptor), 16);
    struct split_descriptor *table = (struct split_descriptor *)queue->tables + queue->free_head * TL_VIRTQ_TABLE;
    for (unsigned i = 0; i < count; i++) {
        const unsigned flags = i >= readable ? WRITE : 0;
        table[i].address = tl_physical(parts[i].data);
        table[i].length = parts[i].length;
        if (queue->packed) { /* the order of the table is that of the buffer, and the id is the ring's (2.8.7) */
            ((struct packed_descriptor *)table)[i].id = 0;
            ((struct packed_descriptor *)table)[i].flags = (uint16_t)flags;
        } else {
            table[i].flags = (uint16_t)(flags | (i + 1 < count ? NEXT : 0));
            table[i].next = (uint16_t)(i + 1);
        }
    }
    const struct tl_virtq_part whole = {table, count * (uint32_t)sizeof(*table)};
    return add(queue, &whole, 1, 1, INDIRECT, token);
}

/* ---- Notifications of the device --------------------------------------------------------------------------------------------- */

void tl_virtq_publish(struct tl_virtq *queue)
{
    COMPILER_BARRIER(); /* descriptors first */
    if (!queue->packed) {
        ((volatile struct split_available *)queue->driver)->index = queue->next_available;
        return;
    }
    if (queue->pending_parts == 0)
        return;
    ((volatile struct packed_descriptor *)queue->descriptors)[queue->pending_at].flags = queue->pending_flags;
    queue->published = (uint16_t)(queue->published + queue->pending_parts);
    queue->pending_parts = 0;
}

static bool split_kick_needed(struct tl_virtq *queue)
{
    const uint16_t old = queue->published;
    queue->published = queue->next_available;
    if (old == queue->published)
        return false;
    if (queue->event_idx)
        return passed(*available_event(queue), queue->published, old);
    return !(((volatile struct split_used *)queue->device)->flags & NO_NOTIFY);
}

static bool packed_kick_needed(struct tl_virtq *queue)
{
    const uint16_t added = queue->published;
    queue->published = 0;
    if (added == 0)
        return false;
    const volatile struct packed_event *event = queue->device;
    const uint16_t flags = event->flags;
    if (flags != EVENTS_AT)
        return flags == EVENTS_ON;
    /* Positions as if the ring did not wrap: those of the round before are below 0. */
    const uint16_t at = event->at;
    const bool same_round = !!(at & EVENT_WRAP) == queue->available_wrap;
    const uint16_t position = (uint16_t)((at & ~EVENT_WRAP) - (same_round ? 0 : queue->size));
    return passed(position, queue->next_available, (uint16_t)(queue->next_available - added));
}

bool tl_virtq_kick_needed(struct tl_virtq *queue)
{
    FULL_BARRIER(); /* the device may go to sleep at this moment: either it sees the buffers, or we see that it wants a kick */
    return queue->packed ? packed_kick_needed(queue) : split_kick_needed(queue);
}

/* ---- Used buffers --------------------------------------------------------------------------------------------------------------- */

/* Gives the descriptors of a buffer back. */
static void *release(struct tl_virtq *queue, uint16_t id)
{
    tl_check(id < queue->size && queue->tokens[id] != NULL, "queue %u: buffer %u came back that was not given", queue->index, id);
    void *token = queue->tokens[id];
    queue->tokens[id] = NULL;
    uint16_t last = id;
    if (!queue->packed) {
        for (unsigned i = 1; i < queue->parts[id]; i++)
            last = queue->next[last];
    }
    queue->next[last] = queue->free_head;
    queue->free_head = id;
    queue->free_count = (uint16_t)(queue->free_count + queue->parts[id]);
    return token;
}

bool tl_virtq_has_used(const struct tl_virtq *queue)
{
    if (!queue->packed)
        return queue->next_used != ((const volatile struct split_used *)queue->device)->index;
    const volatile struct packed_descriptor *descriptors = queue->descriptors;
    const uint16_t flags = descriptors[queue->next_used].flags;
    return !!(flags & AVAILABLE) == queue->used_wrap && !!(flags & USED) == queue->used_wrap; /* 2.8.1 */
}

static void *split_used(struct tl_virtq *queue, uint32_t *written)
{
    const volatile struct split_used *used = queue->device;
    const unsigned at = queue->next_used++ & (queue->size - 1);
    *written = used->ring[at].written;
    return release(queue, (uint16_t)used->ring[at].id);
}

static void *packed_used(struct tl_virtq *queue, uint32_t *written)
{
    const volatile struct packed_descriptor *descriptor =
        (volatile struct packed_descriptor *)queue->descriptors + queue->next_used;
    const uint16_t id = descriptor->id;
    *written = descriptor->length;
    void *token = release(queue, id);
    queue->next_used = (uint16_t)(queue->next_used + queue->parts[id]);
    if (queue->next_used >= queue->size) {
        queue->next_used = (uint16_t)(queue->next_used - queue->size);
        queue->used_wrap = !queue->used_wrap;
    }
    return token;
}

void *tl_virtq_used(struct tl_virtq *queue, uint32_t *written)
{
    if (!tl_virtq_has_used(queue))
        return NULL;
    COMPILER_BARRIER(); /* the entry after what says that it is there */
    void *token = queue->packed ? packed_used(queue, written) : split_used(queue, written);
    /* With EVENT_IDX the device is told which one shall interrupt next: while interrupts are on, the one that follows. */
    if (queue->event_idx && queue->interrupts)
        tl_virtq_interrupts(queue, true);
    return token;
}

void tl_virtq_interrupts(struct tl_virtq *queue, bool wanted)
{
    queue->interrupts = wanted;
    if (queue->packed) {
        volatile struct packed_event *event = queue->driver;
        event->at = (uint16_t)(queue->next_used | (queue->used_wrap ? EVENT_WRAP : 0));
        COMPILER_BARRIER();
        event->flags = wanted ? (queue->event_idx ? EVENTS_AT : EVENTS_ON) : EVENTS_OFF;
    } else if (queue->event_idx) {
        *used_event(queue) = wanted ? queue->next_used : (uint16_t)(queue->next_used - 1); /* one that has passed */
    } else {
        ((volatile struct split_available *)queue->driver)->flags = wanted ? 0 : NO_INTERRUPT;
    }
    FULL_BARRIER(); /* before the used ring is looked at again */
}
