/* The tables that firmware leaves in memory: how they are found, and how they can be looked at. */
#include "trapline-firmware.h"

/* ---- A window to physical memory (SDM vol. 3, 4.5) ------------------------------------------------------------------ */

enum { PRESENT = 1, WRITABLE = 2, WRITE_THROUGH = 8, CACHE_DISABLE = 16, ENTRIES = 512, WINDOW_SLOT = 1 };
#define PAGE 0x1000ull
#define ADDRESS_BITS 0x000ffffffffff000ull
#define WINDOW ((uint64_t)WINDOW_SLOT << 39) /* the kit's own mapping is in the first 512 GiB of addresses */

static uint64_t window_pdpt[ENTRIES] __attribute__((aligned(4096)));
static uint64_t window_directory[ENTRIES] __attribute__((aligned(4096)));
static uint64_t window_table[ENTRIES] __attribute__((aligned(4096)));
static unsigned window_used;

static void open_window(void)
{
    uint64_t root;
    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    window_directory[0] = tl_physical(window_table) | WRITABLE | PRESENT;
    window_pdpt[0] = tl_physical(window_directory) | WRITABLE | PRESENT;
    ((uint64_t *)(root & ADDRESS_BITS))[WINDOW_SLOT] = tl_physical(window_pdpt) | WRITABLE | PRESENT;
}

void *tl_map_physical(uint64_t physical, size_t size)
{
    const uint64_t first = physical / PAGE;
    const uint64_t pages = (physical + size - 1) / PAGE - first + 1;
    tl_check(size > 0 && pages <= ENTRIES - window_used, "tl_map_physical: no room for %lu pages more", pages);
    if (window_used == 0)
        open_window();
    /* The entries were not present, and the processor keeps none that are not (4.10.2.3): nothing has to be flushed. */
    for (uint64_t i = 0; i < pages; i++)
        window_table[window_used + i] = (first + i) * PAGE | CACHE_DISABLE | WRITE_THROUGH | WRITABLE | PRESENT;
    void *view = (void *)(WINDOW + window_used * PAGE + physical % PAGE);
    window_used += (unsigned)pages;
    return view;
}

/* ---- Searching ---------------------------------------------------------------------------------------------------------- */

static bool adds_up(const void *bytes, size_t size)
{
    const uint8_t *cursor = bytes;
    uint8_t sum = 0;
    while (size--)
        sum = (uint8_t)(sum + *cursor++);
    return sum == 0;
}

uint64_t tl_ebda(void)
{
    static const volatile uint16_t *segment;
    if (!segment)
        segment = tl_map_physical(0x40e, sizeof(*segment));
    return (uint64_t)*segment << 4;
}

const void *tl_search(const char *signature, size_t checked, uint64_t from, uint64_t to)
{
    const size_t length = strlen(signature);
    for (uint64_t at = (from + 15) & ~15ull; at + checked <= to; at += 16) {
        const void *candidate = (const void *)at;
        if (memcmp(candidate, signature, length) == 0 && adds_up(candidate, checked))
            return candidate;
    }
    return NULL;
}

/* ---- ACPI ----------------------------------------------------------------------------------------------------------------- */

struct __attribute__((packed)) root_pointer {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    /* Only from revision 2 on: */
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
};

enum { ROOT_CHECKED = 20, BIOS_FROM = 0xe0000, BIOS_TO = 0x100000, EBDA_SEARCHED = 1024 };

/* In the first KiB of the EBDA, or in the BIOS's own read-only memory (5.2.5.1). */
static const struct root_pointer *find_root(void)
{
    const uint64_t ebda = tl_ebda();
    const void *found = ebda ? tl_search("RSD PTR ", ROOT_CHECKED, ebda, ebda + EBDA_SEARCHED) : NULL;
    return found ? found : tl_search("RSD PTR ", ROOT_CHECKED, BIOS_FROM, BIOS_TO);
}

/* Pointers of the root table are 4 bytes wide in an RSDT, 8 in an XSDT, and not aligned. */
static const struct tl_acpi_header *search_root(uint64_t root_address, size_t pointer_bytes, const char *signature)
{
    const struct tl_acpi_header *root = (const struct tl_acpi_header *)root_address;
    const uint8_t *cursor = (const uint8_t *)(root + 1);
    for (; cursor + pointer_bytes <= (const uint8_t *)root + root->length; cursor += pointer_bytes) {
        uint64_t address = 0;
        memcpy(&address, cursor, pointer_bytes);
        const struct tl_acpi_header *table = (const struct tl_acpi_header *)address;
        if (memcmp(table->signature, signature, sizeof(table->signature)) == 0 && adds_up(table, table->length))
            return table;
    }
    return NULL;
}

const struct tl_acpi_header *tl_acpi_table(const char *signature)
{
    const struct root_pointer *root = find_root();
    if (!root)
        return NULL;
    return root->revision >= 2 && root->xsdt ? search_root(root->xsdt, 8, signature)
                                             : search_root(root->rsdt, 4, signature);
}
