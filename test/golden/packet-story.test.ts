/** The story of one packet through an emulated NIC, as the causal chain tells it, without times. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { consequencesOf, operationOf } from '../../src/trace/query/chain';
import { eventRow } from '../../src/trace/query/describe';
import { Kind, exitKind, kinds } from '../../src/trace/vocabulary/events';
import type { TraceStore } from '../../src/trace/query/store';
import { VmxExit } from '../../src/trace/vocabulary/vmx-exit-reasons';
import { expectGolden } from '../support/golden';
import { jobOf, runJob, sample } from '../support/runs';

it('tells the whole way from the store to the end of interrupt', async () => {
  const scenario = {
    vms: [
      {
        guest: { sources: ['../drivers/e1000.c'], defines: { PACKETS: 1 } },
        devices: [{ model: 'e1000', link: 'wire' }],
      },
    ],
    links: [{ id: 'wire', peer: { kind: 'echo' } }],
  };
  const { store } = runJob(await jobOf(sample('packet-story'), JSON.stringify(scenario)));
  let sent = -1;
  for (let row = 0; row < store.rows && sent < 0; row++)
    if (store.get(row).kind === Kind.PacketTx) sent = row;
  expect(sent).toBeGreaterThanOrEqual(0);
  expectGolden(
    join(__dirname, 'packet-story.txt'),
    `${tell(store, operationOf(store, sent), 0).join('\n')}\n`,
  );
});

/** Left out: the legs inside an exit, and what depends on where exactly the compiler's code was interrupted. */
const UNTOLD = new Set([
  Kind.IrqWindow,
  Kind.SchedWake,
  exitKind(VmxExit.EXTERNAL_INTERRUPT),
  exitKind(VmxExit.HLT),
]);

/** An event and its consequences, indented. Addresses of buffers are the compiler's choice, and not printed. */
function tell(store: TraceStore, row: number, depth: number): string[] {
  const { kind } = store.get(row);
  const untold = UNTOLD.has(kind) || kinds.get(kind)?.group === 'leg';
  const below = consequencesOf(store, row).flatMap((each) => tell(store, each, untold ? depth : depth + 1));
  if (untold) return below;
  const { name, track, text, place: where } = eventRow(store, row);
  const place = kind === Kind.IrqInject ? '' : where;
  const printed = text.replace(/address 0x[0-9a-f]+, /, '');
  return [
    `${'  '.repeat(depth)}${track} | ${name}${printed ? ` ${printed}` : ''}${place ? ` @ ${place}` : ''}`,
    ...below,
  ];
}
