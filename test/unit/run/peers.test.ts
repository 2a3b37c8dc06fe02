/** A driver with a small network stack of its own, and a host and a window on its link: what comes of it end to end. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, root, runJob, type FinishedRun } from '../../support/runs';

const COMMON = String.raw`
#include "e1000-lite.h"

enum { TX = 64, RX = 64 };
static struct nic nic;
static unsigned tx_next, rx_next;
static const uint8_t me[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void start(void)
{
    nic_open(&nic);
    nic_set_tx_ring(&nic, TX);
    nic_start_receiver(&nic, RX);
    nic_start_transmitter(&nic);
    while (!(NIC_READ(&nic, NIC_STATUS) & NIC_LINK_UP))
        tl_pause();
}

static void send(const uint8_t *frame, unsigned length)
{
    memcpy(nic_tx_buffer(&nic, tx_next), frame, length);
    nic_describe(&nic, tx_next, length);
    tx_next = (tx_next + 1) % TX;
    NIC_WRITE(&nic, NIC_TDT, tx_next);
}

static unsigned receive(uint8_t *frame)
{
    while (!(nic.rx_ring[rx_next].status & NIC_DONE))
        tl_pause();
    const unsigned length = nic.rx_ring[rx_next].length;
    memcpy(frame, nic_rx_buffer(&nic, rx_next), length);
    nic.rx_ring[rx_next].status = 0;
    NIC_WRITE(&nic, NIC_RDT, rx_next);
    rx_next = (rx_next + 1) % RX;
    return length;
}
`;

/** Asks who has the address, pings it, and checks the sum over what comes back by adding up all of it. */
const PING = String.raw`${COMMON}
static uint16_t sum(const uint8_t *bytes, unsigned length)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < length; i += 2)
        total += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)total;
}

static void put_sum(uint8_t *bytes, unsigned length, unsigned at)
{
    const uint16_t value = (uint16_t)~sum(bytes, length);
    bytes[at] = (uint8_t)(value >> 8);
    bytes[at + 1] = (uint8_t)value;
}

int main(void)
{
    uint8_t frame[2048], answer[2048];
    static const uint8_t arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
    static const uint8_t from[] = {10, 0, 2, 15}, to[] = {10, 0, 2, 2};
    start();
    memset(frame, 0, sizeof(frame));
    memset(frame, 0xff, 6);
    memcpy(frame + 6, me, 6);
    memcpy(frame + 12, arp, sizeof(arp));
    memcpy(frame + 22, me, 6);
    memcpy(frame + 28, from, 4);
    memcpy(frame + 38, to, 4);
    send(frame, 60);
    receive(answer);
    tl_check(answer[21] == 2 && memcmp(answer + 28, to, 4) == 0, "no ARP reply");

    uint8_t *ip = frame + 14, *icmp = frame + 34;
    memcpy(frame, answer + 22, 6);
    frame[12] = 8;
    frame[13] = 0;
    for (unsigned i = 0; i < PINGS; i++) {
        memset(ip, 0, 28);
        ip[0] = 0x45;
        ip[3] = 20 + 64;
        ip[8] = 64;
        ip[9] = 1;
        memcpy(ip + 12, from, 4);
        memcpy(ip + 16, to, 4);
        put_sum(ip, 20, 10);
        icmp[0] = 8;
        icmp[7] = (uint8_t)i;
        memset(icmp + 8, (int)i, 56);
        put_sum(icmp, 64, 2);
        send(frame, 14 + 20 + 64);
        tl_check(receive(answer) == 14 + 20 + 64, "length of the answer");
        tl_check(sum(answer + 14, 20) == 0xffff && sum(answer + 34, 64) == 0xffff, "checksums of the answer");
        tl_check(answer[34] == 0 && memcmp(answer + 38, icmp + 4, 60) == 0, "the answer's contents");
        tl_printf("reply %u\n", i);
    }
    return 0;
}
`;

/** Sends back what it gets, addresses swapped, until it has done so with every number; one packet, the LOSES-th, is lost. */
const REFLECT = String.raw`${COMMON}
int main(void)
{
    uint8_t frame[2048];
    static bool done[COUNT];
    unsigned came = 0, left = COUNT;
    start();
    while (left > 0) {
        const unsigned length = receive(frame);
        const uint8_t number = frame[17];
        if (++came == LOSES)
            continue;
        memcpy(frame, frame + 6, 6);
        memcpy(frame + 6, me, 6);
        send(frame, length);
        if (!done[number])
            left--;
        done[number] = true;
    }
    tl_printf("%u came\n", came);
    /* The last one has to have come back before the machine goes off. */
    for (unsigned i = 0; i < 2000; i++)
        tl_pause();
    return 0;
}
`;

const compiler = spawnSync('gcc', ['--version']).status === 0;

describe.skipIf(!compiler)('peers and a driver (needs gcc)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trapline-'));
    copyFileSync(join(root, 'media/workspace/drivers/e1000-lite.h'), join(folder, 'e1000-lite.h'));
    writeFileSync(join(folder, 'ping.c'), PING);
    writeFileSync(join(folder, 'reflect.c'), REFLECT);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function finished(source: string, defines: object, peers: object[]): Promise<FinishedRun> {
    const scenario = {
      vmm: 'none',
      vms: [{ guest: { sources: [source], defines }, devices: [{ model: 'e1000', link: 'wire' }] }],
      links: [{ id: 'wire', gbps: 1, peers }],
    };
    return runJob(await jobOf(join(folder, 's.trapline.json'), JSON.stringify(scenario)));
  }

  it('a driver finds the host by ARP and gets its pings back, also with others on the link', async () => {
    const host = { kind: 'host', ip: '10.0.2.2', turnaroundNs: 1000 };
    for (const peers of [[host], [host, { kind: 'sink' }]]) {
      const { end, serial } = await finished('ping.c', { PINGS: 4 }, peers);
      expect(serial.replaceAll('\r', '')).toBe('reply 0\nreply 1\nreply 2\nreply 3\n');
      expect(end.summary.vms[0].exitCode).toBe(0);
      expect(end.summary.packets).toEqual({ tx: 5, rx: 5, dropped: 0 });
    }
  });

  it('a window opens with what the driver sends back, and shrinks with what it loses', async () => {
    const [count, loses] = [200, 25];
    const window = { kind: 'window', count, window: 8, timeoutNs: 50_000, startNs: 50_000 };
    const { end, serial, store } = await finished('reflect.c', { COUNT: count, LOSES: loses }, [window]);
    expect(end.summary.vms[0].exitCode).toBe(0);
    const rows = Array.from({ length: store.rows }, (_, row) => store.get(row));
    const acked = rows.filter(({ kind }) => kind === Kind.PacketAcked);
    const timeouts = rows.filter(({ kind }) => kind === Kind.PacketTimeout);
    expect(timeouts).toHaveLength(1);
    const [{ a: again, start: at }] = timeouts;
    // The lost one is sent again, and of what was under way with it whatever does not come back before its turn.
    const resent = Number(/(\d+) came/.exec(serial)?.[1]) - count;
    expect(resent).toBeGreaterThanOrEqual(1);
    expect(resent).toBeLessThanOrEqual(again);
    // Of none of these a round trip is known.
    expect(acked).toHaveLength(count - again);
    const windows = acked.map(({ b }) => b);
    expect(windows.slice(0, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(Math.max(...windows)).toBe(8);
    expect(acked.find(({ start }) => start > at)?.b).toBeLessThan(8);
    // Two ways of 500 ns, and what the frames take to be sent.
    expect(Math.min(...acked.map(({ a }) => a))).toBeGreaterThan(2 * 500);
  });
});
