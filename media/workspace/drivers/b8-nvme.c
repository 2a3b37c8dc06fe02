/*
 * A driver for NVMe disks, complete and in one file: it finds the controller, resets it, asks it who it is, makes a pair of
 * I/O queues with an MSI-X interrupt, writes REQUESTS stretches of blocks, flushes them, reads them back into other memory and
 * compares every byte.
 *
 * Everything goes by rings in memory. The driver puts commands of 64 bytes into a submission queue and tells the controller by a
 * doorbell how far it has come; the controller fetches them by DMA, moves the data, and puts completions of 16 bytes into a
 * completion queue. A bit in each completion, the phase tag, changes with every round of the ring: that is how the driver sees
 * what is new without reading a register. One doorbell may announce many commands, one interrupt many completions.
 *
 * Data are described by physical pages: the first pointer (PRP1) may begin within a page; what is more than two pages is named
 * by a list of pages that the second pointer (PRP2) leads to.
 *
 * Names and numbers: NVM Express Base Specification, revision 1.4.
 */
#include "trapline.h"

#ifndef REQUESTS
#define REQUESTS 8 /* commands under way at once */
#endif

#define PAGE 4096u
#define PAGES 6u                                 /* of each request: the first of them from its midst */
#define FIRST_OFFSET 1024u                       /* where in its first page a request begins */
#define REQUEST_BYTES (PAGES * PAGE - PAGE)      /* so that it ends within its last page */
#define ADMIN_ENTRIES 16u
#define IO_ENTRIES 16u
#define IO_VECTOR 1u /* of MSI-X; 0 is the admin queue's, which is polled */
#define PATIENCE 100000u

_Static_assert(REQUESTS < IO_ENTRIES, "a ring holds one entry less than it has");

/* Registers (3.1), and where doorbells begin. */
enum { CAP = 0x00, CAP_HIGH = 0x04, VS = 0x08, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30, DOORBELLS = 0x1000 };
enum { CC_ENABLE = 1, CC_SHUTDOWN = 1 << 14, CC_SQ_ENTRY = 6 << 16, CC_CQ_ENTRY = 4 << 20 };
enum { CSTS_READY = 1, CSTS_FATAL = 2, CSTS_SHUTDOWN = 3 << 2, CSTS_SHUTDOWN_DONE = 2 << 2 };

/* Opcodes: admin (5), I/O (6). */
enum { DELETE_SQ = 0, CREATE_SQ = 1, DELETE_CQ = 4, CREATE_CQ = 5, IDENTIFY = 6, SET_FEATURES = 9 };
enum { FLUSH = 0, WRITE = 1, READ = 2 };
enum { IDENTIFY_NAMESPACE = 0, IDENTIFY_CONTROLLER = 1, FEATURE_QUEUES = 7 };
enum { QUEUE_CONTIGUOUS = 1, QUEUE_INTERRUPTS = 2 };
enum { LBA_OUT_OF_RANGE = 0x80 };

enum { CLASS_NVME = 0x010802, MSIX_CAPABILITY = 0x11, MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_ENABLE = 1 << 15 };
#define MSI_ADDRESS 0xfee00000ul /* with the destination's APIC id in bits 12 to 19 (SDM vol. 3, 10.11.1) */

/* Marks. */
enum { ENABLED = 1, WRITES = 2, FLUSHES = 3, READS = 4, COMPARED = 5, REFUSED = 6, END = 7 };

struct command {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t namespace_id;
    uint64_t reserved, metadata, prp1, prp2;
    uint32_t word[6]; /* command words 10 to 15 */
};

struct completion {
    uint32_t result, reserved;
    uint16_t sq_head, sq, id, status; /* bit 0 of the last one: phase tag */
};

struct queue {
    unsigned id, entries, tail, head, phase;
    struct command *commands;
    volatile struct completion *completions;
};

/* What this driver did, in its own words; read by whoever checks the trace. */
struct {
    uint32_t admin_commands, io_commands; /* taken from the rings again, with a completion each */
    uint32_t sq_doorbells, cq_doorbells;
    uint32_t interrupts;
    uint32_t bytes_written, bytes_read; /* as commands said */
    uint32_t refused_status;
    uint32_t block_bytes, blocks;
    uint32_t vector;
    uint32_t register_accesses; /* but doorbells */
} b8_log;

static uint64_t registers;
static struct queue admin, io;
static unsigned block_bytes;

/* Macros, so that in the timeline an access leads to the line that wants it. */
#define REG_READ(reg) (b8_log.register_accesses++, tl_read32(registers + (reg)))
#define REG_WRITE(reg, value) (b8_log.register_accesses++, tl_write32(registers + (reg), value))

