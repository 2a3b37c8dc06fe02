/** Runs of traces, made again under control: the last one stays, for who asks about a moment asks about another next. */
import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openRun } from '../debug/controlled';
import type { Debuggee } from '../debug/debuggee';
import type { RunEnvironment } from '../run/api';
import { prepareRun } from '../run/prepare';
import type { ListedScenario, OpenedTrace, Replay } from './context';
import type { Folders } from './folders';
import { problemsText } from './problems-text';
import { VerbError } from './verb';

export class Replays {
  private kept: { readonly key: string; readonly replay: Replay } | undefined;

  constructor(
    private readonly environment: RunEnvironment,
    private readonly folders: Folders,
    private readonly scenarios: () => Promise<readonly ListedScenario[]>,
  ) {}

  /** See `VerbContext.replay`. */
  async of(trace: OpenedTrace): Promise<Replay> {
    const { meta } = trace.store;
    if (meta.scenarioText === '')
      throw new VerbError(
        `${trace.name} is a trace of another tool: it has no run that could be made again.`,
      );
    const file = await this.scenarioOf(trace);
    const prepared = await prepareRun({ ...this.environment, file, text: meta.scenarioText });
    if (!prepared.ok)
      throw new VerbError(
        `The run of ${trace.name} cannot be made again. ${problemsText(prepared.problems)}`,
      );
    const key = keyOf(
      file,
      meta.scenarioText,
      prepared.job.guests.map(({ elf }) => elf),
    );
    if (this.kept?.key === key) return this.kept.replay;
    this.kept = undefined;
    let debuggee: Debuggee;
    try {
      ({ debuggee } = openRun(prepared.job, { listener: SILENT, news: () => undefined }));
    } catch (error) {
      throw new VerbError(error instanceof Error ? error.message : String(error));
    }
    const replay = { debuggee, isSame: isSame(trace, debuggee) };
    this.kept = { key, replay };
    return replay;
  }

  /** Where the scenario is, for the files that it names: where it was run, beside the trace, or the one of its name. */
  private async scenarioOf({ run, file, name, store }: OpenedTrace): Promise<string> {
    const { scenarioName } = store.meta;
    const places = [
      ...(run ? [run.scenario] : []),
      join(dirname(file), scenarioName),
      ...(await this.scenarios())
        .filter((each) => each.file.split('/').at(-1) === scenarioName)
        .flatMap((each) => this.folders.roots.map((root) => join(root, each.file))),
    ];
    for (const place of places) {
      const isThere = await access(place).then(
        () => true,
        () => false,
      );
      if (isThere) return place;
    }
    throw new VerbError(
      `The scenario of ${name}, ${scenarioName}, is neither beside the trace nor in the folder: its run cannot be made again.`,
    );
  }
}

const SILENT = { serial: () => undefined, tick: () => undefined };

function keyOf(file: string, text: string, guests: readonly Uint8Array[]): string {
  const hash = createHash('sha256').update(file).update('\0').update(text);
  for (const guest of guests) hash.update('\0').update(guest);
  return hash.digest('hex');
}

/** A run is a function of its scenario and of its guests. */
function isSame({ store }: OpenedTrace, { trace }: Debuggee): boolean {
  const [then, now] = [store.meta.guests, trace.meta.guests];
  return then.length === now.length && then.every(({ sha256 }, vm) => sha256 === now[vm]?.sha256);
}
