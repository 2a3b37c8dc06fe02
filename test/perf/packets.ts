/** Packets through each NIC: the traffic of row C7, a hundred thousand packets instead of ten, recorded as in the product. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunEnvironment } from '../../src/run/api';
import { prepareRun } from '../../src/run/prepare';
import { startRun } from '../../src/run/start';
import type { Figures } from './side-by-side';

const PACKETS = 100_000;
const NICS = ['e1000', 'virtio', 'vhost'] as const;

/** Simulated packets, there and back counted once, by wall seconds of one run in a worker thread. */
async function packetsPerSecond(root: string, environment: RunEnvironment, nic: string): Promise<number> {
  const file = join(root, `media/workspace/scenarios/c7-${nic}.trapline.json`);
  const text = (await readFile(file, 'utf8'))
    .replace(/"PACKETS": \d+/, `"PACKETS": ${PACKETS}`)
    .replace(/"afterMs": \d+/, '"afterMs": 60000')
    .replace(/"packets\.[tr]x": \d+,/g, '');
  const prepared = await prepareRun({ ...environment, file, text });
  if (!prepared.ok) throw new Error(prepared.problems.map(({ message }) => message).join('\n'));
  const silent = { started: () => undefined, delta: () => undefined, serial: () => undefined };
  const { summary } = await startRun(prepared.job, environment, silent).ended;
  if (summary.packets.rx !== PACKETS)
    throw new Error(`${nic}: ${summary.packets.rx} of ${PACKETS} packets came back`);
  return PACKETS / (summary.wallSeconds ?? NaN);
}

/** The figure of each NIC, the median of some turns. */
export async function measurePackets(
  root: string,
  environment: RunEnvironment,
  turns: number,
  say: (line: string) => void,
): Promise<Figures> {
  const rates = new Map<string, number[]>(NICS.map((nic) => [nic, []]));
  for (let turn = 1; turn <= turns; turn++) {
    say(`packets, turn ${turn} of ${turns}`);
    for (const nic of NICS) rates.get(nic)?.push(await packetsPerSecond(root, environment, nic));
  }
  return Object.fromEntries(
    [...rates].map(([nic, all]) => [
      `packets.${nic}.perSecond`,
      all.sort((x, y) => x - y)[turns >> 1] ?? NaN,
    ]),
  );
}