/* ---- Queues --------------------------------------------------------------------------------------------------------------- */

static void queue_init(struct queue *queue, unsigned id, unsigned entries)
{
    *queue = (struct queue){.id = id, .entries = entries, .phase = 1};
    queue->commands = (struct command *)tl_alloc(entries * sizeof(struct command), PAGE);
    queue->completions = (struct completion *)tl_alloc(entries * sizeof(struct completion), PAGE);
}

/* Puts a command into the ring; its place there is its name. The controller does not know of it yet. */
static void queue_put(struct queue *queue, const struct command *command)
{
    struct command *place = &queue->commands[queue->tail];
    *place = *command;
    place->id = (uint16_t)queue->tail;
    queue->tail = (queue->tail + 1) % queue->entries;
}

/* Tells the controller of everything that was put there. */
static void queue_ring(const struct queue *queue)
{
    b8_log.sq_doorbells++;
    tl_write32(registers + DOORBELLS + 8 * queue->id, queue->tail);
}

/* The next completion, if it has come: the controller writes it last, and with the phase that this round has. */
static bool queue_take(struct queue *queue, struct completion *found)
{
    volatile struct completion *next = &queue->completions[queue->head];
    if ((next->status & 1) != queue->phase)
        return false;
    *found = *(const struct completion *)next;
    queue->head = (queue->head + 1) % queue->entries;
    if (queue->head == 0)
        queue->phase ^= 1;
    return true;
}

/* Gives the entries of taken completions back. */
static void queue_taken(const struct queue *queue)
{
    b8_log.cq_doorbells++;
    tl_write32(registers + DOORBELLS + 8 * queue->id + 4, queue->head);
}

/* Status code and its type; 0: all is well. */
static unsigned status_of(const struct completion *completion)
{
    return completion->status >> 1 & 0x7ff;
}

/* ---- Admin commands -------------------------------------------------------------------------------------------------------- */

/* One at a time, and polled: they are few, and there is nothing else to do. */
static uint32_t admin_run(const char *what, const struct command *command)
{
    struct completion completion;
    queue_put(&admin, command);
    queue_ring(&admin);
    for (unsigned i = 0; !queue_take(&admin, &completion); i++) {
        tl_check(i < PATIENCE * 100, "%s does not end", what);
        tl_pause();
    }
    queue_taken(&admin);
    b8_log.admin_commands++;
    tl_check(status_of(&completion) == 0, "%s: status 0x%x", what, status_of(&completion));
    return completion.result;
}

static void wait_for(uint32_t mask, uint32_t value, const char *what)
{
    uint32_t status;
    for (unsigned i = 0; ((status = REG_READ(CSTS)) & mask) != value; i++) {
        tl_check(!(status & CSTS_FATAL), "the controller has failed: CSTS 0x%x", status);
        tl_check(i < PATIENCE, "%s takes too long", what);
        tl_pause();
    }
}

static void enable(void)
{
    REG_WRITE(CC, 0);
    wait_for(CSTS_READY, 0, "the reset");
    queue_init(&admin, 0, ADMIN_ENTRIES);
    const uint64_t sq = tl_physical(admin.commands), cq = tl_physical(admin.completions);
    REG_WRITE(AQA, (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1));
    REG_WRITE(ASQ, (uint32_t)sq); /* 64-bit registers go by halves, where a controller takes no more at once (3.1) */
    REG_WRITE(ASQ + 4, (uint32_t)(sq >> 32));
    REG_WRITE(ACQ, (uint32_t)cq);
    REG_WRITE(ACQ + 4, (uint32_t)(cq >> 32));
    REG_WRITE(CC, CC_ENABLE | CC_SQ_ENTRY | CC_CQ_ENTRY);
    wait_for(CSTS_READY, CSTS_READY, "enabling");
}

static void identify(void)
{
    uint8_t *data = (uint8_t *)tl_alloc(PAGE, PAGE);
    struct command command = {.opcode = IDENTIFY, .prp1 = tl_physical(data), .word = {IDENTIFY_CONTROLLER}};
    admin_run("identify controller", &command);
    tl_printf("controller \"%.24s\", firmware %.4s\n", (const char *)data + 24, (const char *)data + 64);
    const unsigned most = data[77]; /* MDTS: pages that one command moves, as a power of two; 0: no limit */
    tl_check(!most || PAGES <= 1u << most, "a command moves at most %u pages", 1u << most);

    command.namespace_id = 1;
    command.word[0] = IDENTIFY_NAMESPACE;
    admin_run("identify namespace", &command);
    uint64_t blocks;
    memcpy(&blocks, data, sizeof blocks);
    const uint8_t *format = data + 128 + 4 * (data[26] & 15);
    block_bytes = 1u << format[2];
    b8_log.block_bytes = block_bytes;
    b8_log.blocks = (uint32_t)blocks;
    tl_printf("namespace 1: %lu blocks of %u bytes\n", blocks, block_bytes);
    tl_check(REQUEST_BYTES % block_bytes == 0 && blocks * block_bytes >= (uint64_t)REQUESTS * REQUEST_BYTES,
             "the namespace is too small");
}

