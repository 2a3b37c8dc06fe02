/*
 * A driver for virtio disks: it finds the device, negotiates, writes REQUESTS stretches of sectors from memory in several parts,
 * flushes them, reads them back and compares every byte. Then it discards a stretch, has another one zeroed, asks the disk for its
 * name, and reads behind its end, which comes back with an error.
 *
 * A request is one buffer of the queue: a header that the device reads, then data, and last a byte that the device writes, the
 * status. Data that the device reads stand behind the header, data that it writes before the status; how they are divided into parts
 * is the driver's business alone. Requests do not wait for each other, and one notification may tell of many.
 *
 *   USE_PACKED    1: a packed ring; 0: a split one
 *   USE_INDIRECT  1: each request through a table of descriptors of its own
 *
 * Names and numbers: Virtual I/O Device specification 1.3, section 5.2.
 */
#include "trapline-virtio.h"

#ifndef REQUESTS
#define REQUESTS 8 /* under way at once */
#endif
#ifndef USE_PACKED
#define USE_PACKED 0
#endif
#ifndef USE_INDIRECT
#define USE_INDIRECT 0
#endif

#define SECTOR 512u /* what requests count in, whatever the disk's blocks are */
#define PAGE 4096u
#define PARTS 6u /* of a request's data: pages, the first from its midst */
#define FIRST_OFFSET 1024u
#define REQUEST_BYTES (PARTS * PAGE - PAGE) /* so that it ends within its last page */
#define REQUEST_SECTORS (REQUEST_BYTES / SECTOR)
#define QUEUE 256u
#define ID_BYTES 20u

/* Features (5.2.3). */
#define BLK_SEG_MAX (1ull << 2)
#define BLK_BLK_SIZE (1ull << 6)
#define BLK_FLUSH (1ull << 9)
#define BLK_DISCARD (1ull << 13)
#define BLK_WRITE_ZEROES (1ull << 14)

/* Offsets in the configuration (5.2.4). */
enum { CAPACITY = 0, SEG_MAX = 12, BLK_SIZE = 20, DISCARD_MAX = 36, ZEROES_MAX = 48 };

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, NOT_ENDED = 0xff };

/* Marks. */
enum { STARTED = 1, WRITES = 2, FLUSHES = 3, READS = 4, COMPARED = 5, CLEARED = 6, NAMED = 7, REFUSED = 8, END = 9 };

struct header {
    uint32_t type, reserved;
    uint64_t sector;
};

/* A range of DISCARD and WRITE_ZEROES. */
struct range {
    uint64_t sector;
    uint32_t sectors, flags;
};

/* A request. The queue does not know it by a number, but by where it is. */
struct request {
    struct header header;
    volatile uint8_t status;
    uint32_t written; /* by the device, in bytes: its data and the status */
};

/* What this driver did, in its own words; read by whoever checks the trace. */
struct {
    uint32_t requests; /* that have come back */
    uint32_t bytes_written, bytes_read;
    uint32_t kicks, kicks_kept, interrupts;
    uint32_t refused_status;
    uint32_t blocks, block_bytes;
    uint32_t vector;
    uint32_t capacity; /* sectors */
} c1_log;

static struct tl_virtio device;
static struct tl_virtq queue;
static volatile unsigned ended;

/* ---- Requests ------------------------------------------------------------------------------------------------------------------ */

/* MSI-X: there is nothing to ask the device and nothing to acknowledge. */
static void on_interrupt(void *argument)
{
    (void)argument;
    c1_log.interrupts++;
    uint32_t written;
    for (struct request *request; (request = tl_virtq_used(&queue, &written));) {
        request->written = written;
        tl_check(request->status != NOT_ENDED, "a request came back without a status");
        c1_log.requests++;
        ended++;
    }
}

/* Adds a request with so many parts of data, of which the device reads all or writes all. */
static void put(struct request *request, uint32_t type, uint64_t sector, const struct tl_virtq_part *data, unsigned parts)
{
    struct tl_virtq_part all[PARTS + 2] = {{&request->header, sizeof(request->header)}};
    const bool reads = type == IN || type == GET_ID;
    request->header = (struct header){.type = type, .sector = sector};
    request->status = NOT_ENDED;
    for (unsigned i = 0; i < parts; i++)
        all[1 + i] = data[i];
    all[1 + parts] = (struct tl_virtq_part){&request->status, 1};
    const unsigned readable = reads ? 1 : 1 + parts, writable = reads ? parts + 1 : 1;
    tl_check(USE_INDIRECT ? tl_virtq_add_indirect(&queue, all, readable, writable, request)
                          : tl_virtq_add(&queue, all, readable, writable, request),
             "the queue is full");
}

