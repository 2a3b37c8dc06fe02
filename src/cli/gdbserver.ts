/** `trapline gdbserver`: a scenario's guest under GDB, or whatever else speaks its remote protocol. */
import { resolve } from 'node:path';
import type { RunJob } from '../protocol/run';
import type { Command } from './arguments';
import { ExitCode, type CliHost } from './host';
import { printProblem, SerialPrinter, shortPath } from './print';
import { messageOf } from './run';

/** Prepares the scenario, and serves until the run is over. */
export async function serveGdbClients(
  { file, port, vm, compiler }: Extract<Command, { name: 'gdbserver' }>,
  host: CliHost,
): Promise<ExitCode> {
  const stop = new AbortController();
  const unhook = host.onInterrupt(() => stop.abort());
  try {
    const environment = { ...host.environment, compiler: compiler || host.environment.compiler };
    const prepared = await host.prepareRun({
      ...environment,
      file: resolve(host.cwd, file),
      signal: stop.signal,
      log: (line) => host.err(`${line}\n`),
    });
    for (const problem of prepared.problems) host.err(`${printProblem(problem, host.cwd)}\n`);
    if (!prepared.ok) return ExitCode.BadInput;
    if (!prepared.job.guests[vm]) {
      host.err(
        `error: the scenario has no VM ${vm}: give --vm a number from 0 to ${prepared.job.guests.length - 1}\n`,
      );
      return ExitCode.BadInput;
    }
    return await serve(prepared.job, port, vm, stop.signal, host);
  } catch (error) {
    if (stop.signal.aborted) return ExitCode.Interrupted;
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  } finally {
    unhook();
  }
}

async function serve(
  job: RunJob,
  port: number,
  vm: number,
  signal: AbortSignal,
  host: CliHost,
): Promise<ExitCode> {
  let names: readonly string[] = [];
  const nameOf = (of: number): string => names[of] ?? `vm${of}`;
  const printer = new SerialPrinter((line) => host.out(line));
  const { exitCode, message } = await host.serveGdb({
    job,
    distDir: host.environment.distDir,
    vm,
    port,
    signal,
    listening: (listensAt, vmNames, note) => {
      names = vmNames;
      const { elfFile } = job.guests[vm];
      if (note !== undefined) host.err(`${note}\n`);
      host.out(`file ${shortPath(elfFile, host.cwd)}\ntarget remote :${listensAt}\n`);
    },
    serial: (from, text) => printer.add(from, nameOf(from), text),
    log: (line) => host.err(`${line}\n`),
  });
  printer.flush(nameOf);
  if (message !== undefined) host.err(`${message}\n`);
  if (signal.aborted) return ExitCode.Interrupted;
  return exitCode === 0 ? ExitCode.Held : ExitCode.Failed;
}
