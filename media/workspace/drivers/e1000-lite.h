/*
 * The least of an 82540EM ("e1000") that a driver needs to move frames: for the samples that are about something else than
 * the NIC. The complete driver, explained, is e1000.c; names and numbers are of the 8254x SDM.
 */
#ifndef E1000_LITE_H
#define E1000_LITE_H

#include "trapline.h"

enum {
    NIC_CTRL = 0x0000, NIC_STATUS = 0x0008, NIC_ICR = 0x00c0, NIC_ITR = 0x00c4, NIC_ICS = 0x00c8, NIC_IMS = 0x00d0,
    NIC_IMC = 0x00d8, NIC_RCTL = 0x0100, NIC_TCTL = 0x0400,
    NIC_RDBAL = 0x2800, NIC_RDBAH = 0x2804, NIC_RDLEN = 0x2808, NIC_RDH = 0x2810, NIC_RDT = 0x2818,
    NIC_TDBAL = 0x3800, NIC_TDBAH = 0x3804, NIC_TDLEN = 0x3808, NIC_TDH = 0x3810, NIC_TDT = 0x3818,
};

enum { NIC_SET_LINK_UP = 1 << 6, NIC_LINK_UP = 1 << 1 };
enum { NIC_TX_ENABLE = 1 << 1, NIC_TX_PAD = 1 << 3 };
/* Everything is received, whoever it is addressed to; without the four bytes of the checksum. */
enum { NIC_RX_ENABLE = 1 << 1, NIC_RX_ALL = 3 << 3, NIC_RX_BROADCAST = 1 << 15, NIC_RX_STRIP_CRC = 1 << 26 };
enum { NIC_CAUSE_LINK = 1 << 2, NIC_CAUSE_RECEIVED = 1 << 7 };
enum { NIC_CMD_END = 1, NIC_CMD_CHECKSUM = 2, NIC_CMD_REPORT = 8 };
enum { NIC_DONE = 1 };
enum { NIC_BUFFER_BYTES = 2048 };

struct nic_tx_descriptor {
    uint64_t buffer;
    uint16_t length;
    uint8_t checksum_offset, command, status, checksum_start;
    uint16_t special;
};

struct nic_rx_descriptor {
    uint64_t buffer;
    uint16_t length, checksum;
    uint8_t status, errors;
    uint16_t special;
};

struct nic {
    uint64_t registers;
    unsigned gsi; /* IOAPIC input of its INTx */
    volatile struct nic_tx_descriptor *tx_ring;
    uint8_t *tx_buffers;
    unsigned tx_size;
    volatile struct nic_rx_descriptor *rx_ring;
    uint8_t *rx_buffers;
    unsigned rx_size;
};

/* Macros, so that in the timeline an access leads to the line that wants it. */
#define NIC_READ(nic, reg) tl_read32((nic)->registers + (reg))
#define NIC_WRITE(nic, reg, value) tl_write32((nic)->registers + (reg), value)

/* Finds the NIC, lets it be bus master, masks its interrupts. */
static inline void nic_open(struct nic *nic)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(0x8086, 0x100e, 0, &pci), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&pci);
    nic->registers = tl_pci_bar(&pci, 0);
    nic->gsi = tl_pci_interrupt_line(&pci);
    NIC_WRITE(nic, NIC_IMC, 0xffffffff);
    NIC_READ(nic, NIC_ICR);
    NIC_WRITE(nic, NIC_CTRL, NIC_READ(nic, NIC_CTRL) | NIC_SET_LINK_UP);
}

/* Gives the NIC a transmit ring of `size` descriptors (a multiple of 8), each with a buffer. The transmitter stays off. */
static inline void nic_set_tx_ring(struct nic *nic, unsigned size)
{
    nic->tx_size = size;
    nic->tx_ring = tl_alloc(size * sizeof(*nic->tx_ring), 128);
    nic->tx_buffers = tl_alloc(size * NIC_BUFFER_BYTES, 4096);
    for (unsigned i = 0; i < size; i++)
        nic->tx_ring[i].buffer = tl_physical(nic->tx_buffers + i * NIC_BUFFER_BYTES);
    NIC_WRITE(nic, NIC_TDBAL, (uint32_t)tl_physical(nic->tx_ring));
    NIC_WRITE(nic, NIC_TDBAH, (uint32_t)(tl_physical(nic->tx_ring) >> 32));
    NIC_WRITE(nic, NIC_TDLEN, size * sizeof(*nic->tx_ring));
    NIC_WRITE(nic, NIC_TDH, 0);
    NIC_WRITE(nic, NIC_TDT, 0);
}

/* The same for the receive ring, all but one of whose descriptors are the NIC's at once. Starts the receiver. */
static inline void nic_start_receiver(struct nic *nic, unsigned size)
{
    nic->rx_size = size;
    nic->rx_ring = tl_alloc(size * sizeof(*nic->rx_ring), 128);
    nic->rx_buffers = tl_alloc(size * NIC_BUFFER_BYTES, 4096);
    for (unsigned i = 0; i < size; i++)
        nic->rx_ring[i].buffer = tl_physical(nic->rx_buffers + i * NIC_BUFFER_BYTES);
    NIC_WRITE(nic, NIC_RDBAL, (uint32_t)tl_physical(nic->rx_ring));
    NIC_WRITE(nic, NIC_RDBAH, (uint32_t)(tl_physical(nic->rx_ring) >> 32));
    NIC_WRITE(nic, NIC_RDLEN, size * sizeof(*nic->rx_ring));
    NIC_WRITE(nic, NIC_RDH, 0);
    NIC_WRITE(nic, NIC_RDT, size - 1); /* HEAD = TAIL would mean: none */
    NIC_WRITE(nic, NIC_RCTL, NIC_RX_ENABLE | NIC_RX_ALL | NIC_RX_BROADCAST | NIC_RX_STRIP_CRC);
}

static inline void nic_start_transmitter(struct nic *nic)
{
    NIC_WRITE(nic, NIC_TCTL, NIC_TX_ENABLE | NIC_TX_PAD);
}

static inline uint8_t *nic_tx_buffer(struct nic *nic, unsigned index)
{
    return nic->tx_buffers + index * NIC_BUFFER_BYTES;
}

static inline uint8_t *nic_rx_buffer(struct nic *nic, unsigned index)
{
    return nic->rx_buffers + index * NIC_BUFFER_BYTES;
}

/* Fills descriptor `index` for a frame of `length` bytes in its buffer. TAIL is the caller's to move. */
static inline void nic_describe(struct nic *nic, unsigned index, unsigned length)
{
    volatile struct nic_tx_descriptor *descriptor = &nic->tx_ring[index];
    descriptor->length = (uint16_t)length;
    descriptor->status = 0;
    descriptor->command = NIC_CMD_END | NIC_CMD_CHECKSUM | NIC_CMD_REPORT;
}

#endif
