/**
 * What is typed at the shell of a U-Boot that was built for QEMU's PC (`qemu-x86_defconfig`, `qemu-x86_64_defconfig`), and what it
 * has to answer. The answers follow from the scenario, or from the command's own meaning.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KernelEnd, Verdict } from '../kut/verdict';

/** Where the package `u-boot-qemu` of Debian puts its images. */
export const INSTALLED = '/usr/lib/u-boot';
const IMAGE = 'u-boot.rom';
/** At the beginning of a line: what some commands print has such an arrow, too. */
const PROMPT = '\n=> ';
const MEMORY_MIB = 128;
const SIMULATED_MS = 5000;
const MAC = '52:54:00:ab:cd:ef';
/** Of the network devices of virtio: one with the interface of virtio 1 alone, and one that legacy drivers drive. */
const MODERN_MAC = '52:54:00:ab:cd:f0';
const LEGACY_MAC = '52:54:00:ab:cd:f1';
/** Of RAM that nobody else uses, as the shell takes it: hexadecimal. */
const PLACE = '2000000';
const OTHER_PLACE = '2100000';
const DISK_MIB = 16;
/** Disks of virtio as U-Boot numbers them: the interface of virtio 1 alone, then legacy; what is written to each, a word. */
const VIRTIO_DISKS = [
  { legacy: false, sizeMiB: 24, word: 'deadbeef' },
  { legacy: true, sizeMiB: 8, word: '600dcafe' },
] as const;
const PEER = '10.0.2.2';
const PEER_ALIVE = `host ${PEER.replaceAll('.', '\\.')} is alive`;
const FILLED_BYTES = 0x100;

/** The check sequence of IEEE 802.3, 3.2.9, bit by bit. */
function crc32(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest & 1) === 0 ? rest >>> 1 : (rest >>> 1) ^ 0xedb88320;
  }
  return ~rest >>> 0;
}

/** A command and what its output has to have. */
interface Step {
  command: string;
  wanted: readonly RegExp[];
}

const steps: readonly Step[] = [
  {
    command: 'pci',
    wanted: [
      /^00\.00\.00 +0x8086 +0x1237 /m,
      /^00\.01\.00 +0x8086 +0x7000 /m,
      /^00\.03\.00 +0x8086 +0x100e +Network/m,
      /^00\.05\.00 +0x1af4 +0x1041 +Network/m,
      /^00\.06\.00 +0x1af4 +0x1000 +Network/m,
    ],
  },
  {
    command: `mw.l ${PLACE} 12345678 4; md.l ${PLACE} 4`,
    wanted: [/: 12345678 12345678 12345678 12345678 /],
  },
  {
    command: `mw.b ${PLACE} 61 ${FILLED_BYTES.toString(16)}; crc32 ${PLACE} ${FILLED_BYTES.toString(16)}`,
    wanted: [
      new RegExp(`==> ${crc32(new Uint8Array(FILLED_BYTES).fill(0x61)).toString(16).padStart(8, '0')}`),
    ],
  },
  { command: 'nvme scan; nvme info', wanted: [new RegExp(`Capacity: ${DISK_MIB}\\.0 MB`)] },
  {
    command: `mw.l ${PLACE} cafef00d 400; nvme write ${PLACE} 10 8; nvme read ${OTHER_PLACE} 10 8; cmp.l ${PLACE} ${OTHER_PLACE} 400`,
    wanted: [/8 blocks written: OK/, /8 blocks read: OK/, /Total of 1024 word\(s\) were the same/],
  },
  {
    command: `setenv ipaddr 10.0.2.15; setenv netmask 255.255.255.0; ping ${PEER}`,
    wanted: [/^Using e1000#0 device/m, new RegExp(PEER_ALIVE)],
  },
  // The legacy driver's address is not looked at: U-Boot's takes the first byte of the configuration for every byte (2023.01).
  {
    command: 'virtio scan; net list',
    wanted: [new RegExp(`: virtio-net#0 ${MODERN_MAC}`), /: virtio-net#1 /],
  },
  ...['virtio-net#0', 'virtio-net#1'].map((name) => ({
    command: `setenv ethact "${name}"; ping ${PEER}`,
    wanted: [new RegExp(`^Using ${name} device`, 'm'), new RegExp(PEER_ALIVE)],
  })),
  {
    command: 'virtio info',
    wanted: VIRTIO_DISKS.map(
      ({ sizeMiB }, disk) =>
        new RegExp(`Device ${disk}: 1af4 VirtIO Block Device\\n.*\\n +Capacity: ${sizeMiB}\\.0 MB`),
    ),
  },
  ...VIRTIO_DISKS.map(({ word }, disk) => ({
    command: `virtio dev ${disk}; mw.l ${PLACE} ${word} 400; mw.l ${OTHER_PLACE} 0 400; virtio write ${PLACE} 20 8; virtio read ${OTHER_PLACE} 20 8; cmp.l ${PLACE} ${OTHER_PLACE} 400; virtio read ${OTHER_PLACE} 28 1; md.l ${OTHER_PLACE} 4`,
    wanted: [
      new RegExp(`device ${disk} block # 32, count 8 \\.\\.\\. 8 blocks written: OK`),
      new RegExp(`device ${disk} block # 32, count 8 \\.\\.\\. 8 blocks read: OK`),
      /Total of 1024 word\(s\) were the same/,
      // The block behind them has never been written.
      new RegExp(`^0*${OTHER_PLACE}: 00000000 00000000 00000000 00000000`, 'm'),
    ],
  })),
  { command: 'qfw list', wanted: [/^etc\/e820/m, /^etc\/acpi\/tables/m, /^etc\/table-loader/m] },
  { command: 'date', wanted: [/Date: 2024-02-29 \(Thursday\) +Time: +12:34:\d\d/] },
  { command: 'printenv ethaddr', wanted: [new RegExp(`ethaddr=${MAC}`)] },
  { command: 'sleep 0.01; echo slept', wanted: [/^slept/m] },
];

/** The images of a folder, or the one that is named; empty when there are none. */
export async function imagesAt(path: string): Promise<string[]> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry) return [];
  if (entry.isFile()) return [path];
  const images: string[] = [];
  for (const name of ['.', ...(await readdir(path)).filter((each) => each.startsWith('qemu-x86')).sort()]) {
    const image = join(path, name, IMAGE);
    if ((await stat(image).catch(() => undefined))?.isFile()) images.push(image);
  }
  return images;
}

