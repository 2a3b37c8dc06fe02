/** The machine at a moment of a run, which is made again up to there: registers, variables, the stack, the inside of devices. */
import { z } from 'zod';
import { cpuName, type Debuggee } from '../../debug/debuggee';
import { DebugError } from '../../debug/frames/errors';
import type { Frame, NamedValue } from '../../debug/language';
import { registerGroups, registerText } from '../../debug/registers';
import type { Goal } from '../../run/control/control';
import { baseName } from '../../trace/vocabulary/format';
import { reasonOf } from '../../run/reason';
import type { DraftList } from '../answer';
import type { OpenedTrace, Replay } from '../context';
import { aboutTrace, moreOut, requireRow, rowField, textField, traceField, traceOut } from '../fields';
import { defineVerb, VerbError } from '../verb';
import { cpuOfRow, frameAt, momentOf, momentOut, OTHER_GUEST } from './moment';
import { insideOf } from './inside';

const MOST_EXPRESSIONS = 8;
const MOST_FRAMES = 64;
/** Variables, registers and fields of a device that are looked at. */
const MOST_VALUES = 200;

const SHOWN = ['registers', 'variables', 'globals', 'stack'] as const;
type Shown = (typeof SHOWN)[number];

const valueOut = z.object({ name: z.string(), value: z.string(), type: z.string().optional() });

export const machineState = defineVerb({
  name: 'machine_state',
  title: 'State of the machine at a moment',
  says: "The machine at an event or a time: where a vCPU stands (function and line), its registers, the variables and the stack of the driver, C expressions, and the registers and rings of a device. The trace does not hold these: its run is made again up to there, which compiles the guest's driver and runs it.",
  input: z.strictObject({
    trace: traceField,
    row: rowField.optional(),
    us: z.number().min(0).max(1e15).optional().describe('A time in µs since the start, instead of an event.'),
    vcpu: z
      .int()
      .min(0)
      .max(4_095)
      .optional()
      .describe('vCPU, counted over all VMs. Default: that of the event.'),
    frame: z.int().min(0).max(MOST_FRAMES).default(0).describe('Frame of the stack, 0 the innermost.'),
    show: z
      .array(z.enum(SHOWN))
      .max(SHOWN.length)
      .default(['variables'])
      .describe('What is told of the vCPU.'),
    expressions: z
      .array(textField('A C expression, as in a debugger: tx_ring[2].status'))
      .max(MOST_EXPRESSIONS)
      .default([])
      .describe('Expressions that are evaluated in the frame.'),
    device: textField(
      'Path into the machine: "vm0" lists what a VM has, "vm0/e1000" the registers and rings of a device, "vm0/e1000/Registers/Transmit" some of them.',
    ).optional(),
  }),
  output: z.object({
    ...traceOut,
    ...momentOut,
    vcpu: z.string(),
    activity: z.string().describe('running, halted, or waiting to be started.'),
    function: z.string().optional(),
    place: z.string().optional(),
    rip: z.string(),
    note: z.string().optional(),
    values: z.array(valueOut).optional(),
    registers: z.array(z.string()).optional(),
    variables: z.array(valueOut).optional(),
    globals: z.array(valueOut).optional(),
    stack: z.array(z.string()).optional(),
    device: z.array(valueOut).optional(),
    ...moreOut,
  }),
  executes: ({ trace }) => ({ what: 'replay', trace }),
  async perform({ trace: name, row, us, vcpu, frame: depth, show, expressions, device }, context) {
    const trace = await context.open(name);
    const goal = goalOf(trace, row, us);
    const { debuggee, isSame } = await context.replay(trace);
    const { control } = debuggee;
    control.seek(goal);
    const cpu = vcpu ?? (row === undefined ? 0 : cpuOfRow(debuggee, trace, row));
    if (cpu >= control.cpus.length)
      throw new VerbError(`There is no vCPU ${cpu}: the run has ${control.cpus.length}, counted from 0.`);
    const frames = debuggee.language.frames(control, cpu, MOST_FRAMES);
    const frame = frames[depth];
    if (!frame && depth > 0)
      throw new VerbError(`There is no frame ${depth}: the stack has ${frames.length}.`);
    const { rip, activity } = control.registers(cpu);
    const lists: Record<string, DraftList> = {};
    if (expressions.length > 0)
      lists['values'] = listOf(
        expressions.map((each) => evaluated(debuggee, frame, each)),
        'fewer expressions',
      );
    for (const each of new Set(show)) lists[each] = SHOW[each]({ debuggee }, cpu, frames, frame);
    if (device !== undefined) {
      const path = device.split('/').filter((part) => part !== '');
      lists['device'] = listOf(insideOf(control, path, MOST_VALUES), 'a path further in');
    }
    return aboutTrace(
      context,
      trace,
      {
        ...momentOf(trace, control.moment),
        vcpu: cpuName(debuggee, cpu),
        activity,
        ...frameAt(frame),
        rip: `0x${rip.toString(16)}`,
        ...(!isSame && { note: OTHER_GUEST }),
      },
      lists,
    );
  },
});