/* Shows the device what was added, and sleeps until `count` requests have come back. */
static void finish(unsigned count)
{
    ended = 0;
    tl_virtq_publish(&queue);
    if (tl_virtq_kick_needed(&queue)) {
        c1_log.kicks++;
        tl_virtq_kick(&queue);
    } else {
        c1_log.kicks_kept++;
    }
    tl_cli();
    while (ended < count)
        tl_wait_for_interrupt();
    tl_sti();
}

/* One by itself; its status. */
static uint8_t run(uint32_t type, uint64_t sector, const struct tl_virtq_part *data, unsigned parts)
{
    static struct request request;
    put(&request, type, sector, data, parts);
    finish(1);
    return request.status;
}

/* ---- Data ---------------------------------------------------------------------------------------------------------------------- */

/* Memory of one request: pages that do not follow each other, as those of a process or of a page cache. */
struct buffer {
    uint8_t *page[PARTS];
};
static struct buffer out[REQUESTS], back[REQUESTS];
static struct request requests[REQUESTS];

static void allocate(struct buffer *buffers)
{
    for (unsigned page = 0; page < PARTS; page++) /* page by page through all of them: neighbours belong to others */
        for (unsigned i = 0; i < REQUESTS; i++)
            buffers[i].page[page] = (uint8_t *)tl_alloc(PAGE, PAGE);
}

/* The byte of a request's data at a distance from its beginning. */
static uint8_t *byte_at(const struct buffer *buffer, unsigned at)
{
    const unsigned place = FIRST_OFFSET + at;
    return buffer->page[place / PAGE] + place % PAGE;
}

static uint8_t pattern(unsigned request, unsigned at)
{
    return (uint8_t)(at * 7 + (at >> 9) * 31 + request * 101 + 1);
}

static void parts_of(const struct buffer *buffer, struct tl_virtq_part *parts)
{
    for (unsigned i = 0; i < PARTS; i++)
        parts[i] = (struct tl_virtq_part){buffer->page[i], PAGE};
    parts[0] = (struct tl_virtq_part){buffer->page[0] + FIRST_OFFSET, PAGE - FIRST_OFFSET};
    parts[PARTS - 1].length = FIRST_OFFSET;
}

static void transfer_all(uint32_t type, const struct buffer *buffers)
{
    struct tl_virtq_part parts[PARTS];
    for (unsigned i = 0; i < REQUESTS; i++) {
        parts_of(&buffers[i], parts);
        put(&requests[i], type, (uint64_t)i * REQUEST_SECTORS, parts, PARTS);
    }
    finish(REQUESTS);
    const uint32_t written = (type == IN ? REQUEST_BYTES : 0) + 1;
    for (unsigned i = 0; i < REQUESTS; i++) {
        tl_check(requests[i].status == OK, "request %u of type %u: status %u", i, type, requests[i].status);
        tl_check(requests[i].written == written, "request %u of type %u: %u bytes written", i, type, requests[i].written);
    }
}

static void write_and_read_back(void)
{
    allocate(out);
    allocate(back);
    for (unsigned i = 0; i < REQUESTS; i++)
        for (unsigned at = 0; at < REQUEST_BYTES; at++)
            *byte_at(&out[i], at) = pattern(i, at);

    tl_mark(WRITES, REQUESTS);
    transfer_all(OUT, out);
    c1_log.bytes_written += REQUESTS * REQUEST_BYTES;

    tl_mark(FLUSHES, 1); /* what was written may be in the disk's cache alone */
    tl_check(run(FLUSH, 0, NULL, 0) == OK, "the flush failed");

    tl_mark(READS, REQUESTS);
    transfer_all(IN, back);
    c1_log.bytes_read += REQUESTS * REQUEST_BYTES;

    for (unsigned i = 0; i < REQUESTS; i++)
        for (unsigned at = 0; at < REQUEST_BYTES; at++)
            tl_check(*byte_at(&back[i], at) == pattern(i, at), "request %u, byte %u: 0x%x", i, at, *byte_at(&back[i], at));
    tl_mark(COMPARED, REQUESTS);
}

/* Reads a stretch into the memory of request 0, and tells whether all of it is zero. */
static bool is_zero(uint64_t sector)
{
    struct tl_virtq_part parts[PARTS];
    parts_of(&back[0], parts);
    tl_check(run(IN, sector, parts, PARTS) == OK, "sector %lu cannot be read", sector);
    c1_log.bytes_read += REQUEST_BYTES;
    for (unsigned at = 0; at < REQUEST_BYTES; at++)
        if (*byte_at(&back[0], at))
            return false;
    return true;
}