/* ---- Interrupt --------------------------------------------------------------------------------------------------------------- */

static volatile unsigned ended;
static volatile unsigned last_status;

/* Takes all completions there are, and gives their entries back at once: one doorbell for all of them. */
static void on_interrupt(void *argument)
{
    struct completion completion;
    unsigned taken = 0;
    (void)argument;
    b8_log.interrupts++;
    for (; queue_take(&io, &completion); taken++)
        if (status_of(&completion))
            last_status = status_of(&completion);
    if (!taken) /* an interrupt that came for what an earlier one has taken */
        return;
    queue_taken(&io);
    b8_log.io_commands += taken;
    ended += taken;
}

static void use_msix(const struct tl_pci *pci)
{
    const unsigned at = tl_pci_capability(pci, MSIX_CAPABILITY);
    tl_check(at, "the controller has no MSI-X");
    const uint32_t where = tl_pci_read32(pci, at + MSIX_TABLE); /* which BAR, and where in it */
    const uint64_t entry = tl_pci_bar(pci, where & 7) + (where & ~7u) + 16 * IO_VECTOR;
    b8_log.vector = tl_irq_vector(on_interrupt, NULL);
    tl_write32(entry + 0, (uint32_t)(MSI_ADDRESS | tl_apic_id() << 12));
    tl_write32(entry + 4, 0);
    tl_write32(entry + 8, b8_log.vector);
    tl_write32(entry + 12, 0); /* not masked; vector 0 stays so */
    tl_pci_write16(pci, at + MSIX_CONTROL, tl_pci_read16(pci, at + MSIX_CONTROL) | MSIX_ENABLE);
}

static void create_queues(void)
{
    const uint32_t allowed = admin_run("set number of queues", &(struct command){.opcode = SET_FEATURES, .word = {FEATURE_QUEUES, 0}});
    tl_printf("%u submission and %u completion queues\n", (allowed & 0xffff) + 1, (allowed >> 16) + 1);
    queue_init(&io, 1, IO_ENTRIES);
    const uint32_t shape = (IO_ENTRIES - 1) << 16 | io.id;
    /* The completion queue first: a submission queue names the one that its commands end in. */
    admin_run("create completion queue", &(struct command){.opcode = CREATE_CQ,
                                                           .prp1 = tl_physical(io.completions),
                                                           .word = {shape, IO_VECTOR << 16 | QUEUE_INTERRUPTS | QUEUE_CONTIGUOUS}});
    admin_run("create submission queue", &(struct command){.opcode = CREATE_SQ,
                                                           .prp1 = tl_physical(io.commands),
                                                           .word = {shape, io.id << 16 | QUEUE_CONTIGUOUS}});
}

/* ---- I/O ---------------------------------------------------------------------------------------------------------------------- */

/* Memory of one request: pages that do not follow each other, as those of a process or of a page cache. */
struct buffer {
    uint8_t *page[PAGES];
    uint64_t *list; /* addresses of all pages but the first */
};
static struct buffer out[REQUESTS], back[REQUESTS];

static void allocate(struct buffer *buffers)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        buffers[i].list = (uint64_t *)tl_alloc(PAGE, PAGE);
    for (unsigned page = 0; page < PAGES; page++) /* page by page through all of them: neighbours belong to others */
        for (unsigned i = 0; i < REQUESTS; i++) {
            buffers[i].page[page] = (uint8_t *)tl_alloc(PAGE, PAGE);
            if (page > 0)
                buffers[i].list[page - 1] = tl_physical(buffers[i].page[page]);
        }
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

static void put_transfer(uint8_t opcode, const struct buffer *buffer, uint64_t block, unsigned bytes)
{
    queue_put(&io, &(struct command){.opcode = opcode,
                                     .namespace_id = 1,
                                     .prp1 = tl_physical(buffer->page[0]) + FIRST_OFFSET,
                                     .prp2 = tl_physical(buffer->list),
                                     .word = {(uint32_t)block, (uint32_t)(block >> 32), bytes / block_bytes - 1}});
}

/* Rings the doorbell for `count` commands, and sleeps until all of them have ended; the last status that was no success. */
static unsigned finish(unsigned count)
{
    ended = 0;
    last_status = 0;
    queue_ring(&io);
    tl_cli();
    while (ended < count)
        tl_wait_for_interrupt();
    tl_sti();
    return last_status;
}

