/** Breakpoints on data: variables and stretches of memory, whoever accesses them, a CPU or a device. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { StopPointPlace } from '../run/control/control';
import { Breakpoint, counterKey } from './breakpoint';
import type { Breakpoints } from './breakpoints';
import type { Handlers, SessionContext } from './context';
import { addressOf, listOf, RequestError, textOf, wholeNumber } from './errors';
import { DebugError } from './frames/errors';
import type { Frame } from './language';
import { parseMemoryReference } from './memory';
import type { PointOwner } from './points';
import type { Stack } from './stack';
import type { Variables } from './variables';

/** Longest stretch that one breakpoint is on. */
const MOST_BYTES = 1 << 20;

/** A stretch of guest-physical memory with the name that a person gave it. */
export interface WatchedRange {
  readonly vm: number;
  readonly address: number;
  readonly length: number;
}

const ACCESSES: Record<DebugProtocol.DataBreakpointAccessType, 'read' | 'write' | 'access'> = {
  read: 'read',
  write: 'write',
  readWrite: 'access',
};
const ACCESS_TYPES = Object.keys(ACCESSES) as DebugProtocol.DataBreakpointAccessType[];

export class DataBreakpoints {
  constructor(
    private readonly context: SessionContext,
    private readonly breakpoints: Breakpoints,
    private readonly stack: Stack,
    private readonly variables: Variables,
    private readonly cpu: () => number,
  ) {}

  readonly handlers: Handlers = {
    dataBreakpointInfo: (args: DebugProtocol.DataBreakpointInfoArguments) => ({ body: this.info(args) }),
    setDataBreakpoints: (args: DebugProtocol.SetDataBreakpointsArguments) => ({ body: this.replace(args) }),
  };

  /** The guest-physical stretch that an expression names. @throws RequestError when it names none */
  rangeOf(frame: Frame, expression: string): WatchedRange {
    const { memory } = this.context.debuggee.language.evaluate(frame, expression);
    if (!memory || memory.length === 0) {
      throw new RequestError(
        `${expression} does not lie in memory here: a register or a constant has no address.`,
      );
    }
    return this.physical(frame.cpu, memory.address, memory.length);
  }

  private physical(cpu: number, address: bigint, length: number): WatchedRange {
    const { control } = this.context.debuggee;
    const found = control.translate(cpu, address);
    const vm = control.cpus[cpu]?.vm ?? 0;
    if (found === undefined) throw new RequestError(`Nothing is mapped at 0x${address.toString(16)}.`);
    return { vm, address: found, length: Math.min(length, MOST_BYTES) };
  }

  private info(args: DebugProtocol.DataBreakpointInfoArguments) {
    try {
      const range = this.asked(args);
      return {
        dataId: `${range.vm}:0x${range.address.toString(16)}:${range.length}`,
        description: `${args.name} (${range.length} byte${range.length === 1 ? '' : 's'} at 0x${range.address.toString(16)})`,
        accessTypes: ACCESS_TYPES,
        // Of a local variable the memory means something else once its function has returned.
        canPersist: args.asAddress === true,
      };
    } catch (error) {
      if (!(error instanceof RequestError || error instanceof DebugError)) throw error;
      return { dataId: null, description: error.message };
    }
  }

  private asked({
    name,
    variablesReference,
    frameId,
    asAddress,
    bytes,
  }: DebugProtocol.DataBreakpointInfoArguments) {
    const text = textOf(name, 'A name');
    if (asAddress === true) {
      const { space, address } = parseMemoryReference(text, this.cpu());
      const length = wholeNumber(bytes ?? 1, 'The number of bytes', 1, MOST_BYTES);
      if (space.kind === 'physical') return { vm: space.vm, address: Number(address), length };
      if (space.kind === 'virtual') return this.physical(space.cpu, address, length);
      throw new RequestError('Only guest memory can be watched.');
    }
    const expression = variablesReference ? this.variables.expressionIn(variablesReference, text) : text;
    return this.rangeOf(this.stack.frameOf(frameId, this.cpu()), expression);
  }

  private replace(args: DebugProtocol.SetDataBreakpointsArguments) {
    const placed: { place: StopPointPlace; owner: PointOwner }[] = [];
    const counterOf = this.breakpoints.counters.renew('data');
    const answers = listOf(args.breakpoints, 'breakpoints').map((each): DebugProtocol.Breakpoint => {
      const id = this.breakpoints.takeId();
      try {
        const range = parseDataId(each.dataId);
        const access = each.accessType === undefined ? 'change' : (ACCESSES[each.accessType] ?? 'change');
        const hits = counterOf(counterKey(`${each.dataId} ${access}`, each));
        const owner = new Breakpoint(this.context, id, 'data breakpoint', each, hits, undefined, range);
        placed.push({ place: { kind: 'data', ...range, access }, owner });
        return { id, verified: true };
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        return { id, verified: false, message: error.message };
      }
    });
    this.context.points.replace('data', placed);
    return { breakpoints: answers };
  }
}

function parseDataId(dataId: unknown): WatchedRange {
  const [vm, address, length, ...rest] = textOf(dataId, 'A data id').split(':');
  if (length === undefined || rest.length > 0)
    throw new RequestError('This data id is none of this session.');
  return {
    vm: wholeNumber(Number(vm), 'A VM', 0, 4096),
    address: wholeNumber(Number(addressOf(address)), 'An address'),
    length: wholeNumber(Number(length), 'A length', 1, MOST_BYTES),
  };
}