/* Of what was discarded nothing is promised, but that it can be written again; what was zeroed reads as zeros. */
static void clear(void)
{
    static struct range range = {.sector = 0, .sectors = REQUEST_SECTORS};
    static struct range zeroes = {.sector = REQUEST_SECTORS, .sectors = REQUEST_SECTORS};
    tl_check(tl_read32(device.device + DISCARD_MAX) >= REQUEST_SECTORS && tl_read32(device.device + ZEROES_MAX) >= REQUEST_SECTORS,
             "the disk clears less than %u sectors at once", REQUEST_SECTORS);
    tl_check(run(DISCARD, 0, &(struct tl_virtq_part){&range, sizeof(range)}, 1) == OK, "the discard failed");
    tl_check(run(WRITE_ZEROES, 0, &(struct tl_virtq_part){&zeroes, sizeof(zeroes)}, 1) == OK, "writing zeroes failed");
    tl_check(is_zero(REQUEST_SECTORS), "what was zeroed is not zero");
    tl_check(!is_zero(2 * REQUEST_SECTORS), "what was not zeroed is");
    range.flags = 1; /* that is for WRITE_ZEROES alone */
    tl_check(run(DISCARD, 0, &(struct tl_virtq_part){&range, sizeof(range)}, 1) == UNSUPP, "a discard with a flag was done");
    tl_mark(CLEARED, 0);
}

/* ---- Beginning and end --------------------------------------------------------------------------------------------------------- */

static void start(void)
{
    tl_check(tl_virtio_find(TL_VIRTIO_BLOCK, 0, &device), "no virtio disk on the PCI bus");
    tl_virtio_accept(&device, TL_VIRTIO_VERSION_1 | TL_VIRTIO_EVENT_IDX | BLK_SEG_MAX | BLK_BLK_SIZE | BLK_FLUSH | BLK_DISCARD |
                                  BLK_WRITE_ZEROES | (USE_PACKED ? TL_VIRTIO_PACKED : 0) |
                                  (USE_INDIRECT ? TL_VIRTIO_INDIRECT : 0));
    tl_check(device.features & BLK_FLUSH && device.features & BLK_DISCARD && device.features & BLK_WRITE_ZEROES,
             "the disk cannot flush, discard or write zeroes");
    tl_check(!USE_PACKED || device.features & TL_VIRTIO_PACKED, "the disk has no packed ring");
    c1_log.capacity = tl_read32(device.device + CAPACITY);
    c1_log.block_bytes = tl_read32(device.device + BLK_SIZE);
    c1_log.blocks = c1_log.capacity / (c1_log.block_bytes / SECTOR);
    tl_check(tl_read32(device.device + SEG_MAX) >= PARTS, "the disk takes less than %u parts", PARTS);
    tl_check(c1_log.capacity >= REQUESTS * REQUEST_SECTORS, "the disk is too small");
    c1_log.vector = tl_irq_vector(on_interrupt, NULL);
    tl_check(tl_pci_msix(&device.pci, 0, (uint8_t)c1_log.vector), "the disk has no MSI-X");
    tl_virtq_init(&queue, &device, 0, QUEUE, 0);
    tl_virtio_go(&device);
    tl_virtq_interrupts(&queue, true);
    tl_printf("%u sectors, blocks of %u bytes\n", c1_log.capacity, c1_log.block_bytes);
    tl_mark(STARTED, 0);
}

int main(void)
{
    static char name[ID_BYTES + 1];
    start();
    write_and_read_back();
    clear();

    tl_check(run(GET_ID, 0, &(struct tl_virtq_part){name, ID_BYTES}, 1) == OK, "the disk has no name");
    tl_printf("disk \"%s\"\n", name);
    tl_mark(NAMED, 0);

    c1_log.refused_status = run(IN, c1_log.capacity, &(struct tl_virtq_part){back[0].page[0], PAGE}, 1);
    tl_check(c1_log.refused_status == IOERR, "a read beyond the end: status %u", c1_log.refused_status);
    tl_mark(REFUSED, c1_log.refused_status);

    tl_virtio_offered(&device); /* resets it */
    tl_mark(END, 0);
    tl_printf("%u bytes written and read back, %u requests, %u kicks, %u interrupts\n", c1_log.bytes_written, c1_log.requests,
              c1_log.kicks, c1_log.interrupts);
    return 0;
}