static void transfer_all(uint8_t opcode, const struct buffer *buffers)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        put_transfer(opcode, &buffers[i], (uint64_t)i * REQUEST_BYTES / block_bytes, REQUEST_BYTES);
    const unsigned status = finish(REQUESTS);
    tl_check(status == 0, "opcode 0x%x: status 0x%x", opcode, status);
}

static void write_and_read_back(void)
{
    allocate(out);
    allocate(back);
    for (unsigned i = 0; i < REQUESTS; i++)
        for (unsigned at = 0; at < REQUEST_BYTES; at++)
            *byte_at(&out[i], at) = pattern(i, at);

    tl_mark(WRITES, REQUESTS);
    transfer_all(WRITE, out);
    b8_log.bytes_written += REQUESTS * REQUEST_BYTES;

    tl_mark(FLUSHES, 1); /* what was written may be in the controller's cache alone */
    queue_put(&io, &(struct command){.opcode = FLUSH, .namespace_id = 1});
    tl_check(finish(1) == 0, "flush: status 0x%x", last_status);

    tl_mark(READS, REQUESTS);
    transfer_all(READ, back);
    b8_log.bytes_read += REQUESTS * REQUEST_BYTES;

    for (unsigned i = 0; i < REQUESTS; i++)
        for (unsigned at = 0; at < REQUEST_BYTES; at++)
            tl_check(*byte_at(&back[i], at) == pattern(i, at), "request %u, byte %u: 0x%x", i, at, *byte_at(&back[i], at));
    tl_mark(COMPARED, REQUESTS);
}

/* A block behind the last: the command has to come back, with a status that says why. */
static void read_beyond(void)
{
    put_transfer(READ, &back[0], b8_log.blocks, block_bytes);
    b8_log.refused_status = finish(1);
    tl_check(b8_log.refused_status == LBA_OUT_OF_RANGE, "a read beyond the end: status 0x%x", b8_log.refused_status);
    tl_mark(REFUSED, b8_log.refused_status);
}

/* ---- Beginning and end --------------------------------------------------------------------------------------------------------- */

/* By its class: whoever made it, an NVMe controller is driven by its specification. */
static bool find_controller(struct tl_pci *found)
{
    for (unsigned device = 0; device < 32; device++)
        for (unsigned function = 0; function < 8; function++) {
            struct tl_pci pci = {.device = (uint8_t)device, .function = (uint8_t)function};
            const uint32_t id = tl_pci_read32(&pci, 0);
            if ((uint16_t)id != 0xffff && tl_pci_read32(&pci, 8) >> 8 == CLASS_NVME) {
                pci.vendor_id = (uint16_t)id;
                pci.device_id = (uint16_t)(id >> 16);
                *found = pci;
                return true;
            }
            if (function == 0 && ((uint16_t)id == 0xffff || !(tl_pci_read8(&pci, 0x0e) & 0x80)))
                break; /* nothing there, or a device with one function */
        }
    return false;
}

/* So that nothing of the cache is lost: queues first, then the controller is told, and says when it is done (7.6.2). */
static void shut_down(void)
{
    admin_run("delete submission queue", &(struct command){.opcode = DELETE_SQ, .word = {io.id}});
    admin_run("delete completion queue", &(struct command){.opcode = DELETE_CQ, .word = {io.id}});
    REG_WRITE(CC, REG_READ(CC) | CC_SHUTDOWN);
    wait_for(CSTS_SHUTDOWN, CSTS_SHUTDOWN_DONE, "the shutdown");
}

int main(void)
{
    struct tl_pci pci;
    tl_check(find_controller(&pci), "no NVMe controller on the PCI bus");
    tl_pci_enable(&pci);
    registers = tl_pci_bar(&pci, 0);
    const uint32_t version = REG_READ(VS);
    tl_printf("NVMe %u.%u at %02x:%02x.%x\n", version >> 16, version >> 8 & 0xff, pci.bus, pci.device, pci.function);
    tl_check((REG_READ(CAP_HIGH) & 0xf) == 0, "doorbells are not 4 bytes apart");
    tl_check((REG_READ(CAP) & 0xffff) + 1 >= IO_ENTRIES, "queues may not have %u entries", IO_ENTRIES);

    enable();
    tl_mark(ENABLED, 0);
    identify();
    use_msix(&pci);
    create_queues();
    write_and_read_back();
    read_beyond();
    shut_down();
    tl_mark(END, 0);
    tl_printf("%u bytes written and read back, %u I/O commands, %u interrupts\n", b8_log.bytes_written, b8_log.io_commands,
              b8_log.interrupts);
    return 0;
}