/** A machine with this image, and all that is typed: each command at its prompt, a reset, and the end. */
export function scenarioOf(image: string, vmm: string): string {
  const stopAutoboot = { after: 'Hit any key', send: ' ' };
  const atPrompt = (command: string): object => ({ after: PROMPT, send: `${command}\n` });
  return JSON.stringify({
    vmm,
    vms: [
      {
        memoryMiB: MEMORY_MIB,
        clock: '2024-02-29T12:34:00Z',
        guest: { firmware: image },
        devices: [
          { model: 'e1000', mac: MAC, link: 'wire' },
          { model: 'nvme', sizeMiB: DISK_MIB },
          { model: 'virtio-net', mac: MODERN_MAC, link: 'wire' },
          { model: 'virtio-net', legacy: true, mac: LEGACY_MAC, link: 'wire' },
          // They offer packed rings; U-Boot, which knows none, uses split ones.
          ...VIRTIO_DISKS.map(({ legacy, sizeMiB }) => ({
            model: 'virtio-blk',
            legacy,
            sizeMiB,
            packed: true,
          })),
        ],
        serialInput: [
          stopAutoboot,
          ...steps.map(({ command }) => atPrompt(command)),
          atPrompt('reset'),
          stopAutoboot,
          atPrompt('iow.l f4 0'), // isa-debug-exit
        ],
      },
    ],
    links: [{ id: 'wire', peer: { kind: 'host', ip: PEER } }],
    stop: { afterMs: SIMULATED_MS },
    trace: { kinds: ['serial'] },
  });
}

/** Judges a session: its beginning, each command, the reset and the end. */
export function judgeSession(name: string, { exitCode, output, message }: KernelEnd): Verdict[] {
  const text = output.replaceAll('\r', '');
  const [boot = '', ...answers] = text.split(PROMPT);
  const verdict = (what: string, missing: readonly RegExp[], shown: string): Verdict => ({
    name: `${name}: ${what}`,
    result: missing.length === 0 ? 'pass' : 'fail',
    detail: missing.length === 0 ? '' : `no ${missing.join(', no ')} in ${JSON.stringify(shown.slice(-400))}`,
  });
  const lacking = (wanted: readonly RegExp[], shown: string): RegExp[] =>
    wanted.filter((each) => !each.test(shown));
  const begun = [/^U-Boot 20/m, new RegExp(`^DRAM: +${MEMORY_MIB} MiB`, 'm'), /^Hit any key/m];
  const verdicts = [verdict('boots', lacking(begun, boot), boot)];
  steps.forEach(({ command, wanted }, index) => {
    const answer = answers[index] ?? '';
    verdicts.push(verdict(command, lacking([...wanted], answer), answer));
  });
  const again = answers[steps.length] ?? '';
  verdicts.push(verdict('reset', lacking(begun, again), again));
  const ended = exitCode === 0;
  const detail = ended ? '' : (message ?? `exit code ${exitCode ?? 'none'}`);
  return [...verdicts, { name: `${name}: ends`, result: ended ? 'pass' : 'fail', detail }];
}
