/* Counting of accesses; what the counters mean is told in trapline.h. */
#include "trapline.h"

struct tl_access_log tl_access_log = {
    .magic = TL_ACCESS_LOG_MAGIC,
    .version = TL_ACCESS_LOG_VERSION,
    .entries_size = TL_ACCESS_LOG_ENTRIES,
};

/* One locked instruction: neither a handler that counts too nor another CPU can come between the load and the store. */
static inline void increment(uint64_t *counter)
{
    __asm__ volatile("lock incq %0" : "+m"(*counter) : : "cc");
}

static struct tl_access_counter *find(uint64_t address, uint64_t is_port)
{
    const uint32_t used = tl_access_log.entries_used;
    for (uint32_t i = 0; i < used; i++) {
        struct tl_access_counter *entry = &tl_access_log.entries[i];
        if (entry->address == address && entry->is_port == is_port)
            return entry;
    }
    return NULL;
}

static bool in_ring_0(void)
{
    uint64_t cs;
    __asm__("movq %%cs, %0" : "=r"(cs));
    return (cs & 3) == 0;
}

/*
 * Adds an entry. Alone, for a handler or another CPU may be adding the same one; this happens once per page or port. Elsewhere
 * than in ring 0 nobody can switch interrupts off, and a new page or port gets no entry.
 */
static struct tl_access_counter *add(uint64_t address, uint64_t is_port)
{
    if (!in_ring_0())
        return NULL;
    static struct tl_spinlock lock;
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");

    tl_spin_lock(&lock);
    struct tl_access_counter *entry = find(address, is_port);
    if (!entry && tl_access_log.entries_used < TL_ACCESS_LOG_ENTRIES) {
        entry = &tl_access_log.entries[tl_access_log.entries_used];
        entry->address = address;
        entry->is_port = is_port;
        tl_access_log.entries_used++;
    }
    tl_spin_unlock(&lock);

    if (flags & 0x200)
        tl_sti();
    return entry;
}

static struct tl_access_counter *entry_of(uint64_t address, uint64_t is_port)
{
    struct tl_access_counter *entry = find(address, is_port);
    if (!entry)
        entry = add(address, is_port);
    if (!entry)
        increment(&tl_access_log.entries_lost);
    return entry;
}

void tl_log_mmio_read(uintptr_t address)
{
    struct tl_access_counter *entry = entry_of(address & ~0xffful, 0);
    increment(&tl_access_log.mmio_reads);
    if (entry)
        increment(&entry->reads);
}

void tl_log_mmio_write(uintptr_t address)
{
    struct tl_access_counter *entry = entry_of(address & ~0xffful, 0);
    increment(&tl_access_log.mmio_writes);
    if (entry)
        increment(&entry->writes);
}

void tl_log_port_read(uint16_t port)
{
    struct tl_access_counter *entry = entry_of(port, 1);
    increment(&tl_access_log.pio_reads);
    if (entry)
        increment(&entry->reads);
}

void tl_log_port_write(uint16_t port)
{
    struct tl_access_counter *entry = entry_of(port, 1);
    increment(&tl_access_log.pio_writes);
    if (entry)
        increment(&entry->writes);
}