function goalOf(trace: OpenedTrace, row: number | undefined, us: number | undefined): Goal {
  if (row !== undefined) {
    requireRow(trace, row);
    return { kind: 'row', row, atInstruction: true };
  }
  if (us === undefined) throw new VerbError('Say at which moment: give "row" or "us".');
  return { kind: 'cycles', cycles: Math.round((us / 1e6) * trace.store.frequencyHz) };
}

function listOf(items: readonly unknown[], fewer: string): DraftList {
  return { items, rest: () => fewer };
}

function valueOf({ name, value }: NamedValue): z.input<typeof valueOut> {
  const { text, type } = value;
  return { name, value: text, ...(type !== undefined && { type }) };
}

function evaluated(
  { language }: Debuggee,
  frame: Frame | undefined,
  expression: string,
): z.input<typeof valueOut> {
  if (!frame) return { name: expression, value: '<the vCPU stands in no function>' };
  try {
    return valueOf({ name: expression, value: language.evaluate(frame, expression) });
  } catch (error) {
    if (error instanceof DebugError) return { name: expression, value: `<${error.message}>` };
    throw error;
  }
}

type ShowList = (
  replay: Pick<Replay, 'debuggee'>,
  cpu: number,
  frames: readonly Frame[],
  frame: Frame | undefined,
) => DraftList;

const SHOW: Record<Shown, ShowList> = {
  registers: ({ debuggee }, cpu) =>
    listOf(
      registerGroups(debuggee.control.registers(cpu)).flatMap(({ rows }) =>
        rows.map((each) => `${each.name} ${registerText(each)}`),
      ),
      '"expressions", such as $rax',
    ),
  variables: ({ debuggee }, _cpu, _frames, frame) =>
    listOf(
      namedValues(() => (frame ? debuggee.language.locals(frame) : [])),
      '"expressions"',
    ),
  globals: ({ debuggee }, _cpu, _frames, frame) =>
    listOf(
      namedValues(() => (frame ? debuggee.language.globals(frame) : [])),
      '"expressions"',
    ),
  stack: (_replay, _cpu, frames) =>
    listOf(
      frames.map(({ name, place, kind, pc }, index) => {
        const where = place ? `${baseName(place.file)}:${place.line}` : `0x${pc.toString(16)}`;
        return `${index} ${name} at ${where}${kind === 'function' ? '' : ` (${kind})`}`;
      }),
      'nothing: the stack is deeper',
    ),
};

/** What cannot be told at this place says why. */
function namedValues(ask: () => readonly NamedValue[]): z.input<typeof valueOut>[] {
  try {
    return ask().slice(0, MOST_VALUES).map(valueOf);
  } catch (error) {
    if (error instanceof DebugError) return [{ name: '', value: `<${reasonOf(error)}>` }];
    throw error;
  }
}
