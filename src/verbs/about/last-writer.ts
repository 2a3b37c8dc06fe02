/** Who wrote a value last: by the trace alone for a device's register, by going back through the run for memory. */
import { z } from 'zod';
import { accessSentence } from '../../debug/breakpoint';
import { cpuName, type Debuggee } from '../../debug/debuggee';
import { DebugError } from '../../debug/frames/errors';
import { registerWrites } from '../../trace/query/history';
import type { OpenedTrace, VerbContext } from '../context';
import {
  aboutTrace,
  eventOf,
  eventOut,
  moreOut,
  requireRow,
  rowField,
  textField,
  traceField,
  traceOut,
} from '../fields';
import { defineVerb, VerbError } from '../verb';
import { cpuOfRow, frameAt, momentOf, momentOut, OTHER_GUEST } from './moment';

/** Longest stretch of memory that is watched. */
const MOST_BYTES = 1 << 20;

/** Guest-physical bytes of a VM. */
interface Range {
  vm: number;
  address: number;
  length: number;
}

export const lastWriter = defineVerb({
  name: 'last_writer',
  title: 'Last writer of a value',
  says: "Who wrote a value last before an event: a vCPU at a line, or a device by DMA. Give a C expression (tx_ring[2].status), a guest-physical address, or a device's register (vm0/e1000/TDT). For a register the trace tells; for memory its run is made again, which compiles the guest's driver and runs it.",
  input: z.strictObject({
    trace: traceField,
    row: rowField.describe('The event before which it was written.'),
    register: textField("A device's register: VM, device and name, such as vm0/e1000/TDT.").optional(),
    expression: textField('A C expression that lies in memory, in the frame of the event.').optional(),
    address: z
      .string()
      .regex(/^0[xX][0-9a-fA-F]{1,13}$/, 'an address is hexadecimal: 0x201000')
      .optional()
      .describe('Guest-physical address, hexadecimal.'),
    length: z.int().min(1).max(MOST_BYTES).default(8).describe('Bytes at the address.'),
    vm: z.int().min(0).max(4_095).default(0).describe('VM of the address, counted from 0.'),
  }),
  output: z.object({
    ...traceOut,
    found: z.boolean(),
    sentence: z.string(),
    event: eventOut.optional().describe('The write, where the trace has it.'),
    us: momentOut.us.optional(),
    before: momentOut.before.optional(),
    instructions: momentOut.instructions.optional(),
    vcpu: z.string().optional(),
    function: z.string().optional(),
    place: z.string().optional(),
    note: z.string().optional(),
    ...moreOut,
  }),
  executes: ({ trace, register }) => (register === undefined ? { what: 'replay', trace } : undefined),
  async perform({ trace: name, row, register, expression, address, length, vm }, context) {
    const trace = await context.open(name);
    requireRow(trace, row);
    const given = [register, expression, address].filter((each) => each !== undefined);
    if (given.length !== 1) throw new VerbError('Name one thing: "register", "expression" or "address".');
    if (register !== undefined) return writerOfRegister(context, trace, row, register);
    const { debuggee, isSame } = await context.replay(trace);
    debuggee.control.seek({ kind: 'row', row, atInstruction: true });
    const range =
      expression === undefined
        ? { vm, address: Number(address), length }
        : rangeOf(debuggee, cpuOfRow(debuggee, trace, row), expression);
    return writerOfMemory(context, trace, debuggee, range, isSame);
  },
});

/** The last write of a register before an event, which the trace has. */
function writerOfRegister(context: VerbContext, trace: OpenedTrace, row: number, register: string) {
  const { store } = trace;
  const writes = registerWrites(store, register.split('/'));
  if (writes.length === 0) {
    const named = store.meta.tracks
      .filter(({ registers }) => registers !== undefined)
      .map((track) => `${track.group}/${track.name}`);
    const known =
      named.length > 0 ? ` The trace has the registers of ${[...new Set(named)].join(', ')}.` : '';
    throw new VerbError(`No write of ${register} is in the trace.${known}`);
  }
  const last = writes.findLast((write) => write.row < row);
  if (!last) {
    const sentence = `Nothing has written ${register} before event ${row}; it is written ${writes.length} times later.`;
    return aboutTrace(context, trace, { found: false, sentence });
  }
  const event = eventOf(store, last.row);
  const sentence = `${register} was last written with 0x${last.value.toString(16)} in event ${last.row}.`;
  return aboutTrace(context, trace, { found: true, sentence, event });
}

/** Goes back to the last write of some bytes. */
function writerOfMemory(
  context: VerbContext,
  trace: OpenedTrace,
  debuggee: Debuggee,
  range: Range,
  isSame: boolean,
) {
  const { control, language } = debuggee;
  const note = isSame ? {} : { note: OTHER_GUEST };
  try {
    control.setPoints([{ id: 1, kind: 'data', ...range, access: 'write' }]);
    const stop = control.backward(undefined, { withPresent: true });
    const [hit] = stop.hits;
    if (!hit?.access) {
      const sentence = 'Nothing has written it before: it is as the guest was loaded.';
      return aboutTrace(context, trace, { found: false, sentence, ...note });
    }
    const [frame] = hit.access.isDevice ? [] : language.frames(control, hit.cpu, 1);
    return aboutTrace(context, trace, {
      found: true,
      sentence: `${accessSentence(hit.access, range)}.`,
      ...momentOf(trace, stop.moment),
      ...(!hit.access.isDevice && { vcpu: cpuName(debuggee, hit.cpu) }),
      ...frameAt(frame),
      ...note,
    });
  } catch (error) {
    if (error instanceof RangeError) throw new VerbError(error.message);
    throw error;
  } finally {
    control.setPoints([]);
  }
}

/** The guest-physical bytes that an expression names. @throws VerbError when it names none */
function rangeOf({ control, language }: Debuggee, cpu: number, expression: string): Range {
  const [frame] = language.frames(control, cpu, 1);
  if (!frame) throw new VerbError('The vCPU stands in no function: give an "address".');
  let memory;
  try {
    ({ memory } = language.evaluate(frame, expression));
  } catch (error) {
    if (error instanceof DebugError) throw new VerbError(error.message);
    throw error;
  }
  if (!memory || memory.length === 0)
    throw new VerbError(
      `${expression} does not lie in memory here: a register or a constant has no address.`,
    );
  const address = control.translate(cpu, memory.address);
  if (address === undefined) throw new VerbError(`Nothing is mapped at 0x${memory.address.toString(16)}.`);
  return { vm: control.cpus[cpu]?.vm ?? 0, address, length: Math.min(memory.length, MOST_BYTES) };
}
