/** The admin command set (5), beside what makes and deletes queues. */
import type { AsyncEvents } from './async-events';
import { At, type Entry } from './command';
import { Admin, Cns, EVERY_NAMESPACE, Feature, Log, NAMESPACE } from './constants';
import type { NvmeCore } from './core';
import type { ErrorLog } from './error-log';
import type { CommandKind, Outcome } from './executor';
import type { Features } from './features';
import { activeNamespaces, identifyController, identifyNamespace, namespaceDescriptors } from './identify';
import { firmwareLog, healthLog } from './log-pages';
import type { QueueCommands } from './queue-commands';
import type { Queues } from './queues';
import { refuse, Status, type Refusal } from './status';

/** What these commands work on. */
export interface AdminParts {
  core: NvmeCore;
  queues: Queues;
  features: Features;
  events: AsyncEvents;
  errors: ErrorLog;
  queueCommands: QueueCommands;
}

const IDENTIFY_BYTES = 4096;
/** Identifiers from here on are no namespaces. */
const NO_NAMESPACES = 0xfffffffe;
/** Set Features: the value is to outlast a reset. */
const SAVE = 0x80000000;
/** Get Log Page: events of the page's type stay told. */
const RETAIN = 1 << 15;

/** Features that have a temperature told of. */
const ABOUT_TEMPERATURE: readonly number[] = [Feature.TemperatureThreshold, Feature.AsyncEvents];

/** Admin commands by opcode. */
export function adminCommands(parts: AdminParts): ReadonlyMap<number, CommandKind> {
  const { queueCommands } = parts;
  return new Map<number, CommandKind>([
    [Admin.DeleteSq, queueCommands.deleteSq],
    [Admin.CreateSq, queueCommands.createSq],
    [Admin.DeleteCq, queueCommands.deleteCq],
    [Admin.CreateCq, queueCommands.createCq],
    [Admin.Abort, queueCommands.abort],
    [Admin.Identify, identify(parts)],
    [Admin.GetLogPage, getLogPage(parts)],
    [Admin.GetFeatures, getFeatures(parts)],
    [Admin.SetFeatures, setFeatures(parts)],
    [Admin.AsyncEvent, asyncEvent(parts)],
  ]);
}

function identify({ core }: AdminParts): CommandKind {
  const { options } = core;
  const noNamespace = refuse(Status.InvalidNamespace, At.namespace);
  const only = (entry: Entry): Refusal | undefined =>
    entry.namespace === NAMESPACE ? undefined : noNamespace;
  const structures = new Map<
    number,
    { refuses?: (entry: Entry) => Refusal | undefined; make: (entry: Entry) => Uint8Array }
  >([
    [Cns.Controller, { make: () => identifyController(options) }],
    [Cns.Namespace, { refuses: only, make: () => identifyNamespace(options) }],
    [Cns.NamespaceDescriptors, { refuses: only, make: () => namespaceDescriptors(options) }],
    [
      Cns.ActiveNamespaces,
      {
        refuses: ({ namespace }) => (namespace >= NO_NAMESPACES ? noNamespace : undefined),
        make: ({ namespace }) => activeNamespaces(namespace),
      },
    ],
  ]);
  const asked = (entry: Entry): ReturnType<typeof structures.get> =>
    structures.get(entry.word(At.cdw10) & 0xff);
  return {
    direction: 'out',
    check: (entry) => {
      const structure = asked(entry);
      if (!structure) return refuse(Status.InvalidField, At.cdw10);
      return structure.refuses?.(entry) ?? IDENTIFY_BYTES;
    },
    nanoseconds: () => core.timing.controllerNanoseconds,
    perform: (entry) => ({ status: Status.Success, data: asked(entry)?.make(entry) }),
  };
}

function getLogPage({ core, features, events, errors }: AdminParts): CommandKind {
  const pages = new Map<number, () => Uint8Array>([
    [Log.Error, () => errors.page()],
    [Log.Health, () => healthLog(core, features)],
    [Log.Firmware, firmwareLog],
  ]);
  const pageOf = (entry: Entry): number => entry.word(At.cdw10) & 0xff;
  const lengthOf = (entry: Entry): number =>
    ((entry.word(At.cdw10) >>> 16) + (entry.word(At.cdw11) & 0xffff) * 0x10000 + 1) * 4;
  return {
    direction: 'out',
    check: (entry) => {
      const page = pages.get(pageOf(entry));
      if (!page) return refuse(Status.InvalidLogPage, At.cdw10);
      // The logs are those of the controller: there is none of a namespace (LPA bit 0).
      if (entry.namespace !== 0 && entry.namespace !== EVERY_NAMESPACE)
        return refuse(Status.InvalidField, At.namespace);
      const offset = entry.long(At.cdw12);
      return offset % 4 !== 0 || offset > page().length
        ? refuse(Status.InvalidField, At.cdw12)
        : lengthOf(entry);
    },
    nanoseconds: () => core.timing.controllerNanoseconds,
    perform: (entry) => {
      const page = pages.get(pageOf(entry))?.() ?? new Uint8Array(0);
      const offset = entry.long(At.cdw12);
      const data = new Uint8Array(lengthOf(entry));
      data.set(page.subarray(offset, offset + data.length));
      if ((entry.word(At.cdw10) & RETAIN) === 0) events.logRead(pageOf(entry));
      return { status: Status.Success, data };
    },
  };
}

function getFeatures({ core, features }: AdminParts): CommandKind {
  return {
    direction: 'none',
    check: () => 0,
    nanoseconds: () => core.timing.controllerNanoseconds,
    perform: (entry) => {
      const value = features.read(entry.word(At.cdw10) & 0xff, entry.word(At.cdw11));
      return value === undefined
        ? { status: Status.InvalidField, at: At.cdw10 }
        : { status: Status.Success, result: value };
    },
  };
}

function setFeatures({ core, features, events, queues }: AdminParts): CommandKind {
  /** The number of queues is settled before there are any (5.21.1.7). */
  const tooLate = (feature: number): boolean => feature === Feature.QueueCount && queues.completion.size > 1;
  const set = (entry: Entry): Outcome => {
    const word = entry.word(At.cdw10);
    const feature = word & 0xff;
    if ((word & SAVE) !== 0) return { status: Status.NotSaveable, at: At.cdw10 };
    if (tooLate(feature)) return { status: Status.CommandSequence };
    const refused = features.write(feature, entry.word(At.cdw11));
    if (refused !== undefined) return { status: refused, at: At.cdw11 };
    if (ABOUT_TEMPERATURE.includes(feature)) events.checkTemperature();
    return {
      status: Status.Success,
      result: feature === Feature.QueueCount ? features.get(feature) : 0,
    };
  };
  return {
    direction: 'none',
    check: () => 0,
    nanoseconds: () => core.timing.controllerNanoseconds,
    perform: set,
  };
}

function asyncEvent({ core, events }: AdminParts): CommandKind {
  return {
    direction: 'none',
    check: () => 0,
    nanoseconds: () => core.timing.controllerNanoseconds,
    perform: (entry) => {
      if (events.full) return { status: Status.EventRequestLimit };
      events.request(entry.id);
      return undefined;
    },
  };
}
