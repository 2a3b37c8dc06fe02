/**
 * `npm run conformance -- --qtest [--device NAME,…] [--operations N] [--seed N] [--first N]`: the same random register scripts
 * for QEMU's devices and for Trapline's.
 */
import { parseArgs } from 'node:util';
import { UsageError } from '../usage';
import { compare, type Comparison } from './compare';
import type { QtestDevice } from './device';
import { qtestDevices } from './devices';
import { whyNoQemu } from './qemu';
import { outcomeText, textOf } from './script';

export const QTEST_USAGE =
  'usage: npm run conformance -- --qtest [--device NAME,NAME] [--operations N] [--seed N] [--first N]\n' +
  '  --device      compares these devices only\n' +
  '  --operations  of each device (1000000)\n' +
  '  --seed        what the scripts are made from (1)\n' +
  '  --first       begins with this script of the seed, to see one again (0)\n';
const PROGRESS_MS = 5000;

function whole(text: string, name: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(`--${name} ${text}: give a whole number from ${least}.`);
}

function chosen(names: string | undefined): readonly QtestDevice[] {
  if (names === undefined) return qtestDevices;
  return names.split(',').map((name) => {
    const device = qtestDevices.find((each) => each.name === name);
    if (device) return device;
    const all = qtestDevices.map((each) => each.name).join(', ');
    throw new UsageError(`--device ${name}: there are ${all}.`);
  });
}

/** What a comparison has come to, as text. */
export function reportOf(device: QtestDevice, { operations, known, disagreement }: Comparison): string {
  const lines = [
    `${disagreement ? 'FAIL' : 'PASS'}  ${device.name.padEnd(12)} ${operations} operations without an unknown difference`,
    ...Object.entries(known).map(([name, times]) => {
      const { qemu, trapline, section } = device.differences[name];
      return `        ${name}, ${times} times: QEMU ${qemu}; Trapline ${trapline} [${section}]`;
    }),
  ];
  lines.push(
    ...(device.avoided ?? []).map(
      ({ qemu, trapline, section }) => `        avoided: QEMU ${qemu}; Trapline ${trapline} [${section}]`,
    ),
  );
  if (disagreement) {
    const { script, step, index } = disagreement;
    lines.push(`      script ${index} of the seed, without what it does not need:`);
    lines.push(...script.map((operation) => `        ${textOf(operation)}`));
    lines.push(`      QEMU      ${outcomeText(step.qemu)}`, `      Trapline  ${outcomeText(step.trapline)}`);
  }
  return lines.join('\n');
}

/** Runs the comparison that the arguments ask for. Returns the exit code. */
export async function qtest(): Promise<number> {
  const { values } = parseArgs({
    options: {
      qtest: { type: 'boolean' },
      device: { type: 'string' },
      operations: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      first: { type: 'string', default: '0' },
    },
  });
  const operations = whole(values.operations, 'operations', 1);
  const seed = whole(values.seed, 'seed', 0);
  const first = whole(values.first, 'first', 0);
  const devices = chosen(values.device);
  const why = whyNoQemu();
  if (why !== undefined) {
    process.stdout.write(`SKIP  ${why}\n`);
    return 0;
  }
  let failed = false;
  for (const device of devices) {
    const begun = Date.now();
    let told = begun;
    const comparison = await compare(device, { seed, operations, first }, (done) => {
      if (Date.now() - told < PROGRESS_MS) return;
      told = Date.now();
      process.stderr.write(`${device.name}: ${done} operations\n`);
    });
    const seconds = (Date.now() - begun) / 1000;
    const speed = Math.round(comparison.operations / seconds);
    process.stdout.write(`${reportOf(device, comparison)}\n        ${speed} operations a second\n`);
    failed ||= comparison.disagreement !== undefined;
  }
  return failed ? 1 : 0;
}
