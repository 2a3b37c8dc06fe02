/** `trapline export`: a trace's events in the formats of other tools, and its packets, for which its run is made again. */
import { dirname, join, resolve } from 'node:path';
import { exportPackets } from '../run/packet-export';
import { exportFormats } from '../trace/exchange/export/formats';
import type { TraceStore } from '../trace/query/store';
import type { Command } from './arguments';
import { ExitCode, type CliHost } from './host';
import { shortPath } from './print';
import { messageOf, warnOfGaps } from './run';

type ExportCommand = Extract<Command, { name: 'export' }>;

/** Writes a trace in another format. */
export async function exportTrace(command: ExportCommand, host: CliHost): Promise<ExitCode> {
  const target = resolve(host.cwd, command.out);
  let store;
  try {
    await host.checkWritable(target, command.to === 'pcap' ? 'capture' : command.to);
    store = await host.readTrace(resolve(host.cwd, command.file));
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  warnOfGaps(store.meta, command.file, host);
  if (command.to === 'pcap') return writePackets(command, store, target, host);
  const output = host.createFile(target, command.to);
  try {
    for (const part of exportFormats[command.to].parts(store)) await output.write(part);
    await output.finish();
  } catch (error) {
    await output.abandon();
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  host.err(`wrote ${shortPath(target, host.cwd)}: ${exportFormats[command.to].title}\n`);
  return ExitCode.Held;
}

/** The scenario is the one that was named, or the one of the trace's name beside the trace. */
async function writePackets(
  command: ExportCommand,
  store: TraceStore,
  target: string,
  host: CliHost,
): Promise<ExitCode> {
  const { meta } = store;
  const trace = resolve(host.cwd, command.file);
  if (meta.scenarioText === '') {
    host.err(
      `error: ${command.file} is a trace of another tool: it has no packets, and no scenario to run.\n`,
    );
    return ExitCode.BadInput;
  }
  const scenario =
    command.scenario === undefined
      ? join(dirname(trace), meta.scenarioName)
      : resolve(host.cwd, command.scenario);
  const stop = new AbortController();
  const unhook = host.onInterrupt(() => stop.abort());
  try {
    const environment = { ...host.environment, compiler: command.compiler || host.environment.compiler };
    const application = `Trapline ${host.version}`;
    const tools = { prepare: host.prepareRun, start: host.startRun, environment, application };
    const result = await exportPackets(tools, meta, scenario, target, stop.signal);
    if (!result.ok) {
      const where = shortPath(scenario, host.cwd);
      host.err(
        `error: ${where} could not be run again for its packets: ${result.reason}. Give --scenario the place of the scenario.\n`,
      );
      return ExitCode.BadInput;
    }
    if (!result.same)
      host.err(
        'warning: the packets are those of a new run, which is not the one of this trace: a driver has changed since.\n',
      );
    host.err(`wrote ${shortPath(target, host.cwd)}: the packets of a run of ${meta.scenarioName}\n`);
    return ExitCode.Held;
  } catch (error) {
    if (stop.signal.aborted) {
      host.err('stopped by the user\n');
      return ExitCode.Interrupted;
    }
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.Internal;
  } finally {
    unhook();
  }
}
