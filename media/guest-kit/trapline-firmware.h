/*
 * trapline-firmware.h - what a PC's firmware leaves in memory for the software it starts, and how to get at it.
 */
#ifndef TRAPLINE_FIRMWARE_H
#define TRAPLINE_FIRMWARE_H

#include "trapline.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A view of physical memory where the kit's own mapping has none: page 0, where the BIOS data area lies and NULL points, and
 * what is above 4 GiB. Uncached, so that it may be registers as well. At most 2 MiB in all; ends the guest with a message
 * when that is used up.
 */
void *tl_map_physical(uint64_t physical, size_t size);

/* ---- ACPI (ACPI specification 6.4, chapter 5) ------------------------------------------------------------------------- */

/* How every table begins. */
struct __attribute__((packed)) tl_acpi_header {
    char signature[4];
    uint32_t length; /* of the whole table */
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
};

/* The table with this signature, "APIC" or "MCFG"; NULL when there is none, or none whose bytes add up to 0. */
const struct tl_acpi_header *tl_acpi_table(const char *signature);

/* ---- Searching ---------------------------------------------------------------------------------------------------------- */

/* Address of the extended BIOS data area, whose segment the BIOS data area has at 0x40E; 0: there is none. */
uint64_t tl_ebda(void);

/*
 * Looks for a structure that begins with `signature`, at a multiple of 16 within a stretch of memory, and whose first
 * `checked` bytes add up to 0; NULL when there is none. That is how software finds what the firmware tells no address of.
 */
const void *tl_search(const char *signature, size_t checked, uint64_t from, uint64_t to);

#ifdef __cplusplus
}
#endif

#endif
